"""Approvals bind to fills: partial fills, adds, flips, invalid and cancelled orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.domain import Action, ExitReason, PriceBar
from llm_plugin.lean.positions import Approval, Fill, PositionBook, exit_tag, parse_tag

T0 = datetime(2013, 1, 7, 15, tzinfo=UTC)


class Log:
    def __init__(self, **options):
        self.bound, self.closed, self.lost = [], [], []
        self.book = PositionBook(self.bound.append, self.closed.append, self.lost.append, **options)


def approve(log, name, action=Action.BUY, bars=2, at=T0):
    log.book.approve(Approval(name, action, at, bars))


def fill(log, quantity, price=100.0, order_id=1, tag="", fee=0.0, at=T0):
    log.book.on_fill(Fill(order_id, tag, quantity, price, fee, at))


def bar(n, low=99.0, high=101.0, close=100.0):
    end = T0 + timedelta(hours=n)
    return PriceBar(end - timedelta(hours=1), end, close, high, low, close, close, high, low, close)


def test_an_approval_binds_to_the_first_fill_of_the_same_direction():
    log = Log()
    approve(log, "a")
    fill(log, 10)
    assert [lot.decision_id for lot in log.bound] == ["a"]
    assert log.book.net == 10
    assert not log.book.approvals


def test_a_fill_of_the_other_direction_binds_nothing():
    log = Log()
    approve(log, "a", Action.BUY)
    fill(log, -10)
    assert not log.bound
    assert log.book.unvalidated_fills == 1


def test_a_closing_fill_binds_nothing():
    log = Log()
    approve(log, "a")
    fill(log, 10)
    approve(log, "b", Action.SELL)
    fill(log, -10, order_id=2)
    assert [lot.decision_id for lot in log.bound] == ["a"]
    assert [a.decision_id for a in log.book.approvals] == ["b"]


def test_the_newest_of_several_approvals_takes_the_fill():
    log = Log()
    approve(log, "old")
    approve(log, "new")
    fill(log, 10)
    assert [lot.decision_id for lot in log.bound] == ["new"]


def test_the_tag_binds_whatever_else_waits():
    log = Log()
    approve(log, "old")
    approve(log, "new")
    fill(log, 10, tag="llm:old")
    assert [lot.decision_id for lot in log.bound] == ["old"]


def test_a_tag_of_an_unknown_decision_claims_no_other_approval():
    log = Log()
    approve(log, "a")
    fill(log, 10, tag="llm:gone")
    assert not log.bound


def test_without_a_fill_within_match_bars_it_ends_as_not_executed():
    log = Log()
    approve(log, "a", bars=2)
    for n in (1, 2):
        log.book.on_bar(bar(n))
    assert not log.lost
    log.book.on_bar(bar(3))
    assert [a.decision_id for a in log.lost] == ["a"]


def test_the_bar_of_the_approval_itself_does_not_count():
    log = Log()
    approve(log, "a", bars=1)
    log.book.on_bar(bar(0))
    log.book.on_bar(bar(1))
    assert not log.lost


def test_an_open_tagged_order_keeps_its_approval_waiting():
    log = Log()
    approve(log, "a", bars=1)
    log.book.order_opened(7, "llm:a")
    for n in range(1, 6):
        log.book.on_bar(bar(n))
    assert not log.lost
    fill(log, 10, order_id=7, tag="llm:a")
    assert [lot.decision_id for lot in log.bound] == ["a"]


@pytest.mark.parametrize("word", ["invalid", "cancelled"])
def test_an_invalid_or_cancelled_tagged_order_ends_the_approval(word):
    log = Log()
    approve(log, "a")
    log.book.order_opened(7, "llm:a")
    log.book.order_ended(7, "llm:a")
    assert [a.decision_id for a in log.lost] == ["a"]


def test_an_untagged_invalid_order_leaves_the_approval_to_the_next_one():
    log = Log()
    approve(log, "a")
    log.book.order_ended(7, "")
    assert not log.lost
    fill(log, 10, order_id=8)
    assert [lot.decision_id for lot in log.bound] == ["a"]


def test_partial_fills_of_one_order_are_one_lot():
    log = Log()
    approve(log, "a")
    fill(log, 4, 100.0, fee=1.0)
    fill(log, 6, 101.0, fee=1.0)
    (lot,) = log.book.lots
    assert lot.entry_price == pytest.approx(100.6)
    assert lot.entry_quantity == 10
    assert not lot.shared
    fill(log, -3, 103.0, order_id=2)
    fill(log, -7, 104.0, order_id=3, fee=1.5)
    (closed,) = log.closed
    assert closed.exit_price == pytest.approx(103.7)
    assert closed.gross == pytest.approx(10 * (103.7 - 100.6))
    assert closed.fees == pytest.approx(3.5)


def test_a_cancelled_rest_of_a_partial_fill_leaves_the_lot():
    log = Log()
    approve(log, "a")
    fill(log, 4, tag="llm:a")
    log.book.order_ended(1, "llm:a")
    assert not log.lost
    assert log.book.net == 4


def test_an_add_with_its_own_approval_shares_the_position():
    log = Log()
    approve(log, "a")
    fill(log, 10)
    approve(log, "b")
    fill(log, 5, order_id=2)
    assert [lot.decision_id for lot in log.book.lots] == ["a", "b"]
    assert all(lot.shared for lot in log.book.lots)


def test_an_add_that_nobody_was_asked_about_is_counted_and_shared():
    log = Log()
    approve(log, "a")
    fill(log, 10)
    fill(log, 5, order_id=2)
    assert log.book.unvalidated_fills == 1
    assert all(lot.shared for lot in log.book.lots)


def test_a_rebalancing_add_joins_the_only_decision_in_framework_style():
    log = Log(join_adds=True)
    approve(log, "a")
    fill(log, 10, 100.0)
    fill(log, 5, 103.0, order_id=2)
    (lot,) = log.book.lots
    assert lot.entry_price == pytest.approx(101.0)
    assert not lot.shared
    assert (log.book.rebalancing_fills, log.book.unvalidated_fills) == (1, 0)


def test_a_flip_closes_the_old_lot_and_opens_a_new_one():
    log = Log()
    approve(log, "a")
    fill(log, 10, 100.0)
    approve(log, "b", Action.SELL)
    fill(log, -25, 98.0, order_id=2, fee=5.0)
    (closed,) = log.closed
    assert closed.decision_id == "a"
    assert closed.gross == pytest.approx(-20.0)
    assert closed.fees == pytest.approx(2.0)
    (lot,) = log.book.lots
    assert (lot.decision_id, lot.side, lot.quantity, lot.fees) == ("b", -1, 15, pytest.approx(3.0))


def test_the_profit_of_a_shared_position_is_booked_once():
    log = Log()
    for name, order in (("a", 1), ("b", 2)):
        approve(log, name)
        fill(log, 10, 100.0, order_id=order)
    fill(log, -20, 101.0, order_id=3)
    assert log.book.booked_gross == pytest.approx(20.0)
    assert sum(lot.gross for lot in log.closed) == pytest.approx(20.0)


def test_a_named_exit_closes_its_own_lot_first():
    log = Log()
    for name, order in (("a", 1), ("b", 2)):
        approve(log, name)
        fill(log, 10, order_id=order)
    fill(log, -10, order_id=3, tag=exit_tag(ExitReason.TARGET, "b"))
    (closed,) = log.closed
    assert (closed.decision_id, closed.exit_reason) == ("b", ExitReason.TARGET)


def test_what_an_exit_order_opens_binds_no_approval():
    log = Log()
    approve(log, "a")
    fill(log, 10)
    approve(log, "b", Action.SELL)
    fill(log, -10, order_id=2, tag=exit_tag(ExitReason.STOP, "a"))
    fill(log, -10, order_id=3, tag=exit_tag(ExitReason.TARGET, "a"))
    assert [lot.decision_id for lot in log.bound] == ["a"]
    assert log.book.net == -10


def test_tags_say_what_they_open_and_close():
    assert parse_tag("llm:x") == ("x", None, None)
    assert parse_tag("llm-exit:stop:x") == (None, ExitReason.STOP, "x")
    assert parse_tag("Liquidated") == (None, None, None)


def test_excursions_are_measured_on_the_side_of_the_exit():
    log = Log()
    approve(log, "a", Action.SELL)
    fill(log, -10, 100.0)
    log.book.on_bar(bar(1, low=97.0, high=102.0))
    (lot,) = log.book.lots
    assert (lot.best, lot.worst, lot.bars_held) == (97.0, 102.0, 1)


def test_a_split_rescales_lots_and_keeps_their_value():
    log = Log()
    approve(log, "a")
    fill(log, 10, 100.0)
    log.book.rescale(0.5, 2.0)
    (lot,) = log.book.lots
    assert (lot.quantity, lot.entry_price, lot.entry_value) == (20.0, 50.0, 1000.0)


def test_a_split_leaves_whole_shares():
    log = Log()
    approve(log, "a")
    fill(log, 10, 100.0)
    log.book.rescale(1 / 1.47, 1.47)
    log.book.settle_fraction(14.0)
    (lot,) = log.book.lots
    assert (lot.quantity, lot.entry_quantity) == (pytest.approx(14.0), pytest.approx(14.0))
    assert lot.entry_price == pytest.approx(100 / 1.47)


def test_state_comes_back():
    log, again = Log(), Log()
    approve(log, "a")
    fill(log, 10, 100.0)
    approve(log, "b")
    log.book.order_opened(5, "llm:b")
    again.book.restore(log.book.state())
    assert again.book.state() == log.book.state()
    assert again.book.approvals[0].order_ids == {5}


@given(
    st.lists(st.tuples(st.integers(-20, 20).filter(bool), st.integers(90, 110), st.booleans()), min_size=1, max_size=30)
)
def test_quantity_and_profit_are_conserved(fills):
    log = Log()
    cash = net = 0.0
    for number, (quantity, price, asked) in enumerate(fills, start=1):
        if asked:
            approve(log, f"d{number}", Action.BUY if quantity > 0 else Action.SELL)
        fill(log, quantity, float(price), order_id=number)
        cash -= quantity * price
        net += quantity
        assert log.book.net == pytest.approx(net)
    open_cost = sum(lot.side * lot.quantity * lot.entry_price for lot in log.book.lots)
    realised = sum(lot.gross for lot in [*log.closed, *log.book.lots] if lot.exit_quantity)
    assert realised == pytest.approx(cash + open_cost)
