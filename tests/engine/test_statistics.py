"""Statistics against hand-computed goldens, and the strings LEAN prints."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal as D

import numpy as np
import pytest
from scipy import stats

from llm_plugin.engine.statistics import StatisticsInput, formulas, generate, summarize
from llm_plugin.engine.statistics.performance import PortfolioStatistics, period_ranges, printed
from llm_plugin.errors import DataError

DAYS = [datetime(2024, 1, 1) + timedelta(days=n) for n in range(7)]
PERFORMANCE = [D(x) for x in ("0", "0.5", "1", "-2", "0.5", "3", "-0.25")]
BENCHMARK = [D(x) for x in ("100", "101", "102", "100", "101", "104", "103")]
EQUITY = [D(x) for x in ("100000", "100500", "101505", "99474.9", "99972.2745", "102971.4427", "102714.0141")]


def rounded(value, digits):
    return round(float(value), digits)


def given(**changes):
    values = {
        "equity": list(zip(DAYS, EQUITY, strict=True)),
        "performance": list(zip(DAYS, PERFORMANCE, strict=True)),
        "benchmark": list(zip(DAYS, BENCHMARK, strict=True)),
        "turnover": [(DAYS[1], D("0.5")), (DAYS[2], D("0.1"))],
        "starting_capital": D(100000),
        "profit_loss": {DAYS[2]: D(500), DAYS[3]: D(-200), DAYS[4]: D(100)},
        "winning": [DAYS[2], DAYS[4]],
        "losing": [DAYS[3]],
        "total_fees": D("12.345"),
        "total_orders": 6,
        "capacity": D("56123000.00"),
        "lowest_capacity_asset": "SPY R735QTJ8XC9X",
        "risk_free_rate": lambda day: D("0.02"),
    }
    return StatisticsInput(**{**values, **changes})


def test_summary_equals_a_computation_with_numpy_and_scipy():
    summary = summarize(given())
    p = np.array([float(x) / 100 for x in PERFORMANCE[2:]])
    b = np.array([float(BENCHMARK[i] / BENCHMARK[i - 1] - 1) for i in range(2, 7)])
    deviation = p.std(ddof=1) * math.sqrt(252)
    earned, market = (1 + p.mean()) ** 252 - 1, (1 + b.mean()) ** 252 - 1
    beta = np.cov(p, b)[0, 1] / b.var(ddof=1)
    error = (p - b).std(ddof=1) * math.sqrt(252)
    observed = (p.mean() - 0.02 / 252) / p.std(ddof=1)
    skew, kurt = stats.skew(p, bias=False), stats.kurtosis(p, bias=False)
    spread = math.sqrt((1 - skew * observed + (kurt - 1) / 4 * observed**2) / (len(p) - 1))
    psr = stats.norm.cdf((observed - 1 / math.sqrt(252)) / spread)
    assert summary["Sharpe Ratio"] == repr(rounded((earned - 0.02) / deviation, 3))
    assert summary["Sortino Ratio"] == repr(rounded((earned - 0.02) / (p[p < 0].std(ddof=1) * math.sqrt(252)), 3))
    assert summary["Beta"] == repr(rounded(beta, 3))
    assert summary["Alpha"] == repr(rounded(earned - (0.02 + beta * (market - 0.02)), 3))
    assert summary["Treynor Ratio"] == repr(rounded((earned - 0.02) / beta, 3))
    assert summary["Tracking Error"] == repr(rounded(error, 3))
    assert summary["Information Ratio"] == repr(rounded((earned - market) / error, 3))
    assert summary["Annual Standard Deviation"] == repr(rounded(deviation, 3))
    assert summary["Probabilistic Sharpe Ratio"] == f"{psr * 100:.3f}%"
    growth = (102714.0141 / 100000) ** (365 / 6) - 1
    assert summary["Compounding Annual Return"] == f"{growth * 100:.3f}%"


def test_printed_forms_follow_lean():
    summary = summarize(given())
    assert list(summary)[:2] == ["Total Orders", "Average Win"]
    assert summary["Total Orders"] == "6"
    assert summary["Start Equity"] == "100000"
    assert summary["End Equity"] == "102714.01"
    assert summary["Net Profit"] == "2.714%"
    assert summary["Drawdown"] == "2.00%"
    assert summary["Average Win"] == "0.30%"
    assert summary["Average Loss"] == "-0.20%"
    assert summary["Win Rate"] == "67%"
    assert summary["Loss Rate"] == "33%"
    assert summary["Profit-Loss Ratio"] == "1.51"
    assert summary["Expectancy"] == "0.671"
    assert summary["Total Fees"] == "$12.35"
    assert summary["Estimated Strategy Capacity"] == "$56000000.00"
    assert summary["Lowest Capacity Asset"] == "SPY R735QTJ8XC9X"
    assert summary["Portfolio Turnover"] == "30.0%"
    assert summary["Drawdown Recovery"] == "3"


def test_a_run_without_trades_prints_zero_literals():
    flat = [D(100000)] * 7
    summary = summarize(
        given(
            equity=list(zip(DAYS, flat, strict=True)),
            performance=[(day, D(0)) for day in DAYS],
            profit_loss={}, winning=[], losing=[], turnover=[], total_fees=D(0), total_orders=0, capacity=D(0),
            lowest_capacity_asset="",
        )
    )  # fmt: skip
    assert summary["Average Win"] == "0%"
    assert summary["Net Profit"] == "0%"
    assert summary["Drawdown"] == "0%"
    assert summary["Sharpe Ratio"] == "0"
    assert summary["Profit-Loss Ratio"] == "0"
    assert summary["Estimated Strategy Capacity"] == "$0"
    assert summary["Total Fees"] == "$0.00"
    assert summary["Lowest Capacity Asset"] == ""


def test_one_day_runs_judge_nothing_but_equity_and_fees():
    first = {name: given().__dict__[name][:2] for name in ("equity", "performance", "benchmark")}
    summary = summarize(given(**first))
    assert summary["Sharpe Ratio"] == "0"
    assert summary["Win Rate"] == "0%"
    assert summary["Net Profit"] == "0%"
    assert summary["End Equity"] == "100500"
    assert summary["Total Fees"] == "$12.35"


def test_small_negative_numbers_print_as_dotnet_does():
    numbers = PortfolioStatistics(alpha=D("-0.0002"), beta=D("-0.0005"), average_loss_rate=D("-0.00001"))
    summary = printed(numbers, given())
    assert summary["Alpha"] == "-0"
    assert summary["Beta"] in ("-0", "-0.001")
    assert summary["Average Loss"] == "0.00%"


def test_samples_that_do_not_belong_together_are_refused():
    with pytest.raises(DataError, match="7 performance and 6 benchmark samples"):
        generate(given(benchmark=list(zip(DAYS, BENCHMARK, strict=True))[:6]))


def test_rolling_windows_end_with_the_months():
    assert period_ranges(1, date(2013, 9, 16), date(2013, 11, 5)) == [
        (date(2013, 9, 16), date(2013, 9, 30)),
        (date(2013, 10, 1), date(2013, 10, 31)),
        (date(2013, 11, 1), date(2013, 11, 5)),
    ]
    assert period_ranges(3, date(2013, 9, 16), date(2013, 11, 5))[-1] == (date(2013, 9, 16), date(2013, 11, 5))
    results = generate(given())
    assert set(results.rolling_performances) == {f"M{n}_20240107" for n in (1, 3, 6, 12)}
    whole = results.total_performance.portfolio_statistics
    assert results.rolling_performances["M1_20240107"].portfolio_statistics == whole


def test_custom_summary_lines_are_added():
    assert summarize(given(custom_summary={"Mine": "42"}))["Mine"] == "42"


def test_moments_agree_with_scipy_and_know_when_they_cannot_judge():
    values = [0.1, -0.2, 0.05, 0.4, -0.1]
    assert formulas.skewness(values) == pytest.approx(stats.skew(values, bias=False))
    assert formulas.kurtosis(values) == pytest.approx(stats.kurtosis(values, bias=False))
    assert math.isnan(formulas.skewness([1.0, 2.0]))
    assert math.isnan(formulas.kurtosis([1.0, 1.0, 1.0, 1.0]))
    assert math.isnan(formulas.variance([1.0]))
    assert formulas.probabilistic_sharpe_ratio([0.1, 0.2], 252, 0.0) == 0.0


def test_drawdown_recovery_counts_from_the_peak_until_it_is_reached_again():
    points = list(zip(DAYS, [D(100), D(110), D(99), D(105), D(110), D(108), D(100)], strict=True))
    assert formulas.drawdown_metrics(points) == (D("0.100"), 3)
    assert formulas.drawdown_metrics(points[:1]) == (D(0), 0)


def test_impossible_growth_is_zero():
    assert formulas.compounding_annual_return(D(100), D(-5), D("0.3")) == 0
    assert formulas.compounding_annual_return(D(0), D(5), D(1)) == 0
