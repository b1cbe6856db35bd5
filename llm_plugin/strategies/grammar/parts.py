"""What a strategy has besides its signal: markets, filters, exits, stops, targets, sizes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from llm_plugin.strategies.grammar import series as s
from llm_plugin.strategies.grammar.terms import Helper, Rule, Term, compare, constant, price

__all__ = [
    "EXITS",
    "FILTERS",
    "Market",
    "Protection",
    "Sizing",
    "draw_exit",
    "draw_filter",
    "draw_market",
    "draw_period",
    "draw_size",
    "draw_stop",
    "draw_target",
]

EQUITIES = ("SPY", "QQQ", "IWM", "EEM", "AAPL", "IBM", "BAC", "AIG", "GOOG", "FB", "WM", "USO", "BNO")
STOCKS = ("AAPL", "IBM", "BAC", "AIG", "GOOG", "FB", "WM")
FUNDS = ("SPY", "QQQ", "IWM", "EEM", "USO", "BNO")


@dataclass(frozen=True, slots=True)
class Market:
    """What is traded, in bars of which length."""

    kind: str
    tickers: tuple[str, ...]
    security_type: str = "equity"
    resolution: str = "daily"

    @property
    def unit(self) -> str:
        """The length of a bar in words."""
        return {"daily": "day", "hour": "hour", "minute": "minute"}[self.resolution]

    @property
    def is_single(self) -> bool:
        """Whether there is one security only."""
        return len(self.tickers) == 1


@dataclass(frozen=True, slots=True)
class Protection:
    """A stop or a target; `by_order` places an order in the market instead of looking at each bar."""

    kind: str
    value: float
    period: int | None = None
    by_order: bool = False


@dataclass(frozen=True, slots=True)
class Sizing:
    """How large a position is; the kinds are those of the requirements."""

    kind: str
    value: float
    period: int | None = None
    most: float | None = None


def draw_market(rng: Random, kind: str) -> Market:
    """Return securities of a kind: single, basket, forex, hourly, forex_hourly."""
    if kind == "single":
        return Market(kind, (rng.choice(EQUITIES),))
    if kind == "basket":
        pool = rng.choice((EQUITIES, STOCKS, FUNDS))
        return Market(kind, tuple(rng.sample(pool, rng.randint(2, 5))))
    if kind == "hourly":
        return Market(kind, ("SPY",), "equity", "hour")
    resolution = "hour" if kind == "forex_hourly" else "daily"
    return Market(kind, ("EURUSD",), "forex", resolution)


def draw_period(rng: Random, market: Market) -> tuple[date, date]:
    """Return a window that the sample of real data covers: a year of days, some weeks of hours."""
    last = 2017 if market.security_type == "forex" else 2019
    # GOOG is the class C share, listed in April 2014; what was GOOG before is GOOGL now.
    first = 2015 if "GOOG" in market.tickers else 2013
    start = date(rng.randint(first, last), rng.choice((1, 1, 1, 4, 7, 10)), 1)
    if market.resolution == "daily":
        return start, date(start.year + 1, start.month, 1) - timedelta(days=1)
    days = 91 if market.security_type == "equity" else 45
    return start, start + timedelta(days=days)


def _trend_filter(rng: Random) -> tuple[Rule, Rule]:
    line = s.average("regime", rng.choice(("sma", "ema")), rng.choice((100, 150, 200)))
    return compare("over_regime", price(), ">", line), compare("under_regime", price(), "<", line)


def _momentum_filter(rng: Random) -> tuple[Rule, Rule]:
    term, zero = s.rate_of_change(rng.choice((20, 60, 120)), "momentum"), constant(0, "zero", "0")
    return compare("momentum_up", term, ">", zero), compare("momentum_down", term, "<", zero)


def _calm_filter(rng: Random) -> tuple[Rule, Rule]:
    period, most = rng.choice((10, 14, 20)), rng.choice((2.5, 3, 4))
    words = (f"NATR({period})", f"the {period}-{{unit}} ATR in percent of the price")
    helper = Helper("range_percent", "natr", (period,), "", period + 2)
    term = Term(f"natr({period})", "{range_percent}.current.value", words, (helper,))
    rule = compare("calm", term, "<", constant(most))
    return rule, rule


def _strength_filter(rng: Random) -> tuple[Rule, Rule]:
    rule = compare("trending", s.adx(rng.choice((10, 14))), ">", constant(rng.choice((15, 20))))
    return rule, rule


def _quiet_filter(rng: Random) -> tuple[Rule, Rule]:
    rule = compare("no_trend", s.adx(rng.choice((10, 14))), "<", constant(rng.choice((25, 30))))
    return rule, rule


def _volume_filter(rng: Random) -> tuple[Rule, Rule]:
    period = rng.choice((10, 20, 30))
    words = (f"its {period}-{{unit}} average volume", f"the average volume of {period} {{unit}}s")
    helper = Helper("usual_volume", "sma", (period,), "Resolution.{resolution}, Field.VOLUME", period + 2, "-")
    usual = Term(f"sma(volume, {period})", "{usual_volume}.current.value", words, (helper,))
    volume = Term("volume", "{bar}.volume", ("the volume", "volume"))
    rule = compare("busy", volume, ">", usual)
    return rule, rule


def _weekday_filter(rng: Random) -> tuple[Rule, Rule]:
    name, index = rng.choice((("Friday", 4), ("Monday", 0), ("Thursday", 3)))
    words = (f"it is not a {name}", f"the bar is not a {name}'s", f"never on a {name}")
    rule = Rule("not_weekday", f"day_of_week() != {index}", f"self.time.weekday() != {index}", words)
    return rule, rule


FILTERS = {
    "trend": _trend_filter,
    "momentum": _momentum_filter,
    "calm": _calm_filter,
    "strength": _strength_filter,
    "quiet": _quiet_filter,
    "volume": _volume_filter,
}


def draw_filter(rng: Random, kind: str) -> tuple[Rule, Rule]:
    """Return a filter for longs and one for shorts."""
    return FILTERS[kind](rng)


def _mean_exit(rng: Random) -> tuple[Rule, Rule]:
    line = s.average("exit_mean", rng.choice(("sma", "ema")), rng.choice((5, 8, 10)))
    return compare("mean_reached", price(), ">", line), compare("mean_reached", price(), "<", line)


def _rsi_exit(rng: Random) -> tuple[Rule, Rule]:
    term, high = s.rsi(rng.choice((2, 3, 5))), rng.choice((60, 65, 70))
    return compare("rsi_exit", term, ">", constant(high)), compare("rsi_exit", term, "<", constant(100 - high))


def _lost_average_exit(rng: Random) -> tuple[Rule, Rule]:
    line = s.average("exit_line", rng.choice(("sma", "ema")), rng.choice((10, 20, 30)))
    return compare("line_lost", price(), "<", line), compare("line_lost", price(), ">", line)


def _channel_exit(rng: Random) -> tuple[Rule, Rule]:
    period = rng.choice((5, 7, 10))
    return (
        compare("exit_low", price(), "<", s.lowest_before(period, "exit_low")),
        compare("exit_high", price(), ">", s.highest_before(period, "exit_high")),
    )


def _over_previous_exit(_: Random) -> tuple[Rule, Rule]:
    return (
        compare("over_previous", price(), ">", s.high_before()),
        compare("under_previous", price(), "<", s.low_before()),
    )


# For which families an exit makes sense: reversal trades leave on strength, the others on weakness.
EXITS = {
    "mean": (("mean_reversion",), _mean_exit),
    "rsi": (("mean_reversion",), _rsi_exit),
    "over_previous": (("mean_reversion",), _over_previous_exit),
    "line": (("trend", "momentum", "breakout", "multi_factor"), _lost_average_exit),
    "channel": (("trend", "momentum", "breakout", "multi_factor"), _channel_exit),
}


def draw_exit(rng: Random, kind: str) -> tuple[Rule, Rule]:
    """Return an exit for longs and one for shorts."""
    return EXITS[kind][1](rng)


def draw_stop(rng: Random, kind: str, resolution: str) -> Protection | None:
    """Return a stop of a kind: none, percent, percent_order, atr, trailing."""
    small = resolution != "daily"
    if kind == "none":
        return None
    if kind in ("percent", "percent_order"):
        value = rng.choice((0.5, 1, 1.5)) if small else rng.choice((1, 2, 3, 4, 5))
        return Protection("percent", value, by_order=kind == "percent_order")
    if kind == "atr":
        return Protection("atr", rng.choice((1.5, 2, 2.5, 3)), rng.choice((10, 14, 20)))
    return Protection("trailing", rng.choice((1, 1.5, 2)) if small else rng.choice((2, 3, 4, 5, 6)))


def draw_target(rng: Random, kind: str, resolution: str) -> Protection | None:
    """Return a profit target of a kind: none, percent."""
    if kind == "none":
        return None
    return Protection("percent", rng.choice((0.5, 1, 1.5, 2)) if resolution != "daily" else rng.choice((2, 3, 4, 5, 8)))


def draw_size(rng: Random, kind: str, market: Market) -> Sizing:
    """Return a size of a kind: fraction, shares, cash, volatility_target, risk."""
    count = len(market.tickers)
    if kind == "fraction":
        total = rng.choice((0.5, 0.6, 0.8, 0.9, 0.95, 1.0))
        value = rng.choice((0.25, 0.5, 0.75, 0.9, 0.95, 1.0)) if count == 1 else int(100 * total / count) / 100
        return Sizing(kind, value)
    if kind == "shares":
        return Sizing(
            kind, 10_000 * rng.randint(1, 5) if market.security_type == "forex" else rng.choice((20, 50, 100))
        )
    if kind == "cash":
        return Sizing(kind, rng.choice((5_000, 10_000, 15_000)))
    if kind == "volatility_target":
        value = rng.choice((0.05, 0.08, 0.1, 0.12, 0.15))
        return Sizing(kind, value, rng.choice((20, 30, 60)), 1.0 if count == 1 else int(100 / count) / 100)
    return Sizing(kind, rng.choice((0.0025, 0.005, 0.01)))
