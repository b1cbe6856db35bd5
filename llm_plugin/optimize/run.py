"""One optimisation: plan, run what is not known yet, choose on the train part, judge on what follows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.optimize.plan import Fold, OptimizeOptions, Task, Window, content_of
from llm_plugin.optimize.pool import on_dask, on_processes, own_period
from llm_plugin.optimize.space import Trial, choose_trials
from llm_plugin.optimize.store import TrialResult, TrialStore

__all__ = ["FoldResult", "OnProgress", "OptimizationRun", "Progress", "optimize"]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an optimisation is; `eta_seconds` is None until a trial has ended."""

    done: int
    total: int
    failed: int
    reused: int
    eta_seconds: float | None
    best: float | None
    last: TrialResult | None = None


OnProgress = Callable[[Progress], None]


@dataclass
class FoldResult:
    """A fold: all trials on its train part, the chosen one on its test part."""

    fold: Fold
    train: list[TrialResult]
    chosen: TrialResult | None = None
    test: TrialResult | None = None
    reason: str = ""


@dataclass
class OptimizationRun:
    """What was tried; `interrupted` marks a part of it."""

    options: OptimizeOptions
    content: str
    trials: list[Trial]
    results: list[TrialResult] = field(default_factory=list)
    folds: list[FoldResult] = field(default_factory=list)
    best: TrialResult | None = None
    interrupted: bool = False
    seconds: float = 0.0
    reused: int = 0


class _Runner:
    """Runs tasks that the store does not know, and tells how far it is."""

    def __init__(
        self, options: OptimizeOptions, spec: Mapping[str, Any], content: str, on_progress: OnProgress
    ) -> None:
        self.options, self.spec, self.content = options, spec, content
        self.store = TrialStore(options.output / "trials.jsonl")
        self.on_progress = on_progress
        self.began = time.monotonic()
        self.total = self.done = self.failed = self.reused = 0
        self.best: float | None = None
        self._chooses = True

    def work(self, trials: Sequence[Trial], window: Window, *, chooses: bool = True) -> list[TrialResult]:
        """Run trials on a window and return their results in order; `chooses`: the best of them is of interest."""
        self._chooses = chooses
        tasks = [Task.of(self.content, trial, window) for trial in trials]
        missing = []
        for task in tasks:
            known = self.store.get(task.key)
            if known is None:
                missing.append(task)
            else:
                self.reused += 1
                self._count(known)
        if missing:
            if self.options.dask:
                on_dask(self.spec, missing, self.options.dask, self.options.workers, self._finished)
            else:
                on_processes(self.spec, missing, self.options.workers, self._finished)
        return [result for task in tasks if (result := self.store.get(task.key)) is not None]

    def known(self, trials: Sequence[Trial], window: Window) -> list[TrialResult]:
        """Return what is there already."""
        found = [self.store.get(Task.of(self.content, trial, window).key) for trial in trials]
        return [result for result in found if result is not None]

    def _finished(self, task: Task, answer: Mapping[str, Any]) -> None:
        result = TrialResult.of(task, answer)
        self.store.add(result)
        self._count(result)

    def _count(self, result: TrialResult) -> None:
        self.done += 1
        self.failed += result.failed
        counts = self._chooses and not result.failed
        score = self.options.objective.score(result.statistics) if counts else None
        if score is not None and (self.best is None or score > self.best):
            self.best = score
        ran = self.done - self.reused
        pace = (time.monotonic() - self.began) / ran if ran else None
        left = max(0, self.total - self.done)
        eta = pace * left if pace is not None else (0.0 if not left else None)
        self.on_progress(Progress(self.done, self.total, self.failed, self.reused, eta, self.best, result))


def optimize(options: OptimizeOptions, on_progress: OnProgress, run_config: Mapping[str, Any]) -> OptimizationRun:
    """Run an optimisation; what an earlier one in the same folder finished is not run again.

    Args:
        options: What to try.
        on_progress: Called after each trial.
        run_config: Further parameters for all trials (`parameters`), and the folder of their records (`run_folder`).

    Returns:
        All results; a failing trial is one of them, Ctrl-C keeps what is done.

    Raises:
        ConfigError: The options do not fit together, or no trial has the target's name.
        DataError: Every trial failed; the first reason is told.
    """
    trials = choose_trials(options.parameters, options.method, options.trials, options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    content = content_of(options)
    runner = _Runner(options, _spec(options, run_config), content, on_progress)
    run = OptimizationRun(options, content, trials)
    began = time.monotonic()
    try:
        if options.is_cut:
            if not (options.start and options.end):
                own = own_period(runner.spec, trials[0])
                options = run.options = replace(options, start=options.start or own.start, end=options.end or own.end)
            _in_folds(run, runner)
        else:
            window = Window(options.start, options.end)
            runner.total = len(trials)
            run.results = runner.work(trials, window)
    except KeyboardInterrupt:
        run.interrupted = True
        if not run.folds and not run.results:
            run.results = runner.known(trials, Window(options.start, options.end))
    run.seconds, run.reused = time.monotonic() - began, runner.reused
    _check(run)
    run.best = _best(options, run.results)
    return run


def _spec(options: OptimizeOptions, run_config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "project": str(options.project),
        "data_folder": str(options.data_folder),
        "parameters": {**run_config.get("parameters", {}), **options.fixed},
        "run_folder": run_config.get("run_folder", ""),
        "step_seconds": options.step_seconds,
        "run_seconds": options.trial_seconds,
        "memory_mib": options.memory_mib,
        "bad_data": options.bad_data,
        "sandbox": options.sandbox,
    }


def _in_folds(run: OptimizationRun, runner: _Runner) -> None:
    options = run.options
    folds = options.cut()
    runner.total = len(folds) * (len(run.trials) + 1)
    for fold in folds:
        done = FoldResult(fold, [])
        run.folds.append(done)
        try:
            done.train = runner.work(run.trials, fold.train)
        except KeyboardInterrupt:
            done.train = runner.known(run.trials, fold.train)
            raise
        done.chosen = _best(options, done.train)
        if done.chosen is None:
            done.reason = "no trial of its train part counts: all failed, or broke a constraint"
            runner.total -= 1
            continue
        # The test part is run for the chosen parameters alone: nothing of it can have had a say.
        done.test = runner.work([tuple(done.chosen.parameters.items())], fold.test, chooses=False)[0]
    run.results = run.folds[-1].train if run.folds else []


def _best(options: OptimizeOptions, results: Sequence[TrialResult]) -> TrialResult | None:
    """Return the best trial; the first one of equals."""
    scored = [(options.objective.score(result.statistics), result) for result in results if not result.failed]
    counting = [(score, result) for score, result in scored if score is not None]
    return max(counting, key=lambda pair: pair[0])[1] if counting else None


def _check(run: OptimizationRun) -> None:
    everything = [*run.results, *(result for fold in run.folds for result in fold.train)]
    good = [result for result in everything if not result.failed]
    if good:
        run.options.objective.require_known(good[0].statistics)
    elif everything and not run.interrupted:
        raise DataError(
            f"every one of {len(everything)} trials failed; the first: {everything[0].error}; "
            f"all reasons are in {run.options.output / 'trials.jsonl'}"
        )
