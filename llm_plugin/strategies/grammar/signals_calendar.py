"""Signals of the calendar and of the clock: weekdays, months, days of the month, hours."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar import series as s
from llm_plugin.strategies.grammar.signals import SIGNALS, Signal, signal
from llm_plugin.strategies.grammar.terms import Rule, all_of, compare, constant, price

__all__: list[str] = []

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _weekday(index: int, kind: str = "weekday") -> Rule:
    name = _DAYS[index]
    words = (f"the bar is a {name}'s", f"it is {name}", f"the day is a {name}", f"{name}'s bar closes")
    return Rule(kind, f"day_of_week() == {index}", f"self.time.weekday() == {index}", words)


@signal("seasonality", "single", "basket")
def weekday(rng: Random) -> Signal:
    """In on one weekday, out on another."""
    first, last = rng.sample(range(5), 2)
    return Signal("weekday", "seasonality", _weekday(first), _weekday(first), _weekday(last), _weekday(last))


@signal("seasonality", "single", "basket")
def weekday_after_fall(rng: Random) -> Signal:
    """In on a weekday that closed lower than the day before."""
    first, last = rng.sample(range(5), 2)
    down = compare("fell", price(), "<", s.close_before())
    up = compare("rose", price(), ">", s.close_before())
    return Signal(
        "weekday_after_fall",
        "seasonality",
        all_of("weekday_fall", _weekday(first), down),
        all_of("weekday_rise", _weekday(first), up),
        _weekday(last),
        _weekday(last),
    )


@signal("seasonality", "single", "basket")
def months(rng: Random) -> Signal:
    """In for some months of the year."""
    first, count = rng.randint(1, 12), rng.randint(2, 6)
    inside = [(first - 1 + offset) % 12 + 1 for offset in range(count)]
    last = inside[-1]
    joint, other = ("and", "or") if first <= last else ("or", "and")
    between = f"from {_MONTHS[first - 1]} to {_MONTHS[last - 1]}"
    into = Rule(
        "in_season",
        f"month() >= {first} {joint} month() <= {last}",
        f"self.time.month >= {first} {joint} self.time.month <= {last}",
        (f"the month is {between}", f"it is {between}", f"the date is {between} inclusive"),
    )
    out = Rule(
        "out_of_season",
        f"month() < {first} {other} month() > {last}",
        f"self.time.month < {first} {other} self.time.month > {last}",
        (f"the month is not {between}", f"the season {between} is over", f"it is no longer {between}"),
    )
    return Signal("months", "seasonality", into, into, out, out)


@signal("seasonality", "single", "basket")
def end_of_month(rng: Random) -> Signal:
    """In late in the month, out early in the next."""
    late, early = rng.choice((24, 25, 26, 27)), rng.choice((2, 3, 4, 5))
    into = Rule(
        "late_in_month",
        f"day_of_month() >= {late}",
        f"self.time.day >= {late}",
        (f"the day of the month is {late} or later", f"it is the {late}th or later", f"day of month >= {late}"),
    )
    out = Rule(
        "early_in_month",
        f"day_of_month() >= {early} and day_of_month() < {late}",
        f"{early} <= self.time.day < {late}",
        (f"the day of the month is from {early} to {late - 1}", f"day of month >= {early} and < {late}"),
    )
    return Signal("end_of_month", "seasonality", into, into, out, out)


@signal("seasonality", "single")
def middle_of_month(rng: Random) -> Signal:
    """In around the middle of the month."""
    first = rng.choice((8, 10, 12))
    last = first + rng.choice((4, 6, 8))
    into = Rule(
        "middle_of_month",
        f"day_of_month() >= {first} and day_of_month() <= {last}",
        f"{first} <= self.time.day <= {last}",
        (f"the day of the month is between {first} and {last}", f"{first} <= day of month <= {last}"),
    )
    out = Rule(
        "outside_of_middle",
        f"day_of_month() < {first} or day_of_month() > {last}",
        f"not {first} <= self.time.day <= {last}",
        (f"the day of the month is not between {first} and {last}", "that window is over"),
    )
    return Signal("middle_of_month", "seasonality", into, into, out, out)


def _hour(value: int, op: str = "==") -> Rule:
    text = f"{value}:00"
    words = (f"the bar that ends at {text} closes", f"it is {text}", f"the clock shows {text} New York time")
    if op == ">=":
        words = (f"it is {text} or later", f"the bar ends at {text} or later", f"the clock shows {text} or later")
    return Rule("hour", f"hour() {op} {value}", f"self.time.hour {op} {value}", words)


@signal("intraday", "hourly")
def hour_of_day(rng: Random) -> Signal:
    """In at one hour, out at a later one."""
    first = rng.choice((10, 11, 12))
    last = rng.choice((14, 15))
    into, out = _hour(first), _hour(last, ">=")
    return Signal("hour_of_day", "intraday", into, into, out, out)


@signal("intraday", "hourly")
def first_hour(rng: Random) -> Signal:
    """Follow, or fade, the change up to the end of the first hours."""
    first, last = rng.choice((10, 11)), rng.choice((14, 15))
    rose, fell = compare("rose", price(), ">", s.close_before()), compare("fell", price(), "<", s.close_before())
    follow = rng.random() < 0.5
    up, down = (rose, fell) if follow else (fell, rose)
    out = _hour(last, ">=")
    kind = "first_hour_follow" if follow else "first_hour_fade"
    return Signal(
        kind, "intraday", all_of("hour_up", _hour(first), up), all_of("hour_down", _hour(first), down), out, out
    )


@signal("intraday", "hourly")
def hour_over_average(rng: Random) -> Signal:
    """In at an hour on the right side of an average."""
    first, last = rng.choice((10, 11, 12, 13)), rng.choice((14, 15))
    line = s.average("average", rng.choice(("sma", "ema")), rng.choice((7, 14, 21, 35)))
    over, under = compare("over", price(), ">", line), compare("under", price(), "<", line)
    out = _hour(last, ">=") if last > first else _hour(15, ">=")
    return Signal(
        "hour_over_average",
        "intraday",
        all_of("hour_over", _hour(first), over),
        all_of("hour_under", _hour(first), under),
        out,
        out,
    )


@signal("intraday", "hourly")
def hour_oscillator(rng: Random) -> Signal:
    """In after a given hour when an oscillator is far out, flat before the close."""
    first, low = rng.choice((10, 11, 12)), rng.choice((20, 25, 30, 35))
    term = s.rsi(rng.choice((3, 5, 7)))
    window = Rule(
        "hours",
        f"hour() >= {first} and hour() < 15",
        f"{first} <= self.time.hour < 15",
        (f"it is from {first}:00 to before 15:00", f"the bar ends at {first}:00 or later, before 15:00"),
    )
    out = _hour(15, ">=")
    return Signal(
        "hour_oscillator",
        "intraday",
        all_of("hour_low", window, compare("low", term, "<", constant(low))),
        all_of("hour_high", window, compare("high", term, ">", constant(100 - low))),
        out,
        out,
    )


def _combined(rng: Random, kinds: tuple[str, ...], others: tuple[str, ...], family: str) -> Signal:
    first = SIGNALS[rng.choice(kinds)].maker(rng)
    second = SIGNALS[rng.choice(others)].maker(rng)
    short = all_of("both", first.short, second.short) if first.short and second.short else None
    kind = f"{first.kind}+{second.kind}"
    return Signal(kind, family, all_of("both", first.long, second.long), short, first.leave_long, first.leave_short)


_TRENDS = (
    "above_sma",
    "above_kama",
    "macd_sign",
    "aroon_lead",
    "parabolic",
    "stacked_averages",
    "directional_movement",
)
_STRENGTH = ("return_sign", "return_threshold", "rsi_strength", "dual_return")
_DIPS = (
    "rsi_extreme",
    "rsi_oversold",
    "bar_strength",
    "zscore_extreme",
    "williams_extreme",
    "cci_extreme",
    "sharp_drop",
)
_BREAKS = ("channel_break", "bollinger_break", "keltner_break", "previous_bar_break", "range_expansion")


@signal("multi_factor")
def trend_and_strength(rng: Random) -> Signal:
    """A trend that its momentum confirms."""
    return _combined(rng, _TRENDS, _STRENGTH, "multi_factor")


@signal("multi_factor", "single", "basket")
def dip_in_trend(rng: Random) -> Signal:
    """A dip within a trend."""
    return _combined(rng, _DIPS, ("above_sma", "above_kama", "return_sign", "macd_sign"), "multi_factor")


@signal("multi_factor")
def break_and_trend(rng: Random) -> Signal:
    """A breakout that a trend confirms."""
    return _combined(rng, _BREAKS, _TRENDS, "multi_factor")


@signal("multi_factor")
def break_and_strength(rng: Random) -> Signal:
    """A breakout with momentum."""
    return _combined(rng, _BREAKS, _STRENGTH, "multi_factor")
