"""What a training decision would have seen of the past: session and similar trades, closed before it only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llm_plugin.bootstrap.rows import DecisionRow
from llm_plugin.domain import OutcomeKind
from llm_plugin.prompts import PromptRenderer
from llm_plugin.session import SessionTracker

__all__ = ["MemoryLookup", "RowContext", "attach_context", "render_variants"]

MemoryLookup = Callable[[DecisionRow], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class RowContext:
    """Session and memory as of one decision."""

    statistics: Any
    session_text: str
    hits: tuple[Any, ...]


def attach_context(
    rows: Sequence[DecisionRow], tracker: SessionTracker, lookup: MemoryLookup | None = None
) -> list[RowContext]:
    """Give each row the session and the memory that it would have had.

    The past is that of every signal taken: at training time no validator has vetoed anything yet.

    Args:
        rows: Any order; signals feed the session, bars without a signal only read it.
        tracker: An empty tracker with the configured windows.
        lookup: Finds similar trades that closed before a row's time; None = no memory.
    """
    for row in rows:
        if row.is_signal and row.outcome is not None:
            tracker.record(replace(row.outcome, kind=OutcomeKind.REALISED, taken=True), row.request)
    for row in rows:
        if row.is_signal:
            tracker.observe(row.request)
    contexts = []
    for row in rows:
        statistics = tracker.statistics(row.time_utc)
        text = tracker.section(row.time_utc, row.request)
        contexts.append(RowContext(statistics, text, tuple(lookup(row)) if lookup is not None else ()))
    return contexts


def render_variants(renderer: PromptRenderer, row: DecisionRow, context: RowContext) -> list[Any]:
    """Render a question with session and memory, with either, and with neither; the first is the full one.

    Every arm of an ablation is then a kind of prompt that the model was trained on. Equal renderings come once.
    """
    prompts = []
    for with_session in (True, False):
        for with_memory in (True, False):
            prompts.append(
                renderer.render(
                    row.request,
                    context.statistics if with_session else None,
                    context.hits if with_memory else (),
                    context.session_text if with_session else "none",
                )
            )
    return list({prompt.hash: prompt for prompt in prompts}.values())
