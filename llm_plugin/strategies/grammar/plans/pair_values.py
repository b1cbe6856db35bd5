"""What parts two securities: the z-score of a ratio or spread, or the difference of their returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from llm_plugin.strategies.grammar.code import indent

__all__ = ["Gap", "draw_gap"]

# Code of a value of two bars, its condition, its words.
_VALUES = {
    "ratio": (
        "first.close / second.close",
        "{a}.close / {b}.close",
        "the ratio of the closes {a} / {b}",
    ),
    "log_ratio": (
        "math.log(first.close / second.close)",
        "log({a}.close / {b}.close)",
        "the logarithm of the price ratio {a} / {b}",
    ),
    "spread": (
        "first.close - second.close",
        "{a}.close - {b}.close",
        "the price difference {a} - {b}",
    ),
}


@dataclass(frozen=True, slots=True)
class Gap:
    """A number that is near zero when two securities agree.

    Attributes:
        kind: What it is made of.
        method: How it is computed: indicators or window.
        condition: The number as condition text.
        words: Wordings of what it is.
        short: A few words for it.
        setup: Lines of `initialize`.
        update: Lines of `on_data` that set `gap`, or return.
        wide: Where to enter.
        near_choices: Where one may leave; empty = at zero.
        follow: Whether the gap is followed instead of faded.
        warm: Bars of warm-up.
        uses: Indicators of the requirements.
        methods: Further methods.
        scale: What the gap counts: `score` or `points`.
    """

    kind: str
    method: str
    condition: str
    words: tuple[str, ...]
    short: str
    setup: tuple[str, ...]
    update: tuple[str, ...]
    wide: float
    near_choices: tuple[float, ...] = ()
    follow: bool = False
    warm: int = 0
    uses: tuple[Mapping[str, Any], ...] = ()
    methods: tuple[str, ...] = ()
    scale: str = "score"

    def says(self, test: str) -> str:
        """Return a comparison such as `< -2` in words."""
        op, value = test.split()
        word = "below" if op == "<" else "above"
        return f"the {'z-score' if self.scale == 'score' else 'difference'} is {word} {value}"


def draw_gap(rng: Random, a: str, b: str) -> Gap:
    """Return what is traded, for two tickers."""
    return _returns(rng, a, b) if rng.random() < 0.3 else _zscore(rng, a, b)


def _zscore(rng: Random, a: str, b: str) -> Gap:
    kind = rng.choice(sorted(_VALUES))
    code, text, words = _VALUES[kind]
    period, method = rng.choice((10, 15, 20, 30, 40, 60)), rng.choice(("indicators", "indicators", "window"))
    value = text.format(a=a, b=b)
    setup, update, warm, methods = _computed(method, code, period)
    name = words.format(a=a, b=b)
    return Gap(
        kind,
        method,
        f"({value} - sma({value}, {period})) / std({value}, {period})",
        (
            f"compute the z-score of {name} over {period} days (mean and standard deviation of {period} values)",
            f"use the {period}-day z-score of {name}",
        ),
        f"the z-score of their {kind.replace('_', ' ')}",
        setup,
        update,
        rng.choice((1, 1.25, 1.5, 2)),
        (0, 0, 0.25, 0.5),
        warm=warm,
        methods=methods,
    )


def _computed(method: str, code: str, period: int) -> tuple[tuple[str, ...], tuple[str, ...], int, tuple[str, ...]]:
    read = "first, second = data.bars[self._first], data.bars[self._second]"
    setup: tuple[str, ...]
    update: tuple[str, ...]
    if method == "indicators":
        setup = (f"self._mean = SimpleMovingAverage({period})", f"self._deviation = StandardDeviation({period})")
        update = (
            read,
            f"value = {code}",
            "self._mean.update(self.time, value)",
            "self._deviation.update(self.time, value)",
            "if self.is_warming_up or self._deviation.current.value == 0:",
            "    return",
            "gap = (value - self._mean.current.value) / self._deviation.current.value",
        )
        return setup, update, period + 1, ()
    setup = (f"self._values = RollingWindow[float]({period})",)
    update = (
        read,
        f"self._values.add({code})",
        "if self.is_warming_up or not self._values.is_ready:",
        "    return",
        "gap = self._zscore()",
    )
    lines = (
        "values = list(self._values)",
        "mean = sum(values) / len(values)",
        "deviation = (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5",
        "return (values[0] - mean) / deviation if deviation > 0 else 0",
    )
    return setup, update, period + 1, ("    def _zscore(self):\n" + indent(lines, 2) + "\n",)


def _returns(rng: Random, a: str, b: str) -> Gap:
    period, wide = rng.choice(((3, 0.01), (5, 0.01), (5, 0.02), (10, 0.02), (10, 0.03), (20, 0.03)))
    follow, kind = rng.random() < 0.4, rng.choice(("roc", "roc", "logr"))
    name = "rate of change" if kind == "roc" else "log return"
    return Gap(
        f"{kind}_difference",
        "indicators",
        f"{kind}({a}.close, {period}) - {kind}({b}.close, {period})",
        (
            f"take the difference of the {period}-day {name}s, {a} minus {b} (0.01 = 1 %)",
            f"subtract the {period}-day {name} of {b} from that of {a}; 0.01 stands for 1 %",
        ),
        f"their {period}-day {name}s",
        (
            f"self._first_return = self.{kind}(self._first, {period})",
            f"self._second_return = self.{kind}(self._second, {period})",
        ),
        (
            "if self.is_warming_up:",
            "    return",
            "gap = self._first_return.current.value - self._second_return.current.value",
        ),
        wide,
        follow=follow,
        warm=period + 2,
        uses=({"name": kind, "period": period},),
        scale="points",
    )
