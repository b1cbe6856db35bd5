"""What a run may use, and what damaged data does to it: from the command line to the engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.files import write_whole

if TYPE_CHECKING:
    from llm_plugin.engine.data.bad_data import BadData
    from llm_plugin.engine.limits import RunLimits

__all__ = ["NOTE_NAME", "RunOptions", "write_note"]

NOTE_NAME = "note-data.txt"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Limits and data policy of a run; None = the engine's own.

    Attributes:
        step_seconds: Time of one time step.
        run_seconds: Time of the whole run.
        memory_mib: Memory of the process.
        bad_data: `stop` or `skip`.
        missing_data: `tell` or `stop`.
    """

    step_seconds: float | None = None
    run_seconds: float | None = None
    memory_mib: int | None = None
    bad_data: str = "stop"
    missing_data: str = "tell"

    def limits(self, on_stuck: Callable[[str], None] | None = None) -> RunLimits:
        """Return the engine's limits.

        Args:
            on_stuck: Called when an algorithm does not stop when told; ends the process.
        """
        from llm_plugin.engine.limits import LEAN_STEP_SECONDS, RunLimits

        return RunLimits(self.step_seconds or LEAN_STEP_SECONDS, self.run_seconds, self.memory_mib, on_stuck)

    def policy(self) -> BadData:
        """Return the engine's data policy.

        Raises:
            ConfigError: An unknown word.
        """
        from llm_plugin.engine.data.bad_data import BadData

        return BadData(self.bad_data, self.missing_data)


def write_note(policy: Any, folder: Path) -> None:
    """Leave a note for the run's summary and report where data was skipped or missing."""
    lines = policy.lines()
    if lines:
        write_whole(folder / NOTE_NAME, "\n".join(lines) + "\n")
