"""Portfolio construction: from insights to target percentages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from enum import unique
from typing import Any

from llm_plugin.engine.base.enums import Resolution, resolution_span
from llm_plugin.engine.base.names import LeanEnum, LeanObject, find_member
from llm_plugin.engine.framework.insights import Insight, InsightDirection
from llm_plugin.engine.framework.targets import PortfolioTarget

__all__ = [
    "AccumulativeInsightPortfolioConstructionModel",
    "ConfidenceWeightedPortfolioConstructionModel",
    "EqualWeightingPortfolioConstructionModel",
    "InsightWeightingPortfolioConstructionModel",
    "PortfolioBias",
    "PortfolioConstructionModel",
    "rebalancing_function",
]

Rebalance = Callable[[datetime], datetime | None]
_FAR = datetime(9999, 12, 31)


@unique
class PortfolioBias(LeanEnum):
    """Which sides are allowed."""

    SHORT = -1
    LONG_SHORT = 0
    LONG = 1


def _date_rule_function(rule: Any) -> Rebalance:
    dates: list[Any] = []

    def following(utc_time: datetime) -> datetime | None:
        if not dates:
            get_dates = find_member(rule, "get_dates")
            dates.append(iter(get_dates(utc_time, _FAR)))  # type: ignore[misc]
            dates.append(next(dates[0], None))
        while dates[1] is not None and dates[1] <= utc_time:
            dates[1] = next(dates[0], None)
        moment: datetime | None = dates[1]
        return moment

    return following


def rebalancing_function(rule: Any) -> Rebalance | None:
    """Turn a resolution, timedelta, date rule or function into a function utc now -> next rebalance (or None)."""
    if rule is None:
        return None
    if isinstance(rule, Resolution):
        rule = resolution_span(rule)
    if isinstance(rule, timedelta):
        span = rule
        return lambda utc_time: utc_time + span
    if find_member(rule, "get_dates") is not None:
        return _date_rule_function(rule)
    if callable(rule):
        return rule  # type: ignore[no-any-return]
    raise TypeError(f"rebalance must be a Resolution, timedelta, date rule, function or None, not {rule!r}")


# LEAN's constructors are told apart by the name that they give the rule.
_RULE_NAMES = frozenset(
    {"rebalance_resolution", "resolution", "time_span", "rebalancing_func", "rebalancing_date_rules"}
)


def named_rule_of(default: Any, named: dict[str, Any]) -> Any:
    """Return the rule that was given by the name of its kind, else the default."""
    unknown = sorted(set(named) - _RULE_NAMES)
    if unknown or len(named) > 1:
        known = ", ".join(sorted(_RULE_NAMES))
        raise TypeError(f"give the rebalancing rule once, as rebalance or one of {known}, not {sorted(named)}")
    return next(iter(named.values()), default)


class PortfolioConstructionModel(LeanObject):
    """Base: override `determine_target_percent(active_insights) -> {insight: percent}`, or `create_targets`."""

    _rebalancing: Rebalance | None = None
    _next_rebalance: datetime | None = None
    _securities_changed = False
    _on_security_changes = True
    _on_insight_changes = True
    _algorithm: Any = None

    def __init__(self, rebalance: Any = None) -> None:
        self._rebalancing = rebalancing_function(rebalance)

    @property
    def algorithm(self) -> Any:
        """The algorithm, once it has called the model."""
        return self._algorithm

    @property
    def rebalance_on_security_changes(self) -> bool:
        """Whether new and removed securities cause a rebalance."""
        return self._on_security_changes

    @rebalance_on_security_changes.setter
    def rebalance_on_security_changes(self, value: bool) -> None:
        self._on_security_changes = value

    @property
    def rebalance_on_insight_changes(self) -> bool:
        """Whether new and expired insights cause a rebalance."""
        return self._on_insight_changes

    @rebalance_on_insight_changes.setter
    def rebalance_on_insight_changes(self, value: bool) -> None:
        self._on_insight_changes = value

    def create_targets(self, algorithm: Any, insights: Any) -> Iterable[Any]:
        """The targets of all active insights if a rebalance is due, and 0 for symbols without active ones."""
        self._algorithm = algorithm
        now = algorithm.utc_time
        if not self.is_rebalance_due(list(insights), now):
            return []
        active = list(self.get_target_insights())
        percents = dict(self.determine_target_percent(active))
        targets, failed = [], set()
        for insight in active:
            if insight not in percents:
                continue
            target = PortfolioTarget.percent(algorithm, insight.symbol, percents[insight])
            if target is None:
                failed.add(insight.symbol)
            else:
                targets.append(target)
        closed = dict.fromkeys(item.symbol for item in algorithm.insights.remove_expired_insights(now))
        for symbol in closed:
            if symbol not in failed and not algorithm.insights.has_active_insights(symbol, now):
                targets.append(PortfolioTarget(symbol, 0))
        return targets

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Return the fraction of the portfolio for each insight."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'determine_target_percent'")

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Whether an insight counts."""
        return True

    @staticmethod
    def filter_invalid_insight_magnitude(algorithm: Any, insights: Iterable[Insight]) -> list[Insight]:
        """Leave out, with an error message, insights whose magnitude is beyond the settings' bounds of targets."""
        settings, valid = algorithm.settings, []
        low = float(settings.min_absolute_portfolio_target_percentage)
        high = float(settings.max_absolute_portfolio_target_percentage)
        for insight in insights:
            if not insight.magnitude or low <= abs(insight.magnitude) <= high:
                valid.append(insight)
                continue
            algorithm.error(
                f"{insight.symbol}: the insight's magnitude {insight.magnitude} is outside of {low:g}..{high:g}, "
                "settings.min_absolute_ and max_absolute_portfolio_target_percentage: it is skipped"
            )
        return valid

    def get_target_insights(self) -> list[Insight]:
        """The newest active insight of each symbol."""
        now = self._algorithm.utc_time
        newest: dict[Any, Insight] = {}
        for insight in self._algorithm.insights.get_active_insights(now):
            if not self.should_create_target_for_insight(insight):
                continue
            known = newest.get(insight.symbol)
            if known is None or insight.generated_time_utc >= known.generated_time_utc:
                newest[insight.symbol] = insight
        return list(newest.values())

    def is_rebalance_due(self, insights: list[Insight], algorithm_utc: datetime) -> bool:
        """Whether targets are to be made now."""
        if self._rebalancing is None:
            self._securities_changed = False
            return True
        if self._next_rebalance is None:
            self._next_rebalance = self._rebalancing(algorithm_utc)
            if self._next_rebalance is not None and self._next_rebalance <= algorithm_utc:
                self._next_rebalance = None
                self._securities_changed = False
                return True
        due = self._next_rebalance is not None and self._next_rebalance <= algorithm_utc
        on_securities = self._or_setting("rebalance_portfolio_on_security_changes", self.rebalance_on_security_changes)
        on_insights = self._or_setting("rebalance_portfolio_on_insight_changes", self.rebalance_on_insight_changes)
        due = due or (on_securities and self._securities_changed)
        if not due and on_insights:
            expiry = self._algorithm.insights.get_next_expiry_time()
            due = bool(insights) or (expiry is not None and expiry < algorithm_utc)
        if due:
            self.refresh_rebalance(algorithm_utc)
        return due

    def _or_setting(self, name: str, own: bool) -> bool:
        """The algorithm's setting, where one was made."""
        setting = getattr(getattr(self._algorithm, "settings", None), name, None)
        return own if setting is None else bool(setting)

    def refresh_rebalance(self, algorithm_utc: datetime) -> None:
        """Ask for the next time."""
        if self._rebalancing is not None:
            self._next_rebalance = self._rebalancing(algorithm_utc)
        self._securities_changed = False

    def set_rebalancing_func(self, rebalance: Any) -> None:
        """Change the rebalancing rule."""
        self._rebalancing = rebalancing_function(rebalance)

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Remember the change; insights of removed securities end."""
        if self._algorithm is None:
            self._algorithm = algorithm
        removed = [security.symbol for security in changes.removed_securities]
        self._securities_changed = bool(removed or list(changes.added_securities))
        algorithm.insights.expire(removed)


class EqualWeightingPortfolioConstructionModel(PortfolioConstructionModel):
    """The same fraction for every insight that is not flat."""

    def __init__(
        self,
        rebalance: Any = Resolution.DAILY,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        **named_rule: Any,
    ) -> None:
        super().__init__(named_rule_of(rebalance, named_rule))
        self._bias = PortfolioBias(portfolio_bias)

    def respect_portfolio_bias(self, insight: Insight) -> bool:
        """Whether the side is allowed."""
        return self._bias == PortfolioBias.LONG_SHORT or int(insight.direction) == int(self._bias)

    def _side(self, insight: Insight) -> int:
        return int(insight.direction) if self.respect_portfolio_bias(insight) else 0

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """1 / number of insights that are neither flat nor against the bias."""
        count = sum(self._side(item) != InsightDirection.FLAT for item in active_insights)
        share = float(Decimal(1) / count) if count else 0.0
        return {item: self._side(item) * share for item in active_insights}


class InsightWeightingPortfolioConstructionModel(EqualWeightingPortfolioConstructionModel):
    """Each insight's weight, scaled down if they sum to more than 1; insights without weight do not count."""

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Whether it has a weight."""
        return insight.weight is not None

    def get_value(self, insight: Insight) -> float:
        """The insight's share before scaling."""
        return abs(insight.weight) if insight.weight is not None else 0.0

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """Side x value, scaled."""
        total = sum(self.get_value(item) for item in active_insights if self.respect_portfolio_bias(item))
        factor = 1 / total if total > 1 else 1.0
        return {item: self._side(item) * self.get_value(item) * factor for item in active_insights}


class ConfidenceWeightedPortfolioConstructionModel(InsightWeightingPortfolioConstructionModel):
    """Each insight's confidence, scaled down if they sum to more than 1."""

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        """Whether it has a confidence."""
        return insight.confidence is not None

    def get_value(self, insight: Insight) -> float:
        """The confidence."""
        return abs(insight.confidence) if insight.confidence is not None else 0.0


class AccumulativeInsightPortfolioConstructionModel(EqualWeightingPortfolioConstructionModel):
    """Every active insight adds or removes a fixed percentage."""

    def __init__(
        self,
        rebalance: Any = None,
        portfolio_bias: PortfolioBias = PortfolioBias.LONG_SHORT,
        percent: float = 0.03,
        **named_rule: Any,
    ) -> None:
        super().__init__(rebalance, portfolio_bias, **named_rule)
        self._percent = abs(percent)

    def get_target_insights(self) -> list[Insight]:
        """All active insights, oldest first."""
        active = self._algorithm.insights.get_active_insights(self._algorithm.utc_time)
        counted = [item for item in active if self.should_create_target_for_insight(item)]
        return sorted(counted, key=lambda item: item.generated_time_utc)

    def determine_target_percent(self, active_insights: list[Insight]) -> dict[Insight, float]:
        """The sum of steps per symbol; a flat insight takes one step back."""
        sums: dict[Any, float] = {}
        for item in active_insights:
            value = sums.get(item.symbol, 0.0)
            if item.symbol in sums and item.direction == InsightDirection.FLAT:
                if abs(value) < self._percent:
                    value = 0.0
                else:
                    value -= self._percent if value > 0 else -self._percent
            value += self._percent * int(item.direction)
            if self._bias != PortfolioBias.LONG_SHORT and (value > 0) - (value < 0) != int(self._bias):
                value = 0.0
            sums[item.symbol] = value
        first: dict[Any, Insight] = {}
        for item in active_insights:
            first.setdefault(item.symbol, item)
        return {item: sums[symbol] for symbol, item in first.items()}
