"""From bars to training decisions: replayed like a trade, blind to the future, matured only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llm_plugin.bootstrap.market_rows import Instrument, SignalEvents, market_rows, wilder_atr
from llm_plugin.domain import Action, PriceBar
from llm_plugin.errors import DataError
from llm_plugin.lean.features import AverageTrueRange
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import ReplayTrade
from llm_plugin.outcomes.replay_entry import ReplayEntry

HOUR_US = 3_600_000_000
NAMES = ("rsi_14", "volatility_percentile")
INSTRUMENT = Instrument("EURUSD 8G", "EURUSD", "oanda", "forex", "hour")
SIDES = ("bid", "ask")


def walk(count: int = 600, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    close = 1.3 + np.cumsum(rng.normal(0, 0.001, count))
    start = np.concatenate([[1.3], close[:-1]])
    high = np.maximum(start, close) + rng.random(count) * 0.0005
    low = np.minimum(start, close) - rng.random(count) * 0.0005
    end = 1_200_000_000_000_000 + HOUR_US * np.arange(1, count + 1)
    prices = {"open": start, "high": high, "low": low, "close": close}
    columns = {
        f"{side}_{name}": np.round(values + shift, 5)
        for side, shift in zip(SIDES, (-0.00005, 0.00005), strict=True)
        for name, values in prices.items()
    }
    return SimpleNamespace(start_us=end - HOUR_US, end_us=end, **columns)


def cut(bars: Any, count: int) -> Any:
    return SimpleNamespace(**{name: values[:count] for name, values in vars(bars).items()})


def signals_of(bars: Any, every: int = 10) -> SignalEvents:
    bar = np.arange(50, len(bars.end_us), every)
    return SignalEvents(bar, np.where(bar % 20 == 0, 1, -1), np.full(len(bar), 0.6))


def rows_of(bars: Any, **options: Any) -> list[Any]:
    table = np.column_stack([np.arange(len(bars.end_us)) % 60 + 20.0, np.arange(len(bars.end_us)) % 7 / 7])
    return market_rows(bars, table, NAMES, signals_of(bars), INSTRUMENT, **options)


def price_bar(bars: Any, index: int) -> PriceBar:
    moments = [datetime.fromtimestamp(int(v[index]) / 1e6, UTC) for v in (bars.start_us, bars.end_us)]
    prices = [float(getattr(bars, f"{side}_{n}")[index]) for side in SIDES for n in ("open", "high", "low", "close")]
    return PriceBar(moments[0], moments[1], *prices)


def test_outcomes_equal_a_trade_followed_bar_by_bar() -> None:
    bars = walk()
    signals = [row for row in rows_of(bars) if row.is_signal]
    for row in signals[::7]:
        trade = ReplayTrade(ReplayEntry.from_request(row.request), row.request.exit, ExitPolicy())
        for index in range(len(bars.end_us)):
            if trade.update(price_bar(bars, index)):
                break
        assert trade.outcome().r_multiple == pytest.approx(row.net_r, abs=1e-9)
        assert trade.outcome().closed_utc == row.closed_utc
        assert row.outcome.r_multiple == row.net_r


def test_later_bars_change_nothing_that_was_known() -> None:
    bars = walk()
    long, short = rows_of(bars, context_stride=5), rows_of(cut(bars, 400), context_stride=5)
    known = {row.request.decision_id: row for row in long}
    assert len(short) > 100
    for row in short:
        other = known[row.request.decision_id]
        assert (row.net_r, row.closed_utc, row.request.exit) == (other.net_r, other.closed_utc, other.request.exit)
        assert row.request.market == other.request.market


def test_what_the_data_cut_short_is_no_label() -> None:
    bars = walk()
    last = datetime.fromtimestamp(int(bars.end_us[-1]) / 1e6, UTC)
    rows = rows_of(bars)
    assert all(row.closed_utc <= last for row in rows)
    assert max(row.time_utc for row in rows) < last
    with pytest.raises(DataError, match=r"none of .* signals matured"):
        rows_of(cut(bars, 52))


def test_bars_without_a_signal_are_asked_both_ways() -> None:
    rows = rows_of(walk(), context_stride=20)
    others = [row for row in rows if not row.is_signal]
    assert {row.action for row in others} == {Action.BUY, Action.SELL}
    assert all(row.outcome is None for row in others)
    assert len({row.request.decision_id for row in rows}) == len(rows)
    assert not [row for row in rows_of(walk(), context_stride=0) if not row.is_signal]


def test_exit_plan_is_that_of_the_algorithm() -> None:
    bars = walk()
    average = AverageTrueRange(14)
    for index in range(len(bars.end_us)):
        average.update(price_bar(bars, index))
    assert wilder_atr(bars, 14)[-1] == pytest.approx(average.value, rel=1e-12)
    row = next(row for row in rows_of(bars) if row.is_signal)
    plan, price = row.request.exit, row.request.market.price
    assert plan.timeout == timedelta(hours=48)
    assert abs(plan.target - price) / abs(price - plan.stop) == pytest.approx(1.5, abs=0.02)


def test_account_of_a_row_says_nothing_of_its_date() -> None:
    rows = rows_of(walk(2000))
    drawdown = [row.request.account.drawdown_fraction for row in rows]
    assert abs(np.corrcoef(np.arange(len(rows)), drawdown)[0, 1]) < 0.1
    assert 0 <= min(drawdown) < 0.02
    assert max(drawdown) > 0.2


def test_table_that_does_not_fit_is_refused() -> None:
    bars = walk(100)
    with pytest.raises(DataError, match=r"100 bars and 2 names, but a feature table of shape \(99, 2\)"):
        market_rows(bars, np.zeros((99, 2)), NAMES, signals_of(bars), INSTRUMENT)


def test_given_levels_are_kept() -> None:
    bars = walk()
    events = signals_of(bars)
    price = (bars.bid_close[events.bar] + bars.ask_close[events.bar]) / 2
    events = replace(events, stop=price - events.side * 0.004, target=price + events.side * 0.002)
    table = np.ones((len(bars.end_us), 2))
    rows = market_rows(bars, table, NAMES, events, INSTRUMENT, context_stride=0)
    assert all(abs(row.request.market.price - row.request.exit.stop) == pytest.approx(0.004) for row in rows)
