"""Outcomes that name no decision: memory and session learn from them, preference pairs never do.

They lie in a table of their own beside the outcome store, so that a restart finds them again and a report that was
sent twice counts once.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from llm_plugin.domain import (
    AccountState,
    Action,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    MarketContext,
    Outcome,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
    from_jsonable,
    to_jsonable,
)
from llm_plugin.errors import StoreUnavailable
from llm_plugin.outcomes._rows import cause, microseconds
from llm_plugin.outcomes.schema import make_engine

if TYPE_CHECKING:
    from llm_plugin.service.runs import Run

__all__ = ["DEFAULT_RUN", "Report", "ReportBook", "question_of"]

DEFAULT_RUN = "reports"
"""The run of reports and context questions that name none."""

_METADATA = sa.MetaData()
_TABLE = sa.Table(
    "service_reports",
    _METADATA,
    sa.Column("report_id", sa.String(64), primary_key=True),
    sa.Column("run_id", sa.String(200), nullable=False),
    sa.Column("time_us", sa.BigInteger, nullable=False),
    sa.Column("report", sa.Text, nullable=False),
    sa.Index("service_reports_by_run", "run_id", "time_us"),
)
REASONS = {"stop": ExitReason.STOP, "target": ExitReason.TARGET, "timeout": ExitReason.TIMEOUT}


@dataclass(frozen=True, slots=True)
class Report:
    """What an operator or another program says about a trade, in the words of `record_outcome`.

    `r_multiple` is the profit in units of the initial stop distance; where only the profit is known, a gain counts
    as 1 R and a loss as -1 R, and `r_source` says so.
    """

    run_id: str
    symbol: str
    signal: Action
    ml_confidence: float
    actual_outcome: str
    pnl: float
    time_utc: datetime
    llm_reasoning: str = ""
    llm_decision: str = ""
    r_multiple: float | None = None
    features: Mapping[str, float] = field(default_factory=dict)

    @property
    def report_id(self) -> str:
        """Hash of what is reported: the same report is the same trade."""
        text = json.dumps(to_jsonable(self), sort_keys=True)
        return f"report:{hashlib.sha256(text.encode()).hexdigest()[:40]}"

    @property
    def r_source(self) -> str:
        """`given`, or `sign` where the profit's sign stands in for its size."""
        return "sign" if self.r_multiple is None else "given"

    @property
    def taken(self) -> bool:
        """Whether the trade was made; else it is a shadow of one."""
        return self.llm_decision.upper() not in ("VETO", "HOLD", "REJECT")

    @property
    def r(self) -> float:
        """The result in R."""
        return math.copysign(1.0, self.pnl) * (self.pnl != 0) if self.r_multiple is None else self.r_multiple


class ReportBook:
    """Keeps reports and hands them to the runs that they belong to."""

    def __init__(self, url: str) -> None:
        """Open the table in the outcome store's database.

        Raises:
            StoreUnavailable: It cannot be opened.
        """
        self._engine = make_engine(url, durable=True)
        self._lock = threading.Lock()
        try:
            _METADATA.create_all(self._engine)
        except sa.exc.SQLAlchemyError as error:
            self._engine.dispose()
            raise StoreUnavailable(f"cannot open the reports beside the outcome store: {cause(error)}") from error

    def save(self, report: Report) -> bool:
        """Write a report; False where it is known.

        Raises:
            StoreUnavailable: Nothing was written; send it again.
        """
        row = {"report_id": report.report_id, "run_id": report.run_id, "time_us": microseconds(report.time_utc)}
        row["report"] = json.dumps(to_jsonable(report), separators=(",", ":"))
        known = sa.select(_TABLE.c.report_id).where(_TABLE.c.report_id == report.report_id)
        try:
            with self._lock, self._engine.begin() as connection:
                if connection.execute(known).first() is not None:
                    return False
                connection.execute(_TABLE.insert().values(row))
                return True
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailable(f"the report could not be stored: {cause(error)}; send it again") from error

    def of(self, run_id: str) -> list[Report]:
        """Return a run's reports, oldest first."""
        query = sa.select(_TABLE.c.report).where(_TABLE.c.run_id == run_id).order_by(_TABLE.c.time_us)
        try:
            with self._lock, self._engine.connect() as connection:
                return [from_jsonable(Report, json.loads(row[0])) for row in connection.execute(query)]
        except sa.exc.SQLAlchemyError as error:
            raise StoreUnavailable(f"the reports cannot be read: {cause(error)}") from error

    def recall(self, run_id: str, run: Run) -> None:
        """Let a run's session and memory know all its reports; a memory that was replaced learns them again."""
        state = _memory_state(run)
        if run.reported_to == state:
            return
        for report in self.of(run_id):
            tell(run, report)
        run.reported_to = _memory_state(run)

    def close(self) -> None:
        """Release the database; idempotent."""
        self._engine.dispose()


def tell(run: Run, report: Report) -> None:
    """Let session and memory know a report."""
    request = question_of(report)
    outcome = outcome_of(report)
    run.parts.tracker.record(outcome, request)
    if run.parts.recall is not None:
        run.parts.recall.remember(request, outcome)


def question_of(report: Report) -> DecisionRequest:
    """Return the question that a report stands for; it was asked a moment before the trade ended."""
    time = report.time_utc - timedelta(microseconds=1)
    market = MarketContext(
        symbol_id=report.symbol,
        ticker=report.symbol,
        market="",
        security_type="",
        time_utc=time,
        resolution="",
        price=1.0,
        bid=1.0,
        ask=1.0,
        features=dict(report.features),
    )
    return DecisionRequest(
        decision_id=report.report_id,
        run_id=report.run_id,
        kind=QuestionKind.ENTRY,
        sequence=0,
        signal=Signal(report.symbol, report.symbol, time, report.signal, report.ml_confidence, "report"),
        market=market,
        position=PositionState(),
        account=AccountState(0.0, 0.0, 0.0, 0.0),
        legal=(report.signal, Action.HOLD),
        exit=ExitPlan(stop=1.0 - 0.01 * report.signal.side),
    )


def outcome_of(report: Report) -> Outcome:
    """Return a report as an outcome; prices are unknown."""
    request = question_of(report)
    return Outcome(
        decision_id=report.report_id,
        run_id=report.run_id,
        symbol_id=report.symbol,
        action=report.signal,
        kind=OutcomeKind.REALISED if report.taken else OutcomeKind.SHADOW,
        taken=report.taken,
        opened_utc=request.market.time_utc,
        closed_utc=report.time_utc,
        entry_price=math.nan,
        exit_price=math.nan,
        quantity=math.nan,
        pnl=report.pnl,
        return_fraction=math.nan,
        r_multiple=report.r,
        volatility_adjusted_return=math.nan,
        bars_held=0,
        mae_r=math.nan,
        mfe_r=math.nan,
        cost_r=0.0,
        exit_reason=REASONS.get(report.actual_outcome, ExitReason.SIGNAL),
    )


def _memory_state(run: Run) -> str:
    return "none" if run.parts.recall is None else run.parts.recall.state
