"""LLM features, registered features, and the ones that come with the plugin."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest

from llm_plugin.domain import AccountState, Action, PositionState, PriceBar, Signal
from llm_plugin.errors import AlgorithmError, ConfigError, DataError
from llm_plugin.features import LLM_FEATURES, FeatureContext, FeatureRegistry, SessionFigures, llm_features, llm_vector
from llm_plugin.features.user import CorrelatedDivergence, EventProximity, days_to_monthly_expiry, load_event_times

NOW = datetime(2014, 7, 1, 12, tzinfo=UTC)
ACCOUNT = AccountState(equity=95_000, peak_equity=100_000, balance=96_000, start_equity=80_000)


def bar(close: float = 1.0, end: datetime = NOW) -> PriceBar:
    return PriceBar(end - timedelta(hours=1), end, *[close] * 8)


def context(close: float = 1.0, end: datetime = NOW, **peers: PriceBar) -> FeatureContext:
    return FeatureContext("EURUSD 8G", "EURUSD", end, bar(close, end), {}, peers)


def observe(position=None, action=Action.BUY, session=None, **more):
    signal = Signal("EURUSD 8G", "EURUSD", NOW, action, 0.6)
    values = {"price": 1.11, "atr": 0.01, **more}
    return llm_features(signal, position or PositionState(), ACCOUNT, session or SessionFigures(), **values)


def test_a_long_and_its_mirrored_short_read_the_same():
    long = observe(PositionState(1000, 1.10, 10, 5, 1.08, 1.14), price=1.11)
    short = observe(PositionState(-1000, 1.10, 10, 5, 1.12, 1.06), price=1.09)
    differing = {name for name in long if long[name] != pytest.approx(short[name])}

    assert differing == {"position_side"}
    assert (long["position_side"], short["position_side"]) == (1, -1)
    assert long["position_unrealised_r"] == pytest.approx(0.5)
    assert long["position_stop_distance"] == pytest.approx(3)
    assert long["position_target_progress"] == pytest.approx(0.25)


def test_a_moved_stop_is_no_measure_of_the_profit_without_the_initial_one():
    moved = PositionState(1000, 1.10, 10, 5, 1.10, 1.14, at_break_even=True)

    assert "position_unrealised_r" not in observe(moved)
    assert observe(moved, initial_stop_distance=0.02)["position_unrealised_r"] == pytest.approx(0.5)


def test_what_a_flat_account_without_trades_or_memory_cannot_know_is_absent():
    found = observe()
    missing = set(LLM_FEATURES) - set(found)

    assert {"position_stop_distance", "session_win_rate", "memory_mean_r"} <= missing
    assert found["position_open"] == 0
    vector = llm_vector(found)
    assert vector.shape == (33,)
    assert sum(math.isnan(value) for value in vector) == len(missing)


def test_account_session_signal_and_memory_figures():
    session = SessionFigures(trades=10, win_rate=0.4, mean_r=-9.0, consecutive_losses=7)
    found = observe(session=session, action=Action.MOVE_TO_BE, memory_r=(1.0, -0.5, 2.0), max_drawdown_fraction=0.1)

    assert found["account_drawdown"] == pytest.approx(0.05)
    assert found["account_drawdown_buffer"] == pytest.approx(0.5)
    assert found["account_peak_ratio"] == pytest.approx(0.25)
    assert (found["session_mean_r"], found["session_consecutive_losses"]) == (-3, 1)
    assert found["signal_move_to_be"] == 1
    assert sum(found[name] for name in LLM_FEATURES if name.startswith("signal_") and name != "signal_confidence") == 1
    assert found["memory_win_rate"] == pytest.approx(2 / 3)


def test_a_price_or_atr_that_is_none_is_refused_all_at_once():
    with pytest.raises(ConfigError, match=r"price is 0(.|\n)*atr is nan"):
        observe(price=0, atr=math.nan)


def test_registered_features_append_in_their_order():
    registry = FeatureRegistry()
    registry.register("second_moon", lambda c: c.bar.close * 2, "Twice the close")
    registry.register("nothing", lambda c: math.nan, "Never available")

    assert registry.observation_names[261:] == ("second_moon", "nothing")
    assert registry.compute(context(1.5)) == {"second_moon": 3.0}
    assert registry.schema_hash() != FeatureRegistry().schema_hash()


@pytest.mark.parametrize(
    ("name", "function", "description", "complaint"),
    [
        ("rsi_14", len, "Taken", "'rsi_14' exists already"),
        ("mine", len, "Taken", "'mine' exists already"),
        ("My Feature", len, "Bad name", "'My Feature'"),
        ("other", 3, "No function", "3 cannot be called"),
        ("other", len, " ", "description of one line"),
    ],
    ids=["market feature", "registered twice", "malformed", "not callable", "no description"],
)
def test_a_bad_registration_is_refused(name, function, description, complaint):
    registry = FeatureRegistry()
    registry.register("mine", lambda c: 0.0, "Mine")

    with pytest.raises(ConfigError, match=complaint):
        registry.register(name, function, description)
    assert registry.names == ("mine",)


def test_a_user_feature_that_raises_is_named():
    registry = FeatureRegistry()
    registry.register("broken", lambda c: 1 / 0, "Divides by zero")

    with pytest.raises(AlgorithmError, match=r"'broken' failed at 2014-07-01.*ZeroDivisionError"):
        registry.compute(context())


def test_divergence_is_zero_when_both_move_alike_and_positive_when_one_runs_ahead():
    feature = CorrelatedDivergence("GBPUSD", lookback=5, memory=20)
    alike = []
    for i in range(40):
        close = 1.0 + 0.001 * (i % 3)
        alike.append(
            feature(context(close, NOW + timedelta(hours=i), GBPUSD=bar(close * 1.5, NOW + timedelta(hours=i))))
        )
    assert all(math.isnan(value) for value in alike[:20])
    assert alike[20:] == pytest.approx([0.0] * 20, abs=1e-9)
    end = NOW + timedelta(hours=40)
    assert feature(context(1.02, end, GBPUSD=bar(1.5, end))) > 1


def test_divergence_without_its_peer_is_unavailable_and_refuses_a_peer_from_the_future():
    feature = CorrelatedDivergence("GBPUSD")

    assert math.isnan(feature(context()))
    with pytest.raises(DataError, match="after the decision"):
        feature(context(GBPUSD=bar(1.5, NOW + timedelta(minutes=1))))
    with pytest.raises(ConfigError, match="lookback 50"):
        CorrelatedDivergence("GBPUSD", lookback=50, memory=20)


def test_event_proximity_counts_down_and_ends_with_the_calendar(tmp_path):
    calendar = tmp_path / "fomc.csv"
    calendar.write_text("# FOMC\n2014-07-04T12:00:00Z\n2014-09-17T14:00:00-04:00  # September\n")
    feature = EventProximity(load_event_times(calendar))

    assert feature(context()) == pytest.approx(0.1)
    assert feature(context(end=datetime(2014, 7, 5, tzinfo=UTC))) == 1
    assert math.isnan(feature(context(end=datetime(2014, 9, 18, tzinfo=UTC))))


@pytest.mark.parametrize(
    ("text", "complaint"), [("soon\n", "fomc.csv:1: 'soon'"), ("2014-07-04T12:00:00\n", "has no offset")]
)
def test_a_bad_event_calendar_names_file_and_line(tmp_path, text, complaint):
    calendar = tmp_path / "fomc.csv"
    calendar.write_text(text)

    with pytest.raises(DataError, match=complaint):
        load_event_times(calendar)
    with pytest.raises(DataError, match=r"none.csv does not exist"):
        load_event_times(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="aware"):
        EventProximity([datetime(2014, 1, 1)])


@pytest.mark.parametrize(
    ("time", "days"),
    [
        ("2014-07-01T20:00:00+00:00", 17),
        ("2014-07-18T20:00:00+00:00", 0),
        ("2014-07-18T20:00:01+00:00", 28 - 1 / 86_400),
        ("2014-12-31T21:00:00+00:00", 16),
    ],
)
def test_days_to_the_third_friday(time, days):
    assert days_to_monthly_expiry(context(end=datetime.fromisoformat(time))) == pytest.approx(days / 30)
