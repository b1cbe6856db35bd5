"""Local clocks by rule, against the time-zone database, and the session features."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from llm_plugin.features import MARKET_FEATURES
from llm_plugin.features.clock import SessionClock, london_offset, new_york_offset

SESSION = [name for name in MARKET_FEATURES if name in MARKET_FEATURES[MARKET_FEATURES.index("hour_utc_sin") :]][:24]


@pytest.mark.parametrize(
    ("offset", "zone", "first"),
    [(new_york_offset, "America/New_York", 1990), (london_offset, "Europe/London", 1996)],
    ids=["new york", "london"],
)
def test_the_rules_agree_with_the_database_every_half_hour_around_each_change(offset, zone, first):
    tz = ZoneInfo(zone)
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (first, 2031))
    changes = 0
    last = offset(begin)
    for day in range(begin, end, 86_400):
        if offset(day + 86_400) != last:
            changes += 1
            last = offset(day + 86_400)
            for seconds in range(day, day + 86_400, 1800):
                expected = datetime.fromtimestamp(seconds, tz).utcoffset().total_seconds()
                assert offset(seconds) == expected
        else:
            assert offset(day) == datetime.fromtimestamp(day, tz).utcoffset().total_seconds()
    assert changes == 2 * (2031 - first)


def at(text: str, gap: float = 0.0) -> dict[str, float]:
    seconds = datetime.fromisoformat(text).timestamp()
    return dict(zip(SESSION, SessionClock().features(seconds, gap), strict=True))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2014-07-01T07:30:00+00:00", {"session_london": 1, "session_new_york": 0, "session_asia": 1}),
        ("2014-07-01T13:30:00+00:00", {"session_overlap": 1, "us_equity_hours": 1, "since_us_equity_open": 0}),
        ("2014-01-07T13:30:00+00:00", {"session_new_york": 1, "us_equity_hours": 0, "since_new_york_open": 1 / 48}),
        ("2014-01-07T14:30:00+00:00", {"us_equity_hours": 1, "since_us_equity_open": 0}),
        ("2014-07-05T13:30:00+00:00", {"session_london": 0, "session_new_york": 0, "us_equity_hours": 0}),
        ("2014-07-06T21:00:00+00:00", {"week_progress": 0, "until_new_york_close": 0, "rollover_window": 1}),
        ("2014-06-30T15:00:00+00:00", {"month_turn": 1, "quarter_turn": 1, "month_sin": np.sin(np.pi * 10 / 12)}),
        ("2014-05-02T15:00:00+00:00", {"month_turn": 1, "quarter_turn": 0}),
        ("2014-05-15T15:00:00+00:00", {"month_turn": 0, "quarter_turn": 0, "gap_before_bar": 0}),
    ],
)
def test_session_features_at_known_times(time, expected):
    found = at(time)

    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_a_weekend_without_data_shows_as_a_gap():
    assert at("2014-07-06T22:00:00+00:00", gap=48 * 3600.0)["gap_before_bar"] == pytest.approx(np.log(49) / np.log(73))


def test_the_trading_day_begins_at_five_in_new_york():
    clock = SessionClock()
    before, after = (datetime.fromisoformat(f"2014-07-01T{t}:00+00:00").timestamp() for t in ("20:59", "21:00"))

    assert clock.trading_day(after) == clock.trading_day(before) + 1
