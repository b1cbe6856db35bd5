"""Puts the learning arm together: validator, generations, registry, database, cycles, watch, time axis."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import Decision
from llm_plugin.validator import Validator
from llm_plugin.walkforward.backend import ArmSpec, LoopBackend
from llm_plugin.walkforward.cycles import AfterCycle, KeptTraining, RunCycle, SimulatedClock, SimulatedCycles
from llm_plugin.walkforward.drifting import STEP, SimulatedDrift
from llm_plugin.walkforward.loop import Loop, Served
from llm_plugin.walkforward.timeline import TIMELINE_NAME, Timeline
from llm_plugin.walkforward.watching import SimulatedWatch

if TYPE_CHECKING:
    from llm_plugin.cycle.words import ContextRows, CycleParts, Trainer
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.generations import Generations
    from llm_plugin.settings import Settings
    from llm_plugin.walkforward.rows import ContextKeeper

__all__ = ["LoopParts", "Swaps", "TimelessValidator", "make_loop", "open_loop"]


class TimelessValidator(Validator):
    """A validator in simulated time: how long an answer took on this machine is no fact of the run."""

    def _store(self, context: Any, decision: Decision) -> Decision:
        return super()._store(context, replace(decision, latency_seconds=0.0))


class Swaps:
    """Swaps of generations by registry version."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def serve(self, served: Served) -> None:
        """Let a version answer from the next question on."""
        known = self._generations.get(served.version)
        generation = known if known is not None else self._generations.build(served.folder, served.version)
        self._generations.swap(generation)

    def model_of(self, version: str) -> Any:
        """Return a generation that serves or served before.

        Raises:
            KeyError: It is neither.
        """
        found = self._generations.get(version)
        if found is None:
            raise KeyError(f"no generation {version} is in memory")
        return found


@dataclass(frozen=True)
class LoopParts:
    """What a loop is put together from.

    Attributes:
        settings: The configuration of the learning arm.
        run_id: The run.
        store: Its outcome store.
        generations: The model.
        state_folder: Registry, database and cycle folders of this run alone; emptied first.
        kept_folder: Finished training, kept over starts.
        timeline: Path of the time axis.
        base_cutoff_utc: Data cutoff of the base model.
        data_folder: LEAN's data, for the calendar; None counts Monday to Friday.
        context_rows: Bars without a signal as decisions; None = none.
        train: Trains in a process of its own; None takes the cycle's own.
        stores: Stores that a cycle learns from; None takes the run's own.
        after: Called after a cycle that had data.
        run_cycle: The cycle; None takes the real one.
        drift: Whether drift is looked for.
    """

    settings: Settings
    run_id: str
    store: OutcomeStore
    generations: Generations
    state_folder: Path
    kept_folder: Path
    timeline: Path
    base_cutoff_utc: datetime | None
    data_folder: Path | None = None
    context_rows: ContextRows | None = None
    train: Trainer | None = None
    stores: Callable[[], Sequence[OutcomeStore]] | None = None
    after: AfterCycle | None = None
    run_cycle: RunCycle | None = None
    drift: bool = True


def make_loop(parts: LoopParts) -> tuple[Loop, SimulatedCycles, Callable[[], None]]:
    """Return the loop, its cycles, and what closes its database."""
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.registry.store import Registry

    settings, state = parts.settings, parts.state_folder
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    clock = SimulatedClock()
    registry = Registry(state / "registry", settings.learning.model, clock)
    database = LearningDatabase(f"sqlite:///{(state / 'learning.sqlite').resolve()}", clock)
    train = KeptTraining(parts.kept_folder, parts.train or _real_trainer())

    def cycle_parts() -> CycleParts:
        from llm_plugin.cycle.words import CycleParts

        return CycleParts(
            settings=settings,
            stores=[parts.store] if parts.stores is None else parts.stores(),
            registry=registry,
            database=database,
            folder=state / "cycles",
            data_folder=parts.data_folder,
            context_rows=parts.context_rows,
            open_model=lambda _, adapter: parts.generations.swapper.build(adapter, "judged"),  # on the base in memory
            train=train,
        )

    swaps = Swaps(parts.generations)
    cycles = SimulatedCycles(
        settings,
        parts.store,
        parts.run_id,
        registry,
        database,
        cycle_parts,
        clock,
        base_cutoff_utc=parts.base_cutoff_utc,
        run_cycle=parts.run_cycle,
        after=parts.after,
        drift=SimulatedDrift(settings, parts.store, parts.run_id, database) if parts.drift else None,
    )
    prefix = PromptRenderer(settings.prompts, settings.features.user).template.system
    loop = Loop(
        cycles.served(),
        retrain_every=settings.learning.min_outcomes,
        step=STEP if parts.drift else 0,
        cycles=cycles,
        models=swaps,
        watcher=SimulatedWatch(settings, parts.store, parts.run_id, swaps.model_of, prefix=prefix),
        timeline=Timeline(parts.timeline),
    )
    return loop, cycles, database.close


def open_loop(spec: ArmSpec, settings: Settings, run_id: str, run_folder: Path) -> LoopBackend:
    """Make the back end of the learning arm.

    Raises:
        ModelError: The model or the tabular model beside it cannot be loaded.
    """
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.validator.build import store_url
    from llm_plugin.validator.cutoffs import seen_data
    from llm_plugin.walkforward.rows import ContextKeeper

    store = OutcomeStore(store_url(settings.outcomes.store_url, run_folder), "group")
    generations = load_generations(settings)
    cutoffs = [seen.cutoff_utc for seen in seen_data(settings) if seen.kind == "language model"]
    context = ContextKeeper.open(settings, Path(spec.data_folder), store, run_id)
    loop, _, close = make_loop(
        LoopParts(
            settings=settings,
            run_id=run_id,
            store=store,
            generations=generations,
            state_folder=Path(spec.state_folder),
            kept_folder=Path(spec.cycles_folder),
            timeline=run_folder / TIMELINE_NAME,
            base_cutoff_utc=cutoffs[0] if cutoffs else None,
            data_folder=Path(spec.data_folder),
            context_rows=context,
            after=_fits(spec, settings, context),
        )
    )

    def release() -> None:
        close()
        store.close()
        generations.close()

    validator = TimelessValidator.from_settings(settings, run_id, store=store, model=generations, run_folder=run_folder)
    return LoopBackend(validator, before=loop.before, after=loop.after, on_close=release)


def _fits(spec: ArmSpec, settings: Settings, context: ContextKeeper) -> AfterCycle | None:
    """The tabular arm's fits; none where no tabular model lies beside the base."""
    from llm_plugin.errors import ModelError
    from llm_plugin.walkforward.rows import TabularFits
    from llm_plugin.walkforward.tabular import first_meta_label

    try:
        first = first_meta_label(settings)
    except ModelError:
        return None
    return TabularFits(settings, Path(spec.cycles_folder), context, first)


def load_generations(settings: Settings) -> Generations:
    """Load the configured base once, with the adapter of the configuration as the first generation.

    Raises:
        ModelError: It cannot be loaded.
    """
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.reasoning.generations import Generations
    from llm_plugin.validator.build import model_folder

    wanted = settings.llm_model
    folder = model_folder(wanted.name)
    return Generations.load(
        str(folder) if folder is not None else wanted.name,
        adapter=wanted.adapter,
        label="base",
        quantization=wanted.quantization,
        device=wanted.device,
        max_memory=wanted.max_memory,
        threads=settings.reasoning.threads,
        prompt_version=PromptRenderer(settings.prompts, settings.features.user).version,
        max_batch=settings.reasoning.batch_size,
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        seed=settings.validator.seed,
    )


def _real_trainer() -> Trainer:
    from llm_plugin.cycle.steps import train_in_process

    return train_in_process
