"""The fields of a prompt as numbers, for the tabular meta-label and the teacher: the same inputs as the model's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import DecisionRequest
from llm_plugin.errors import ModelError
from llm_plugin.prompts import FIELDS, PromptContext
from llm_plugin.prompts.fields import field_values

__all__ = ["TabularEncoder"]

Floats = NDArray[np.float64]
# Fields whose meaning turns round with the side of the trade, and the value from which they are counted.
_DIRECTIONAL = {"macd": 0.0, "vwap_distance": 0.0, "rsi": 50.0}
_UNCODED = ("time", "contract_specs", "memory", "session_stats", "signal_action", "legal", "position")
SCHEMA_VERSION = "1"


@dataclass(frozen=True, slots=True)
class TabularEncoder:
    """Turns a question into one row of numbers; NaN where a field is missing.

    Attributes:
        fields: The template's fields, in order.
        categories: Values of each text field seen in training; others become NaN.
    """

    fields: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, fields: Sequence[str], requests: Sequence[DecisionRequest]) -> TabularEncoder:
        """Learn the categories of text fields."""
        texts = [name for name in fields if name in FIELDS and FIELDS[name].text and name not in _UNCODED]
        seen: dict[str, set[str]] = {name: set() for name in texts}
        for request in requests if texts else ():
            context = PromptContext(request, None, (), "")
            for name in texts:
                seen[name].add(str(FIELDS[name].get(context)))
        return cls(tuple(fields), {name: tuple(sorted(values)) for name, values in seen.items()})

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the numbers."""
        names = ["side"]
        for name in self.fields:
            if name in _UNCODED:
                continue
            names.append(name)
            if name in _DIRECTIONAL:
                names.append(f"side*{name}")
        if "memory" in self.fields:
            names += ["memory_hits", "memory_mean_r", "memory_same_side_mean_r"]
        if "session_stats" in self.fields:
            names += ["session_trades", "session_win_rate", "session_mean_r", "session_streak"]
        return tuple(names)

    def encode(self, request: DecisionRequest, statistics: Any = None, hits: Sequence[Any] = ()) -> Floats:
        """Return one row, float64[len(columns)]."""
        values = field_values(
            [name for name in self.fields if name not in _UNCODED], _context(request, statistics, hits)
        )
        side = float(request.signal.action.side)
        row = [side]
        for name, value in values.items():
            number = self._number(name, value.raw)
            row.append(number)
            if name in _DIRECTIONAL:
                row.append(side * (number - _DIRECTIONAL[name]))
        if "memory" in self.fields:
            row += _memory(hits, request)
        if "session_stats" in self.fields:
            row += _session(statistics)
        return np.array(row, dtype=np.float64)

    def _number(self, name: str, raw: float | str | None) -> float:
        if raw is None:
            return math.nan
        if isinstance(raw, str):
            known = self.categories.get(name, ())
            return float(known.index(raw)) if raw in known else math.nan
        return float(raw)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        categories = {name: list(values) for name, values in self.categories.items()}
        return {"schema_version": SCHEMA_VERSION, "fields": list(self.fields), "categories": categories}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TabularEncoder:
        """Rebuild from `to_json`.

        Raises:
            ModelError: Another schema, or a field that no longer exists.
        """
        if data.get("schema_version") != SCHEMA_VERSION:
            raise ModelError(f"tabular schema {data.get('schema_version')!r} is not {SCHEMA_VERSION!r}; train again")
        categories = {name: tuple(values) for name, values in data["categories"].items()}
        return cls(tuple(data["fields"]), categories)


def _context(request: DecisionRequest, statistics: Any, hits: Sequence[Any]) -> PromptContext:
    return PromptContext(request, statistics, hits, "")


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan


def _memory(hits: Sequence[Any], request: DecisionRequest) -> list[float]:
    results = [float(hit.record.r_multiple) for hit in hits]
    same = [float(h.record.r_multiple) for h in hits if h.record.action is request.signal.action]
    return [float(len(hits)), _mean(results), _mean(same)]


def _session(statistics: Any) -> list[float]:
    if statistics is None:
        return [math.nan] * 4
    pick: Callable[[str], float] = lambda name: (  # noqa: E731
        math.nan if getattr(statistics, name) is None else float(getattr(statistics, name))
    )
    streak = float(statistics.consecutive_wins - statistics.consecutive_losses)
    return [pick("trades"), pick("win_rate"), pick("mean_r"), streak]
