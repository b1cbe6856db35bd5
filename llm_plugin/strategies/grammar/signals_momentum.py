"""Signals of momentum and of breakouts: returns that go on, and closes beyond what was."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar import series as s
from llm_plugin.strategies.grammar.signals import Signal, signal
from llm_plugin.strategies.grammar.terms import Rule, Term, all_of, compare, constant, price

__all__: list[str] = []


@signal("momentum")
def return_sign(rng: Random) -> Signal:
    """The return of some months is positive."""
    term, zero = s.rate_of_change(rng.choice((20, 40, 60, 63, 90, 120, 126, 252))), constant(0, "zero", "0")
    up, down = compare("rising", term, ">", zero), compare("falling", term, "<", zero)
    return Signal("return_sign", "momentum", up, down, down, up)


@signal("momentum")
def return_threshold(rng: Random) -> Signal:
    """The return of some weeks is more than a threshold."""
    bars, size = rng.choice(((10, 0.01), (10, 0.02), (20, 0.02), (20, 0.03), (30, 0.03), (60, 0.05)))
    term, zero = s.rate_of_change(bars), constant(0, "zero", "0")
    more = compare("strong_rise", term, ">", constant(size, f"{100 * size:g} %"))
    less = compare("strong_fall", term, "<", constant(-size, f"-{100 * size:g} %"))
    return Signal(
        "return_threshold",
        "momentum",
        more,
        less,
        compare("momentum_gone", term, "<", zero),
        compare("momentum_gone", term, ">", zero),
    )


@signal("momentum")
def rsi_strength(rng: Random) -> Signal:
    """RSI on the strong side."""
    term, high = s.rsi(rng.choice((7, 10, 14, 21))), rng.choice((52, 55, 60))
    return Signal(
        "rsi_strength",
        "momentum",
        compare("rsi_strong", term, ">", constant(high)),
        compare("rsi_weak", term, "<", constant(100 - high)),
        compare("rsi_below_middle", term, "<", constant(50)),
        compare("rsi_above_middle", term, ">", constant(50)),
    )


@signal("momentum")
def dual_return(rng: Random) -> Signal:
    """A fast and a slow return agree."""
    fast, slow = rng.choice(((5, 20), (10, 60), (20, 60), (20, 120)))
    a, b, zero = s.rate_of_change(fast, "fast"), s.rate_of_change(slow, "slow"), constant(0, "zero", "0")
    return Signal(
        "dual_return",
        "momentum",
        all_of("both_rising", compare("fast_up", a, ">", zero), compare("slow_up", b, ">", zero)),
        all_of("both_falling", compare("fast_down", a, "<", zero), compare("slow_down", b, "<", zero)),
        compare("slow_down", b, "<", zero),
        compare("slow_up", b, ">", zero),
    )


@signal("breakout")
def channel_break(rng: Random) -> Signal:
    """A close beyond the extremes of the bars before."""
    enter, leave = rng.choice(((10, 5), (20, 10), (30, 10), (40, 20), (50, 20), (55, 20), (15, 7)))
    return Signal(
        "channel_break",
        "breakout",
        compare("new_high", price(), ">", s.highest_before(enter)),
        compare("new_low", price(), "<", s.lowest_before(enter, "lowest")),
        compare("exit_low", price(), "<", s.lowest_before(leave, "exit_low")),
        compare("exit_high", price(), ">", s.highest_before(leave, "exit_high")),
    )


@signal("breakout")
def bollinger_break(rng: Random) -> Signal:
    """A close beyond a Bollinger band, followed."""
    period, width = rng.choice((15, 20, 30)), rng.choice((1, 1.5, 2))
    lower, middle, upper = (s.band("bb", period, width, side) for side in ("lower", "middle", "upper"))
    return Signal(
        "bollinger_break",
        "breakout",
        compare("above_band", price(), ">", upper),
        compare("below_band", price(), "<", lower),
        compare("back_inside", price(), "<", middle),
        compare("back_inside", price(), ">", middle),
    )


@signal("breakout")
def keltner_break(rng: Random) -> Signal:
    """A close beyond a Keltner channel, followed."""
    period, width = rng.choice((10, 20)), rng.choice((1, 1.5))
    lower, middle, upper = (s.band("kch", period, width, side) for side in ("lower", "middle", "upper"))
    return Signal(
        "keltner_break",
        "breakout",
        compare("above_channel", price(), ">", upper),
        compare("below_channel", price(), "<", lower),
        compare("back_inside", price(), "<", middle),
        compare("back_inside", price(), ">", middle),
    )


@signal("breakout")
def range_expansion(rng: Random) -> Signal:
    """A close further from the one before than a part of the average true range."""
    period, part = rng.choice((5, 10, 14, 20)), rng.choice((0.5, 0.75, 1))
    closes, true_range = s.close_before(), s.atr(period)
    times = "" if part == 1 else f"{part:g} * "
    words = "one" if part == 1 else f"{part:g} times"
    size = f"{words} the {period}-{{unit}} ATR"
    up = _stretch(closes, true_range, "+", times, f"the close is more than {size} above the previous close")
    down = _stretch(closes, true_range, "-", times, f"the close is more than {size} below the previous close")
    return Signal("range_expansion", "breakout", up, down)


def _stretch(base: Term, size: Term, sign: str, times: str, words: str) -> Rule:
    op = ">" if sign == "+" else "<"
    level = Term(
        f"{base.condition} {sign} {times}{size.condition}",
        f"{base.code} {sign} {times}{size.code}",
        ("-",),
        base.helpers + size.helpers,
    )
    return compare("expansion", price(), op, level, (words, words.replace("is more than", "lies further than")))


@signal("breakout")
def previous_bar_break(rng: Random) -> Signal:
    """A close beyond the high or low of the bar before, in the direction of an average."""
    line = s.average("trend", rng.choice(("sma", "ema")), rng.choice((10, 20, 50)))
    up = all_of(
        "over_previous", compare("over_high", price(), ">", s.high_before()), compare("above", price(), ">", line)
    )
    down = all_of(
        "under_previous", compare("under_low", price(), "<", s.low_before()), compare("below", price(), "<", line)
    )
    return Signal(
        "previous_bar_break",
        "breakout",
        up,
        down,
        compare("under_low", price(), "<", s.low_before()),
        compare("over_high", price(), ">", s.high_before()),
    )
