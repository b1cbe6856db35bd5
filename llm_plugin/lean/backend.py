"""Who answers the algorithm: chosen by `validator.mode` and the parameter `llm-decisions-from`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from llm_plugin.domain import (
    Action,
    Decision,
    DecisionBackend,
    DecisionRequest,
    MarketContext,
    Outcome,
    QuestionKind,
    Signal,
    Source,
    Verdict,
)
from llm_plugin.errors import ConfigError
from llm_plugin.lean.config import SCHEMA, LeanConfig
from llm_plugin.lean.record import RecordedBackend
from llm_plugin.lean.service import make_service_backend

__all__ = ["ApprovingBackend", "local_decision", "make_backend"]


class ApprovingBackend:
    """`validator.mode: none`: the same algorithm without a validator; every entry is approved, nothing is moved.

    Args:
        signals: Where `signal` comes from, None where the algorithm has its own signals.
        allow_lookahead: The signal model may have seen the days it is asked about.
    """

    def __init__(self, signals: Any = None, *, allow_lookahead: bool = False) -> None:
        self._signals = signals
        self._allow_lookahead = allow_lookahead

    def refuse_lookahead(self, start_utc: datetime) -> None:
        """Refuse a run that starts before the data cutoff of the signal model."""
        check = getattr(self._signals, "require_cutoff", None)
        if check is not None:
            check(start_utc, self._allow_lookahead)

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the signal model's answer, None where no model is configured."""
        if self._signals is None:
            return None
        answer: Signal | None = self._signals.signal(market)
        return answer

    def validate(self, request: DecisionRequest) -> Decision:
        """Approve an entry as it is; on an open position HOLD."""
        entry = request.kind is QuestionKind.ENTRY
        return local_decision(request, Source.RULE, approve=True, rule="no_validator" if entry else "no_validator_hold")

    def record_outcome(self, outcome: Outcome) -> None:
        """Do nothing: nobody learns from it."""

    def close(self) -> None:
        """Do nothing: there is nothing open."""


def local_decision(request: DecisionRequest, source: Source, *, approve: bool, rule: str, reason: str = "") -> Decision:
    """Make a decision that asked no language model; on an open position it is HOLD."""
    entry = request.kind is QuestionKind.ENTRY
    taken = approve and entry
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=request.kind,
        symbol_id=request.market.symbol_id,
        time_utc=request.signal.time_utc,
        verdict=Verdict.APPROVE if approve else Verdict.VETO,
        action=request.signal.action if taken else Action.HOLD,
        size_multiplier=1.0 if taken else 0.0,
        confidence=request.signal.confidence,
        source=source,
        signal_action=request.signal.action,
        signal_confidence=request.signal.confidence,
        reason=reason,
        fusion_rule=rule,
        lot_size=request.market.lot_size,
    )


def make_backend(algorithm: Any, config: LeanConfig, run_id: str, run_folder: Path | None) -> DecisionBackend:
    """Make the backend of a run.

    Raises:
        ConfigError: The mode cannot be served here; the message says what to do.
        RecordError: The recorded run cannot be read.
    """
    recorded = algorithm.get_parameter("llm-decisions-from")
    if recorded:
        return RecordedBackend.load(str(recorded))
    mode = config.get("validator.mode")
    if mode == "record":
        raise ConfigError(
            "validator.mode is 'record', but the algorithm parameter llm-decisions-from names no recorded run: "
            "give a run folder or its decisions.jsonl (`lean-llm backtest PROJECT --decisions-from RUN`)"
        )
    if mode == "service":
        return make_service_backend(algorithm, config, run_id, run_folder)
    if mode == "none":
        allowed = bool(config.values.get("signals", {}).get("allow_lookahead", False))
        return ApprovingBackend(_signal_source(config), allow_lookahead=allowed)
    return _in_process(algorithm, config, run_id, run_folder)


def _in_process(algorithm: Any, config: LeanConfig, run_id: str, run_folder: Path | None) -> DecisionBackend:
    walk_forward = algorithm.get_parameter("llm-walkforward")
    if walk_forward and run_folder is not None:
        from llm_plugin.walkforward.backend import backend_of_spec

        return backend_of_spec(Path(str(walk_forward)), _document(config), run_id, run_folder)
    from llm_plugin.validator import Validator

    backend: DecisionBackend = Validator.from_settings(
        _document(config), run_id, run_folder=run_folder, live=bool(algorithm.live_mode)
    )
    return backend


def _signal_source(config: LeanConfig) -> Any:
    if config.values.get("signals", {}).get("kind", "none") == "none":
        return None
    from llm_plugin.settings import load_settings
    from llm_plugin.signals import EnsembleSignalSource

    return EnsembleSignalSource.from_settings(load_settings(_document(config)))


def _document(config: LeanConfig) -> dict[str, Any]:
    return {"schema": SCHEMA, "source": "", "source_sha256": "", "values": config.values, "origins": {}}
