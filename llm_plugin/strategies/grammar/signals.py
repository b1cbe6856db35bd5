"""Reasons to enter and to leave, by family: each draws its own parameters and knows its opposite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from llm_plugin.strategies.grammar import series as s
from llm_plugin.strategies.grammar.terms import Rule, Term, all_of, compare, constant, crosses, price

__all__ = ["SIGNALS", "Made", "Signal", "draw_signal", "signal"]


@dataclass(frozen=True, slots=True)
class Signal:
    """When to be in: rules for both sides, and the exit that belongs to them.

    A short side or an exit may be missing: then the strategy is long only, or needs an exit of its own.
    """

    kind: str
    family: str
    long: Rule
    short: Rule | None = None
    leave_long: Rule | None = None
    leave_short: Rule | None = None


Maker = Callable[[Random], Signal]


@dataclass(frozen=True, slots=True)
class Made:
    """How a kind of signal is made, and for which kinds of markets; none = all."""

    family: str
    maker: Maker
    markets: tuple[str, ...] = ()


SIGNALS: dict[str, Made] = {}


def signal(family: str, *markets: str) -> Callable[[Maker], Maker]:
    """Put a maker of signals into the catalogue, for some kinds of markets or for all."""

    def add(maker: Maker) -> Maker:
        SIGNALS[maker.__name__] = Made(family, maker, markets)
        return maker

    return add


def draw_signal(kind: str, rng: Random) -> Signal:
    """Return the signal of this kind, with parameters of its own."""
    return SIGNALS[kind].maker(rng)


def _bounds(kind: str, family: str, term: Term, low: float, high: float, middle: float) -> Signal:
    """Return an oscillator's signal: buy below `low`, sell above `high`, leave beyond `middle`."""
    opposite = low + high - middle
    return Signal(
        kind,
        family,
        compare(f"{kind}_low", term, "<", constant(low)),
        compare(f"{kind}_high", term, ">", constant(high)),
        compare(f"{kind}_recovered", term, ">", constant(middle)),
        compare(f"{kind}_faded", term, "<", constant(opposite)),
    )


@signal("mean_reversion")
def rsi_extreme(rng: Random) -> Signal:
    """A short RSI that is far down."""
    period = rng.choice((2, 3, 4))
    low = rng.choice((5, 10, 15, 20, 25))
    return _bounds("rsi_extreme", "mean_reversion", s.rsi(period), low, 100 - low, rng.choice((50, 60, 70)))


@signal("mean_reversion")
def rsi_oversold(rng: Random) -> Signal:
    """The usual RSI, crossing back."""
    term, low = s.rsi(rng.choice((5, 7, 9, 14))), rng.choice((30, 35, 40))
    base = _bounds("rsi_oversold", "mean_reversion", term, low, 100 - low, rng.choice((50, 55, 60)))
    return base


@signal("mean_reversion")
def rsi_turn(rng: Random) -> Signal:
    """RSI that comes back from an extreme."""
    term, low = s.rsi(rng.choice((5, 7, 9, 14))), rng.choice((30, 35, 40))
    return Signal(
        "rsi_turn",
        "mean_reversion",
        crosses("rsi_turns_up", term, "above", constant(low)),
        crosses("rsi_turns_down", term, "below", constant(100 - low)),
        compare("rsi_high", term, ">", constant(100 - low)),
        compare("rsi_low", term, "<", constant(low)),
    )


@signal("mean_reversion")
def cci_extreme(rng: Random) -> Signal:
    """A commodity channel index beyond its usual range."""
    low = -rng.choice((100, 120, 150))
    return _bounds("cci_extreme", "mean_reversion", s.cci(rng.choice((10, 14, 20, 30))), low, -low, 0)


@signal("mean_reversion")
def williams_extreme(rng: Random) -> Signal:
    """Williams %R near its floor."""
    edge = rng.choice((5, 10, 15, 20))
    term = s.williams(rng.choice((5, 10, 14, 20)))
    return _bounds("williams_extreme", "mean_reversion", term, edge - 100, -edge, -50)


@signal("mean_reversion")
def stochastic_extreme(rng: Random) -> Signal:
    """A stochastic near its floor."""
    low = rng.choice((10, 15, 20, 25))
    term = s.stochastic(rng.choice((5, 9, 14)), 3, rng.choice("kd"))
    return _bounds("stochastic_extreme", "mean_reversion", term, low, 100 - low, rng.choice((50, 60)))


@signal("mean_reversion")
def money_flow_extreme(rng: Random) -> Signal:
    """Money flow that dried up."""
    low = rng.choice((20, 25, 30))
    return _bounds("money_flow_extreme", "mean_reversion", s.mfi(rng.choice((5, 10, 14))), low, 100 - low, 50)


@signal("mean_reversion")
def bar_strength(rng: Random) -> Signal:
    """A close near the low of its bar."""
    low = rng.choice((0.1, 0.15, 0.2, 0.25))
    return _bounds("bar_strength", "mean_reversion", s.internal_strength(), low, 1 - low, 1 - low)


@signal("mean_reversion")
def zscore_extreme(rng: Random) -> Signal:
    """A close far from its mean, in standard deviations."""
    width = rng.choice((1, 1.5, 2))
    return _bounds("zscore_extreme", "mean_reversion", s.zscore(rng.choice((10, 15, 20, 30, 50))), -width, width, 0)


def _band_touch(kind: str, band: str, rng: Random, widths: tuple[float, ...]) -> Signal:
    period, width = rng.choice((10, 15, 20, 25)), rng.choice(widths)
    lower, middle, upper = (s.band(band, period, width, side) for side in ("lower", "middle", "upper"))
    return Signal(
        kind,
        "mean_reversion",
        compare(f"{kind}_below", price(), "<", lower),
        compare(f"{kind}_above", price(), ">", upper),
        compare("middle_reached", price(), ">", middle),
        compare("middle_reached", price(), "<", middle),
    )


@signal("mean_reversion")
def bollinger_touch(rng: Random) -> Signal:
    """A close outside of the Bollinger bands."""
    return _band_touch("bollinger_touch", "bb", rng, (1, 1.5, 2))


@signal("mean_reversion")
def keltner_touch(rng: Random) -> Signal:
    """A close outside of the Keltner channel."""
    return _band_touch("keltner_touch", "kch", rng, (1, 1.5))


@signal("mean_reversion")
def sharp_drop(rng: Random) -> Signal:
    """A fall of a few percent in a few bars."""
    bars, size = rng.choice((1, 2, 3, 5)), rng.choice((0.01, 0.015, 0.02))
    term = s.rate_of_change(bars)
    fall = constant(-size, f"-{100 * size:g} %")
    rise = constant(size, f"{100 * size:g} %")
    return Signal("sharp_drop", "mean_reversion", compare("drop", term, "<", fall), compare("jump", term, ">", rise))


def _average_cross(kind: str, average: str, rng: Random, family: str) -> Signal:
    fast, slow = rng.choice(((3, 10), (5, 10), (5, 20), (8, 21), (10, 20), (10, 30), (10, 50), (12, 26), (20, 50)))
    quick, calm = s.average("fast", average, fast), s.average("slow", average, slow)
    return Signal(
        kind,
        family,
        crosses("average_cross_up", quick, "above", calm),
        crosses("average_cross_down", quick, "below", calm),
        crosses("average_cross_down", quick, "below", calm),
        crosses("average_cross_up", quick, "above", calm),
    )


@signal("trend")
def sma_cross(rng: Random) -> Signal:
    """Two simple averages cross."""
    return _average_cross("sma_cross", "sma", rng, "trend")


@signal("trend")
def ema_cross(rng: Random) -> Signal:
    """Two exponential averages cross."""
    return _average_cross("ema_cross", "ema", rng, "trend")


@signal("trend")
def hull_cross(rng: Random) -> Signal:
    """Two Hull averages cross."""
    return _average_cross("hull_cross", "hma", rng, "trend")


@signal("trend")
def dema_cross(rng: Random) -> Signal:
    """Two double exponential averages cross."""
    return _average_cross("dema_cross", "dema", rng, "trend")


def _above_average(kind: str, average: str, rng: Random) -> Signal:
    line = s.average("trend", average, rng.choice((20, 30, 40, 50, 60, 100)))
    return Signal(
        kind,
        "trend",
        compare("above_average", price(), ">", line),
        compare("below_average", price(), "<", line),
        compare("below_average", price(), "<", line),
        compare("above_average", price(), ">", line),
    )


@signal("trend")
def above_sma(rng: Random) -> Signal:
    """The close above an average."""
    return _above_average("above_sma", "sma", rng)


@signal("trend")
def above_kama(rng: Random) -> Signal:
    """The close above an adaptive average."""
    return _above_average("above_kama", "kama", rng)


@signal("trend")
def price_cross(rng: Random) -> Signal:
    """The close crosses an average."""
    line = s.average("average", rng.choice(("sma", "ema", "lwma", "tema")), rng.choice((10, 20, 30, 50)))
    up, down = (
        crosses("price_crosses_up", price(), "above", line),
        crosses("price_crosses_down", price(), "below", line),
    )
    return Signal("price_cross", "trend", up, down, down, up)


@signal("trend")
def stacked_averages(rng: Random) -> Signal:
    """Three averages in order."""
    fast, middle, slow = rng.choice(((5, 10, 20), (5, 15, 30), (10, 20, 40), (10, 20, 50), (8, 13, 21)))
    kind = rng.choice(("sma", "ema"))
    a, b, c = s.average("fast", kind, fast), s.average("middle", kind, middle), s.average("slow", kind, slow)
    up = all_of("stacked_up", compare("ab", a, ">", b), compare("bc", b, ">", c))
    down = all_of("stacked_down", compare("ab", a, "<", b), compare("bc", b, "<", c))
    return Signal(
        "stacked_averages", "trend", up, down, compare("unstacked", a, "<", b), compare("unstacked", a, ">", b)
    )


@signal("trend")
def macd_cross(rng: Random) -> Signal:
    """MACD crosses its signal line."""
    given = rng.choice(((12, 26, 9), (8, 17, 9), (5, 35, 5), (6, 19, 6)))
    line, other = s.macd(*given), s.macd(*given, "signal")
    up, down = crosses("macd_up", line, "above", other), crosses("macd_down", line, "below", other)
    return Signal("macd_cross", "trend", up, down, down, up)


@signal("trend")
def macd_sign(rng: Random) -> Signal:
    """MACD above or below zero."""
    line = s.macd(*rng.choice(((12, 26, 9), (8, 17, 9), (5, 35, 5))))
    zero = constant(0, "zero", "0")
    up, down = compare("macd_positive", line, ">", zero), compare("macd_negative", line, "<", zero)
    return Signal("macd_sign", "trend", up, down, down, up)


@signal("trend")
def directional_movement(rng: Random) -> Signal:
    """+DI against -DI, where ADX says that there is a trend."""
    period, least = rng.choice((7, 10, 14, 20)), rng.choice((15, 20, 25))
    plus, minus, strength = s.directional(period, "plus"), s.directional(period, "minus"), s.adx(period)
    strong = compare("trending", strength, ">", constant(least))
    return Signal(
        "directional_movement",
        "trend",
        all_of("rising_strongly", compare("plus_leads", plus, ">", minus), strong),
        all_of("falling_strongly", compare("minus_leads", plus, "<", minus), strong),
        compare("minus_leads", plus, "<", minus),
        compare("plus_leads", plus, ">", minus),
    )


@signal("trend")
def aroon_lead(rng: Random) -> Signal:
    """Aroon up against Aroon down."""
    period = rng.choice((10, 14, 20, 25))
    up, down = s.aroon_up(period), s.aroon_down(period)
    over, under = compare("aroon_rising", up, ">", down), compare("aroon_falling", up, "<", down)
    return Signal("aroon_lead", "trend", over, under, under, over)


@signal("trend")
def parabolic(_: Random) -> Signal:
    """The parabolic stop and reverse below or above the close."""
    up, down = compare("sar_below", price(), ">", s.psar()), compare("sar_above", price(), "<", s.psar())
    return Signal("parabolic", "trend", up, down, down, up)
