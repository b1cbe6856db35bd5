"""Which cycle goes on, and what begins: the row, its settings, its folder; and the events of pointer changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.cycle.rule import Due
from llm_plugin.cycle.words import CHAMPION_PROMOTED, CHAMPION_ROLLED_BACK, CycleParts, CycleRequest
from llm_plugin.learning.database import CycleRow

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.leases import Lease
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import Settings

__all__ = ["begin", "cycle_folder", "settings_of", "tell_changes"]

KEPT_SECTIONS = ("learning", "gate")
TOLD = {"promoted": CHAMPION_PROMOTED, "rolled-back": CHAMPION_ROLLED_BACK}


def begin(parts: CycleParts, request: CycleRequest, rule: Due, lease: Lease) -> CycleRow:
    """Open a cycle under the next number; the same history gives the same id.

    Raises:
        LeaseLost: Another cycle has the lease.
    """
    model = parts.settings.learning.model
    number = 1 + max((row.number for row in parts.database.cycles(model)), default=0)
    cycle_id = f"{model}-c{number:04d}-{request.as_of_utc:%Y%m%dT%H%M%S}"
    settings = parts.settings.model_dump(mode="json", include=set(KEPT_SECTIONS))
    asked: dict[str, Any] = {
        "trigger": rule.trigger,
        "why": rule.reason,
        "new_decisions": rule.count,
        "needed": rule.needed,
        "since_utc": rule.since_utc,
        "drift_utc": rule.drift_utc,
        "run_ids": None if request.run_ids is None else sorted(request.run_ids),
        "holder": request.holder,
        "settings": settings,
    }
    return parts.database.begin_cycle(
        cycle_id, model=model, number=number, as_of_utc=request.as_of_utc, request=asked, fence=lease
    )


def cycle_folder(parts: CycleParts, cycle_id: str) -> Path:
    """Return where a cycle keeps its files."""
    return parts.cycles_folder / cycle_id


def settings_of(row: CycleRow, settings: Settings) -> Settings:
    """Return the settings with what the cycle began with: one that goes on is not changed under way."""
    kept = {name: type(getattr(settings, name)).model_validate(row.request["settings"][name]) for name in KEPT_SECTIONS}
    return settings.model_copy(update=kept)


def tell_changes(registry: Registry, database: LearningDatabase) -> None:
    """Put every promotion and rollback of the registry's journal into the outbox, once each.

    The pointer is moved first and told afterwards; whoever was killed between the two is made good here, and so are
    changes by the command line.
    """
    events = [
        (
            TOLD[change.what],
            f"lean-llm.model.{registry.name}",
            {
                "sequence": change.sequence,
                "champion": change.champion,
                "previous": change.previous,
                "reason": change.reason,
                "forced": change.forced,
                "changed_utc": change.changed_utc,
            },
        )
        for change in registry.history()
        if change.what in TOLD
    ]
    if events:
        database.emit_all(events)
