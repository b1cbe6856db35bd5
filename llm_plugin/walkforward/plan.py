"""What a walk-forward runs: its options, its arms, and the keys by which finished work is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import ConfigError
from llm_plugin.runs.arms import NONE, Arm, random_veto
from llm_plugin.settings import Resolved

__all__ = [
    "ARMS",
    "FROZEN",
    "LEARNING",
    "RANDOM",
    "SPEC_PARAMETER",
    "TABULAR",
    "WalkForwardOptions",
    "arm_overrides",
    "content_key",
    "project_sha256",
]

SCHEMA_VERSION = "1"
SPEC_PARAMETER = "llm-walkforward"
"""Algorithm parameter that names the JSON file from which an arm's back end is made (`backend.make_backend`)."""

LEARNING = Arm("learning", "learning: retrained, gated, watched", ())
FROZEN = Arm("frozen", "frozen: the same LLM, never retrained", ())
RANDOM = Arm("random", "random veto at the learning arm's rate", ("validator.arm=random",), needs="learning")
TABULAR = Arm("tabular", "tabular meta-label, retrained at the same moments", ("validator.arm=tabular",), "learning")
ARMS = (LEARNING, FROZEN, NONE, RANDOM, TABULAR)
"""In the order of their start; what depends on another comes later."""

_ALWAYS = ("reasoning.reasons=never", "gate.max_latency_ratio=1000", "registry.mirror=false")
"""Reasons decide nothing here; latency of this machine is no fact of simulated time, and would not repeat."""
_NOT_ANSWERS = ("logging", "development", "service", "registry")


@dataclass(frozen=True)
class WalkForwardOptions:
    """What the command line asks for.

    Attributes:
        project: A LEAN project folder.
        data_folder: LEAN's data folder.
        output: Where the run lies; the same command finds its finished work there again.
        start: First day, ISO; empty for the algorithm's own.
        end: Last day, ISO; empty for the algorithm's own.
        overrides: `section.key=value`.
        parameters: Algorithm parameters.
        retrain_every: New matured decisions after which the cycle runs; None takes `learning.min_outcomes`.
        seed: Of training, gate and random veto.
        parallel: Arms that run at the same time.
        more_trials: Configurations tried on this period before, for the deflated Sharpe ratio.
    """

    project: Path
    data_folder: Path
    output: Path
    start: str = ""
    end: str = ""
    overrides: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    retrain_every: int | None = None
    seed: int = 0
    parallel: int = 2
    more_trials: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [
            f"{name} is {value}: give {low} or more"
            for name, value, low in (
                ("--retrain-every", self.retrain_every, 1),
                ("--seed", self.seed, 0),
                ("--parallel", self.parallel, 1),
                ("--more-trials", self.more_trials, 0),
            )
            if value is not None and value < low
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def all_overrides(self) -> tuple[str, ...]:
        """The user's overrides with what the options stand for; the options win."""
        chosen = [f"{key}={self.seed}" for key in ("learning.training.seed", "gate.seed", "validator.seed")]
        if self.retrain_every is not None:
            chosen += [f"learning.min_outcomes={self.retrain_every}"]
        return (*self.overrides, *_ALWAYS, *chosen)


def arm_overrides(arm: Arm, veto_rate: float | None = None) -> tuple[str, ...]:
    """Return what makes an arm another one.

    Args:
        arm: The arm.
        veto_rate: Share of entries that the learning arm vetoed; the random arm copies it.
    """
    if arm.name == RANDOM.name:
        return random_veto(0.0 if veto_rate is None else veto_rate)
    return arm.overrides


def content_key(*parts: Any) -> str:
    """Return a hash of plain values: equal content, equal key."""
    text = json.dumps([SCHEMA_VERSION, to_jsonable(list(parts))], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def project_sha256(project: Path) -> str:
    """Hash the algorithm's own files."""
    digest = hashlib.sha256()
    for path in sorted(p for p in project.rglob("*.py") if "backtests" not in p.parts):
        digest.update(path.relative_to(project).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def data_sha256(folder: Path) -> str:
    """Hash names, sizes and times of the data files: a file that changed makes another run."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        state = path.stat()
        digest.update(f"{path.relative_to(folder).as_posix()}|{state.st_size}|{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def run_key(options: WalkForwardOptions, resolved: Resolved, models: Sequence[Mapping[str, Any]]) -> str:
    """Return the hash of everything that can change an answer of this run.

    Args:
        options: The run.
        resolved: Its configuration.
        models: Rows of the models that it starts with.
    """
    values = {name: section for name, section in resolved.values.items() if name not in _NOT_ANSWERS}
    return content_key(
        project_sha256(options.project),
        data_sha256(options.data_folder),
        [options.start, options.end, dict(options.parameters)],
        values,
        [[row["kind"], row["version"], row["data_cutoff"]] for row in models],
    )
