"""What a cycle is asked, what it works with, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llm_plugin.files import home
from llm_plugin.learning.types import CycleStatus, MaturedDecision

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.split import Split
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.registry.mirror import Mirror
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import Settings

__all__ = [
    "CHALLENGER_REGISTERED",
    "CHAMPION_PROMOTED",
    "CHAMPION_ROLLED_BACK",
    "CYCLE_ENDED",
    "GATE_DECIDED",
    "STAGES",
    "CycleParts",
    "CycleRequest",
    "CycleResult",
    "Trigger",
]

CHALLENGER_REGISTERED = "lean-llm.challenger.registered"
GATE_DECIDED = "lean-llm.gate.decided"
CHAMPION_PROMOTED = "lean-llm.champion.promoted"
CHAMPION_ROLLED_BACK = "lean-llm.champion.rolled-back"
CYCLE_ENDED = "lean-llm.cycle.ended"

STAGES = ("pairs", "trained", "registered", "judged", "decided")
"""What is journaled, in order; a cycle that was killed goes on after the last one that is there."""

Trigger = Literal["schedule", "drift", "operator"]
OnStage = Callable[[str, float], None]
ContextRows = Callable[["Split"], Sequence[MaturedDecision]]
OpenModel = Callable[["Settings", Path | None], "LanguageModel"]
Trainer = Callable[["TrainerTask", Callable[[float], None]], None]


@dataclass(frozen=True, slots=True)
class TrainerTask:
    """What training is asked: the dataset becomes an adapter in `out`, whose manifest is written last."""

    dataset: Path
    parent: Path | None
    parent_id: str
    out: Path
    settings: Settings
    prompt_version: str


@dataclass(frozen=True, slots=True)
class CycleRequest:
    """What is asked of a cycle.

    Attributes:
        as_of_utc: Nothing that was known later is used: now, or simulated time.
        trigger: Why it starts; an operator is not held up by counts, intervals and busy hours.
        run_ids: Only decisions of these runs; None = all of the stores.
        holder: Who starts it, for the lease: `cli`, `http`, `prefect`.
        stop_after: A stage after which to stop; the next call goes on there.
    """

    as_of_utc: datetime = field(default_factory=lambda: datetime.now(UTC))
    trigger: Trigger = "schedule"
    run_ids: Collection[str] | None = None
    holder: str = "cycle"
    stop_after: str | None = None


@dataclass(frozen=True)
class CycleParts:
    """What a cycle works with; nothing global, so that many can run beside each other in simulated time.

    Attributes:
        settings: The whole configuration.
        stores: Outcome stores that are learned from.
        registry: Where versions lie.
        database: Lease, journal, account, events.
        folder: Where cycles keep their files; None takes `cycles` in the plugin's home.
        data_folder: LEAN's data, for the market calendar; None counts Monday to Friday.
        context_rows: Gives bars without a signal, rendered as decisions, for a split; None = none.
        open_model: Loads the model with an adapter (None = without); None takes `llm_model` of the settings.
        train: Trains in a process of its own; None takes `training.train_adapter`.
        mirror: Is told about versions and aliases when a cycle has ended; None tells nobody.
        on_stage: Called with a stage's name and the fraction done.
    """

    settings: Settings
    stores: Sequence[OutcomeStore]
    registry: Registry
    database: LearningDatabase
    folder: Path | None = None
    data_folder: Path | None = None
    context_rows: ContextRows | None = None
    open_model: OpenModel | None = None
    train: Trainer | None = None
    mirror: Mirror | None = None
    on_stage: OnStage = lambda stage, fraction: None

    @property
    def cycles_folder(self) -> Path:
        """Where cycles keep their files."""
        return self.folder if self.folder is not None else home() / "cycles"


@dataclass(frozen=True)
class CycleResult:
    """How a cycle ended.

    Attributes:
        status: See `CycleStatus`.
        reason: In words, for a person.
        cycle_id: Empty where none was begun.
        champion: Who serves now.
        challenger: The version that came out of it, None where none did.
        facts: Counts, dataset, gate figures, seconds of each stage.
        resumed: True where a cycle that was interrupted went on.
    """

    status: CycleStatus
    reason: str
    cycle_id: str = ""
    champion: str = "base"
    challenger: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    resumed: bool = False

    @property
    def promoted(self) -> bool:
        """True where the challenger serves now."""
        return self.status == "promoted"
