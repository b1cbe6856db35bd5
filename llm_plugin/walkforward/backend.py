"""The back end of an arm that learns on the way: a validator, and before each entry question the loop's turn.

`lean.backend.make_backend` calls `backend_of_spec` where the algorithm parameter `llm-walkforward` names a file. The
question is what moves simulated time: while a cycle runs, the algorithm waits in `validate`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import Decision, DecisionRequest, MarketContext, Outcome, QuestionKind, Signal
from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.files import write_whole

if TYPE_CHECKING:
    from llm_plugin.validator import Validator

__all__ = ["ArmSpec", "LoopBackend", "backend_of_spec"]

BeforeQuestion = Callable[[DecisionRequest], None]
AfterQuestion = Callable[[DecisionRequest, Decision], None]


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """What an arm's process is told beside its configuration; paths are absolute.

    Attributes:
        role: `learning` or `tabular`.
        state_folder: Registry and learning database of this run alone; made anew at every start.
        cycles_folder: Finished cycles by the hash of what went into them; kept over starts.
        learning_folder: Where the learning arm runs; the tabular arm reads its time axis.
        data_folder: LEAN's data, for context rows.
    """

    role: str
    state_folder: str
    cycles_folder: str
    learning_folder: str
    data_folder: str

    def write(self, path: Path) -> Path:
        """Write it as JSON and return the path."""
        write_whole(path, json.dumps(asdict(self), indent=1) + "\n")
        return path

    @classmethod
    def read(cls, path: Path) -> ArmSpec:
        """Read what `write` wrote.

        Raises:
            ConfigError: It is missing or damaged.
        """
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"{path} is no specification of an arm ({error}): start `lean-llm walkforward`") from None


class LoopBackend:
    """A `DecisionBackend` that lets the loop have its turn before each entry question.

    Args:
        validator: Who answers.
        before: Called with each new entry question before it is answered.
        after: Called with question and answer.
        on_outcome: Called with each outcome after it was recorded.
        on_close: Called after the validator is closed.
    """

    def __init__(
        self,
        validator: Validator,
        *,
        before: BeforeQuestion = lambda request: None,
        after: AfterQuestion = lambda request, decision: None,
        on_outcome: Callable[[Outcome], None] = lambda outcome: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.validator = validator
        self.run_id = validator.run_id
        self._before, self._after = before, after
        self._on_outcome, self._on_close = on_outcome, on_close
        self._closed = False

    def refuse_lookahead(self, start_utc: datetime) -> None:
        """Refuse a run that starts before the data cutoff of one of its models."""
        self.validator.refuse_lookahead(start_utc)

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the signal model's answer."""
        return self.validator.signal(market)

    def validate(self, request: DecisionRequest) -> Decision:
        """Let the loop have its turn, then answer.

        Raises:
            ModelError: The loop broke. The LEAN side would answer any other error by `on_failure`, and the run would go
                on as if its cycles had never been due.
        """
        entry = request.kind is QuestionKind.ENTRY
        if entry:
            self._turn(request)
        decision = self.validator.validate(request)
        if entry:
            self._after(request, decision)
        return decision

    def _turn(self, request: DecisionRequest) -> None:
        try:
            self._before(request)
        except (ConfigError, ModelError):
            raise
        except Exception as error:
            raise ModelError(
                f"the loop broke at {request.market.time_utc.isoformat()}: {type(error).__name__}: {error}; "
                "run the walk-forward again, it goes on there"
            ) from error

    def record_outcome(self, outcome: Outcome) -> None:
        """Record an outcome."""
        self.validator.record_outcome(outcome)
        self._on_outcome(outcome)

    def write_reasons(self, limit: int | None = None) -> int:
        """Let the model write reasons."""
        return self.validator.write_reasons(limit)

    def health(self) -> dict[str, Any]:
        """Return the validator's counters."""
        return self.validator.health()

    def close(self) -> None:
        """Release everything; idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self.validator.close()
        finally:
            self._on_close()


def backend_of_spec(path: Path, document: Any, run_id: str, run_folder: Path) -> LoopBackend:
    """Make the back end of an arm.

    Args:
        path: File of an `ArmSpec`.
        document: Resolved configuration.
        run_id: The run.
        run_folder: Where its store lies.

    Raises:
        ConfigError: The specification is none.
        ModelError: A model cannot be loaded.
    """
    from llm_plugin.settings import load_settings

    spec, settings = ArmSpec.read(path), load_settings(document)
    if spec.role == "tabular":
        from llm_plugin.walkforward.tabular import tabular_backend

        return tabular_backend(spec, settings, run_id, run_folder)
    if spec.role != "learning":
        raise ConfigError(f"{path}: role {spec.role!r} is unknown; known: learning, tabular")
    from llm_plugin.walkforward.opening import open_loop

    return open_loop(spec, settings, run_id, run_folder)
