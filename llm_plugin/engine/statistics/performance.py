"""Portfolio statistics of a period and the strings that LEAN prints for them (semantics: StatisticsBuilder)."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from functools import lru_cache
from typing import Any

from llm_plugin.engine.base.money import CONTEXT, ZERO, round_half_even, to_decimal
from llm_plugin.engine.statistics import formulas
from llm_plugin.engine.statistics.trades import Trade, TradeStatistics
from llm_plugin.errors import DataError

__all__ = [
    "AlgorithmPerformance",
    "PortfolioStatistics",
    "StatisticsInput",
    "StatisticsResults",
    "generate",
    "printed",
    "summarize",
]

Points = Sequence[tuple[datetime, Decimal]]
_HUNDRED = Decimal(100)


def _flat_rate(day: date) -> Decimal:
    return Decimal("0.01")


@dataclass
class StatisticsInput:
    """Everything the statistics are computed from. Times are UTC (naive); points are chart points, already rounded."""

    equity: Points
    performance: Points
    benchmark: Points
    turnover: Points
    starting_capital: Decimal
    profit_loss: Mapping[datetime, Decimal] = field(default_factory=dict)
    winning: Iterable[datetime] | None = None
    losing: Iterable[datetime] | None = None
    trades: Sequence[Trade] = ()
    total_fees: Decimal = ZERO
    total_orders: int = 0
    capacity: Decimal = ZERO
    lowest_capacity_asset: str = ""
    currency_symbol: str = "$"
    trading_days_per_year: int = 252
    risk_free_rate: Callable[[date], Decimal] = _flat_rate
    custom_summary: Mapping[str, str] = field(default_factory=dict)


@dataclass
class PortfolioStatistics:
    """The numbers of one period; fractions, not percent."""

    average_win_rate: Decimal = ZERO
    average_loss_rate: Decimal = ZERO
    profit_loss_ratio: Decimal = ZERO
    win_rate: Decimal = ZERO
    loss_rate: Decimal = ZERO
    expectancy: Decimal = ZERO
    start_equity: Decimal = ZERO
    end_equity: Decimal = ZERO
    compounding_annual_return: Decimal = ZERO
    drawdown: Decimal = ZERO
    total_net_profit: Decimal = ZERO
    sharpe_ratio: Decimal = ZERO
    probabilistic_sharpe_ratio: Decimal = ZERO
    sortino_ratio: Decimal = ZERO
    alpha: Decimal = ZERO
    beta: Decimal = ZERO
    annual_standard_deviation: Decimal = ZERO
    annual_variance: Decimal = ZERO
    information_ratio: Decimal = ZERO
    tracking_error: Decimal = ZERO
    treynor_ratio: Decimal = ZERO
    portfolio_turnover: Decimal = ZERO
    value_at_risk99: Decimal = ZERO
    value_at_risk95: Decimal = ZERO
    drawdown_recovery: int = 0


@dataclass
class AlgorithmPerformance:
    """Trade and portfolio statistics of one period."""

    portfolio_statistics: PortfolioStatistics = field(default_factory=PortfolioStatistics)
    trade_statistics: TradeStatistics = field(default_factory=TradeStatistics)
    closed_trades: list[Trade] = field(default_factory=list)


@dataclass
class StatisticsResults:
    """The whole run, its rolling windows (`M1_20131031`...) and the printed strings."""

    total_performance: AlgorithmPerformance
    rolling_performances: dict[str, AlgorithmPerformance]
    summary: dict[str, str]


@dataclass
class _Period:
    equity: Points
    performance: list[float]
    benchmark: list[float]
    turnover: list[Decimal]
    profit_loss: list[Decimal]
    wins: int | None
    losses: int | None
    start: Decimal
    days_per_year: int
    rate: Decimal


def _merged(points: Points) -> list[tuple[datetime, Decimal]]:
    return sorted(dict(points).items())


def _between(points: Sequence[Any], first: date, last: date) -> list[Any]:
    return list(points[_rows(points, first, last)])


def _rows(points: Sequence[Any], first: date, last: date) -> slice:
    # The points are in time order; the windows of a long run are many.
    low = bisect_left(points, _midnight(first), key=_time_of)
    return slice(low, bisect_left(points, _midnight(last + timedelta(days=1)), lo=low, key=_time_of))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _time_of(point: Any) -> Any:
    return point[0]


def _changes(points: Points) -> list[float]:
    changes = [0.0] if points else []
    for (_, before), (_, now) in itertools.pairwise(points):
        changes.append(float((now - before) / before) if before else 0.0)
    return changes


def _wins_and_losses(period: _Period, result: PortfolioStatistics) -> None:
    capital = period.start
    gained = lost = ZERO
    wins = losses = 0
    for amount in period.profit_loss:
        share = amount / capital if capital else ZERO
        if amount > 0:
            gained += share
            wins += 1
        else:
            lost += share
            losses += 1
        capital += amount
    result.average_win_rate = gained / wins if wins else ZERO
    result.average_loss_rate = lost / losses if losses else ZERO
    if result.average_loss_rate:
        result.profit_loss_ratio = result.average_win_rate / abs(result.average_loss_rate)
    if period.wins is not None and period.losses is not None:
        wins, losses = period.wins, period.losses
    if wins + losses:
        result.win_rate = Decimal(wins) / (wins + losses)
        result.loss_rate = Decimal(losses) / (wins + losses)
    result.expectancy = result.win_rate * result.profit_loss_ratio - result.loss_rate


def _root(value: float) -> Decimal:
    return to_decimal(math.sqrt(value))


def _risk(period: _Period, result: PortfolioStatistics) -> None:
    p, b, days = tuple(period.performance), tuple(period.benchmark), period.days_per_year
    rate = period.rate
    earned = to_decimal(formulas.annual_performance(p, days))
    market = to_decimal(formulas.annual_performance(b, days))
    excess = float(earned) - float(rate)
    result.annual_variance = to_decimal(formulas.annual_variance(p, days))
    result.annual_standard_deviation = _root(float(result.annual_variance))
    if result.annual_standard_deviation:
        result.sharpe_ratio = to_decimal(excess / float(result.annual_standard_deviation))
    downside = _root(formulas.annual_variance([value for value in p if value < 0], days))
    if downside:
        result.sortino_ratio = to_decimal(excess / float(downside))
    spread = formulas.variance(b)
    if spread and not math.isnan(spread):
        result.beta = to_decimal(formulas.covariance(p, b) / spread)
    if result.beta:
        result.alpha = earned - (rate + result.beta * (market - rate))
        result.treynor_ratio = to_decimal(excess) / result.beta
    if len(p) == len(b):
        differences = [x - y for x, y in zip(p, b, strict=True)]
        result.tracking_error = _root(formulas.annual_variance(differences, days))
    if result.tracking_error:
        result.information_ratio = to_decimal(float(earned) - float(market)) / result.tracking_error
    result.probabilistic_sharpe_ratio = to_decimal(formulas.probabilistic_sharpe_ratio(p, days, float(rate)))
    result.value_at_risk99 = formulas.value_at_risk(p, days, 0.99)
    result.value_at_risk95 = formulas.value_at_risk(p, days, 0.95)


def _portfolio_statistics(period: _Period) -> PortfolioStatistics:
    first, last = period.equity[0], period.equity[-1]
    result = PortfolioStatistics(start_equity=period.start, end_equity=last[1])
    if period.turnover:
        result.portfolio_turnover = sum(period.turnover, ZERO) / len(period.turnover)
    if period.start == 0 or len(period.performance) < 2 or len(period.benchmark) < 2:
        return result
    _wins_and_losses(period, result)
    result.total_net_profit = last[1] / period.start - 1
    years = to_decimal((last[0] - first[0]).total_seconds() / 86400) / 365
    result.compounding_annual_return = formulas.compounding_annual_return(period.start, last[1], years)
    _risk(period, result)
    result.drawdown, result.drawdown_recovery = formulas.drawdown_metrics(period.equity)
    return result


class _Builder:
    def __init__(self, given: StatisticsInput) -> None:
        self.given = given
        self.equity = _merged(given.equity)
        self.performance = _merged(given.performance)
        self.benchmark = _merged(given.benchmark)
        self.turnover = _merged(given.turnover)
        self.returns = [float(value / 100) for _, value in self.performance]
        self.changes = _changes(self.benchmark)
        rates = lru_cache(maxsize=None)(given.risk_free_rate)
        self.rates = [rates(time.date()) for time, _ in self.equity]
        self.records = sorted(given.profit_loss.items())
        numbered = enumerate(given.trades)
        self.trades = sorted((trade.exit_time, number, trade) for number, trade in numbered)
        self.winning = None if given.winning is None else [(time, ZERO) for time in sorted(given.winning)]
        self.losing = None if given.losing is None else [(time, ZERO) for time in sorted(given.losing)]

    def period(self, first: date, last: date) -> AlgorithmPerformance:
        days = _rows(self.equity, first, last)
        equity = self.equity[days]
        if not equity:
            return AlgorithmPerformance()
        given = self.given
        performance = self.returns[_rows(self.performance, first, last)]
        benchmark = self.changes[_rows(self.benchmark, first, last)]
        if len(performance) != len(benchmark):
            raise DataError(
                f"{len(performance)} performance and {len(benchmark)} benchmark samples from {first} to {last}: "
                "both must be sampled at the same times"
            )
        whole = len(equity) == len(self.equity)
        trades = [trade for _, _, trade in _between(self.trades, first, last)]
        records = [amount for _, amount in _between(self.records, first, last)]
        numbers = _portfolio_statistics(
            _Period(
                equity=equity,
                performance=performance[2:],
                benchmark=benchmark[2:],
                turnover=[value for _, value in _between(self.turnover, first, last)],
                profit_loss=records,
                wins=_count(self.winning, first, last),
                losses=_count(self.losing, first, last),
                start=given.starting_capital if whole else equity[0][1],
                days_per_year=given.trading_days_per_year,
                rate=sum(self.rates[days], ZERO) / len(equity),
            )
        )
        return AlgorithmPerformance(numbers, TradeStatistics.of(trades), trades)


def _count(times: Points | None, first: date, last: date) -> int | None:
    return None if times is None else len(_between(times, first, last))


def _month_ends(first: date, last: date) -> list[date]:
    ends = []
    day = last
    while True:
        ends.append(day)
        day = day.replace(day=1) - timedelta(days=1)
        if day < first:
            return ends[::-1]


def _months_back(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


def period_ranges(months: int, first: date, last: date) -> list[tuple[date, date]]:
    """The rolling windows of `months` months that end at each month's end (and at the last day)."""
    ends = _month_ends(first, last)
    ranges = [(first, ends[0])]
    for end in ends[1:]:
        start = _months_back(ranges[-1][1] + timedelta(days=1), months - 1)
        ranges.append((max(start, first), end))
    return ranges


def _decimal(value: Decimal, digits: int) -> str:
    rounded = round_half_even(value, digits)
    # .NET prints no sign for a decimal zero.
    return format(rounded if rounded else abs(rounded), "f")


def _percent(value: Decimal, digits: int) -> str:
    return _decimal(value * _HUNDRED, digits) + "%"


def _double(value: Decimal) -> str:
    """Print as .NET prints a double rounded to 3 decimals."""
    if not value:
        return "0"
    # A small negative number prints as "-0", in .NET as here.
    number = math.copysign(round(abs(float(value)) * 1000.0) / 1000.0, value)
    return repr(number).removesuffix(".0").replace("e+", "E+").replace("e-", "E-")


def _two_digits(value: Decimal) -> str:
    if value == 0:
        return "0"
    scale = Decimal(10) ** (math.floor(math.log10(float(abs(value)))) + 1)
    return format(scale * round_half_even(value / scale, 2), "f")


def printed(numbers: PortfolioStatistics, given: StatisticsInput) -> dict[str, str]:
    """The summary in LEAN's order and spelling."""
    fees = given.total_fees.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return {
        "Total Orders": str(given.total_orders),
        "Average Win": _percent(numbers.average_win_rate, 2),
        "Average Loss": _percent(numbers.average_loss_rate, 2),
        "Compounding Annual Return": _percent(numbers.compounding_annual_return, 3),
        "Drawdown": _percent(numbers.drawdown, 3),
        "Expectancy": _decimal(numbers.expectancy, 3),
        "Start Equity": _decimal(numbers.start_equity, 2),
        "End Equity": _decimal(numbers.end_equity, 2),
        "Net Profit": _percent(numbers.total_net_profit, 3),
        "Sharpe Ratio": _double(numbers.sharpe_ratio),
        "Sortino Ratio": _double(numbers.sortino_ratio),
        "Probabilistic Sharpe Ratio": _percent(numbers.probabilistic_sharpe_ratio, 3),
        "Loss Rate": _percent(numbers.loss_rate, 0),
        "Win Rate": _percent(numbers.win_rate, 0),
        "Profit-Loss Ratio": _decimal(numbers.profit_loss_ratio, 2),
        "Alpha": _double(numbers.alpha),
        "Beta": _double(numbers.beta),
        "Annual Standard Deviation": _double(numbers.annual_standard_deviation),
        "Annual Variance": _double(numbers.annual_variance),
        "Information Ratio": _double(numbers.information_ratio),
        "Tracking Error": _double(numbers.tracking_error),
        "Treynor Ratio": _double(numbers.treynor_ratio),
        "Total Fees": f"{given.currency_symbol}{fees:f}",
        "Estimated Strategy Capacity": given.currency_symbol + _two_digits(given.capacity),
        "Lowest Capacity Asset": given.lowest_capacity_asset,
        "Portfolio Turnover": _percent(numbers.portfolio_turnover, 2),
        "Drawdown Recovery": str(numbers.drawdown_recovery),
    }


def generate(given: StatisticsInput, *, rolling: bool = True) -> StatisticsResults:
    """Compute the statistics of a run.

    Raises:
        DataError: The performance and benchmark series were not sampled at the same times.
    """
    with localcontext(CONTEXT):
        builder = _Builder(given)
        if builder.equity:
            first, last = builder.equity[0][0].date(), builder.equity[-1][0].date()
            total = builder.period(first, last)
        else:
            total = AlgorithmPerformance()
        windows: dict[str, AlgorithmPerformance] = {}
        if rolling and builder.equity:
            for months in (1, 3, 6, 12):
                for start, end in period_ranges(months, first, last):
                    windows[f"M{months}_{end:%Y%m%d}"] = builder.period(start, end)
        summary = printed(total.portfolio_statistics, given)
    summary.update(given.custom_summary)
    return StatisticsResults(total, windows, summary)


def summarize(given: StatisticsInput) -> dict[str, str]:
    """The printed statistics only."""
    return generate(given, rolling=False).summary
