"""Pairs and other arbitrage: two securities against each other when their ratio, spread or returns part."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar.code import class_name, indent
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.parts import Market
from llm_plugin.strategies.grammar.plans.base import Frame, finished
from llm_plugin.strategies.grammar.terms import number

__all__ = ["pairs"]

_PAIRS = (
    *(("GOOG", "GOOGL"), ("SPY", "IWM"), ("SPY", "QQQ"), ("USO", "BNO"), ("EEM", "SPY"), ("AAPL", "IBM")),
    *(("BAC", "AIG"), ("QQQ", "IWM"), ("AAPL", "QQQ"), ("IBM", "SPY"), ("WM", "SPY"), ("FB", "GOOG")),
)
# What is compared: code and condition of the value, and its words.
_VALUES = {
    "ratio": ("first.close / second.close", "{a}.close / {b}.close", "the ratio of the closes {a} / {b}"),
    "log_ratio": (
        "math.log(first.close / second.close)",
        "log({a}.close / {b}.close)",
        "the logarithm of the price ratio {a} / {b}",
    ),
    "spread": ("first.close - second.close", "{a}.close - {b}.close", "the price difference {a} - {b}"),
}


def pairs(rng: Random) -> Draft:
    """Return a pair trade by the z-score of a spread, or by the difference of two returns."""
    a, b = rng.choice(_PAIRS)
    if rng.random() < 0.5:
        a, b = b, a
    market = Market("pair", (a, b))
    frame = Frame.draw(rng, market)
    return _by_returns(rng, frame, a, b) if rng.random() < 0.3 else _by_zscore(rng, frame, a, b)


def _sides(rng: Random) -> str:
    return rng.choice(("both", "both", "long"))


def _orders(side: str, weight: float) -> tuple[list[str], list[str]]:
    up = [f"self.set_holdings(self._first, {number(weight)})", f"self.set_holdings(self._second, -{number(weight)})"]
    down = [f"self.set_holdings(self._first, -{number(weight)})", f"self.set_holdings(self._second, {number(weight)})"]
    return up, down if side == "both" else []


def _needs(a: str, b: str, side: str, weight: float, rules: dict[str, dict[str, str]]) -> dict[str, object]:
    kept = {what: {k: v for k, v in found.items() if side == "both" or k == "long"} for what, found in rules.items()}
    return {
        "direction": "both",
        "legs": {a: 1, b: -1},
        "size": {"kind": "fraction", "value": weight},
        **{what: found for what, found in kept.items() if found},
    }


_LEAVE = ["self.liquidate(self._first)", "self.liquidate(self._second)"]


def _by_zscore(rng: Random, frame: Frame, a: str, b: str) -> Draft:
    kind, side = rng.choice(sorted(_VALUES)), _sides(rng)
    code, text, words = _VALUES[kind]
    period, wide = rng.choice((10, 15, 20, 30, 40, 60)), rng.choice((1, 1.25, 1.5, 2))
    near, weight = rng.choice((0, 0, 0.25, 0.5)), rng.choice((0.25, 0.3, 0.4, 0.45))
    value = text.format(a=a, b=b)
    zscore = f"({value} - sma({value}, {period})) / std({value}, {period})"
    setup = [frame.single("_first"), frame.single("_second", 1)]
    setup += [f"self._mean = SimpleMovingAverage({period})", f"self._deviation = StandardDeviation({period})"]
    setup.append(f"self.set_warm_up({period + 1}, Resolution.DAILY)")
    up, down = _orders(side, weight)
    lines = [
        "if not data.bars.contains_key(self._first) or not data.bars.contains_key(self._second):",
        "    return",
        "first, second = data.bars[self._first], data.bars[self._second]",
        f"value = {code}",
        "self._mean.update(self.time, value)",
        "self._deviation.update(self.time, value)",
        "if self.is_warming_up or self._deviation.current.value == 0:",
        "    return",
        "zscore = (value - self._mean.current.value) / self._deviation.current.value",
        "holding = self.portfolio[self._first]",
        "if not holding.invested:",
        f"    if zscore < -{number(wide)}:",
        *("        " + line for line in up),
    ]
    if down:
        lines += [f"    elif zscore > {number(wide)}:", *("        " + line for line in down)]
        lines += [
            f"elif (holding.is_long and zscore > -{number(near)}) or (holding.is_short and zscore < {number(near)}):"
        ]
    else:
        lines += [f"elif zscore > -{number(near)}:"]
    lines += ["    " + line for line in _LEAVE]
    source = [line.replace("> -0:", "> 0:").replace("> -0)", "> 0)") for line in lines]
    rules = {
        "entry": {"long": f"{zscore} < -{number(wide)}", "short": f"{zscore} > {number(wide)}"},
        "exit": {"long": f"{zscore} > {number(-near)}", "short": f"{zscore} < {number(near)}"},
    }
    name = words.format(a=a, b=b)
    clauses = [
        Clause(
            "Signal",
            (
                f"compute the z-score of {name} over {period} days (mean and standard deviation of {period} values)",
                f"use the {period}-day z-score of {name}",
            ),
        ),
        *_pair_clauses(a, b, side, f"the z-score is below -{number(wide)}", f"the z-score is above {number(wide)}"),
        Clause("Exit", _exit_words(near)),
        _weight_clause(weight),
    ]
    return finished(
        "pairs", f"{kind}|{'centre' if near == 0 else 'band'}", side, frame,
        name=class_name(kind, "pair", "trader"), summary=f"Trades {a} against {b} by the z-score of their {kind.replace('_', ' ')}.",
        setup=setup, methods=["    def on_data(self, data):\n" + indent(source, 2) + "\n"], clauses=clauses,
        needs=_needs(a, b, side, weight, rules), difficulty=3 if side == "both" else 2,
    )  # fmt: skip


def _exit_words(near: float) -> tuple[str, ...]:
    if near == 0:
        return (
            "close both legs when the z-score is back through zero",
            "exit both once the z-score crosses zero again",
        )
    edge = number(near)
    return (
        f"close both legs when the z-score is above -{edge} (first leg long) or below {edge} (first leg short)",
        f"exit both once the z-score comes back within {edge} of zero",
    )


def _pair_clauses(a: str, b: str, side: str, low: str, high: str) -> list[Clause]:
    buy = (f"buy {a} and short {b} when {low}", f"go long {a} and short {b} if {low}")
    clauses = [Clause("Entry", buy)]
    if side == "both":
        clauses.append(
            Clause(
                "Reverse entry",
                (f"short {a} and buy {b} when {high}", f"do the opposite, short {a} and long {b}, if {high}"),
            )
        )
    return clauses


def _weight_clause(weight: float) -> Clause:
    share = f"{100 * weight:g} %"
    return Clause("Size", (f"{share} of the portfolio in each leg", f"each leg gets {share} of equity"))


def _by_returns(rng: Random, frame: Frame, a: str, b: str) -> Draft:
    side = _sides(rng)
    period, wide = rng.choice(((3, 0.01), (5, 0.01), (5, 0.02), (10, 0.02), (10, 0.03), (20, 0.03)))
    follow, weight = rng.random() < 0.4, rng.choice((0.25, 0.3, 0.4, 0.45))
    gap = f"roc({a}.close, {period}) - roc({b}.close, {period})"
    if follow:
        enter = {"long": f"{gap} > {number(wide)}", "short": f"{gap} < -{number(wide)}"}
        leave = {"long": f"{gap} < 0", "short": f"{gap} > 0"}
        tests = (f"gap > {number(wide)}", f"gap < -{number(wide)}", "gap < 0", "gap > 0")
    else:
        enter = {"long": f"{gap} < -{number(wide)}", "short": f"{gap} > {number(wide)}"}
        leave = {"long": f"{gap} > 0", "short": f"{gap} < 0"}
        tests = (f"gap < -{number(wide)}", f"gap > {number(wide)}", "gap > 0", "gap < 0")
    setup = [frame.single("_first"), frame.single("_second", 1)]
    setup += [
        f"self._first_return = self.roc(self._first, {period})",
        f"self._second_return = self.roc(self._second, {period})",
    ]
    setup.append(f"self.set_warm_up({period + 2}, Resolution.DAILY)")
    up, down = _orders(side, weight)
    lines = [
        "if self.is_warming_up:",
        "    return",
        "if not data.bars.contains_key(self._first) or not data.bars.contains_key(self._second):",
        "    return",
        "gap = self._first_return.current.value - self._second_return.current.value",
        "holding = self.portfolio[self._first]",
        "if not holding.invested:",
        f"    if {tests[0]}:",
        *("        " + line for line in up),
    ]
    if down:
        lines += [f"    elif {tests[1]}:", *("        " + line for line in down)]
        lines.append(f"elif (holding.is_long and {tests[2]}) or (holding.is_short and {tests[3]}):")
    else:
        lines.append(f"elif {tests[2]}:")
    lines += ["    " + line for line in _LEAVE]
    part = f"{100 * wide:g} percentage point{'s' if wide > 0.01 else ''}"
    more, less = f"{a} is more than {part} ahead of {b}", f"{a} is more than {part} behind {b}"
    first, second = (more, less) if follow else (less, more)
    clauses = [
        Clause(
            "Signal",
            (
                f"compare the {period}-day rates of change of {a} and {b}",
                f"take the {period}-day returns of {a} and {b}",
            ),
        ),
        *_pair_clauses(a, b, side, f"by that measure {first}", f"by that measure {second}"),
        Clause(
            "Exit",
            (
                "close both legs when the difference of the returns changes its sign",
                "exit both once the gap between the returns is closed",
            ),
        ),
        _weight_clause(weight),
    ]
    kind = "lead" if follow else "lag"
    return finished(
        "pairs", f"returns_{kind}", side, frame, name=class_name("return", kind, "pair"),
        summary=f"Trades {a} against {b} by their {period}-day returns.", setup=setup,
        methods=["    def on_data(self, data):\n" + indent(lines, 2) + "\n"], clauses=clauses,
        needs={
            **_needs(a, b, side, weight, {"entry": enter, "exit": leave}), "indicators": [{"name": "roc", "period": period}]
        },
        difficulty=3 if side == "both" else 2,
    )  # fmt: skip
