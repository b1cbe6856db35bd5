"""Evaluate conditions and expressions over trusted bars, in every way that a fair solution may compute them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.errors import DataError
from llm_plugin.formulas import Binary, Call, Name, Node, Number, Ternary, Unary, children, to_text
from llm_plugin.strategies.conditions.bars import Bars
from llm_plugin.strategies.conditions.indicator_series import series_of_bars, series_of_values
from llm_plugin.strategies.conditions.truth import Truth, compare, merge
from llm_plugin.strategies.conditions.windows import calendar_field, correlation, delayed, window_function
from llm_plugin.strategies.language import names_in, split_symbol, tree
from llm_plugin.strategies.vocabulary import CALENDAR, FUNCTIONS, INDICATORS, POSITION, PRICES

__all__ = ["VARIANTS", "Evaluator", "Variant", "longest_window"]

Floats = NDArray[np.float64]
_COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
_MATH = {"abs": np.abs, "log": np.log, "exp": np.exp, "sqrt": np.sqrt, "sign": np.sign}
_PNL_SLACK = 0.02


@dataclass(frozen=True, slots=True)
class Variant:
    """One fair way to compute: fed from the run's `start`, `just` as early as needed, or `long` before; and a style."""

    fed_from: str
    style: str


VARIANTS = tuple(Variant(begin, style) for begin in ("long", "just", "start") for style in ("lean", "other"))


def longest_window(texts: list[str]) -> int:
    """Return how many bars the longest chain of windows in some conditions looks back."""
    return max((_reach(tree(text)) for text in texts), default=0)


def _reach(node: Node) -> int:
    below = max((_reach(child) for child in children(node)), default=0)
    if not isinstance(node, Call):
        return below
    name = split_symbol(node.function)[1]
    if FUNCTIONS[name].kind not in ("indicator", "series"):
        return below + (FUNCTIONS[name].kind == "cross")
    numbers = [int(argument.value) for argument in node.arguments if isinstance(argument, Number)]
    return below + max(numbers, default=1)


class Evaluator:
    """Conditions of one symbol.

    Args:
        bars: All symbols' bars by ticker.
        symbol: The symbol whose bars a bare name means, and whose bars are the rows of every result.
        decision_calendar: Calendar fields are those of the next bar: who decides in the morning knows its date.
    """

    def __init__(self, bars: Mapping[str, Bars], symbol: str, *, decision_calendar: bool = False) -> None:
        self._all, self.symbol, self.bars = bars, symbol, bars[symbol]
        self._decision_calendar = decision_calendar
        self._reach = 0
        self._cache: dict[tuple[str, str, Variant], Any] = {}
        self._position: Mapping[str, Floats] = {}
        self._aligned: dict[str, NDArray[np.int64]] = {}

    def condition(self, text: str, position: Mapping[str, Floats] | None = None, *, warm: bool = False) -> Truth:
        """Evaluate a condition for every bar.

        Args:
            text: The condition.
            position: The position's fields by name, one value a bar, NaN while flat; for exits.
            warm: The run was warmed up: its indicators did not begin with its first bar.
        """
        self._position = position or {}
        self._use(text)
        node = tree(text)
        return merge([self._truth(node, way) for way in _ways(node) if not (warm and way.fed_from == "start")])

    def values(self, text: str, *, warm: bool = False) -> list[Floats]:
        """Evaluate an expression for every bar, once in every fair way."""
        self._position = {}
        self._use(text)
        ways = [way for way in _ways(tree(text)) if not (warm and way.fed_from == "start")]
        return [self._number(tree(text), way, self.symbol) for way in ways]

    def explain(self, text: str, at: int, position: Mapping[str, Floats] | None = None) -> str:
        """Return the values in a condition at a bar, such as `rsi(2) = 34.2, close = 201.1`."""
        self._position = position or {}
        self._use(text)
        shown: dict[str, float] = {}
        for node in _told(tree(text)):
            values = np.asarray(self._any(node, VARIANTS[0], self.symbol), dtype=np.float64)
            shown.setdefault(to_text(node), float(values[at]))
        return ", ".join(f"{name} = {value:.6g}" for name, value in shown.items())

    def _use(self, text: str) -> None:
        reach = longest_window([text])
        if reach != self._reach:
            self._cache = {key: values for key, values in self._cache.items() if key[2].fed_from != "just"}
            self._reach = reach

    def _begin(self, variant: Variant) -> int:
        if variant.fed_from == "long":
            return 0
        return max(0, self.bars.first - (self._reach if variant.fed_from == "just" else 0))

    # The tree.
    def _truth(self, node: Node, variant: Variant) -> Truth:
        if isinstance(node, Binary) and node.operator in ("and", "or"):
            left, right = self._truth(node.left, variant), self._truth(node.right, variant)
            return left.both(right) if node.operator == "and" else left.either(right)
        if isinstance(node, Unary) and node.operator == "not":
            return self._truth(node.operand, variant).inverted()
        if isinstance(node, Binary) and node.operator in _COMPARISONS:
            left_side = self._number(node.left, variant, self.symbol)
            right_side = self._number(node.right, variant, self.symbol)
            return compare(node.operator, left_side, right_side, slack=_slack(node))
        if isinstance(node, Call) and FUNCTIONS[split_symbol(node.function)[1]].kind == "cross":
            return self._cross(node, variant)
        values = self._number(node, variant, self.symbol)
        known = ~np.isnan(values)
        true = known & (values != 0)
        return Truth(true, true, known)

    def _cross(self, node: Call, variant: Variant) -> Truth:
        above = split_symbol(node.function)[1] == "crosses_above"
        left, right = (self._number(argument, variant, self.symbol) for argument in node.arguments)
        slack = _slack(Binary("<", node.arguments[0], node.arguments[1]))
        now = compare(">" if above else "<", left, right, slack=slack)
        before = compare("<=" if above else ">=", delayed(left, 1), delayed(right, 1), slack=slack)
        return now.both(before)

    def _any(self, node: Node, variant: Variant, symbol: str) -> Floats:
        if isinstance(node, Binary) and node.operator in (*_COMPARISONS, "and", "or"):
            return self._truth(node, variant).certain.astype(np.float64)
        if isinstance(node, Unary) and node.operator == "not":
            return self._truth(node, variant).certain.astype(np.float64)
        return self._number(node, variant, symbol)

    def _number(self, node: Node, variant: Variant, symbol: str) -> Floats:
        if isinstance(node, Number):
            return np.full(len(self.bars), node.value)
        key = (to_text(node), symbol, variant)
        uses_position = bool(self._position) and bool(names_in(node) & set(POSITION))
        if not uses_position and key in self._cache:
            return self._cache[key]  # type: ignore[no-any-return]
        values = self._computed(node, variant, symbol)
        if not uses_position:
            self._cache[key] = values
        return values

    def _computed(self, node: Node, variant: Variant, symbol: str) -> Floats:
        if isinstance(node, Name):
            return self._name(node.text, symbol)
        if isinstance(node, Unary):
            if node.operator == "not":
                return self._as_numbers(node, variant)
            return -self._number(node.operand, variant, symbol)
        if isinstance(node, Binary):
            return self._binary(node, variant, symbol)
        if isinstance(node, Ternary):
            test = self._number(node.condition, variant, symbol)
            chosen = np.where(
                test != 0, self._number(node.then, variant, symbol), self._number(node.otherwise, variant, symbol)
            )
            return np.where(np.isnan(test), np.nan, chosen)
        assert isinstance(node, Call)  # noqa: S101
        return self._call(node, variant, symbol)

    def _as_numbers(self, node: Node, variant: Variant) -> Floats:
        truth = self._truth(node, variant)
        return np.where(truth.known, truth.certain.astype(np.float64), np.nan)

    def _binary(self, node: Binary, variant: Variant, symbol: str) -> Floats:
        if node.operator in (*_COMPARISONS, "and", "or"):
            return self._as_numbers(node, variant)
        left, right = self._number(node.left, variant, symbol), self._number(node.right, variant, symbol)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if node.operator == "/":
                return np.where(right != 0, left / np.where(right != 0, right, 1.0), np.nan)
            functions = {"+": np.add, "-": np.subtract, "*": np.multiply, "^": np.power}
            return np.asarray(functions[node.operator](left, right), dtype=np.float64)

    def _name(self, text: str, symbol: str) -> Floats:
        prefix, name = split_symbol(text)
        where = prefix or symbol
        if name in PRICES:
            return self._onto(where, self._all[where].fields[name])
        if name in POSITION:
            return self._position.get(name, np.full(len(self.bars), np.nan))
        if name in CALENDAR:
            return calendar_field(name, self._moments())
        return np.full(len(self.bars), 1.0 if name == "true" else 0.0)

    def _moments(self) -> tuple[datetime, ...]:
        ends = self.bars.local_ends
        return (*ends[1:], ends[-1]) if self._decision_calendar and ends else ends

    def _onto(self, symbol: str, values: Floats) -> Floats:
        """Bring another symbol's series to this symbol's bars: the last value known at each bar's end."""
        if symbol == self.symbol:
            return values
        if symbol not in self._aligned:
            places = np.searchsorted(self._all[symbol].ends_us, self.bars.ends_us, side="right") - 1
            self._aligned[symbol] = places
        places = self._aligned[symbol]
        return np.where(places >= 0, values[np.maximum(places, 0)], np.nan)

    def _call(self, node: Call, variant: Variant, symbol: str) -> Floats:
        prefix, name = split_symbol(node.function)
        function = FUNCTIONS[name]
        if function.kind in ("calendar", "position"):
            return self._name(node.function, symbol)
        if function.kind == "cross":
            truth = self._cross(node, variant)
            return np.where(truth.known, truth.certain.astype(np.float64), np.nan)
        if function.kind == "math":
            return self._math(name, [self._number(argument, variant, symbol) for argument in node.arguments])
        if prefix is not None and prefix != self.symbol:
            # Another symbol's windows run over its own bars.
            other = Evaluator(self._all, prefix)
            other._reach = self._reach
            bare = Call(name, node.arguments)
            return self._onto(prefix, other._number(bare, variant, prefix))
        if function.kind == "series":
            series = [self._number(argument, variant, symbol) for argument in node.arguments[:-1]]
            series = [self._fed(values, variant) for values in series]
            periods = int(_constant(node.arguments[-1]))
            if name == "correlation":
                return correlation(series[0], series[1], periods)
            return window_function(name, series[0], periods, variant.style)
        return self._indicator(node, name, variant, symbol)

    def _fed(self, values: Floats, variant: Variant) -> Floats:
        begin = self._begin(variant)
        return np.where(np.arange(len(values)) >= begin, values, np.nan) if begin else values

    @staticmethod
    def _math(name: str, values: list[Floats]) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if name in ("larger", "smaller"):
                return np.asarray((np.maximum if name == "larger" else np.minimum)(*values))
            result = np.asarray(_MATH[name](values[0]), dtype=np.float64)
        return np.where(np.isfinite(result), result, np.nan)

    def _indicator(self, node: Call, name: str, variant: Variant, symbol: str) -> Floats:
        function = FUNCTIONS[name]
        begin = self._begin(variant)
        arguments = list(node.arguments)
        if INDICATORS[function.indicator].of_bars:
            return series_of_bars(function, [_constant(a) for a in arguments], self.bars, begin, variant.style)
        if len(arguments) > function.least:
            values = self._number(arguments.pop(0), variant, symbol)
        else:
            values = self.bars.fields[{"max": "high", "min": "low"}.get(name, "close")]
        parameters = [_constant(argument) for argument in arguments]
        return series_of_values(function, parameters, values, self.bars, begin, variant.style)


def _ways(node: Node) -> list[Variant]:
    """Return the variants that can differ for a condition."""
    calls = {split_symbol(part.function)[1] for part in _parts(node) if isinstance(part, Call)}
    kinds = {FUNCTIONS[name].indicator or name for name in calls}
    windowed = any(FUNCTIONS[name].kind in ("indicator", "series") for name in calls)
    styles = ("lean", "other") if kinds & _STYLED else ("lean",)
    return [way for way in VARIANTS if way.style in styles and (windowed or way.fed_from == "long")]


_STYLED = {"atr", "bb", "std", "variance", "zscore"}


def _constant(node: Node) -> float:
    if isinstance(node, Unary):
        return -_constant(node.operand)
    if isinstance(node, Number):
        return node.value
    raise DataError(f"{to_text(node)!r} stands where a plain number is needed")


def _parts(node: Node) -> list[Node]:
    found = [node]
    for child in children(node):
        found.extend(_parts(child))
    return found


def _slack(node: Binary) -> float | None:
    """Return how near counts as equal: computed values by rounding, raw prices and the calendar not at all."""
    parts = _parts(node)
    names = {split_symbol(part.text)[1] for part in parts if isinstance(part, Name)}
    if "pnl_percent" in names or "entry_price" in names:
        return _PNL_SLACK
    calls = {split_symbol(part.function)[1] for part in parts if isinstance(part, Call)}
    kinds = {FUNCTIONS[name].kind for name in calls}
    arithmetic = any(isinstance(part, Binary) and part.operator in "+-*/^" for part in parts)
    computed = kinds & {"indicator", "series", "math"} or (arithmetic and names & set(PRICES))
    return 1e-9 if computed else None


def _told(node: Node) -> list[Node]:
    """Return the parts of a condition whose values explain it: what stands around comparisons."""
    if isinstance(node, Number):
        return []
    logical = isinstance(node, Binary) and node.operator in (*_COMPARISONS, "and", "or")
    if logical or (isinstance(node, Unary) and node.operator == "not"):
        return [part for child in children(node) for part in _told(child)]
    if isinstance(node, Call) and FUNCTIONS[split_symbol(node.function)[1]].kind == "cross":
        return [part for child in children(node) for part in _told(child)]
    return [node]
