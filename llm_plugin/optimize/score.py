"""From a trial's statistics to a score: the target and the constraints, by LEAN's own names."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["Constraint", "Objective", "parse_constraint", "statistic"]

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONSTRAINT = re.compile(r"^\s*(?P<name>[^<>=!]+?)\s*(?P<sign><=|>=|==|!=|<|>)\s*(?P<value>[-+0-9.eE%]+)\s*$")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True)
class Constraint:
    """A statistic that a trial must keep: `Drawdown<0.2`; percentages are fractions."""

    name: str
    sign: str
    value: float

    def holds(self, statistics: Mapping[str, str]) -> bool:
        """True if a trial keeps it; one without the statistic does not."""
        found = statistic(statistics, self.name)
        return found is not None and _OPERATORS[self.sign](found, self.value)

    def __str__(self) -> str:
        return f"{self.name} {self.sign} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Objective:
    """What is sought.

    Attributes:
        target: Name of a statistic.
        maximize: False seeks the smallest.
        constraints: All must hold.
    """

    target: str = "Sharpe Ratio"
    maximize: bool = True
    constraints: tuple[Constraint, ...] = ()

    def score(self, statistics: Mapping[str, str]) -> float | None:
        """Return a number that is better when larger; None for a trial that does not count."""
        found = statistic(statistics, self.target)
        if found is None or not math.isfinite(found) or not all(one.holds(statistics) for one in self.constraints):
            return None
        return found if self.maximize else -found

    def require_known(self, statistics: Mapping[str, str]) -> None:
        """Look whether the names exist.

        Raises:
            ConfigError: A statistic that no trial has.
        """
        names = [self.target, *(one.name for one in self.constraints)]
        missing = [name for name in names if _key(statistics, name) is None]
        if missing:
            raise ConfigError([f"no statistic '{name}'{did_you_mean(name, statistics)}" for name in missing])


def parse_constraint(text: str) -> Constraint:
    """Read `Drawdown<0.2` or `Drawdown < 20%`.

    Raises:
        ConfigError: It is neither.
    """
    found = _CONSTRAINT.match(text)
    value = _read(found["value"]) if found is not None else None
    if found is None or value is None:
        raise ConfigError(f"--constraint {text}: write 'statistic<number', with < <= > >= == !=")
    return Constraint(found["name"], found["sign"], value)


def statistic(statistics: Mapping[str, str], name: str) -> float | None:
    """Return a statistic as a number: percentages as fractions, money without its sign; None where there is none."""
    key = _key(statistics, name)
    return _read(statistics[key]) if key is not None else None


def _key(statistics: Mapping[str, str], name: str) -> str | None:
    wanted = name.casefold().replace(" ", "")
    return next((key for key in statistics if key.casefold().replace(" ", "") == wanted), None)


def _read(text: str) -> float | None:
    found = _NUMBER.search(str(text).replace(",", ""))
    if found is None:
        return None
    value = float(found.group())
    if "-$" in text:
        value = -abs(value)
    return value / 100 if str(text).strip().endswith("%") else value
