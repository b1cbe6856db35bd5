"""Which training recipe would have done best: one dataset for all, and a holdout that no gate will use again.

A look, not a judgement. Everything ends where the newest gate's holdout begins, so no fresh window is spent; nothing
is registered, promoted, or entered into the gate's account. What is continued, and compared with, is the newest
version in service that has not learned from the sweep's own holdout.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import ConfigError, InsufficientData, did_you_mean
from llm_plugin.files import home, write_whole
from llm_plugin.registry.words import BASE
from llm_plugin.stack.evaluate import learned_until
from llm_plugin.stack.parts import CONFIG_VARIABLE

if TYPE_CHECKING:
    from llm_plugin.learning.split import Split
    from llm_plugin.learning.types import MaturedDecision, PolicyAnswer
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.settings import Settings
    from llm_plugin.stack.loop import Loop

__all__ = [
    "Recipe",
    "SweepPlan",
    "answers_of",
    "check_values",
    "latest_as_of",
    "loader_of",
    "make_recipes",
    "prepare_sweep",
    "prompts_version",
]

KEPT_BY_PARENT = ("rank", "alpha", "dropout", "target_modules")


@dataclass(frozen=True, slots=True)
class Recipe:
    """Overrides of `learning.training`; none at all is the configuration as it is."""

    values: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """In words."""
        return ", ".join(f"{key}={_text(value)}" for key, value in self.values) or "as configured"

    def overrides(self, seed: int) -> list[str]:
        """Return it as `section.key=value`, with a seed."""
        pairs = [*self.values, ("seed", seed)]
        return [f"learning.training.{key}={_text(value)}" for key, value in pairs]


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What all trials of a sweep share.

    Attributes:
        folder: Where the sweep keeps dataset, answers, adapters and results.
        dataset_sha256: Of the dataset.
        parent: Version that is continued, and compared with.
        champion: Version in service; another one where it has learned from the sweep's holdout.
        as_of_utc: Nothing later is known to the sweep.
        from_utc: First decision of the holdout.
        to_utc: Last decision of the holdout.
        holdout: Decisions in it.
        pairs: Training pairs.
    """

    folder: Path
    dataset_sha256: str
    parent: str
    champion: str
    as_of_utc: datetime
    from_utc: datetime
    to_utc: datetime
    holdout: int
    pairs: int

    @property
    def dataset(self) -> Path:
        """Its folder."""
        return self.folder / "dataset"


def make_recipes(
    grid: Mapping[str, Sequence[Any]] | None = None,
    recipes: Sequence[Mapping[str, Any]] = (),
    *,
    configured: bool = True,
) -> list[Recipe]:
    """Return the recipes of a grid and of a list, each once, in order.

    Args:
        grid: Values by setting of `learning.training`; every combination is a recipe.
        recipes: Single recipes.
        configured: Begin with the configuration as it is, to compare with.

    Raises:
        ConfigError: An unknown setting, a seed among them, a setting without values, or no recipe at all.
    """
    from llm_plugin.settings import TrainingSettings

    known = [name for name in TrainingSettings.model_fields if name != "seed"]
    problems = []
    for name in dict.fromkeys([*(grid or {}), *(key for recipe in recipes for key in recipe)]):
        if name == "seed":
            problems.append("a recipe has no seed: name the seeds of all recipes by `seeds`")
        elif name not in known:
            problems.append(f"learning.training has no setting {name!r}{did_you_mean(name, known)}")
    for name, values in (grid or {}).items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            problems.append(f"grid names no values for {name}: give a list, such as {name}: [1, 2]")
    if problems:
        raise ConfigError(problems)
    found = [Recipe()] if configured else []
    if grid:
        found += [Recipe(tuple(zip(grid, values, strict=True))) for values in itertools.product(*grid.values())]
    found += [Recipe(tuple(recipe.items())) for recipe in recipes]
    unique = list({recipe.name: recipe for recipe in found}.values())
    if not unique:
        raise ConfigError("no recipe to try: give a grid, recipes, or both")
    return unique


def check_values(config: Path | None, overrides: Sequence[str], recipes: Sequence[Recipe]) -> None:
    """Refuse values that a setting cannot have, of all recipes at once, before anything is trained.

    Raises:
        ConfigError: With every problem.
    """
    from llm_plugin.settings import resolve

    problems = []
    for recipe in recipes:
        try:
            resolve(config or os.environ.get(CONFIG_VARIABLE) or None, [*overrides, *recipe.overrides(0)])
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))


def latest_as_of(loop: Loop) -> datetime:
    """Return up to when a sweep may look: where the newest gate's holdout begins, and the one that comes next would.

    Raises:
        InsufficientData: There is not even one holdout.
    """
    from llm_plugin.learning.read import matured_rows

    rows = matured_rows(loop.store, as_of_utc=datetime.now(UTC)).rows
    times = [row.time_utc for row in rows if row.has_prompt and row.net_r is not None]
    size = loop.settings.learning.holdout
    if len(times) < size:
        raise InsufficientData(len(times), size, "matured decisions with a prompt and a replay")
    begins = [_moment(row.decision["from_utc"]) for row in loop.database.gates() if row.decision.get("from_utc")]
    return min([times[-size], *([max(begins)] if begins else [])])


def prepare_sweep(
    loop: Loop,
    recipes: Sequence[Recipe],
    *,
    as_of_utc: datetime | None = None,
    on_progress: Callable[[str, float], None] = lambda stage, fraction: None,
) -> SweepPlan:
    """Make the dataset of all trials and the answers that they are compared with; what is there already stays.

    Args:
        loop: Whose decisions are learned from; it is only read.
        recipes: What will be tried.
        as_of_utc: Nothing later is known; None = `latest_as_of`.
        on_progress: Called with a stage and the fraction done.

    Raises:
        ConfigError: A moment later than `latest_as_of`, or a setting that the continued adapter keeps.
        InsufficientData: Too few decisions or pairs before it.
        StoreUnavailable: The disk is full.
    """
    from llm_plugin.learning.split import read_window

    limit = latest_as_of(loop)
    moment = as_of_utc or limit
    if moment > limit:
        raise ConfigError(
            f"as_of_utc {moment.isoformat()} is later than {limit.isoformat()}: a sweep would spend decisions that "
            "the gate judges by"
        )
    split = read_window(
        [loop.store],
        loop.settings.learning,
        as_of_utc=moment,
        prefix=loop.prefix,
        prompt_version=prompts_version(loop.settings),
    )
    champion = loop.registry.pointer().champion
    parent = _untouched(loop, champion, split.holdout[0].time_utc)
    _check_recipes(recipes, loop, parent)
    folder = home() / "sweeps" / _key(loop, split, parent)
    sha256, pairs = _dataset(loop, split, parent, folder, lambda part: on_progress("dataset", part))
    _parent_answers(loop, parent, split.holdout, folder, lambda part: on_progress(f"answers of {parent}", part))
    return SweepPlan(
        folder=folder,
        dataset_sha256=sha256,
        parent=parent,
        champion=champion,
        as_of_utc=moment,
        from_utc=split.holdout[0].time_utc,
        to_utc=split.holdout[-1].time_utc,
        holdout=len(split.holdout),
        pairs=pairs,
    )


def loader_of(loop: Loop) -> Callable[[Settings, Path | None], LanguageModel]:
    """Return what opens a model with an adapter, as a cycle does."""
    from llm_plugin.cycle.models import open_configured

    return loop.parts(lambda stage, fraction: None).open_model or open_configured


def answers_of(
    model: LanguageModel,
    holdout: Sequence[MaturedDecision],
    loop: Loop,
    version: str,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> list[PolicyAnswer]:
    """Let a model answer the holdout as the validator would have with it."""
    from llm_plugin.gate.policy import answer_policy, session_statistics

    own_strategy = loop.settings.fusion.strategy not in ("weighted", "regime", "llm", "signal")
    return answer_policy(
        model,
        holdout,
        loop.settings,
        version=version,
        statistics=session_statistics(loop.store, loop.settings) if own_strategy else None,
        on_progress=lambda done, total: on_progress(done / total),
    )


def prompts_version(settings: Settings) -> str:
    """Return the template version of the prompts in use."""
    from llm_plugin.prompts import PromptRenderer

    return PromptRenderer(settings.prompts, settings.features.user).version


def _untouched(loop: Loop, champion: str, begin: datetime) -> str:
    """Return the newest version of the champion's line that has not learned from what comes after a moment."""
    name = champion
    while True:
        seen = learned_until(loop, name)
        parent = loop.registry.get(name).parent
        if seen is None or seen <= begin or parent is None:
            return name
        name = parent


def _check_recipes(recipes: Sequence[Recipe], loop: Loop, parent: str) -> None:
    if loop.registry.get(parent).folder is None:
        return
    kept = sorted({key for recipe in recipes for key, _ in recipe.values if key in KEPT_BY_PARENT})
    if kept:
        raise ConfigError(
            f"{', '.join(kept)} would change nothing: training goes on with the adapter of {parent}, which keeps "
            "its own"
        )


def _key(loop: Loop, split: Split, parent: str) -> str:
    """Name the sweep by everything that its dataset and the answers to compare with are made of."""
    from llm_plugin.learning.split import SIDES

    settings = loop.settings
    rows = [(row.decision_id, row.net_r, row.realised_r) for side in SIDES for row in getattr(split, side)]
    facts = {
        "rows": rows,
        "as_of_utc": split.as_of_utc,
        "parent": parent,
        "learning": settings.learning.model_dump(mode="json", exclude={"training", "store_url"}),
        "prompts": split.prompt_version,
        "data": str(loop.data_folder),
        **settings.model_dump(mode="json", include={"llm_model", "fusion", "reasoning", "outcomes"}),
    }
    text = json.dumps(to_jsonable(facts), sort_keys=True)
    return f"{split.as_of_utc:%Y%m%dT%H%M%S}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _dataset(
    loop: Loop, split: Split, parent: str, folder: Path, on_progress: Callable[[float], None]
) -> tuple[str, int]:
    """Write the dataset as a cycle would, unless it is there; return its hash and how many rows train."""
    from llm_plugin.learning.answers import ModelAnswers
    from llm_plugin.learning.context_rows import context_of
    from llm_plugin.learning.dataset import read_dataset, write_dataset
    from llm_plugin.learning.pairs import build_pairs, require_pairs, training_rows

    settings, place = loop.settings, folder / "dataset"
    if (place / "manifest.json").is_file():
        known = read_dataset(place).manifest
        return known.sha256, known.counts["pairs"] + known.counts["kto"]
    context, _ = context_of(split, loop.data_folder, settings, [loop.store])
    writer = ModelAnswers.configured(_open(loop, BASE), settings, on_progress)
    pairs = build_pairs(training_rows(split, settings.learning, context), settings.learning, writer)
    count = require_pairs(pairs)
    folder.mkdir(parents=True, exist_ok=True)
    return write_dataset(place, split, pairs, {"made_by": "sweep-training", "parent": parent}).sha256, count


def _parent_answers(
    loop: Loop,
    parent: str,
    holdout: Sequence[MaturedDecision],
    folder: Path,
    on_progress: Callable[[float], None],
) -> None:
    path = folder / "parent.json"
    if not path.is_file():
        answers = answers_of(_open(loop, parent), holdout, loop, parent, on_progress)
        write_whole(path, json.dumps(to_jsonable(answers)) + "\n")


def _open(loop: Loop, version: str) -> LanguageModel:
    from llm_plugin.cycle.models import base_folder

    settings = loop.settings
    found = loop.registry.verify(version, base=base_folder(settings), prompt_version=prompts_version(settings))
    return loader_of(loop)(settings, found.folder)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _text(value: Any) -> str:
    """Write a value as YAML reads it back: 1e-05 would be a word there."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{Decimal(repr(value)):f}"
    return value if isinstance(value, str) else json.dumps(value)
