"""The second implementation: formulas on a long polars table, written from the definitions and not from the first one.

It shares the parser and nothing else: its own reading of names and arguments, its own operators. A row is a name on a
day, the days of a name one below the other; null is "not known".
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from llm_plugin.formulas import Binary, Call, FormulaError, Name, Node, Number, Ternary, Unary, parse, to_text

if TYPE_CHECKING:
    from llm_plugin.alphas.operators import Floats
    from llm_plugin.alphas.panel import Panel

__all__ = ["PolarsAlphas"]

Value: TypeAlias = pl.Series | float
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class PolarsAlphas:
    """Evaluates formulas over one panel.

    Args:
        panel: The data; its arrays become one long table.
    """

    def __init__(self, panel: Panel) -> None:
        self._shape = panel.shape
        days, names = panel.shape
        self._day = pl.Series("day", [day for _ in range(names) for day in range(days)], dtype=pl.Int32)
        self._fields = {name: _known(pl.Series(values.T.ravel())) for name, values in panel.fields.items()}
        self._groups = {
            level: pl.Series(level, [str(group) for group in groups for _ in range(days)])
            for level, groups in panel.groups.items()
        }
        self._formula = ""
        self._seen: dict[str, Value] = {}

    def evaluate(self, formula: str) -> Floats:
        """Return the values of a formula, shape [days, names], NaN where they are not known.

        Raises:
            FormulaError: The formula has something that this implementation lacks.
        """
        self._formula, self._seen = formula, {}
        value = self._value(parse(formula))
        if not isinstance(value, pl.Series):
            value = pl.Series([value]).new_from_index(0, len(self._day))
        days, names = self._shape
        return value.fill_null(math.nan).to_numpy().reshape(names, days).T

    def _value(self, node: Node) -> Value:
        """Compute a subtree; equal ones only once."""
        text = to_text(node)
        if text not in self._seen:
            value = self._computed(node)
            self._seen[text] = _known(value) if isinstance(value, pl.Series) else float(value)
        return self._seen[text]

    def _computed(self, node: Node) -> Any:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            return self._field(node)
        if isinstance(node, Unary):
            operand = self._value(node.operand)
            return 0.0 - operand if node.operator == "-" else operand == 0
        if isinstance(node, Ternary):
            parts = (self._value(part) for part in (node.condition, node.then, node.otherwise))
            return self._chosen(*parts)
        if isinstance(node, Binary):
            return self._combined(node.operator, self._value(node.left), self._value(node.right))
        return self._called(node)

    def _field(self, node: Name) -> pl.Series:
        name = node.text.lower()
        if name == "returns":
            close = self._fields["close"]
            return close / self._ago(close, 1) - 1.0
        if name.startswith("adv") and name[3:].isdigit():
            return self._mean(self._fields["volume"], int(name[3:]))
        if name not in self._fields:
            raise FormulaError(f"{node.text!r} is no column of the table", self._formula, node.position)
        return self._fields[name]

    def _combined(self, sign: str, left: Value, right: Value) -> Any:
        if sign in ("and", "or"):
            held = [pl.select(pl.lit(side) != 0).to_series() for side in (left, right)]
            known = held[0].is_not_null() & held[1].is_not_null()
            return _where(known, held[0] & held[1] if sign == "and" else held[0] | held[1])
        if sign == "^" and isinstance(right, pl.Series):
            return pl.select(pl.lit(left).pow(pl.lit(right))).to_series()
        if sign == "/" and isinstance(left, pl.Series):
            return _divided(left, right)
        return _ARITHMETIC[sign](left, right)

    def _chosen(self, condition: Value, then: Value, otherwise: Value) -> pl.Series:
        holds = pl.lit(condition)
        picked = pl.when(holds != 0).then(pl.lit(then)).otherwise(pl.lit(otherwise))
        return pl.select(pl.when(holds.is_not_null()).then(picked)).to_series()

    def _called(self, node: Call) -> Value:
        name, arguments = node.function.lower(), node.arguments
        if name in ("min", "max"):
            if not isinstance(arguments[1], Number):
                return _extreme_of_two(self._value(arguments[0]), self._value(arguments[1]), smaller=name == "min")
            name = f"ts_{name}"
        over_days = getattr(self, f"_days_{name}", None)
        if over_days is not None:
            return over_days(*(self._value(each) for each in arguments[:-1]), self._whole_days(arguments[-1]))  # type: ignore[no-any-return]
        if name == "indneutralize" and isinstance(arguments[1], Name):
            level = arguments[1].text.lower().split(".")[-1]
            return self._neutral(self._value(arguments[0]), level)
        of_a_day = getattr(self, f"_day_{name}", None)
        if of_a_day is None:
            problem = f"{node.function!r} is no operator of this implementation"
            raise FormulaError(problem, self._formula, node.position)
        return of_a_day(*(self._value(each) for each in arguments))  # type: ignore[no-any-return]

    def _whole_days(self, node: Node) -> int:
        if not isinstance(node, Number) or node.value < 1:
            raise FormulaError("a number of days of at least 1 is expected", self._formula, node.position)
        return math.floor(node.value)

    # Operators on one day: all names of the day, or each value by itself.

    def _of_a_day(self, expression: pl.Expr, value: Value, level: str | None = None) -> pl.Series:
        columns: dict[str, Any] = {"day": self._day, "value": value}
        keys = ["day"]
        if level is not None:
            columns[level] = self._groups[level]
            keys.append(level)
        return pl.DataFrame(columns).select(expression.over(keys)).to_series()

    def _day_rank(self, value: Value) -> pl.Series:
        places = self._of_a_day(pl.col("value").rank("average"), value)
        return places / self._of_a_day(pl.col("value").count(), value)

    def _day_scale(self, value: pl.Series, total: float = 1.0) -> pl.Series:
        return value * total / self._of_a_day(_one_by_one(pl.col("value").abs()), value)

    def _neutral(self, value: Value, level: str) -> pl.Series:
        sums = self._of_a_day(_one_by_one(pl.col("value")), value, level)
        return value - sums / self._of_a_day(pl.col("value").count(), value, level)

    def _day_abs(self, value: pl.Series) -> pl.Series:
        return value.abs()

    def _day_sign(self, value: pl.Series) -> pl.Series:
        return value.sign()

    def _day_log(self, value: pl.Series) -> pl.Series:
        return value.log()

    def _day_signedpower(self, value: pl.Series, exponent: Value) -> pl.Series:
        return pl.select(pl.lit(value).sign() * pl.lit(value).abs().pow(pl.lit(exponent))).to_series()

    # Operators over the past days of a name.

    def _ago(self, value: pl.Series, days: int) -> pl.Series:
        """The value so many rows up; nothing where that row belongs to the name before."""
        return _where(self._day >= days, value.shift(days))

    def _oldest_first(self, value: pl.Series, days: int) -> Iterator[pl.Series]:
        return (self._ago(value, days - number) for number in range(1, days + 1))

    def _total(self, value: pl.Series, days: int) -> pl.Series:
        total = pl.repeat(0.0, len(value), eager=True)
        for day in self._oldest_first(value, days):
            total = total + day
        return total

    def _mean(self, value: pl.Series, days: int) -> pl.Series:
        return _divided(self._total(value, days), days)

    def _days_sum(self, value: pl.Series, days: int) -> pl.Series:
        return self._total(value, days)

    def _days_delay(self, value: pl.Series, days: int) -> pl.Series:
        return self._ago(value, days)

    def _days_delta(self, value: pl.Series, days: int) -> pl.Series:
        return value - self._ago(value, days)

    def _days_product(self, value: pl.Series, days: int) -> pl.Series:
        product = pl.repeat(1.0, len(value), eager=True)
        for day in self._oldest_first(value, days):
            product = product * day
        return product

    def _days_decay_linear(self, value: pl.Series, days: int) -> pl.Series:
        total = pl.repeat(0.0, len(value), eager=True)
        for weight, day in enumerate(self._oldest_first(value, days), start=1):
            total = total + day * float(weight)
        return _divided(total, days * (days + 1) / 2)

    def _extreme(self, value: pl.Series, days: int, *, largest: bool) -> tuple[pl.Series, pl.Series]:
        """Return the extreme value of the past days and on which of them it first was, 1 for the oldest."""
        best = self._ago(value, days - 1)
        place = pl.repeat(1.0, len(value), eager=True)
        for number, day in enumerate(self._oldest_first(value, days), start=1):
            beats = day > best if largest else day < best
            unknown = day.is_null() | best.is_null()
            here = beats.fill_null(False)
            best = _where(~unknown, day.zip_with(here, best))
            place = pl.repeat(float(number), len(value), eager=True).zip_with(here, place)
        return best, _where(best.is_not_null(), place)

    def _days_ts_min(self, value: pl.Series, days: int) -> pl.Series:
        return self._extreme(value, days, largest=False)[0]

    def _days_ts_max(self, value: pl.Series, days: int) -> pl.Series:
        return self._extreme(value, days, largest=True)[0]

    def _days_ts_argmin(self, value: pl.Series, days: int) -> pl.Series:
        return self._extreme(value, days, largest=False)[1]

    def _days_ts_argmax(self, value: pl.Series, days: int) -> pl.Series:
        return self._extreme(value, days, largest=True)[1]

    def _days_ts_rank(self, value: pl.Series, days: int) -> pl.Series:
        below = pl.repeat(0.0, len(value), eager=True)
        level = below
        for day in self._oldest_first(value, days):
            below = below + (day < value).cast(pl.Float64)
            level = level + (day == value).cast(pl.Float64)
        return _divided(below + (level + 1.0) / 2.0, days)

    def _deviations(self, value: pl.Series, days: int) -> list[pl.Series]:
        mean = self._mean(value, days)
        return [day - mean for day in self._oldest_first(value, days)]

    def _days_stddev(self, value: pl.Series, days: int) -> pl.Series:
        squares = pl.repeat(0.0, len(value), eager=True)
        for deviation in self._deviations(value, days):
            squares = squares + deviation * deviation
        still = self._days_ts_min(value, days) == self._days_ts_max(value, days)
        return _divided(squares, days - 1).sqrt().set(still.fill_null(False), 0.0)

    def _together(self, left: pl.Series, right: pl.Series, days: int) -> tuple[pl.Series, pl.Series]:
        """Return the sample covariance and the product of the deviations, which is 0 where one side stands still."""
        total = pl.repeat(0.0, len(left), eager=True)
        for one, other in zip(self._deviations(left, days), self._deviations(right, days), strict=True):
            total = total + one * other
        return _divided(total, days - 1), self._days_stddev(left, days) * self._days_stddev(right, days)

    def _days_correlation(self, left: pl.Series, right: pl.Series, days: int) -> pl.Series:
        shared, size = self._together(left, right, days)
        return (shared / size).round(10).set((size == 0).fill_null(False), 0.0)

    def _days_covariance(self, left: pl.Series, right: pl.Series, days: int) -> pl.Series:
        shared, size = self._together(left, right, days)
        return shared.set((size == 0).fill_null(False), 0.0)


def _one_by_one(value: pl.Expr) -> pl.Expr:
    """Sum in the order of the names, whatever the library would do faster."""
    return value.fill_null(0.0).cum_sum().last()


def _divided(series: pl.Series, by: Value) -> pl.Series:
    """Divide value by value: by a number, polars multiplies with its reciprocal, which rounds once more."""
    return series / (by if isinstance(by, pl.Series) else pl.repeat(float(by), len(series), eager=True))


def _known(series: pl.Series) -> pl.Series:
    """Make null of what is no number; conditions become 1 and 0."""
    number = series.cast(pl.Float64)
    return _where(number.is_finite().fill_null(False), number)


def _where(holds: pl.Series, values: pl.Series) -> pl.Series:
    """Return the values where a condition holds, null elsewhere."""
    return pl.select(pl.when(pl.lit(holds)).then(pl.lit(values))).to_series()


def _extreme_of_two(left: Value, right: Value, *, smaller: bool) -> pl.Series:
    one, other = pl.lit(left), pl.lit(right)
    takes_one = one < other if smaller else one > other
    known = one.is_not_null() & other.is_not_null()
    return pl.select(pl.when(known).then(pl.when(takes_one).then(one).otherwise(other))).to_series()
