"""Replay of one action on a price path: candle tables and what must come of them."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.domain import Action, ExitPlan, ExitReason, OutcomeKind, PriceBar
from llm_plugin.errors import DataError
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import EntryFill, ReplayEntry, ReplayTrade, hold_outcome

START = datetime(2015, 1, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)


def bar(hour: int, open_: float, high: float, low: float, close: float, half_spread: float = 0.0) -> PriceBar:
    """The bar that starts `hour` hours after the decision."""
    mids = (open_, high, low, close)
    bids, asks = (p - half_spread for p in mids), (p + half_spread for p in mids)
    return PriceBar(START + hour * HOUR, START + (hour + 1) * HOUR, *bids, *asks)


def entry(action: Action = Action.BUY, half_spread: float = 0.0, **changes: Any) -> ReplayEntry:
    """A decision at a mid price of 100."""
    values: dict[str, Any] = {
        "decision_id": "d",
        "run_id": "r",
        "symbol_id": "X",
        "action": action,
        "decided_utc": START,
        "reference_price": 100.0,
        "bid": 100.0 - half_spread,
        "ask": 100.0 + half_spread,
        "security_type": "forex",
        "quantity": 10.0,
        "volatility_fraction": 0.01,
    }
    return ReplayEntry(**(values | changes))


LONG = ExitPlan(98.0, 103.0, 10 * HOUR)
SHORT = ExitPlan(102.0, 97.0, 10 * HOUR)


def run(trade: ReplayTrade, *bars: PriceBar) -> ReplayTrade:
    """Feed bars until the trade closes."""
    for one in bars:
        if trade.update(one):
            break
    return trade


TABLES = {
    "target": ((bar(0, 100, 101, 99, 100.5), bar(1, 100.5, 103.5, 100, 103)), 103.0, ExitReason.TARGET, 1.5),
    "stop": ((bar(0, 100, 101, 97.5, 98.5),), 98.0, ExitReason.STOP, -1.0),
    "stop fills at a worse close": ((bar(0, 100, 101, 97, 97.5),), 97.5, ExitReason.STOP, -1.25),
    "stop first when both lie in one bar": ((bar(0, 100, 104, 97, 100),), 98.0, ExitReason.STOP, -1.0),
    "touching is not crossing": ((bar(0, 100, 103, 98, 100), bar(1, 100, 104, 99, 103)), 103.0, ExitReason.TARGET, 1.5),
    "timeout": (tuple(bar(i, 100, 101, 99, 100.4) for i in range(12)), 100.4, ExitReason.TIMEOUT, 0.2),
}


@pytest.mark.parametrize("name", TABLES)
def test_long_in_forex(name: str) -> None:
    bars, price, reason, r_multiple = TABLES[name]
    outcome = run(ReplayTrade(entry(), LONG), *bars).outcome()
    assert outcome.exit_price == price
    assert outcome.exit_reason is reason
    assert outcome.r_multiple == pytest.approx(r_multiple)
    assert outcome.pnl == pytest.approx(r_multiple * 2 * 10)


def mirrored(one: PriceBar) -> PriceBar:
    """Reflect a bar at 100: bid and ask, high and low change places."""
    flip = {"bid_open": "ask_open", "bid_close": "ask_close", "bid_high": "ask_low", "bid_low": "ask_high"}
    flip |= {"ask_open": "bid_open", "ask_close": "bid_close", "ask_high": "bid_low", "ask_low": "bid_high"}
    return dataclasses.replace(one, **{name: 200 - getattr(one, source) for name, source in flip.items()})


@st.composite
def paths(draw: st.DrawFn) -> list[PriceBar]:
    """A random path of bars around 100, on a grid so that the reflection is exact."""
    price, bars = 100 * 64, []
    for hour in range(draw(st.integers(1, 14))):
        open_ = price + draw(st.integers(-30, 30))
        close = open_ + draw(st.integers(-80, 80))
        high = max(open_, close) + draw(st.integers(0, 60))
        low = min(open_, close) - draw(st.integers(0, 60))
        price = close
        bars.append(bar(hour, open_ / 64, high / 64, low / 64, close / 64, draw(st.integers(0, 4)) / 64))
    return bars


@settings(max_examples=150, deadline=None)
@given(
    bars=paths(),
    kind=st.sampled_from(["forex", "equity"]),
    fill=st.sampled_from(list(EntryFill)),
    policy=st.sampled_from([ExitPolicy(), ExitPolicy(break_even_at_r=0.5, trail_at_r=1.0, trail_distance_r=0.5)]),
)
def test_short_is_the_mirror_of_long(bars: list[PriceBar], kind: str, fill: EntryFill, policy: ExitPolicy) -> None:
    """Trap: short trades labelled upside down."""
    spread = 1 / 64
    costs = Costs(brokerage="none")
    long = ReplayTrade(entry(Action.BUY, spread, security_type=kind, fill=fill), LONG, policy, costs)
    short = ReplayTrade(entry(Action.SELL, spread, security_type=kind, fill=fill), SHORT, policy, costs)
    for one in bars:
        assert long.update(one) == short.update(mirrored(one))
    long.end_of_data()
    short.end_of_data()
    first, second = long.outcome(), short.outcome()
    assert (first.exit_reason, first.closed_utc) == (second.exit_reason, second.closed_utc)
    for name in ("r_multiple", "pnl", "mae_r", "mfe_r", "cost_r", "bars_held"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=1e-12), name


def upside_down(trade: ReplayTrade) -> float:
    """The planted offender: R of a short counted as if it were long."""
    outcome = trade.outcome()
    return (outcome.exit_price - outcome.entry_price) / 2


def test_offender_that_labels_shorts_upside_down_is_caught_by_the_mirror() -> None:
    falling = bar(0, 100, 100.5, 96, 96.5)
    short = run(ReplayTrade(entry(Action.SELL), SHORT), falling)
    long = run(ReplayTrade(entry(Action.BUY), LONG), mirrored(falling))
    assert short.outcome().r_multiple == long.outcome().r_multiple > 0
    assert upside_down(short) != long.outcome().r_multiple


def test_long_buys_at_the_ask_and_leaves_at_the_bid() -> None:
    trade = run(ReplayTrade(entry(half_spread=0.1), ExitPlan(98.0, None, HOUR)), bar(0, 100, 101, 99, 100, 0.1))
    outcome = trade.outcome()
    assert (outcome.entry_price, outcome.exit_price) == (100.1, 99.9)
    assert outcome.r_multiple == pytest.approx(-0.1)
    assert outcome.cost_r == pytest.approx(0.1), "a flat market costs the spread"


def test_costs_are_never_left_out() -> None:
    """Trap: costs left out. The clean twin of the free trade pays slippage and fee."""
    bars = (bar(0, 100, 104, 99, 103),)
    free = run(ReplayTrade(entry(security_type="equity"), LONG, costs=Costs(brokerage="none")), *bars).outcome()
    paid = run(ReplayTrade(entry(security_type="equity"), LONG, costs=Costs(5.0, "default")), *bars).outcome()
    assert free.pnl == pytest.approx(30.0)
    assert paid.pnl == pytest.approx(30.0 - 2.0 - 0.5), "two minimum fees of 1 and 5 bps of slippage on the entry"
    assert paid.cost_r == pytest.approx(2.5 / 20)


def test_equity_gap_fills_at_the_open_and_forex_at_the_close() -> None:
    gap = bar(0, 96.0, 97.0, 95.0, 96.5)
    costs = Costs(brokerage="none")
    assert run(ReplayTrade(entry(security_type="equity"), LONG, costs=costs), gap).outcome().exit_price == 96.0
    assert run(ReplayTrade(entry(), LONG), gap).outcome().exit_price == 96.5


def test_daily_signal_fills_at_the_next_open_and_is_protected_from_the_bar_after() -> None:
    trade = ReplayTrade(entry(security_type="equity", fill=EntryFill.NEXT_OPEN), LONG, costs=Costs(brokerage="none"))
    assert not trade.filled
    trade.update(bar(0, 101, 102, 97, 97.5))
    assert trade.entry_price == 101
    assert trade.opened_utc == START
    assert not trade.closed, "the stop was sent when the entry had filled"
    trade.update(bar(1, 97, 99, 96, 98))
    assert trade.outcome().exit_price == 97, "gapped through: the open"


def test_barrier_on_a_closed_market_fills_at_the_next_open() -> None:
    trade = ReplayTrade(entry(fill=EntryFill.NEXT_OPEN), ExitPlan(90.0, None, 2 * HOUR))
    bars = [bar(0, 100, 101, 99, 100), bar(1, 100, 101, 99, 100), bar(5, 102, 103, 101, 102)]
    outcome = run(trade, *bars).outcome()
    assert (outcome.exit_price, outcome.exit_reason) == (102, ExitReason.TIMEOUT)
    assert outcome.closed_utc == START + 5 * HOUR


def test_caller_says_when_the_market_is_closed_at_a_bar_end() -> None:
    trade = ReplayTrade(entry(), ExitPlan(90.0, None, HOUR))
    assert not trade.update(bar(0, 100, 101, 99, 100), market_open=False)
    assert trade.update(bar(48, 101, 102, 100, 101))
    assert trade.outcome().exit_price == 101


def test_moved_stop_works_from_the_next_bar_on() -> None:
    trade = ReplayTrade(entry(), ExitPlan(98.0, None, None), ExitPolicy(trail_at_r=0.5, trail_distance_r=0.5))
    assert not trade.update(bar(0, 100, 104, 99, 103)), "the new stop at 102 lies inside this bar's range"
    assert trade.update(bar(1, 103, 103.5, 101.5, 103))
    outcome = trade.outcome()
    assert (outcome.exit_price, outcome.exit_reason) == (102.0, ExitReason.TRAIL)


@pytest.mark.parametrize(
    ("action", "price", "reason"),
    [
        (Action.HOLD, 98.0, ExitReason.STOP),
        (Action.MOVE_TO_BE, 100.0, ExitReason.BREAK_EVEN),
        (Action.ENABLE_TRAIL, 100.5, ExitReason.TRAIL),
        (Action.SELL, 102.5, ExitReason.SIGNAL),
    ],
)
def test_each_position_action_forks_its_own_future(action: Action, price: float, reason: ExitReason) -> None:
    twin = ReplayTrade(entry(), ExitPlan(98.0, None, None))
    twin.update(bar(0, 100, 103, 99, 102.5))
    fork = twin.fork("question", action)
    rest = (bar(1, 102, 102.4, 100.2, 102.4), bar(2, 101, 102, 97, 101))
    assert run(fork, *rest).outcome().exit_price == price
    assert fork.outcome().exit_reason is reason
    assert fork.outcome().action is action
    assert fork.outcome().decision_id == "question"
    assert not twin.closed, "the twin itself is untouched"
    assert run(twin, *rest).outcome().exit_reason is ExitReason.STOP


def test_action_that_adds_to_the_position_is_refused() -> None:
    with pytest.raises(DataError, match="BUY on decision d would add"):
        ReplayTrade(entry(), LONG).apply(Action.BUY)


def test_excursions_stop_where_the_trade_stops() -> None:
    outcome = run(ReplayTrade(entry(), LONG), bar(0, 100, 102, 99, 101), bar(1, 101, 110, 90, 100)).outcome()
    assert outcome.exit_reason is ExitReason.STOP
    assert outcome.mae_r == pytest.approx(-1.0)
    assert outcome.mfe_r == pytest.approx(1.0), "the high of the bar that stopped it out is not counted"


def test_bars_before_the_decision_or_seen_before_change_nothing() -> None:
    trade = ReplayTrade(entry(), LONG)
    crash = dataclasses.replace(bar(0, 100, 100, 50, 50), start_utc=START - HOUR, end_utc=START)
    assert not trade.update(crash)
    first = bar(0, 100, 101, 99, 100)
    trade.update(first)
    trade.update(first)
    assert trade.bars_held == 1


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_split_leaves_the_outcome_as_it_was(factor: float) -> None:
    bars = [bar(0, 100, 101, 99, 100), bar(1, 100, 101, 99, 100.5), bar(2, 100, 104, 99, 103)]
    plain = run(ReplayTrade(entry(), LONG), *bars).outcome()
    trade = ReplayTrade(entry(), LONG)
    trade.update(bars[0])
    trade.rescale(factor)
    for one in bars[1:]:
        prices = {
            f.name: getattr(one, f.name) * factor for f in dataclasses.fields(one) if f.name[:4] in ("bid_", "ask_")
        }
        trade.update(dataclasses.replace(one, **prices))
    split = trade.outcome()
    assert split.exit_price == plain.exit_price * factor
    for name in ("r_multiple", "pnl", "return_fraction", "mae_r", "mfe_r", "cost_r"):
        assert getattr(split, name) == pytest.approx(getattr(plain, name)), name


def test_delisting_closes_at_the_last_price_without_a_fee() -> None:
    trade = ReplayTrade(entry(security_type="equity"), LONG, costs=Costs(brokerage="none"))
    trade.update(bar(0, 100, 101, 99, 100))
    trade.close_now(99.0, START + 30 * HOUR, ExitReason.DELISTED)
    assert trade.outcome().exit_reason is ExitReason.DELISTED
    assert trade.outcome().r_multiple == pytest.approx(-0.5)


def test_entry_that_never_fills_is_worth_nothing() -> None:
    trade = ReplayTrade(entry(fill=EntryFill.NEXT_OPEN), LONG)
    trade.end_of_data()
    assert trade.outcome().exit_reason is ExitReason.NOT_EXECUTED
    assert trade.outcome().r_multiple == 0.0


def test_hold_is_worth_nothing_and_known_at_once() -> None:
    outcome = hold_outcome(entry(), taken=True)
    assert (outcome.r_multiple, outcome.pnl, outcome.closed_utc) == (0.0, 0.0, START)
    assert outcome.kind is OutcomeKind.REPLAY


def test_volatility_adjusted_return_divides_by_the_range_at_the_decision() -> None:
    outcome = run(ReplayTrade(entry(), LONG), bar(0, 100, 104, 99, 103)).outcome()
    assert outcome.volatility_adjusted_return == pytest.approx(0.03 / 0.01)


@pytest.mark.parametrize("cut", range(4))
def test_state_saved_at_any_bar_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    policy = ExitPolicy(break_even_at_r=0.4, trail_at_r=0.6, trail_distance_r=0.5)
    bars = [
        bar(0, 100, 101, 99, 100.9),
        bar(1, 101, 102, 100.5, 101.5),
        bar(2, 101, 102, 101, 102),
        bar(3, 102, 102, 97, 98),
    ]
    whole = run(ReplayTrade(entry(fill=EntryFill.NEXT_OPEN), LONG, policy, Costs(1.0)), *bars)
    trade = run(ReplayTrade(entry(fill=EntryFill.NEXT_OPEN), LONG, policy, Costs(1.0)), *bars[:cut])
    restored = ReplayTrade.restore(json.loads(json.dumps(trade.state())))
    assert run(restored, *bars[cut:]).outcome() == whole.outcome()


def test_state_of_another_version_is_refused() -> None:
    state = ReplayTrade(entry(), LONG).state() | {"version": "0"}
    with pytest.raises(DataError, match="version '0'"):
        ReplayTrade.restore(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": Action.HOLD}, "HOLD opens nothing"),
        ({"bid": math.nan}, "bid is nan"),
        ({"quantity": 0.0}, "quantity is 0.0"),
        ({"reference_price": -1.0}, "reference_price is -1.0"),
        ({"volatility_fraction": 0.0}, "volatility 0.0"),
        ({"decided_utc": datetime(2015, 1, 5)}, "has no zone"),
    ],
)
def test_impossible_entries_are_refused_by_value(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ReplayTrade(entry(**change), LONG)


def test_damaged_bar_is_refused_by_its_time() -> None:
    with pytest.raises(DataError, match="bar of X ending 2015-01-05T01:00:00"):
        ReplayTrade(entry(), LONG).update(bar(0, 100, math.nan, 99, 100))


def test_open_trade_has_no_outcome() -> None:
    with pytest.raises(DataError, match="still open"):
        ReplayTrade(entry(), LONG).outcome()
