"""Session figures: as of a time, matured, exactly once, and never from the future."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from questions import FEATURES, START, question, result

from llm_plugin.domain import Action, ExitReason, Outcome, OutcomeKind
from llm_plugin.errors import DataError
from llm_plugin.session import SessionTracker, pattern_of

Trade = tuple[int, float, float, bool]  # hour of the question, R, hours held, long


def feed(tracker: SessionTracker, trades: list[Trade]) -> None:
    for hour, r, held, long in trades:
        request = question(hour, Action.BUY if long else Action.SELL, sequence=hour)
        tracker.observe(request)
        tracker.record(result(request, r, held), request)


def at(hours: float) -> Any:
    return START + timedelta(hours=hours)


def test_nothing_is_known_before_the_first_trade() -> None:
    statistics = SessionTracker().statistics(at(5))
    assert statistics.win_rate is None
    assert statistics.mean_r is None
    assert statistics.trades == statistics.total_trades == statistics.consecutive_losses == 0
    assert SessionTracker().section(at(5)) == "none"


def test_figures_follow_the_trades() -> None:
    tracker = SessionTracker()
    feed(tracker, [(0, 1.5, 5, True), (10, -1.0, 5, False), (20, -1.0, 5, True), (30, -0.2, 5, True)])
    statistics = tracker.statistics(at(100))
    assert (statistics.total_trades, statistics.trades, statistics.wins, statistics.losses) == (4, 4, 1, 3)
    assert statistics.win_rate == 0.25
    assert statistics.mean_r == pytest.approx(-0.175)
    assert (statistics.consecutive_losses, statistics.consecutive_wins) == (3, 0)
    assert statistics.last_r == -0.2
    assert statistics.last_closed_utc == at(35)
    assert statistics.regime == "high"
    assert tracker.section(at(100)) == "4:5:-3:-2:high"


def test_a_trade_is_seen_strictly_after_it_closed() -> None:
    tracker = SessionTracker()
    feed(tracker, [(0, -1.0, 30, True)])
    assert tracker.statistics(at(30)).total_trades == 0
    assert tracker.statistics(at(30) + timedelta(microseconds=1)).total_trades == 1


def test_rates_wait_until_decisions_have_matured_and_streaks_do_not() -> None:
    """Stopped-out trades close first: counting them before the winners of the same age would look worse than it is."""
    tracker = SessionTracker()
    feed(tracker, [(0, -1.0, 1, True), (1, 1.5, 20, True)])
    early, later = tracker.statistics(at(3)), tracker.statistics(at(26))
    assert early.win_rate is None
    assert early.consecutive_losses == 1
    assert later.win_rate == 0.5


def test_the_newest_matured_trades_make_the_rates() -> None:
    tracker = SessionTracker(recent_trades=5)
    feed(tracker, [(hour, -1.0 if hour < 10 else 1.0, 0.5, True) for hour in range(16)])
    statistics = tracker.statistics(at(200))
    assert statistics.total_trades == 16
    assert statistics.trades == 5
    assert statistics.win_rate == 1.0


def test_shadow_and_replayed_trades_are_no_realised_ones() -> None:
    tracker = SessionTracker()
    for hour, kind in enumerate((OutcomeKind.SHADOW, OutcomeKind.REPLAY)):
        request = question(hour, sequence=hour)
        tracker.record(result(request, 1.0, 2, kind), request)
    assert tracker.statistics(at(100)).total_trades == 0
    assert tracker.shadow_wins(at(-1), at(100)) == 1


def test_trades_that_did_not_run_to_their_end_do_not_count() -> None:
    tracker = SessionTracker()
    for hour, reason in enumerate((ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED)):
        request = question(hour, sequence=hour)
        assert not tracker.record(result(request, 1.0, 2, exit_reason=reason), request)
    assert tracker.statistics(at(100)).total_trades == 0


def test_shadow_wins_count_in_a_row_after_a_time() -> None:
    tracker = SessionTracker()
    for hour, r in enumerate((1.0, -1.0, 1.0, 1.0)):
        request = question(hour, sequence=hour)
        tracker.record(result(request, r, 2, OutcomeKind.SHADOW), request)
    assert tracker.shadow_wins(at(0), at(100)) == 2
    assert tracker.shadow_wins(at(4), at(100)) == 1
    assert tracker.shadow_wins(at(0), at(5)) == 1


def test_an_outcome_counts_once() -> None:
    tracker, request = SessionTracker(), question()
    assert tracker.record(result(request, 1.0), request)
    assert not tracker.record(result(request, 1.0), request)
    assert tracker.statistics(at(100)).total_trades == 1


def test_an_outcome_of_another_question_is_refused() -> None:
    with pytest.raises(DataError, match="was recorded with request"):
        SessionTracker().record(result(question(0), 1.0), question(1))
    with pytest.raises(DataError, match="r_multiple nan"):
        SessionTracker().record(result(question(0), float("nan")), question(0))


def test_short_and_long_trades_are_treated_alike() -> None:
    """Planted offender: counting a short as won where the price rose. R has the side in it already."""
    long, short = SessionTracker(), SessionTracker()
    feed(long, [(hour, r, 2, True) for hour, r in enumerate((1.0, -1.0, 0.5))])
    feed(short, [(hour, r, 2, False) for hour, r in enumerate((1.0, -1.0, 0.5))])
    assert long.statistics(at(100)).win_rate == short.statistics(at(100)).win_rate == pytest.approx(2 / 3)

    def upside_down(outcome: Outcome) -> bool:
        return outcome.exit_price > outcome.entry_price

    winner = result(question(0, Action.SELL), 1.0, exit_price=1.36)
    assert not upside_down(winner)
    assert winner.r_multiple > 0


def test_hot_and_cold_patterns_are_found_and_shown() -> None:
    tracker = SessionTracker(style="full")
    feed(tracker, [(24 * day, 1.0, 2, True) for day in range(6)])
    feed(tracker, [(24 * day + 12, -1.0, 2, False) for day in range(6)])
    statistics = tracker.statistics(at(400))
    assert [(p.key, p.wins, p.trades) for p in statistics.hot] == [("BUY+/high/00", 6, 6)]
    assert [(p.key, p.wins, p.trades) for p in statistics.cold] == [("SELL-/high/12", 0, 6)]
    text = tracker.section(at(400), question(24 * 10))
    assert "hot: BUY+/high/00 (6 of 6)" in text
    assert text.endswith("this pattern is hot")
    tracker.style = "compact"
    assert tracker.section(at(400), question(24 * 10 + 12, Action.SELL)).endswith(":cold")
    assert tracker.section(at(400), question(24 * 10 + 8)).endswith(":plain")


def test_patterns_name_setup_regime_and_part_of_the_day() -> None:
    assert pattern_of(question(13)) == "BUY+/high/12"
    assert pattern_of(question(13, Action.SELL)) == "SELL-/high/12"
    assert (
        pattern_of(question(3, features={**FEATURES, "trend_direction": 0.0, "volatility_regime": -1.0}))
        == "BUY/low/00"
    )
    assert pattern_of(question(3, features={})) == "BUY/unknown/00"


trades = st.lists(
    st.tuples(st.integers(0, 200), st.floats(-3, 3), st.floats(0.1, 60), st.booleans()),
    max_size=30,
    unique_by=lambda trade: trade[0],
)


@settings(max_examples=60, deadline=None)
@given(trades, st.floats(0, 250))
def test_truncating_the_future_changes_no_figure(rows: list[Trade], hour: float) -> None:
    whole, past = SessionTracker(), SessionTracker()
    feed(whole, rows)
    feed(past, [row for row in rows if row[0] + row[2] < hour])
    for row in rows:
        if row[0] <= hour:
            past.observe(question(row[0], sequence=row[0]))
    assert whole.statistics(at(hour)) == past.statistics(at(hour))
    assert whole.section(at(hour), question(hour)) == past.section(at(hour), question(hour))


@settings(max_examples=40, deadline=None)
@given(trades, st.randoms(use_true_random=False), st.floats(0, 250))
def test_the_order_of_arrival_does_not_matter(rows: list[Trade], random: Any, hour: float) -> None:
    straight, shuffled = SessionTracker(), SessionTracker()
    feed(straight, rows)
    mixed = list(rows)
    random.shuffle(mixed)
    feed(shuffled, mixed)
    assert straight.statistics(at(hour)) == shuffled.statistics(at(hour))


@settings(max_examples=30, deadline=None)
@given(trades, st.floats(0, 250))
def test_state_survives_a_restart(rows: list[Trade], hour: float) -> None:
    before, after = SessionTracker(), SessionTracker()
    feed(before, rows)
    after.restore(json.loads(json.dumps(before.state())))
    after.restore(before.state())
    assert after.statistics(at(hour)) == before.statistics(at(hour))
    assert after.state() == before.state()


@pytest.mark.parametrize("state", [{"schema": "0"}, {"schema": "1", "trades": [{}], "regimes": []}, {"schema": "1"}])
def test_a_damaged_state_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="session state"):
        SessionTracker().restore(state)
