"""What an optimisation says: the table of trials, the folds, the verdict, and what produced it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.optimize.overfit import aligned_returns, is_market_day, judge
from llm_plugin.optimize.run import FoldResult, OptimizationRun
from llm_plugin.optimize.score import statistic
from llm_plugin.optimize.store import TrialResult
from llm_plugin.runs.deflated import deflated_sharpe

__all__ = ["SHOWN_STATISTICS", "name_of", "stitched", "summarise", "trial_rows"]

Floats = NDArray[np.float64]
SHOWN_STATISTICS = ("Sharpe Ratio", "Compounding Annual Return", "Drawdown", "Net Profit", "Total Orders", "Total Fees")


def name_of(result: TrialResult) -> str:
    """Return a trial's parameters as text."""
    return ", ".join(f"{key}={value}" for key, value in result.parameters.items())


def summarise(run: OptimizationRun) -> dict[str, Any]:
    """Return everything that `summary.json` holds."""
    options, best = run.options, run.best
    failed = [result for result in run.results if result.failed]
    verdict = _verdict(run)
    return {
        "project": options.project.name,
        "output": str(options.output),
        "interrupted": run.interrupted,
        "method": options.method,
        "seed": options.seed,
        "objective": {
            "target": options.objective.target,
            "direction": "max" if options.objective.maximize else "min",
            "constraints": [str(one) for one in options.objective.constraints],
        },
        "trials": {
            "planned": len(run.trials),
            "finished": len(run.results),
            "failed": len(failed),
            "used_again": run.reused,
        },
        "failures": [{"parameters": one.parameters, "kind": one.kind, "reason": one.error} for one in failed],
        "best": None if best is None else _row(run, best),
        "verdict": verdict,
        "folds": [_fold(run, fold) for fold in run.folds],
        "out_of_sample": _out_of_sample(run.folds),
        "seconds": round(run.seconds, 3),
        "configuration": configuration(run),
    }


def configuration(run: OptimizationRun) -> dict[str, Any]:
    """Return every resolved option; together with the versions it makes the same trials again."""
    options = run.options
    return {
        "project": str(options.project),
        "data_folder": str(options.data_folder),
        "parameters": {one.name: list(one.values) for one in options.parameters},
        "fixed_parameters": dict(options.fixed),
        "overrides": list(options.overrides),
        "method": options.method,
        "trials": options.trials,
        "seed": options.seed,
        "start": options.start,
        "end": options.end,
        "walk_forward": options.folds,
        "in_sample": options.in_sample_fraction,
        "workers": options.workers,
        "dask": options.dask,
        "sandbox": options.sandbox,
        "trial_seconds": options.trial_seconds,
        "step_seconds": options.step_seconds,
        "memory_mib": options.memory_mib,
        "bad_data": options.bad_data,
        "content": run.content,
    }


def trial_rows(run: OptimizationRun) -> list[dict[str, Any]]:
    """Return all trials as flat rows, the best first, failed ones last; folds have a row each."""
    rows: list[dict[str, Any]] = []
    for fold in run.folds:
        rows += [{"fold": fold.fold.number, "part": "train", **_row(run, one)} for one in _sorted(run, fold.train)]
        if fold.test is not None:
            rows.append({"fold": fold.fold.number, "part": "test", **_row(run, fold.test)})
    if not run.folds:
        rows = [_row(run, one) for one in _sorted(run, run.results)]
    return rows


def _sorted(run: OptimizationRun, results: Sequence[TrialResult]) -> list[TrialResult]:
    def order(result: TrialResult) -> tuple[int, float]:
        score = None if result.failed else run.options.objective.score(result.statistics)
        return (2, 0.0) if result.failed else (1, 0.0) if score is None else (0, -score)

    return sorted(results, key=order)


def _row(run: OptimizationRun, result: TrialResult) -> dict[str, Any]:
    score = None if result.failed else run.options.objective.score(result.statistics)
    return {
        **{f"parameter {key}": value for key, value in result.parameters.items()},
        "target": statistic(result.statistics, run.options.objective.target) if not result.failed else None,
        "counts": score is not None,
        **{name: result.statistics.get(name, "") for name in SHOWN_STATISTICS},
        "orders_hash": result.orders_hash,
        "start": result.start,
        "end": result.end,
        "seconds": round(result.seconds, 3),
        "status": "failed" if result.failed else result.status,
        "reason": result.error,
    }


def _verdict(run: OptimizationRun) -> dict[str, Any]:
    """Judge the best trial; with folds, the one chosen last, on its train part."""
    if run.best is None:
        return {"verdict": "cannot be judged", "sentence": "No trial counts: all failed, or broke a constraint."}
    good = {name_of(one): (one.days, one.equity) for one in run.results if not one.failed and len(one.days) > 1}
    found = asdict(judge(name_of(run.best), aligned_returns(good)))
    if run.folds:
        found["sentence"] = f"On the train part of the last fold: {found['sentence'][0].lower()}{found['sentence'][1:]}"
    return found


def _fold(run: OptimizationRun, fold: FoldResult) -> dict[str, Any]:
    target = run.options.objective.target
    chosen, test = fold.chosen, fold.test
    return {
        "number": fold.fold.number,
        "train": asdict(fold.fold.train),
        "test": asdict(fold.fold.test),
        "chosen": None if chosen is None else chosen.parameters,
        "train_target": None if chosen is None else statistic(chosen.statistics, target),
        "test_target": None if test is None or test.failed else statistic(test.statistics, target),
        "test_statistics": {} if test is None else {name: test.statistics.get(name, "") for name in SHOWN_STATISTICS},
        "failed": sum(one.failed for one in fold.train),
        "reason": fold.reason or ("" if test is None else test.error),
    }


def stitched(folds: Sequence[FoldResult]) -> tuple[list[str], Floats]:
    """Return days and daily returns of all test parts, one after the other."""
    days: list[str] = []
    parts: list[Floats] = []
    for fold in folds:
        if fold.test is not None and not fold.test.failed:
            returns, own = fold.test.returns(), fold.test.days[1:]
            kept = is_market_day(own, np.abs(returns))
            days += [day for day, keep in zip(own, kept, strict=True) if keep]
            parts.append(returns[kept])
    return days, np.concatenate(parts) if parts else np.zeros(0)


def _out_of_sample(folds: Sequence[FoldResult]) -> dict[str, Any] | None:
    """Judge what the chosen parameters did where nothing was chosen: one trial, so nothing is deflated."""
    days, returns = stitched(folds)
    if not folds:
        return None
    single = deflated_sharpe(returns, {"out of sample": returns})
    shown = single.probability
    words = (
        f"cannot be judged: {single.reason}"
        if shown is None
        else f"probability {shown:.3f} that its true Sharpe ratio is above zero"
    )
    total = float(np.prod(1 + returns) - 1)
    return {
        "days": len(days),
        "return": total,
        "sharpe_day": single.sharpe_day,
        "probability": shown,
        "sentence": f"Out of sample, {len(days)} days in {len(folds)} folds: return {total:+.2%}, "
        f"Sharpe ratio of a day {single.sharpe_day:.4f}; {words}.",
    }
