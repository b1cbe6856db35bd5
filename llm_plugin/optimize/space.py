"""What is tried: parameters, their values, and the order of trials."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from llm_plugin.errors import ConfigError

__all__ = ["MOST_GRID_TRIALS", "Parameter", "Trial", "choose_trials", "parse_parameters"]

MOST_GRID_TRIALS = 10_000
Trial = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter and its values, as an algorithm reads them with `get_parameter`."""

    name: str
    values: tuple[str, ...]

    @property
    def is_number(self) -> bool:
        """True if every value is a number: a heat map can order them."""
        try:
            return all(math.isfinite(float(value)) for value in self.values)
        except ValueError:
            return False


def parse_parameters(texts: Sequence[str]) -> tuple[Parameter, ...]:
    """Read `name=low:high:step` and `name=a,b,c`.

    Raises:
        ConfigError: All that is wrong with them.
    """
    found: list[Parameter] = []
    problems: list[str] = []
    for text in texts:
        name, sign, rest = text.partition("=")
        name, rest = name.strip(), rest.strip()
        if not sign or not name or not rest:
            problems.append(f"--param {text}: write name=low:high:step or name=a,b,c")
            continue
        if any(other.name == name for other in found):
            problems.append(f"--param {text}: '{name}' is given twice")
            continue
        try:
            values = _range(rest) if rest.count(":") == 2 else _listed(rest)
        except ValueError as error:
            problems.append(f"--param {text}: {error}")
            continue
        found.append(Parameter(name, values))
    if not texts:
        problems.append("name at least one parameter: --param fast=5:20:5")
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def _range(text: str) -> tuple[str, ...]:
    try:
        low, high, step = (Decimal(part.strip()) for part in text.split(":"))
    except InvalidOperation:
        raise ValueError(f"'{text}' must be three numbers low:high:step") from None
    if not all(number.is_finite() for number in (low, high, step)) or step <= 0 or high < low:
        raise ValueError(f"'{text}' must have low <= high and a step above 0")
    count = int((high - low) / step) + 1
    if count > MOST_GRID_TRIALS:
        raise ValueError(f"'{text}' has {count:,} values, more than {MOST_GRID_TRIALS:,}")
    return tuple(_plain(low + step * place) for place in range(count))


def _listed(text: str) -> tuple[str, ...]:
    values = tuple(part.strip() for part in text.split(","))
    if "" in values:
        raise ValueError("a value is empty")
    if len(set(values)) != len(values):
        raise ValueError("a value is given twice")
    return values


def _plain(number: Decimal) -> str:
    text = format(number.normalize(), "f")
    return text if text != "-0" else "0"


def choose_trials(
    parameters: Sequence[Parameter], method: str = "grid", count: int | None = None, seed: int = 0
) -> list[Trial]:
    """Return the trials in the order in which they start.

    Args:
        parameters: What varies.
        method: `grid` tries everything, `random` draws without repetition.
        count: How many at most; `random` needs it.
        seed: Of the draw.

    Raises:
        ConfigError: An unknown method, a missing count, or a grid that is too large.
    """
    size = math.prod(len(parameter.values) for parameter in parameters)
    if method == "grid":
        if count is None and size > MOST_GRID_TRIALS:
            raise ConfigError(f"the grid has {size:,} trials: widen a step, or use --method random --trials N")
        return list(itertools.islice(_grid(parameters), count))
    if method != "random":
        raise ConfigError(f"--method {method}: choose grid or random")
    if count is None or count < 1:
        raise ConfigError("--method random needs --trials N, at least 1")
    draw = random.Random(seed)  # noqa: S311 - a repeatable draw, no secret
    places = draw.sample(range(size), min(count, size))
    return [_at(parameters, place) for place in places]


def _grid(parameters: Sequence[Parameter]) -> Iterator[Trial]:
    names = [parameter.name for parameter in parameters]
    for values in itertools.product(*(parameter.values for parameter in parameters)):
        yield tuple(zip(names, values, strict=True))


def _at(parameters: Sequence[Parameter], place: int) -> Trial:
    chosen = []
    for parameter in reversed(parameters):
        place, index = divmod(place, len(parameter.values))
        chosen.append((parameter.name, parameter.values[index]))
    return tuple(reversed(chosen))
