"""One cell of the loop's proof: a base model trained before the shifts, then every arm over all of them."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.domain import Source, to_jsonable
from llm_plugin.errors import BackendUnavailable, DataError, LookaheadError
from llm_plugin.hashing import decisions_hash
from llm_plugin.proofs.loop_config import SCHEMA_VERSION, LoopProofConfig, LoopVariant
from llm_plugin.proofs.loop_shuffle import ShuffledOutcomes
from llm_plugin.proofs.models import OnStage
from llm_plugin.proofs.planted_cell import code_sha256, versions
from llm_plugin.proofs.planted_market import RUN_ID, PlantedMarket, plant_market, questions_on, trading_days
from llm_plugin.proofs.walk import Answer, walk
from llm_plugin.reasoning.model_folder import MANIFEST_NAME, check_model_folder

if TYPE_CHECKING:
    from llm_plugin.bootstrap.metalabel import MetaLabel
    from llm_plugin.cycle.words import Trainer
    from llm_plugin.reasoning.generations import Generations
    from llm_plugin.settings import Settings
    from llm_plugin.validator import Validator
    from llm_plugin.walkforward.timeline import Event

__all__ = ["Base", "BaseTrainer", "loop_settings", "run_loop_cell", "train_base"]

_ANSWERED = {Source.LLM, Source.CACHE}
ARMS = ("learning", "frozen", "tabular")


@dataclass(frozen=True)
class Base:
    """What the walk starts with.

    Attributes:
        folder: The base model; None for one that lies nowhere (tests).
        generations: The same, loaded.
        meta_label: The tabular model beside it.
        cutoff_utc: Nothing later was known to either.
        facts: How its training went.
    """

    folder: Path | None
    generations: Generations
    meta_label: MetaLabel
    cutoff_utc: datetime
    facts: dict[str, Any] = field(default_factory=dict)


BaseTrainer = Callable[[PlantedMarket, LoopProofConfig, int, Path, OnStage], Base]


@dataclass
class _Cell:
    """What the arms of a cell share."""

    config: LoopProofConfig
    variant: LoopVariant
    seed: int
    market: PlantedMarket
    base: Base
    work: Path
    kept: Path
    train: Trainer | None
    on_stage: OnStage
    opened: list[Callable[[], None]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """The settings of the learning arm."""
        return loop_settings(self.market, self.config, self.seed, self.base.folder)

    def close(self) -> None:
        """Close what is open, the newest first."""
        while self.opened:
            self.opened.pop()()


def loop_settings(
    market: PlantedMarket, config: LoopProofConfig, seed: int, model: Path | None = None, more: Sequence[str] = ()
) -> Settings:
    """Return the default settings with the market's exits, the loop's sizes, local memory, and risk rules off."""
    from llm_plugin.settings import resolve

    base = [
        "signals.kind=none",
        "memory.backend=local",
        "risk.enable_risk_veto=false",
        "llm_model.device=cpu",
        f"reasoning.threads={config.threads}",
        f"learning.training.threads={config.threads}",
        "validator.timeout_seconds=600",
        "logging.log_risk_veto=false",
        *(f"{key}={seed}" for key in ("learning.training.seed", "gate.seed", "validator.seed")),
    ]
    named = [] if model is None else [f"llm_model.name={model}"]
    return resolve(overrides=[*base, *named, *market.overrides, *config.settings, *more], env={}).settings


def train_base(market: PlantedMarket, config: LoopProofConfig, seed: int, folder: Path, on_stage: OnStage) -> Base:
    """Train the bootstrap model and the meta-label beside it on the market's first part, as the command does.

    One that is complete is used again: by a cell that was killed, and by the other kind of run on the same market.
    """
    from llm_plugin.bootstrap.build import META_LABEL_FOLDER
    from llm_plugin.bootstrap.metalabel import MetaLabel
    from llm_plugin.proofs.models import train_bootstrap
    from llm_plugin.proofs.planted_config import ProofConfig
    from llm_plugin.registry.files import locked
    from llm_plugin.walkforward.opening import load_generations

    with locked(folder.with_name(f"{folder.name}.lock")):
        if not (folder / MANIFEST_NAME).is_file():
            effort = ProofConfig(training_tokens=config.training_tokens, threads=config.threads)
            train_bootstrap(market, loop_settings(market, config, seed), effort, seed, folder, on_stage)
    manifest = check_model_folder(folder)
    if manifest is None or manifest.data_cutoff_utc is None:
        raise DataError(f"{folder} holds no complete base model: remove the folder and run again")
    return Base(
        folder=folder,
        generations=load_generations(loop_settings(market, config, seed, folder)),
        meta_label=MetaLabel.load(folder / META_LABEL_FOLDER),
        cutoff_utc=datetime.fromisoformat(manifest.data_cutoff_utc),
        facts={"version": manifest.version, "calibration": manifest.training.get("calibration")},
    )


def run_loop_cell(
    config: LoopProofConfig,
    variant: LoopVariant,
    seed: int,
    work: Path,
    kept: Path,
    *,
    base: BaseTrainer = train_base,
    train: Trainer | None = None,
    arms: Sequence[str] = ARMS,
    on_stage: OnStage = lambda stage, fraction: None,
) -> dict[str, Any]:
    """Run one cell and return its result as plain JSON types.

    Args:
        config: Settings of the proof.
        variant: Whether outcomes are shuffled before a cycle sees them.
        seed: Of market and training.
        work: A folder of its own; emptied before and after.
        kept: Base model and finished training by content: a cell that was killed does not train again.
        base: Makes the models from the first part.
        train: Trains adapters; None takes the cycle's own.
        arms: Which arms, `learning` first: the tabular one follows its cycles.
        on_stage: Called with the stage's name and its fraction done.

    Raises:
        LookaheadError: A version would have answered that knows something later.
        BackendUnavailable: Not every question was answered by the model.
    """
    from llm_plugin.proofs.planted_cell import stopwatch

    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    seconds: dict[str, float] = {}
    clock = stopwatch(seconds)
    on_stage("market", 0.0)
    market = plant_market(work / "data", config.market(seed), config.training_bars, config.signal_confidence)
    clock("market")
    made = base(market, config, seed, kept / f"base-{config.sha256[:16]}-seed{seed}", on_stage)
    clock("base")
    questions = questions_on(market)
    first = questions[0].request.market.time_utc
    if made.cutoff_utc > min(first, market.cutoff_utc):
        raise LookaheadError(f"the base knows of {made.cutoff_utc.isoformat()}, the first question is of {first}")
    cell = _Cell(config, variant, seed, market, made, work, kept, train, on_stage)
    answers: dict[str, list[Answer]] = {}
    try:
        for name in arms:
            answers[name] = walk(
                _BACKENDS[name](cell),
                questions,
                market.bars,
                policy=market.policy,
                tick_size=market.instrument.tick_size,
                on_progress=lambda done, name=name: on_stage(name, done),  # type: ignore[misc]
            )
            cell.close()
            clock(name)
    finally:
        cell.close()
    _refuse_unanswered(answers)
    result = _result(cell, answers)
    shutil.rmtree(work, ignore_errors=True)
    return {**result, "seconds": {name: round(value, 2) for name, value in seconds.items()}}


def _learning(cell: _Cell) -> Any:
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.walkforward.backend import LoopBackend
    from llm_plugin.walkforward.opening import LoopParts, TimelessValidator, make_loop
    from llm_plugin.walkforward.rows import ContextKeeper, TabularFits
    from llm_plugin.walkforward.timeline import TIMELINE_NAME

    folder, settings = cell.work / "learning", cell.settings
    folder.mkdir(parents=True)
    store = OutcomeStore(f"sqlite:///{(folder / 'store.sqlite').resolve()}", "group")
    cell.opened.append(store.close)
    stores = None
    if cell.variant.shuffled:
        shuffled = ShuffledOutcomes(store, RUN_ID, folder / "shuffled", cell.seed)
        cell.opened.append(shuffled.close)
        stores = shuffled.stores
    loop, _, close = make_loop(
        LoopParts(
            settings=settings,
            run_id=RUN_ID,
            store=store,
            generations=cell.base.generations,
            state_folder=folder / "loop",
            kept_folder=cell.kept,
            timeline=folder / TIMELINE_NAME,
            base_cutoff_utc=cell.base.cutoff_utc,
            train=cell.train,
            stores=stores,
            after=TabularFits(settings, cell.kept, ContextKeeper(), cell.base.meta_label),
        )
    )
    cell.opened.append(close)
    cell.events = loop.timeline.events
    validator = TimelessValidator.from_settings(
        settings, RUN_ID, store=store, model=cell.base.generations, run_folder=folder
    )
    cell.opened.append(validator.close)
    return LoopBackend(validator, before=loop.before, after=loop.after)


def _frozen(cell: _Cell) -> Any:
    from llm_plugin.walkforward.loop import Served
    from llm_plugin.walkforward.opening import Swaps

    Swaps(cell.base.generations).serve(Served("base", None, cell.base.cutoff_utc))
    return _plain(cell, "frozen", cell.settings, model=cell.base.generations)


def _tabular(cell: _Cell) -> Any:
    from llm_plugin.bootstrap.metalabel import MetaLabel
    from llm_plugin.walkforward.tabular import ScheduledMetaLabel, Timed, schedule_of

    later = [Timed(moment, MetaLabel.load(folder)) for moment, folder in schedule_of(cell.events, cell.kept)]
    settings = loop_settings(cell.market, cell.config, cell.seed, cell.base.folder, ["validator.arm=tabular"])
    return _plain(cell, "tabular", settings, meta_label=ScheduledMetaLabel(cell.base.meta_label, later))


def _plain(cell: _Cell, name: str, settings: Settings, **options: Any) -> Validator:
    from llm_plugin.validator import Validator

    made = Validator.from_settings(settings, RUN_ID, run_folder=cell.work / name, **options)
    cell.opened.append(made.close)
    return made


_BACKENDS: dict[str, Callable[[_Cell], Any]] = {"learning": _learning, "frozen": _frozen, "tabular": _tabular}


def _refuse_unanswered(answers: dict[str, list[Answer]]) -> None:
    """A proof must not be made of fall-backs."""
    for arm, given in answers.items():
        allowed = {Source.RULE} if arm == "tabular" else _ANSWERED
        others = [answer.decision for answer in given if answer.decision.source not in allowed]
        if others:
            counts = dict(Counter(decision.source.value for decision in others))
            raise BackendUnavailable(
                f"arm {arm}: {counts} of {len(given)} decisions were not answered as they should: {others[0].reason}"
            )


def _result(cell: _Cell, answers: dict[str, list[Answer]]) -> dict[str, Any]:
    reference = answers["learning"]
    done = [i for i, answer in enumerate(reference) if math.isfinite(answer.net_r)]
    net = [reference[i].net_r for i in done]
    for name, others in answers.items():
        if not np.allclose(net, [others[i].net_r for i in done], rtol=0, atol=1e-12):
            raise DataError(f"arm {name} was replayed to other outcomes than arm learning")
    days = trading_days(cell.market.bars, cell.market.half)
    place = {day: index for index, day in enumerate(days)}
    times = [reference[i].question.request.market.time_utc for i in done]
    shifts = [
        datetime.fromisoformat(f"{day}T00:00:00+00:00") for day in cell.market.manifest.content["config"]["shifts"]
    ]
    segment = [sum(time >= shift for shift in shifts) for time in times]
    context = [reference[i].question.context for i in done]
    return {
        "schema_version": SCHEMA_VERSION,
        "config": cell.config.to_json(),
        "config_sha256": cell.config.sha256,
        "code_sha256": code_sha256(),
        "versions": versions(),
        "variant": cell.variant.name,
        "shuffled": cell.variant.shuffled,
        "seed": cell.seed,
        "cutoff_utc": to_jsonable(cell.market.cutoff_utc),
        "shifts": [to_jsonable(shift) for shift in shifts],
        "model": to_jsonable(cell.base.facts),
        "days": days,
        "decisions": {
            "time_utc": [to_jsonable(time) for time in times],
            "day": [place[f"{time:%Y-%m-%d}"] for time in times],
            "net_r": net,
            "segment": segment,
            "good": [good != bool(flips % 2) for good, flips in zip(context, segment, strict=True)],
        },
        "arms": {name: _arm(others, done) for name, others in answers.items()},
        "events": [event.to_json() for event in cell.events],
    }


def _arm(answers: list[Answer], done: list[int]) -> dict[str, Any]:
    decisions = [answers[i].decision for i in done]
    return {
        "sources": dict(Counter(decision.source.value for decision in decisions)),
        "size": [decision.size_multiplier if decision.approved else 0.0 for decision in decisions],
        "decisions_hash": decisions_hash([answer.decision for answer in answers]),
    }
