"""What the gate found: every check as a row, every number kept. Standard library only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from llm_plugin.domain import from_jsonable, to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.learning.types import GateVerdict

__all__ = ["Check", "GateDecision", "GateSlice", "PortfolioRun", "gate_id", "verdict_of"]

SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Check:
    """One row of a gate decision.

    Attributes:
        name: Its short name.
        passed: False refuses; None says that it could not be asked or sets no bar.
        value: What was measured, None where nothing could be.
        bar: What it had to reach, None where there is no bar.
        text: One sentence for a person.
        needed: True where False means that nothing can be judged, rather than that the challenger failed.
    """

    name: str
    passed: bool | None
    value: float | None
    bar: float | None
    text: str
    needed: bool = False


@dataclass(frozen=True, slots=True)
class GateSlice:
    """One regime of the holdout.

    Attributes:
        name: Dimension and value, as `regime: trend`.
        count: Decisions in it.
        days: Day blocks that they lie in.
        gain: Mean gain in R a decision.
        high: Bonferroni upper bound of that mean; None where the slice is too small to be judged.
    """

    name: str
    count: int
    days: int
    gain: float
    high: float | None


@dataclass(frozen=True, slots=True)
class PortfolioRun:
    """One policy as an account over the window: one position per symbol at a time, fixed risk a trade. Shown, no bar.

    Attributes:
        version: Who decided.
        trades: Trades taken.
        blocked: Approved signals that met an open position of their symbol.
        net_return: Final profit as a fraction of the start equity.
        sharpe: Annualised, of daily returns over weekdays; None where they do not vary.
        max_drawdown: Greatest fall from a peak, as a fraction of that peak.
        curve: Time of each closed trade and the equity after it; starts at 1.
    """

    version: str
    trades: int
    blocked: int
    net_return: float
    sharpe: float | None
    max_drawdown: float
    curve: tuple[tuple[datetime, float], ...] = ()


@dataclass(frozen=True)
class GateDecision:
    """One judgement of a challenger against the champion on one holdout window.

    Attributes:
        verdict: Only `pass` promotes.
        champion: Version in service.
        challenger: Version that was judged.
        window_id: The holdout window.
        tried: Challengers that were judged on this window before.
        level: Level of this test: the first challenger's, halved for each one tried before.
        judged_utc: As of when.
        outcomes: Decisions that both were judged on.
        days: Day blocks that they lie in.
        left_out: Decisions of the window that could not be judged, by cause.
        from_utc: First decision.
        to_utc: Last decision.
        gain: Mean gain in R a decision, challenger minus champion.
        gain_low: Lower bound of the one-sided percentile interval over day blocks, at `level`.
        gain_high: Upper bound of the same.
        p_value: Sign-flip test on day sums, one-sided.
        champion_mean: Mean utility in R.
        challenger_mean: Mean utility in R.
        champion_approval: Share of signals taken.
        challenger_approval: Share of signals taken.
        disagreement: Share of decisions on which the two differ.
        checks: Every check.
        slices: Every regime.
        portfolios: Champion's and challenger's account.
    """

    verdict: GateVerdict
    champion: str
    challenger: str
    window_id: str
    tried: int
    level: float
    judged_utc: datetime
    outcomes: int
    days: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    from_utc: datetime | None = None
    to_utc: datetime | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    p_value: float | None = None
    champion_mean: float | None = None
    challenger_mean: float | None = None
    champion_approval: float | None = None
    challenger_approval: float | None = None
    disagreement: float | None = None
    checks: tuple[Check, ...] = ()
    slices: tuple[GateSlice, ...] = ()
    portfolios: tuple[PortfolioRun, ...] = ()

    @property
    def gate_id(self) -> str:
        """The same question has the same id, so that storing it twice is storing it once."""
        return gate_id(self.window_id, self.champion, self.challenger)

    @property
    def passed(self) -> bool:
        """True only for the verdict `pass`."""
        return self.verdict == "pass"

    @property
    def spent(self) -> bool:
        """True where the window's outcomes were looked at, so that it counts in the window's account."""
        return self.verdict != "cannot_judge"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that refused."""
        return tuple(check for check in self.checks if check.passed is False)

    def check(self, name: str) -> Check:
        """Return one row.

        Raises:
            KeyError: There is no such check.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"no check {name!r}; there are {', '.join(check.name for check in self.checks)}")

    def reason(self) -> str:
        """Return one sentence that says why."""
        if self.passed:
            return f"gains {self.gain:+.3f} R a decision over {self.outcomes} outcomes (p = {self.p_value:.4f})"
        causes = [check for check in self.failed if check.needed] or list(self.failed)
        return "; ".join(check.text for check in causes)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain: dict[str, Any] = to_jsonable(self)
        return {"schema_version": SCHEMA_VERSION, "gate_id": self.gate_id, **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GateDecision:
        """Rebuild from `to_json`.

        Raises:
            DataError: Another schema, or damaged.
        """
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise DataError(f"gate decision has schema {version!r}, this version reads {SCHEMA_VERSION!r}")
        values = {key: value for key, value in data.items() if key not in ("schema_version", "gate_id")}
        try:
            parts = {
                "checks": tuple(Check(**row) for row in values.pop("checks")),
                "slices": tuple(GateSlice(**row) for row in values.pop("slices")),
                "portfolios": tuple(_portfolio(row) for row in values.pop("portfolios")),
            }
            rebuilt: GateDecision = replace(from_jsonable(cls, values), **parts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"the stored gate decision is damaged ({error}); judge the challenger again") from error
        if rebuilt.verdict not in ("pass", "fail", "cannot_judge"):
            raise DataError(f"the stored gate decision has verdict {rebuilt.verdict!r}; judge the challenger again")
        return rebuilt


def gate_id(window_id: str, champion: str, challenger: str) -> str:
    """Return the id of a judgement: what was judged, against what, on which window."""
    return hashlib.sha256(f"{window_id}|{champion}|{challenger}".encode()).hexdigest()[:16]


def _portfolio(row: Mapping[str, Any]) -> PortfolioRun:
    curve = tuple((datetime.fromisoformat(time.replace("Z", "+00:00")), float(equity)) for time, equity in row["curve"])
    return PortfolioRun(**{**row, "curve": curve})


def verdict_of(checks: Sequence[Check]) -> GateVerdict:
    """Return `cannot_judge` where something needed is missing, else `fail` where a check refused, else `pass`."""
    if any(check.needed and check.passed is False for check in checks):
        return "cannot_judge"
    return "fail" if any(check.passed is False for check in checks) else "pass"
