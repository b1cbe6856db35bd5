"""One trial of a sweep: a recipe and a seed become an adapter, which answers the sweep's holdout; and the comparison.

The same trial gives the same folder, named by what it is made of: one that is done is not done again, one that was
killed goes on from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import DataError, TrainingFailed
from llm_plugin.files import write_whole
from llm_plugin.stack.sweep import Recipe, SweepPlan, answers_of, loader_of, prompts_version

if TYPE_CHECKING:
    from llm_plugin.gate.paired import Paired
    from llm_plugin.learning.types import MaturedDecision
    from llm_plugin.reasoning.model_folder import ModelManifest
    from llm_plugin.stack.loop import Loop

__all__ = ["RecipeSummary", "Trial", "run_trial", "summarise"]

REPETITIONS = 9999
RESULT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Trial:
    """What one recipe with one seed came to.

    Attributes:
        recipe: In words.
        seed: Of the training.
        folder: Where the adapter lies.
        failed: Why there is no adapter; then all figures are None.
        outcomes: Decisions that both answered.
        day_gains_r: Paired gain of each day of the holdout, candidate minus parent, in clipped R.
        gain_r: Mean paired gain a decision.
        parent_r: Mean utility of the parent.
        candidate_r: Mean utility of the candidate.
        approval: Share of signals that the candidate took.
        parse_rate: Share of freely written answers that can be read; None for a model that writes none.
        action_mass: Mean probability of a legal action.
        steps: Optimiser steps.
        first_loss: Of the first step.
        last_loss: Of the last step.
        last_margin: Reward margin of the last step.
        seconds: Training and answers, when they were made.
        known: True where it had been done before.
    """

    recipe: str
    seed: int
    folder: Path
    failed: str = ""
    outcomes: int = 0
    day_gains_r: tuple[float, ...] = ()
    gain_r: float | None = None
    parent_r: float | None = None
    candidate_r: float | None = None
    approval: float | None = None
    parse_rate: float | None = None
    action_mass: float | None = None
    steps: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    last_margin: float | None = None
    seconds: float = 0.0
    known: bool = False


@dataclass(frozen=True, slots=True)
class RecipeSummary:
    """A recipe over its seeds.

    Attributes:
        recipe: In words.
        seeds: Trials.
        failed: Trials without an adapter; such a recipe is never the best.
        gain_r: Mean paired gain over the seeds.
        worst_r: The seed with the least gain.
        best_r: The seed with the most.
        p_value: One-sided sign-flip test on the days' gains, averaged over the seeds.
        p_of_best: The same, as if it were the best of all that were tried: times their number, at most 1.
        approval: Mean share of signals taken.
        parse_rate: Mean share of readable answers.
        action_mass: Mean probability of a legal action.
        last_loss: Mean.
        last_margin: Mean.
        seconds: Mean.
    """

    recipe: str
    seeds: int
    failed: int
    gain_r: float | None
    worst_r: float | None
    best_r: float | None
    p_value: float | None
    p_of_best: float | None
    approval: float | None
    parse_rate: float | None
    action_mass: float | None
    last_loss: float | None
    last_margin: float | None
    seconds: float | None


def run_trial(
    config: Path | None,
    overrides: Sequence[str],
    plan: SweepPlan,
    recipe: Recipe,
    seed: int,
    on_progress: Callable[[str, float], None] = lambda stage, fraction: None,
) -> Trial:
    """Train and answer; self-contained, so that it can run in any process that reaches database and home.

    Args:
        config: `llm_config.yaml`.
        overrides: `section.key=value`.
        plan: From `prepare_sweep`.
        recipe: What to try.
        seed: Of the training.
        on_progress: Called with a stage and the fraction done.

    Returns:
        The figures; a training that broke (NaN) is a result, too.

    Raises:
        ConfigError: A setting has a value that it cannot have.
        DataError: The dataset is not the plan's.
    """
    from llm_plugin.cycle.steps import train_in_process
    from llm_plugin.cycle.words import TrainerTask
    from llm_plugin.learning.dataset import read_dataset
    from llm_plugin.stack.loop import open_loop

    with open_loop(config, [*overrides, *recipe.overrides(seed)]) as loop:
        asked = _asked(loop, plan)
        folder = plan.folder / "trials" / asked[:16]
        known = _known(folder / "result.json", asked, recipe)
        if known is not None:
            return known
        dataset = read_dataset(plan.dataset)
        if dataset.manifest.sha256 != plan.dataset_sha256:
            raise DataError(f"{plan.dataset} is not the dataset of this sweep: it was changed meanwhile; start again")
        folder.mkdir(parents=True, exist_ok=True)
        parent = loop.registry.verify(plan.parent)
        out, begun = folder / "adapter", time.monotonic()
        task = TrainerTask(plan.dataset, parent.folder, parent.id, out, loop.settings, prompts_version(loop.settings))
        train = loop.parts(lambda stage, fraction: None).train or train_in_process
        try:
            train(task, lambda part: on_progress("trained", part))
        except TrainingFailed as error:
            trial = Trial(recipe.name, seed, folder, failed=str(error), seconds=time.monotonic() - begun)
        else:
            trial = _answered(loop, plan, dataset.holdout, recipe, seed, folder, begun)
        text = json.dumps({"asked": asked, "version": RESULT_VERSION, "trial": to_jsonable(trial)}, indent=1)
        write_whole(folder / "result.json", text + "\n")
        return trial


def summarise(trials: Sequence[Trial]) -> list[RecipeSummary]:
    """Return one row per recipe, the best mean gain first; a recipe of which a training broke comes last."""
    names = list(dict.fromkeys(trial.recipe for trial in trials))
    rows = [_summary(name, [trial for trial in trials if trial.recipe == name], len(names)) for name in names]
    return sorted(rows, key=lambda row: (row.failed > 0, -(-math.inf if row.gain_r is None else row.gain_r)))


def _asked(loop: Loop, plan: SweepPlan) -> str:
    """Name a trial by what it is made of: parent, dataset, base, and every setting that trains or answers."""
    from llm_plugin.reasoning.model_folder import MANIFEST_NAME, file_sha256

    settings, parent = loop.settings, loop.registry.get(plan.parent)
    manifest = None if parent.folder is None else file_sha256(parent.folder / MANIFEST_NAME)
    facts = {
        "sweep": plan.folder.name,
        "dataset": plan.dataset_sha256,
        "parent": [parent.id, manifest],
        "training": settings.learning.training.model_dump(mode="json"),
        "prompts": prompts_version(settings),
        **settings.model_dump(mode="json", include={"llm_model", "fusion", "reasoning"}),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _known(path: Path, asked: str, recipe: Recipe) -> Trial | None:
    """Return a result that is there, unless its training broke: that is tried again."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if found.get("version") != RESULT_VERSION or found.get("asked") != asked or found["trial"]["failed"]:
        return None
    values = found["trial"] | {"recipe": recipe.name, "folder": path.parent, "known": True}
    return Trial(**{**values, "day_gains_r": tuple(values["day_gains_r"])})


def _answered(
    loop: Loop,
    plan: SweepPlan,
    holdout: Sequence[MaturedDecision],
    recipe: Recipe,
    seed: int,
    folder: Path,
    begun: float,
) -> Trial:
    from llm_plugin.gate.health import measure_health
    from llm_plugin.gate.paired import pair
    from llm_plugin.learning.database import answer_from_json

    manifest = _checked(loop, plan, folder / "adapter")
    model = loader_of(loop)(loop.settings, folder / "adapter")
    theirs = answers_of(model, holdout, loop, folder.name)
    health = measure_health(model, holdout)
    ours = [answer_from_json(row) for row in json.loads((plan.folder / "parent.json").read_text(encoding="utf-8"))]
    paired = pair(ours, theirs, holdout, plan.as_of_utc)
    figures: dict[str, Any] = {
        name: manifest.training.get(name) for name in ("steps", "first_loss", "last_loss", "last_margin")
    }
    return Trial(
        recipe=recipe.name,
        seed=seed,
        folder=folder,
        outcomes=len(paired.decisions),
        parse_rate=health.parse_rate,
        action_mass=sum(answer.action_mass for answer in theirs) / len(theirs),
        seconds=time.monotonic() - begun,
        **_gains(paired),
        **figures,
    )


def _gains(paired: Paired) -> dict[str, Any]:
    return {
        "day_gains_r": tuple(float(value) for value in paired.day_sums(paired.gains)),
        "gain_r": float(paired.gains.mean()),
        "parent_r": float((paired.net_r * paired.champion).mean()),
        "candidate_r": float((paired.net_r * paired.challenger).mean()),
        "approval": float((paired.challenger > 0).mean()),
    }


def _checked(loop: Loop, plan: SweepPlan, adapter: Path) -> ModelManifest:
    from llm_plugin.cycle.models import base_folder
    from llm_plugin.errors import ModelError
    from llm_plugin.reasoning.model_folder import check_adapter

    settings = loop.settings
    manifest = check_adapter(adapter, base_folder(settings), prompt_version=prompts_version(settings))
    if manifest is None or manifest.dataset_sha256 != plan.dataset_sha256:
        raise ModelError(f"{adapter} was not trained on the dataset of this sweep: remove {adapter.parent}, run again")
    return manifest


def _summary(name: str, trials: Sequence[Trial], tried: int) -> RecipeSummary:
    from llm_plugin.gate.chance import sign_flip_p

    done = [trial for trial in trials if not trial.failed]
    gains = [trial.gain_r for trial in done if trial.gain_r is not None]
    p_value = None
    if done:
        import numpy as np

        days = np.mean([trial.day_gains_r for trial in done], axis=0)
        p_value = sign_flip_p(days, REPETITIONS, seed=0)
    return RecipeSummary(
        recipe=name,
        seeds=len(trials),
        failed=len(trials) - len(done),
        gain_r=_mean(gains),
        worst_r=min(gains, default=None),
        best_r=max(gains, default=None),
        p_value=p_value,
        p_of_best=None if p_value is None else min(1.0, tried * p_value),
        approval=_mean([trial.approval for trial in done]),
        parse_rate=_mean([trial.parse_rate for trial in done]),
        action_mass=_mean([trial.action_mass for trial in done]),
        last_loss=_mean([trial.last_loss for trial in done]),
        last_margin=_mean([trial.last_margin for trial in done]),
        seconds=_mean([trial.seconds for trial in done]),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
