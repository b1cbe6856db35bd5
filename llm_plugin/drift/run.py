"""One drift check of an outcome store, with market data where there is some."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llm_plugin.drift.check import InputSource, check_drift
from llm_plugin.drift.points import outcome_points
from llm_plugin.drift.report import DriftReport
from llm_plugin.drift.sources import AskedInputs, MarketInputs
from llm_plugin.drift.state import DriftState
from llm_plugin.errors import DataError
from llm_plugin.files import home

if TYPE_CHECKING:
    from llm_plugin.learning.types import MaturedDecision
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import Settings

__all__ = ["run_drift_check", "state_path"]


def state_path(model: str = "validator") -> Path:
    """Return where the state of a model's drift checks lies by default."""
    return home() / "drift" / f"{model}.json"


def run_drift_check(
    stores: OutcomeStore | Sequence[OutcomeStore],
    settings: Settings,
    *,
    as_of_utc: datetime,
    state: DriftState | None = None,
    data_folder: Path | None = None,
    run_ids: Collection[str] | None = None,
) -> tuple[DriftReport, DriftState]:
    """Check the symbols and decisions of a store.

    Args:
        stores: One store or several.
        settings: The configuration.
        as_of_utc: Nothing later is known.
        state: Of the last check.
        data_folder: LEAN's data folder; None, or a symbol that it lacks, compares the questions themselves.
        run_ids: Only these runs.

    Raises:
        StoreUnavailable: A store does not answer.
        DataError: Damaged data.
    """
    from llm_plugin.learning.read import matured_decisions

    newest = settings.drift.outcomes
    decisions = matured_decisions(stores, as_of_utc=as_of_utc, run_ids=run_ids, newest=newest)
    return check_drift(
        as_of_utc=as_of_utc,
        settings=settings.drift,
        state=state,
        inputs=_inputs(decisions, data_folder, as_of_utc),
        points=outcome_points(decision for decision in decisions if decision.prompt is not None),
    )


def _inputs(
    decisions: Sequence[MaturedDecision], data_folder: Path | None, as_of_utc: datetime
) -> dict[str, InputSource]:
    by_symbol: dict[str, list[MaturedDecision]] = defaultdict(list)
    for decision in decisions:
        market = decision.request.market
        by_symbol[f"{market.ticker} {market.resolution}"].append(decision)
    found: dict[str, InputSource] = {}
    for name, asked in by_symbol.items():
        bars = _market(asked[-1], data_folder, as_of_utc)
        found[f"{name} questions" if bars is None else f"{name} bars"] = bars or AskedInputs(asked)
    return found


def _market(decision: MaturedDecision, data_folder: Path | None, as_of_utc: datetime) -> InputSource | None:
    """Return the bars of a symbol, None where the folder ends before the question that it should explain."""
    if data_folder is None:
        return None
    try:
        source = MarketInputs(data_folder, decision.request.market, as_of_utc)
    except DataError:
        return None
    newest = source.newest(1).times_us
    reaches = len(newest) and newest[-1] >= decision.time_utc.timestamp() * 1e6
    return source if reaches else None
