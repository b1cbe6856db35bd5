"""Closed trades, capacity, sampling, interest rates."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal as D

import pytest

from llm_plugin.engine.base.enums import Resolution, SecurityType, TradeDirection
from llm_plugin.engine.base.zones import to_us
from llm_plugin.engine.statistics import (
    CapacityEstimate,
    ConstantRiskFreeRateInterestRateModel,
    DaySnapshot,
    FuncRiskFreeRateInterestRateModel,
    HoldingSample,
    InterestRateProvider,
    MarketBar,
    ResultSampler,
    SymbolState,
    TradeBuilder,
    TradeStatistics,
    bar_resolution,
    rate_of,
)
from llm_plugin.errors import DataError

START = datetime(2024, 1, 2, 15)
HOUR = timedelta(hours=1)


def test_fills_become_trades_first_in_first_out():
    builder = TradeBuilder()
    builder.process_fill("A", START, D(10), D(100), 1, D(1))
    builder.process_fill("A", START + HOUR, D(12), D(50), 2, D(1))
    builder.set_market_price("A", D(15))
    builder.set_market_price("A", D(9))
    builder.process_fill("A", START + 2 * HOUR, D(13), D(-120), 3, D(2))
    first, second = builder.closed_trades
    assert (first.quantity, first.profit_loss, first.total_fees) == (D(100), D(300), D(3))
    assert (second.quantity, second.profit_loss, second.total_fees) == (D(20), D(20), D(1))
    assert (first.mae, first.mfe, first.end_trade_drawdown) == (D(-100), D(500), D(600))
    assert second.order_ids == [2, 3]
    assert second.is_win
    assert builder.has_open_position("A")
    builder.process_fill("A", START + 3 * HOUR, D(11), D(-30), 4, D(1))
    assert not builder.has_open_position("A")
    assert builder.closed_trades[-1].profit_loss == D(-30)
    assert builder.closed_trades[-1].duration == 2 * HOUR


def test_a_reversal_closes_and_opens():
    builder = TradeBuilder()
    builder.process_fill("A", START, D(10), D(100), 1, D(1))
    builder.process_fill("A", START + HOUR, D(11), D(-150), 2, D(1))
    assert len(builder.closed_trades) == 1
    builder.process_fill("A", START + 2 * HOUR, D(10), D(50), 3, D(1))
    short = builder.closed_trades[1]
    assert short.direction == TradeDirection.SHORT
    assert (short.profit_loss, short.total_fees) == (D(50), D(1))


def test_conversion_rate_and_splits_scale_trades():
    builder = TradeBuilder()
    builder.process_fill("E", START, D(2), D(10), 1)
    builder.apply_split("E", D("0.5"))
    builder.process_fill("E", START + HOUR, D("1.5"), D(-20), 2, D(0), D("1.1"), D(100))
    assert builder.closed_trades[0].profit_loss == D("1100.00")


def test_trade_statistics_of_wins_and_losses():
    builder = TradeBuilder()
    for n, (entry, leave) in enumerate(((10, 12), (12, 11), (11, 10), (10, 14))):
        builder.process_fill("A", START + 2 * n * HOUR, D(entry), D(10), 2 * n)
        builder.process_fill("A", START + (2 * n + 1) * HOUR, D(leave), D(-10), 2 * n + 1)
    result = TradeStatistics.of(builder.closed_trades)
    assert (result.total_number_of_trades, result.number_of_winning_trades) == (4, 2)
    assert (result.total_profit, result.total_loss) == (D(60), D(-20))
    assert result.max_consecutive_losing_trades == 2
    assert result.maximum_closed_trade_drawdown == D(-20)
    assert result.profit_factor == D(3)
    assert result.win_rate == D("0.5")
    assert result.median_trade_duration == HOUR
    assert result.maximum_drawdown_duration == 6 * HOUR
    assert TradeStatistics.of([]).total_number_of_trades == 0


def test_capacity_counts_the_volume_after_a_fill():
    bars = {}
    state = SymbolState(D(1), D(1), D(0), D(1), False)
    estimate = CapacityEstimate(datetime(2024, 1, 1), datetime(2024, 1, 20), lambda s: state, bars.get)
    assert estimate.is_idle
    estimate.on_fill("A", START, D(1000))
    bars["A"] = MarketBar(D(100), D(1_000_000), Resolution.MINUTE)
    estimate.update(to_us(START), D(100_000))
    estimate.update(to_us(START + timedelta(minutes=1)), D(100_000))
    estimate.update(to_us(START + timedelta(minutes=2)), D(100_000))
    estimate.update(to_us(START + timedelta(minutes=3)), D(100_000), force=True)
    # Two bars count (timeout one minute): 2 x 1e8 x 0.20 over one trade.
    assert estimate.capacity == D("40000000.00")
    assert estimate.lowest_capacity_asset == "A"


def test_bars_from_open_to_close_count_as_hourly():
    assert bar_resolution(timedelta(hours=6.5)) == Resolution.HOUR
    assert bar_resolution(timedelta(days=1)) == Resolution.DAILY
    assert bar_resolution(timedelta(minutes=1)) == Resolution.MINUTE
    assert bar_resolution(timedelta(0)) == Resolution.TICK
    quote = MarketBar.of_quote(D(1), D(3), D(5), SecurityType.CRYPTO, Resolution.MINUTE)
    assert quote.volume == 4
    assert MarketBar.of_quote(D(1), D(3), D(5), SecurityType.FOREX, Resolution.MINUTE).volume == 25_000_000


def sampler(minutes=7 * 1440.0):
    return ResultSampler(datetime(2024, 1, 1), minutes, D(100000))


def test_equity_is_sampled_when_its_period_is_over():
    item = sampler()
    for n in range(12):
        item.on_slice(START + timedelta(minutes=n), D(100000 + n))
    times = [time for time, _ in item.points("Strategy Equity", "Equity")]
    assert times == [START, START + timedelta(minutes=5), START + timedelta(minutes=10)]
    item.on_slice(START + timedelta(minutes=11), D(7), force=True)
    assert item.points("Strategy Equity", "Equity")[-1] == (START + timedelta(minutes=11), D(7))


def test_a_day_sample_has_performance_benchmark_drawdown_and_turnover():
    item = sampler()
    midnight = datetime(2024, 1, 1)
    item.sample_day(midnight, DaySnapshot(D(100000), D("470.123456789"), D(0)))
    held = [HoldingSample("SPY", SecurityType.EQUITY, D(50000), D(50000))]
    item.sample_day(midnight + 24 * HOUR, DaySnapshot(D(99000), D(471), D(50000), D(1000), held))
    item.sample_day(midnight + 48 * HOUR, DaySnapshot(D(99500), D(472), D(60000), D(1000), held))
    item.sample_day(midnight + 48 * HOUR, DaySnapshot(D(99500), D(473), D(70000), D(1000), held))
    assert [value for _, value in item.points("Strategy Equity", "Return")] == [D(0), D(-1), D("0.5050505")]
    assert [value for _, value in item.points("Benchmark", "Benchmark")] == [D("470.1235"), D(471), D(472)]
    assert item.points("Drawdown", "Equity Drawdown")[1][1] == D(-1)
    turnover = [value for _, value in item.points("Portfolio Turnover", "Portfolio Turnover")]
    assert turnover == [D("0.5050505"), D("0.201005")]
    assert item.points("Exposure", "Equity - Long Ratio")[0][1] == D("0.5051")
    assert item.points("Assets Sales Volume", "SPY")[0][1] == D(50000)
    assert item.points("No", "Such") == []


def test_nothing_is_sampled_while_warming_up_and_the_start_is_taken_after_it():
    item = sampler()
    item.warming_up = True
    item.on_slice(START, D(1))
    item.sample_day(START, DaySnapshot(D(1), D(1), D(0)))
    assert item.charts == {}
    item.on_warmup_finished(D("100000.00"))
    assert str(item.starting_value) == "100000"
    item.on_warmup_finished(D("90000.00"))
    assert str(item.starting_value) == "90000.00"


def test_interest_rates_are_carried_forward(tmp_path):
    path = tmp_path / "alternative" / "interest-rate" / "usa" / "interest-rate.csv"
    path.parent.mkdir(parents=True)
    path.write_text("date,rate\n2024-01-02,5.25\n2024-02-01,4\n")
    rates = InterestRateProvider(tmp_path)
    assert rates.get_interest_rate(datetime(2023, 1, 1)) == D("0.0525")
    assert rates.GetInterestRate(datetime(2024, 1, 31)) == D("0.0525")
    assert rates.get_interest_rate(datetime(2030, 1, 1)) == D("0.04")
    assert InterestRateProvider(tmp_path / "nowhere").get_interest_rate(START) == D("0.01")
    path.write_text("date,rate\n2024-01-02,much\n")
    with pytest.raises(DataError, match="line 2: '2024-01-02,much'"):
        InterestRateProvider(tmp_path)


def test_any_interest_rate_model_becomes_a_function():
    asked = []

    class Mine:
        def GetInterestRate(self, day):
            asked.append(day)
            return 0.03

    rate = rate_of(Mine())
    assert rate(START.date()) == rate(START.date()) == D("0.03")
    assert len(asked) == 1
    assert rate_of(ConstantRiskFreeRateInterestRateModel(0.05))(START.date()) == D("0.05")
    assert rate_of(FuncRiskFreeRateInterestRateModel(lambda day: 0.01 * day.day))(START.date()) == D("0.02")
    with pytest.raises(TypeError, match="object has no get_interest_rate"):
        rate_of(object())
