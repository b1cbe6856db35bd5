"""The terms that signals are made of: averages, oscillators, channels, each in LEAN's names."""

from __future__ import annotations

from llm_plugin.strategies.grammar.terms import Helper, Term, indicator, number

__all__ = [
    "adx",
    "aroon_down",
    "aroon_up",
    "atr",
    "average",
    "band",
    "cci",
    "close_before",
    "directional",
    "high_before",
    "highest_before",
    "internal_strength",
    "low_before",
    "lowest_before",
    "macd",
    "mfi",
    "psar",
    "rate_of_change",
    "rsi",
    "stochastic",
    "williams",
    "zscore",
]

_AVERAGES = {
    "sma": ("simple moving average", "SMA", 1),
    "ema": ("exponential moving average", "EMA", 3),
    "hma": ("Hull moving average", "HMA", 2),
    "dema": ("double exponential moving average", "DEMA", 5),
    "tema": ("triple exponential moving average", "TEMA", 6),
    "kama": ("Kaufman adaptive moving average", "KAMA", 5),
    "lwma": ("linearly weighted moving average", "LWMA", 1),
}


def average(role: str, kind: str, period: int) -> Term:
    """Return a moving average of the closes."""
    long, short, depth = _AVERAGES[kind]
    words = (f"its {period}-{{unit}} {long}", f"{short}({period})", f"the {period}-{{unit}} {short}")
    return indicator(role, kind, (period,), f"{kind}({period})", words, bars=depth * period + 2)


def rsi(period: int) -> Term:
    """Return Wilder's relative strength index."""
    words = (f"RSI({period})", f"the {period}-{{unit}} RSI", f"the {period}-period relative strength index")
    return indicator("rsi", "rsi", (period,), f"rsi({period})", words, bars=6 * period + 2)


def cci(period: int) -> Term:
    """Return the commodity channel index."""
    words = (f"CCI({period})", f"the {period}-{{unit}} CCI", f"the commodity channel index over {period} bars")
    return indicator("cci", "cci", (period,), f"cci({period})", words)


def williams(period: int) -> Term:
    """Return Williams %R, from -100 to 0."""
    words = (f"Williams %R({period})", f"the {period}-{{unit}} Williams %R")
    return indicator("williams", "wilr", (period,), f"wilr({period})", words)


def stochastic(period: int, smooth: int, line: str) -> Term:
    """Return %K (`k`) or %D (`d`) of the stochastic oscillator."""
    words = (
        f"%{line.upper()} of the stochastic({period}, {smooth}, {smooth})",
        f"stochastic({period}, {smooth}, {smooth}) %{line.upper()}",
    )
    name = f"stochastic_{line}({period}, {smooth}, {smooth})"
    parameters = (period, smooth, smooth)
    return indicator("sto", "sto", parameters, name, words, part=f"stoch_{line}", bars=period + 2 * smooth + 2)


def mfi(period: int) -> Term:
    """Return the money flow index."""
    words = (f"MFI({period})", f"the {period}-{{unit}} money flow index")
    return indicator("mfi", "mfi", (period,), f"mfi({period})", words)


def internal_strength() -> Term:
    """Return where the close lies in the bar, 0 = low, 1 = high."""
    words = ("the internal bar strength (IBS)", "IBS", "IBS, (close - low) / (high - low),")
    return indicator("ibs", "ibs", (), "ibs()", words)


def rate_of_change(period: int, role: str = "roc") -> Term:
    """Return the relative change of the close, 0.05 = 5 %."""
    words = (f"the {period}-{{unit}} rate of change", f"ROC({period})", f"the return of the last {period} {{unit}}s")
    return indicator(role, "roc", (period,), f"roc({period})", words)


def adx(period: int) -> Term:
    """Return the average directional index."""
    words = (f"ADX({period})", f"the {period}-{{unit}} ADX", f"the {period}-{{unit}} average directional index")
    return indicator("adx", "adx", (period,), f"adx({period})", words, bars=6 * period + 2)


def directional(period: int, side: str) -> Term:
    """Return +DI (`plus`) or -DI (`minus`) of the ADX."""
    sign, part = ("+DI", "positive_directional_index") if side == "plus" else ("-DI", "negative_directional_index")
    return indicator(
        "adx", "adx", (period,), f"{side}_di({period})", (f"{sign}({period})",), part=part, bars=6 * period + 2
    )


def aroon_up(period: int) -> Term:
    """Return Aroon up."""
    return indicator("aroon", "aroon", (period,), f"aroon_up({period})", (f"Aroon Up({period})",), part="aroon_up")


def aroon_down(period: int) -> Term:
    """Return Aroon down."""
    words = (f"Aroon Down({period})",)
    return indicator("aroon", "aroon", (period,), f"aroon_down({period})", words, part="aroon_down")


def macd(fast: int, slow: int, signal: int, line: str = "") -> Term:
    """Return the MACD line, or its signal line."""
    given = (fast, slow, signal)
    text = f"({fast}, {slow}, {signal})"
    bars = 4 * (slow + signal)
    if line == "signal":
        return indicator(
            "macd",
            "macd",
            given,
            f"macd_signal{text}",
            ("its signal line", "the signal line"),
            part="signal",
            bars=bars,
        )
    words = (f"MACD{text}", f"the MACD{text} line")
    return indicator("macd", "macd", given, f"macd{text}", words, bars=bars)


def psar() -> Term:
    """Return the parabolic stop and reverse, with its usual steps."""
    words = ("the parabolic SAR", "the PSAR(0.02, 0.02, 0.2)")
    return indicator("psar", "psar", (), "psar()", words, bars=100)


def band(kind: str, period: int, width: float, side: str) -> Term:
    """Return the `upper`, `middle` or `lower` band of `bb` (Bollinger) or `kch` (Keltner)."""
    name, long = ("bollinger", "Bollinger band") if kind == "bb" else ("keltner", "Keltner channel")
    text = f"({period}, {number(width)})"
    words = (f"the {side} {long} {text}", f"the {side} {long} of {period} {{unit}}s and width {number(width)}")
    role = "bands" if kind == "bb" else "keltner"
    condition = f"{name}_{side}{text}"
    return indicator(role, kind, (period, width), condition, words, part=f"{side}_band", bars=3 * period + 2)


def atr(period: int) -> Term:
    """Return the average true range."""
    return indicator("atr", "atr", (period,), f"atr({period})", (f"ATR({period})", f"the {period}-{{unit}} ATR"))


def highest_before(period: int, role: str = "highest") -> Term:
    """Return the highest high of the bars before this one."""
    words = (
        f"the highest high of the previous {period} {{unit}}s",
        f"the {period}-{{unit}} high",
        f"the upper Donchian line of the {period} {{unit}}s before",
    )
    return _extreme(role, "max", period, "high", words)


def lowest_before(period: int, role: str = "lowest") -> Term:
    """Return the lowest low of the bars before this one."""
    words = (
        f"the lowest low of the previous {period} {{unit}}s",
        f"the {period}-{{unit}} low",
        f"the lower Donchian line of the {period} {{unit}}s before",
    )
    return _extreme(role, "min", period, "low", words)


def _extreme(role: str, method: str, period: int, field: str, words: tuple[str, ...]) -> Term:
    helper = Helper(role, method, (period,), f"Resolution.{{resolution}}, Field.{field.upper()}", period + 2)
    code = "{" + role + "}.previous.value"
    return Term(f"delay({method}({field}, {period}), 1)", code, words, (helper,), code)


def zscore(period: int) -> Term:
    """Return how many standard deviations the close lies from its mean."""
    helpers = (
        Helper("mean", "sma", (period,), "", period + 2),
        Helper("deviation", "std", (period,), "", period + 2),
    )
    code = "({price} - {mean}.current.value) / {deviation}.current.value"
    words = (
        f"the z-score of the close over {period} {{unit}}s",
        f"the {period}-{{unit}} z-score, (close - mean) / standard deviation,",
    )
    return Term(f"(close - sma({period})) / std({period})", code, words, helpers)


def close_before() -> Term:
    """Return the close of the bar before."""
    helper = Helper("closes", "identity", (), "", 2, "-")
    return Term(
        "delay(close, 1)",
        "{closes}.previous.value",
        ("the previous close", "the close of the {unit} before"),
        (helper,),
    )


def high_before() -> Term:
    """Return the high of the bar before."""
    helper = Helper("highs", "identity", (), "Resolution.{resolution}, Field.HIGH", 2, "-")
    words = ("the previous {unit}'s high", "the high of the {unit} before")
    return Term("delay(high, 1)", "{highs}.previous.value", words, (helper,))


def low_before() -> Term:
    """Return the low of the bar before."""
    helper = Helper("lows", "identity", (), "Resolution.{resolution}, Field.LOW", 2, "-")
    words = ("the previous {unit}'s low", "the low of the {unit} before")
    return Term("delay(low, 1)", "{lows}.previous.value", words, (helper,))
