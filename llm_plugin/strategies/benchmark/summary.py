"""A run in figures: scores by gate, family and difficulty, cost, and the Sharpe ratios with their deflated form."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.strategies.benchmark.samples import Sample
from llm_plugin.strategies.benchmark.scores import Score, score_gate
from llm_plugin.strategies.judge.verdict import GATES

__all__ = ["SCHEMA", "headline", "read_summary", "scores_of", "sharpe_figures", "summarise", "write_summary"]

SCHEMA = "strategy-benchmark-1"
_YEAR = 252.0
_EULER = 0.5772156649015329


def headline(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's figures in one row: pass@1 of each gate in percent, tasks, answers, cost."""
    shares = {gate: summary["scores"][gate]["pass@1"]["value"] for gate in GATES}
    percent = {gate: None if share is None else 100 * share for gate, share in shares.items()}
    kept = ("model", "adapter", "seed", "tasks", "answers", "cost_usd", "tokens_out")
    return {**{key: summary.get(key) for key in kept}, **percent}


def _by_task(samples: Sequence[Sample], gate: str) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = {}
    for sample in samples:
        passed = sample.passed(gate)
        if passed is not None:
            found.setdefault(sample.task, []).append(passed)
    return found


def scores_of(samples: Sequence[Sample], ks: Sequence[int]) -> dict[str, dict[str, Score]]:
    """Return for each gate pass@k for several k; a gate that no sample was judged by has no tasks."""
    return {gate: {f"pass@{k}": score_gate(_by_task(samples, gate), k) for k in ks} for gate in GATES}


def summarise(samples: Sequence[Sample], about: Mapping[str, Any], days: Mapping[str, int]) -> dict[str, Any]:
    """Return a run's summary as plain values.

    Args:
        samples: All samples with their verdicts.
        about: What the run was: model, adapter, seed, pack, data, versions and so on.
        days: Trading days of each task's period, for the deflated Sharpe ratio.
    """
    most = max((sample.number for sample in samples), default=0) + 1
    ks = sorted({1, most})
    costs = [sample.cost_usd for sample in samples]
    unsupported = Counter(member for sample in samples for member in sample.unsupported)
    return {
        "schema": SCHEMA,
        **about,
        "tasks": len({sample.task for sample in samples}),
        "answers": len(samples),
        "without_code": sum(not sample.code for sample in samples),
        "unsupported": dict(sorted(unsupported.items())),
        "scores": _plain(scores_of(samples, ks)),
        "by_family": _grouped(samples, ks, lambda sample: sample.family),
        "by_difficulty": _grouped(samples, ks, lambda sample: str(sample.difficulty)),
        "by_origin": _grouped(samples, ks, lambda sample: sample.origin),
        "tokens_in": sum(sample.tokens_in for sample in samples),
        "tokens_out": sum(sample.tokens_out for sample in samples),
        "model_seconds": round(sum(sample.seconds for sample in samples), 3),
        "judge_seconds": round(sum(s.verdict.seconds for s in samples if s.verdict is not None), 3),
        "cost_usd": None if any(cost is None for cost in costs) else round(sum(c for c in costs if c is not None), 6),
        "sharpe": sharpe_figures(samples, days),
    }


def _plain(scores: Mapping[str, Mapping[str, Score]]) -> dict[str, Any]:
    return {gate: {name: score.to_json() for name, score in values.items()} for gate, values in scores.items()}


def _grouped(samples: Sequence[Sample], ks: Sequence[int], key: Callable[[Sample], str]) -> dict[str, Any]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(key(sample), []).append(sample)
    return {name: _plain(scores_of(group, ks)) for name, group in sorted(groups.items())}


def sharpe_figures(samples: Sequence[Sample], days: Mapping[str, int]) -> dict[str, Any]:
    """Return the Sharpe ratios of the strategies that traded, fees and slippage of the run included.

    The deflated form is the chance that the best one's true Sharpe ratio is above what the best of so many worthless
    ones would show; the returns are taken as normal, since verdicts hold no series.

    Args:
        samples: With verdicts.
        days: Trading days by task.
    """
    found = []
    for sample in samples:
        text = sample.verdict.statistics.get("Sharpe Ratio") if sample.verdict is not None else None
        if text is not None and sample.passed("trades"):
            value = float(text)
            if math.isfinite(value):
                found.append((value, sample))
    if not found:
        return {"strategies": 0, "mean": None, "median": None, "best": None, "deflated": None}
    values = sorted(value for value, _ in found)
    best, sample = max(found, key=lambda pair: pair[0])
    return {
        "strategies": len(values),
        "mean": sum(values) / len(values),
        "median": values[len(values) // 2]
        if len(values) % 2
        else (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2,
        "best": best,
        "best_sample": sample.id,
        "deflated": _deflated(best, values, days.get(sample.task, 0)),
    }


def _deflated(best: float, values: Sequence[float], days: int) -> float | None:
    """Return the deflated Sharpe ratio of the best of some annual ones; None below a quarter of daily returns."""
    from statistics import NormalDist, stdev

    if days < 60:
        return None
    normal = NormalDist()
    own, threshold, count = best / math.sqrt(_YEAR), 0.0, len(values)
    if count > 1:
        spread = stdev(values) / math.sqrt(_YEAR)
        expected = (1 - _EULER) * normal.inv_cdf(1 - 1 / count) + _EULER * normal.inv_cdf(1 - 1 / (count * math.e))
        threshold = spread * expected
    return normal.cdf((own - threshold) * math.sqrt(days - 1) / math.sqrt(1 + own * own / 2))


def write_summary(summary: Mapping[str, Any], folder: Path) -> None:
    """Write `summary.json`, whole or not at all."""
    write_whole(folder / "summary.json", json.dumps(summary, indent=2, sort_keys=True) + "\n")


def read_summary(folder: Path) -> dict[str, Any]:
    """Read a run's summary.

    Raises:
        DataError: There is none, or it is damaged or of another version.
    """
    path = folder / "summary.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} holds no finished benchmark ({error}): run `lean-llm benchmark strategies`"
        ) from error
    if found.get("schema") != SCHEMA:
        raise DataError(f"{path} has schema {found.get('schema')!r}, this version reads {SCHEMA!r}: run it again")
    return found
