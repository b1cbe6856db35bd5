"""What the judge says about a candidate: five cumulative gates, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from llm_plugin.errors import DataError

__all__ = ["GATES", "JUDGE_VERSION", "Candidate", "GateResult", "JudgeLimits", "Verdict"]

# Raised whenever a verdict could come out differently: results of older versions are not read from the cache.
JUDGE_VERSION = "1"

GATES = ("compiles", "backtests", "trades", "means_it", "honest")


@dataclass(frozen=True)
class JudgeLimits:
    """What one run of a candidate may use.

    Attributes:
        cpu_seconds: Processor time of a run.
        wall_seconds: Time of a run on the clock, for one that sleeps.
        memory_mib: Address space of the process, the engine's own included.
        output_mib: Order requests and messages together.
        scratch_mib: What may be written into the temporary folder.
        most_requests: Order requests of a run.
        truncations: At how many moments the future is cut off.
    """

    cpu_seconds: int = 60
    wall_seconds: float = 180.0
    memory_mib: int = 2560
    output_mib: int = 16
    scratch_mib: int = 32
    most_requests: int = 20_000
    truncations: int = 2


@dataclass(frozen=True)
class GateResult:
    """One gate.

    Attributes:
        name: One of `GATES`.
        passed: None where the gate was not reached, or cannot judge (the reason says which).
        reason: Why it failed, in words that a model can act on; empty where it passed.
        details: Further facts as plain values.
    """

    name: str
    passed: bool | None
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A strategy to judge.

    Attributes:
        source: Text of `main.py`.
        task: The task that it answers; None judges gates 1, 2, 3 and 5.
        start: First day, as `YYYY-MM-DD`; empty = the task's, or the algorithm's own.
        end: Last day.
        cash: Starting cash; 0 = the task's, or the algorithm's own.
        gates: How far to go, 1 to 5.
        id: Free text that comes back with the verdict.
    """

    source: str
    task: Any = None
    start: str = ""
    end: str = ""
    cash: float = 0.0
    gates: int = 5
    id: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the judge found.

    Attributes:
        gates: All five, in order; those that were not reached have `passed` None.
        reached: How many gates in a row were passed, from the first; a gate that did not apply is stepped over.
        unsupported: Members of LEAN that are valid and that the engine lacks: not the author's error.
        orders: Orders of the trusted replay.
        statistics: LEAN's statistics of the trusted replay.
        seconds: How long judging took.
        cpu_seconds: Processor time of judging, the candidate's runs included.
        id: The candidate's.
        cached: Whether it was read from the cache of results.
    """

    gates: tuple[GateResult, ...]
    unsupported: tuple[str, ...] = ()
    orders: int = 0
    statistics: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    id: str = ""
    cached: bool = False

    @property
    def reached(self) -> int:
        """How many gates in a row were passed."""
        count = 0
        for place, gate in enumerate(self.gates, start=1):
            if gate.passed is False:
                break
            if gate.passed:
                count = place
        return count

    @property
    def passed(self) -> bool:
        """Whether the candidate may be handed over: no gate failed and the last one that was asked for was passed."""
        return not self.unsupported and all(gate.passed is not False for gate in self.gates) and self.reached > 0

    @property
    def failure(self) -> GateResult | None:
        """The first gate that failed, None where none did."""
        return next((gate for gate in self.gates if gate.passed is False), None)

    def gate(self, name: str) -> GateResult:
        """Return a gate by its name."""
        return next(gate for gate in self.gates if gate.name == name)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "reached": self.reached}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdict:
        """Read what `to_json` gave.

        Raises:
            DataError: Something else.
        """
        try:
            given = {key: value for key, value in values.items() if key != "reached"}
            gates = tuple(GateResult(**gate) for gate in given.pop("gates"))
            return cls(gates=gates, **{**given, "unsupported": tuple(given["unsupported"])})
        except (TypeError, KeyError) as error:
            raise DataError(f"this is no verdict: {error}") from error
