"""Who is asking: the run, and one id per question that is unique for ever."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from llm_plugin.domain import DECISION_NAMESPACE, QuestionKind, decision_id

__all__ = ["RECORDED_DATA", "RUN_ID_KEY", "Identity", "resolve_run_id"]

RUN_ID_KEY = "llm-plugin/run-id"
"""Object-store key under which a live deployment keeps its run id."""
RECORDED_DATA = "llm-recorded-data"
"""Parameter of a live run that plays recorded data: a model could have seen them."""


class Identity:
    """Numbers the questions of one run; a question asked again about the same bar gets the next sequence."""

    __slots__ = ("_last", "run_id")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._last: dict[tuple[str, QuestionKind], tuple[datetime, int]] = {}

    def next(self, symbol_id: str, bar_utc: datetime, kind: QuestionKind) -> tuple[str, int]:
        """Return the id and the sequence of the next question about the bar that ended at `bar_utc`."""
        seen, count = self._last.get((symbol_id, kind), (None, 0))
        sequence = count if seen == bar_utc else 0
        self._last[(symbol_id, kind)] = (bar_utc, sequence + 1)
        return decision_id(self.run_id, symbol_id, bar_utc, kind, sequence), sequence

    def state(self) -> list[list[Any]]:
        """Return what was asked last about each symbol, as plain JSON types."""
        return [[symbol, kind.value, bar.isoformat(), count] for (symbol, kind), (bar, count) in self._last.items()]

    def restore(self, rows: list[list[Any]], before_utc: datetime | None) -> None:
        """Take over what `state()` returned, of bars before a time where one is given: its bar comes once more."""
        for symbol, kind, text, count in rows:
            bar = datetime.fromisoformat(text)
            if before_utc is None or bar < before_utc:
                self._last[(symbol, QuestionKind(kind))] = (bar, int(count))


def resolve_run_id(algorithm: Any, config_hash: str) -> str:
    """Return the run's id: parameter `llm-run-id`, else a live deployment's stored one, else one made from the run.

    A backtest's id follows from algorithm, period and configuration, so that a repeated backtest asks under the same
    ids. A live deployment draws one once and keeps it in the object store: it survives restarts.
    """
    named = algorithm.get_parameter("llm-run-id")
    if named:
        return str(named)
    if not algorithm.live_mode:
        text = f"{type(algorithm).__name__}|{algorithm.start_date}|{algorithm.end_date}|{config_hash}"
        return f"backtest-{uuid.uuid5(DECISION_NAMESPACE, text)}"
    store = algorithm.object_store
    key = f"{RUN_ID_KEY}/{hashlib.sha256(type(algorithm).__name__.encode()).hexdigest()[:12]}"
    if store.contains_key(key):
        return str(store.read(key)).strip()
    run_id = f"live-{uuid.uuid4()}"
    store.save(key, run_id)
    return run_id
