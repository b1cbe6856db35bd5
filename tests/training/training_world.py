"""A base made in seconds, and datasets whose right answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from questions import FEATURES, START, question

from llm_plugin.domain import Action, Decision, ExitPlan, QuestionKind, Source, Verdict
from llm_plugin.learning.dataset import write_dataset
from llm_plugin.learning.pairs import build_pairs, training_rows
from llm_plugin.learning.split import split_window
from llm_plugin.learning.types import MaturedDecision, StoredPrompt
from llm_plugin.settings import LearningSettings, TrainingSettings
from llm_plugin.training import TrainingJob

PREFIX = "Judge the signal: take it or HOLD.\n"
LEARNING = LearningSettings(holdout=20, window_decisions=2000, replay_fraction=0.0)
QUICK = TrainingSettings(min_steps=6, max_steps=6, batch_size=8, micro_batch=8, rank=4, alpha=8, save_steps=2)


def suffix_of(adx: int, more: str = "") -> str:
    """Return a question's own text."""
    return f"SIG=BUY ADX={adx} TREND={adx % 3 - 1}{more} ->"


def make_base(folder: Path, *, hidden: int = 32, seed: int = 0, scale: float = 3.0, taught: bool = False) -> Path:
    """Write a model whose answers differ from prompt to prompt; taught, it answers in the format and is undecided."""
    import torch

    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network

    texts = [
        f"{PREFIX}{suffix_of(i, ' with more text' * (i % 3))} {action.value} | 0.{i:02d} | trend"
        for i in range(60)
        for action in Action
    ]
    tokenizer = build_tokenizer(texts, folder)
    model = build_network(tokenizer, hidden=hidden, layers=2, max_tokens=256, seed=seed)
    if taught:
        _teach(model, tokenizer)
        save_network(model, folder)
        return folder
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter *= scale
    save_network(model, folder)
    return folder


def _teach(model: Any, tokenizer: Any) -> None:
    from llm_plugin.bootstrap.trainer import Example, TrainingPlan, train_network
    from llm_plugin.prompts.parser import format_answer

    taken, held = (format_answer(*answer, "") for answer in ((Action.BUY, 0.6), (Action.HOLD, 0.4)))
    words = (taken.removeprefix(" BUY"), held.removeprefix(" HOLD"))
    examples = [
        Example((suffix_of(adx, " with more text" * (adx % 3)),), Action.BUY, 0.5, 1.0, words) for adx in range(10, 60)
    ]
    plan = TrainingPlan(steps=80, batch=32, learning_rate=5e-3, text_weight=0.3)
    train_network(model, tokenizer, PREFIX, examples, plan)


def decision_of(hours: int, net_r: float | None, text: str, realised_r: float | None = None) -> MaturedDecision:
    """Return one matured decision, asked `hours` after the start."""
    plan = ExitPlan(1.366, 1.376, timedelta(hours=24))
    request = question(hours, Action.BUY, features=FEATURES, plan=plan)
    decision = Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=QuestionKind.ENTRY,
        symbol_id=request.market.symbol_id,
        time_utc=request.market.time_utc,
        verdict=Verdict.APPROVE,
        action=Action.BUY,
        size_multiplier=1.0,
        signal_action=Action.BUY,
        signal_confidence=0.6,
        confidence=0.6,
        source=Source.LLM,
        llm_action=Action.BUY,
        llm_confidence=0.6,
        prompt_hash=f"hash-{hours}",
    )
    return MaturedDecision(
        request=request,
        decision=decision,
        prompt=StoredPrompt(PREFIX, text, f"hash-{hours}"),
        template_version="1",
        schema_version="features-1",
        net_r=net_r,
        realised_r=realised_r,
        closed_utc=request.market.time_utc + timedelta(hours=6),
        matured_utc=request.market.time_utc + timedelta(hours=24),
    )


def decisions(
    results: Sequence[float | None], seen: Callable[[int], int] = lambda i: 10 + i % 50
) -> list[MaturedDecision]:
    """Return one decision an hour with these results; `seen` gives the figure that the prompt shows."""
    made = []
    for place, net in enumerate(results):
        realised = None if net is not None else (1.0 if seen(place) >= 35 else -1.0)
        text = suffix_of(seen(place), " with more text" * (place % 3))
        made.append(decision_of(place, net, text, realised))
    return made


def _later(hours: int) -> datetime:
    later: datetime = START + timedelta(hours=hours + 48)
    return later


def make_dataset(
    folder: Path,
    results: Sequence[float | None],
    *,
    seen: Callable[[int], int] = lambda i: 10 + i % 50,
    weighted: bool = True,
) -> Path:
    """Write a dataset of these results; unweighted, every pair counts the same."""
    rows = decisions(results, seen)
    split = split_window(rows, LEARNING, as_of_utc=_later(len(rows)))
    pairs = build_pairs(training_rows(split, LEARNING), LEARNING)
    if not weighted:
        pairs = replace(pairs, rows=[replace(row, weight=1.0) for row in pairs.rows])
    write_dataset(folder, split, pairs)
    return folder


def sample_results(count: int = 160) -> list[float]:
    """Return results of all sizes and both signs."""
    return [round(math.sin(i * 1.7) * 2, 3) or 0.5 for i in range(count)]


def make_job(base: Path, dataset: Path, out: Path, settings: TrainingSettings = QUICK, **changes: Any) -> TrainingJob:
    """Return a job on the CPU."""
    return TrainingJob(
        base=base,
        parent_adapter=changes.pop("parent", None),
        dataset=dataset,
        out=out,
        settings=settings,
        device="cpu",
        **changes,
    )
