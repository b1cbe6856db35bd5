"""Cycles in simulated time: the rule, the cycle and the registry of this run alone, as of the moment of a question.

The cycle is the one that runs live (`llm_plugin.cycle`). What is different here: registry, database and folders lie
inside the run, their clock is simulated time, and finished training is kept by the hash of what went into it, so that
a walk-forward that was killed comes to its last cycle without training again.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.reasoning.model_folder import MANIFEST_NAME, file_sha256, read_manifest
from llm_plugin.registry.words import BASE
from llm_plugin.walkforward.drifting import STEP
from llm_plugin.walkforward.loop import CycleReport, Rule, Served
from llm_plugin.walkforward.plan import content_key

if TYPE_CHECKING:
    from llm_plugin.cycle.words import CycleParts, CycleRequest, CycleResult, Trainer, TrainerTask
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import Settings
    from llm_plugin.walkforward.drifting import SimulatedDrift

__all__ = ["KeptTraining", "SimulatedClock", "SimulatedCycles"]

KEPT_ADAPTER = "adapter"
RunCycle = Callable[["CycleRequest", "CycleParts"], "CycleResult"]
AfterCycle = Callable[["SimulatedCycles", datetime, "CycleResult"], Mapping[str, Any]]


class SimulatedClock:
    """What time it is in the walk-forward; registry and database ask it."""

    def __init__(self) -> None:
        self.now = datetime(1970, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return simulated time."""
        return self.now


class KeptTraining:
    """A cycle's trainer that keeps what it has trained, by the hash of dataset, parent and settings.

    Args:
        folder: Where adapters are kept.
        train: Who trains what is not there.
    """

    def __init__(self, folder: Path, train: Trainer) -> None:
        self.folder = folder
        self.reused = 0
        self._train = train

    def __call__(self, task: TrainerTask, on_progress: Callable[[float], None]) -> None:
        """Bring an adapter into `task.out`, trained or copied; the manifest comes last."""
        kept = self.folder / self.key(task) / KEPT_ADAPTER
        if (kept / MANIFEST_NAME).is_file():
            self.reused += 1
        else:
            kept.parent.mkdir(parents=True, exist_ok=True)
            self._train(replace(task, out=kept), on_progress)
        shutil.rmtree(task.out, ignore_errors=True)
        task.out.mkdir(parents=True)
        for path in sorted(kept.iterdir()):
            if path.is_file() and path.name != MANIFEST_NAME:
                shutil.copy2(path, task.out / path.name)
        shutil.copy2(kept / MANIFEST_NAME, task.out / MANIFEST_NAME)
        on_progress(1.0)

    def key(self, task: TrainerTask) -> str:
        """Return the name under which a task's adapter is kept."""
        dataset = json.loads((task.dataset / MANIFEST_NAME).read_text(encoding="utf-8"))["sha256"]
        parent = BASE if task.parent is None else file_sha256(task.parent / MANIFEST_NAME)
        training = task.settings.learning.training.model_dump(mode="json")
        return content_key(dataset, parent, training, task.prompt_version, _base_of(task.settings))[:24]


class SimulatedCycles:
    """The rule, the cycles and the registry of one walk-forward.

    Args:
        settings: The configuration.
        store: Outcome store of the run.
        run_id: The run.
        registry: Registry of this run alone.
        database: Learning database of this run alone.
        parts: Makes the parts of one cycle.
        clock: Simulated time; moved by `due` and `run`.
        base_cutoff_utc: Data cutoff of the base model.
        run_cycle: The cycle; None takes `cycle.run.run_cycle`.
        after: Called after a cycle that had data; what it returns joins the figures.
        drift: Checked whenever the rule is asked; None = not at all.
    """

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        run_id: str,
        registry: Registry,
        database: LearningDatabase,
        parts: Callable[[], CycleParts],
        clock: SimulatedClock,
        *,
        base_cutoff_utc: datetime | None,
        run_cycle: RunCycle | None = None,
        after: AfterCycle | None = None,
        drift: SimulatedDrift | None = None,
    ) -> None:
        self.settings, self.store, self.run_id = settings, store, run_id
        self.registry, self.database = registry, database
        self._parts, self._clock = parts, clock
        self._base_cutoff = base_cutoff_utc
        self._run_cycle = run_cycle
        self._after = after
        self._drift = drift

    @property
    def stores(self) -> Sequence[OutcomeStore]:
        """What cycles learn from."""
        return self._parts().stores

    def due(self, now: datetime) -> Rule:
        """Apply the retrain rule with what is known now."""
        from llm_plugin.cycle.rule import due

        self._clock.now = now
        report = self._drift.check(now) if self._drift is not None else None
        parts = self._parts()
        found = due(
            self.settings.learning,
            parts.stores,
            self.database,
            as_of_utc=now,
            run_ids=[self.run_id],
            data_folder=parts.data_folder,
        )
        missing = max(0, found.needed - found.count)
        if report is None:
            return Rule(found.start, found.count, missing)
        since = report.change_point_utc if report.found else None
        told = "; ".join(item.text for item in report.findings if item.standing == "drift")
        return Rule(found.start, found.count, min(missing, STEP), told, since)

    def run(self, now: datetime, number: int) -> CycleReport:
        """Run one cycle on what is known at this moment."""
        from llm_plugin.cycle.words import CycleRequest

        self._clock.now = now
        run_cycle = self._run_cycle or _real_cycle()
        begun = time.perf_counter()
        self.store.flush()
        request = CycleRequest(as_of_utc=now, run_ids=[self.run_id], holder="walkforward")
        result = run_cycle(request, self._parts())
        extra = self._after(self, now, result) if self._after is not None and _had_data(result) else {}
        newest = result.facts.get("newest_utc")
        return CycleReport(
            status=result.status,
            reason=result.reason,
            served=self.served(),
            cycle_id=result.cycle_id,
            used_until_utc=_moment(newest) if newest is not None else None,
            missing=max(0, int(result.facts.get("needed") or 0) - int(result.facts.get("count") or 0)),
            figures={**_figures(result.facts), "challenger": result.challenger, "gate": self._gate(result), **extra},
            seconds=round(time.perf_counter() - begun, 2),
        )

    def roll_back(self, now: datetime, reason: str) -> Served:
        """Make the version before serve again."""
        self._clock.now = now
        self.registry.rollback(reason)
        return self.served()

    def served(self) -> Served:
        """Return who serves by the registry, with the end of the data that it was made from."""
        version = self.registry.verify(self.registry.pointer().champion)
        if version.folder is None or version.manifest is None:
            return Served(BASE, None, self._base_cutoff)
        cutoff = version.manifest.data_cutoff_utc
        return Served(version.id, version.folder, _moment(cutoff) if cutoff else None)

    def _gate(self, result: CycleResult) -> Mapping[str, Any] | None:
        if result.challenger is None:
            return None
        rows = [row for row in self.database.gates() if row.challenger == result.challenger]
        return _shown(rows[-1].decision) if rows else None


def _base_of(settings: Settings) -> str:
    """Return the base's content where it is a folder with a manifest, else its name: never where it lies."""
    from llm_plugin.cycle.models import base_folder

    folder = base_folder(settings)
    manifest = read_manifest(folder) if folder is not None else None
    return settings.llm_model.name if manifest is None else manifest.version


def _had_data(result: CycleResult) -> bool:
    return result.status in ("promoted", "refused", "cannot_judge")


def _shown(gate: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the long parts of a gate decision: accounts and the text of each check."""
    checks = [{key: row[key] for key in ("name", "passed", "value", "bar")} for row in gate.get("checks", ())]
    return {key: value for key, value in gate.items() if key not in ("portfolios", "slices")} | {"checks": checks}


def _figures(facts: Mapping[str, Any]) -> dict[str, Any]:
    counts = facts.get("counts") or {}
    return {"pairs": counts.get("pairs"), "counts": counts, "dataset": facts.get("dataset")}


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _real_cycle() -> RunCycle:
    from llm_plugin.cycle.run import run_cycle

    return run_cycle
