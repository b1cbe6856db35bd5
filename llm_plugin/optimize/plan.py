"""What an optimisation runs: options, windows of time, and tasks that are known by their content."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from llm_plugin import __version__
from llm_plugin.errors import ConfigError
from llm_plugin.optimize.score import Objective
from llm_plugin.optimize.space import Parameter, Trial

__all__ = ["Fold", "OptimizeOptions", "Task", "Window", "content_of", "split", "walk_forward_folds"]

MINIMUM_DAYS = 10
_SOURCES = (".py", ".json", ".yaml", ".yml", ".csv")
_RESULTS = ("backtests", "optimizations", "__pycache__", "storage")


@dataclass(frozen=True)
class OptimizeOptions:
    """What the command line asks for."""

    project: Path
    data_folder: Path
    output: Path
    parameters: tuple[Parameter, ...]
    method: str = "grid"
    trials: int | None = None
    seed: int = 0
    objective: Objective = field(default_factory=Objective)
    start: str = ""
    end: str = ""
    folds: int = 0
    in_sample_fraction: float | None = None
    workers: int = 1
    dask: str = ""
    sandbox: bool = False
    trial_seconds: float | None = None
    step_seconds: float | None = None
    memory_mib: int | None = None
    bad_data: str = "stop"
    fixed: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether a part of the days chooses and another one judges."""
        return self.folds > 0 or self.in_sample_fraction is not None

    def cut(self) -> tuple[Fold, ...]:
        """Cut the period, both ends of which are given.

        Raises:
            ConfigError: Both ways of cutting are asked for, or a part would be too short.
        """
        start, end = date.fromisoformat(self.start), date.fromisoformat(self.end)
        if self.in_sample_fraction is None:
            return walk_forward_folds(start, end, self.folds)
        if self.folds:
            raise ConfigError("--walk-forward and --in-sample exclude each other: choose one")
        return (split(start, end, self.in_sample_fraction),)


@dataclass(frozen=True, slots=True)
class Window:
    """Days from the first to the last, both in it; empty = the algorithm's own."""

    start: str = ""
    end: str = ""

    def __str__(self) -> str:
        return f"{self.start} to {self.end}" if self.start else "the algorithm's own dates"


@dataclass(frozen=True, slots=True)
class Fold:
    """Parameters are chosen on `train` and judged on `test`, which begins the day after."""

    number: int
    train: Window
    test: Window


@dataclass(frozen=True, slots=True)
class Task:
    """One backtest; the key says what it is made of, so that a finished one is never run again."""

    key: str
    trial: Trial
    window: Window

    @classmethod
    def of(cls, content: str, trial: Trial, window: Window) -> Task:
        """Make a task of a project's content, parameters and a window."""
        text = json.dumps([content, sorted(trial), window.start, window.end])
        return cls(hashlib.sha256(text.encode()).hexdigest()[:24], trial, window)


def walk_forward_folds(start: date, end: date, count: int) -> tuple[Fold, ...]:
    """Cut a period into `count + 1` parts: fold k trains on the first k parts and is tested on the next one.

    Raises:
        ConfigError: The parts would be too short.
    """
    days = (end - start).days + 1
    part = days // (count + 1)
    if count < 1 or part < MINIMUM_DAYS:
        raise ConfigError(
            f"--walk-forward {count}: {days} days from {start} to {end} give parts of {part}, "
            f"at least {MINIMUM_DAYS} are needed: use fewer folds or a longer period"
        )
    borders = [start + timedelta(days=part * place) for place in range(count + 1)] + [end + timedelta(days=1)]
    return tuple(
        Fold(number, _window(start, borders[number]), _window(borders[number], borders[number + 1]))
        for number in range(1, count + 1)
    )


def split(start: date, end: date, fraction: float) -> Fold:
    """Cut a period once: the first part chooses, the rest judges.

    Raises:
        ConfigError: The fraction is not between 0 and 1, or a part would be too short.
    """
    days = (end - start).days + 1
    first = round(days * fraction)
    if not 0 < fraction < 1 or min(first, days - first) < MINIMUM_DAYS:
        raise ConfigError(
            f"--in-sample {fraction:g}: {days} days from {start} to {end} cannot be cut there: "
            f"each part needs at least {MINIMUM_DAYS} days"
        )
    border = start + timedelta(days=first)
    return Fold(1, _window(start, border), _window(border, end + timedelta(days=1)))


def _window(start: date, border: date) -> Window:
    return Window(start.isoformat(), (border - timedelta(days=1)).isoformat())


def content_of(options: OptimizeOptions) -> str:
    """Hash what a trial's result depends on beside its parameters: sources, fixed parameters, data, version, limits."""
    digest = hashlib.sha256()
    limits = [options.sandbox, options.trial_seconds, options.step_seconds, options.memory_mib, options.bad_data]
    head: list[Any] = [__version__, sorted(options.fixed.items()), list(options.overrides), limits]
    digest.update(json.dumps(head).encode())
    for path in _sources(options.project):
        digest.update(f"{path.relative_to(options.project)}|".encode() + path.read_bytes())
    digest.update(str(options.data_folder).encode())
    for line in _listing(options.data_folder):
        digest.update(line.encode())
    return digest.hexdigest()


def _sources(project: Path) -> Sequence[Path]:
    found = []
    for path in sorted(project.rglob("*")):
        inside = path.relative_to(project).parts
        if path.suffix in _SOURCES and path.is_file() and not any(part in _RESULTS for part in inside[:-1]):
            found.append(path)
    return found


def _listing(folder: Path) -> Sequence[str]:
    """Names, sizes and times of all data files: a changed file makes other results."""
    lines = []
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            state = os.stat(os.path.join(base, name))  # noqa: PTH116, PTH118 - tens of thousands of files
            lines.append(f"{base}/{name}|{state.st_size}|{state.st_mtime_ns}\n")
    return lines
