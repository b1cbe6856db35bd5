"""What a strategy must do, as data that a machine can check.

Conditions and expressions are texts in the formula language (`llm_plugin.formulas`, words in `vocabulary`), over the
bars of one symbol unless another is named before a dot (`SPY.close`). A bar is known at its end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from llm_plugin.errors import DataError
from llm_plugin.strategies.language import check_expression
from llm_plugin.strategies.requirement_parts import (
    IndicatorUse,
    Ranking,
    Rebalance,
    Rules,
    Size,
    Stop,
    known_keys,
    number,
    one_of,
    whole,
)

__all__ = ["IndicatorUse", "Ranking", "Rebalance", "Requirements", "Rules", "Size", "Stop"]

_SECURITY_TYPES = ("equity", "forex", "crypto", "cfd", "index")
_RESOLUTIONS = ("daily", "hour", "minute")
_DIRECTIONS = ("long", "short", "both")


@dataclass(frozen=True)
class Requirements:
    """The checked requirements of a task; see `docs/reference/strategy-benchmark.md` for the meaning of each.

    Either `entry` (with `exit`, `stop`, `target`, `holding_bars`) says when each symbol is held, or `rebalance` says
    when the portfolio is set anew, to `weights` or by `ranking`; there `entry` is a filter on the symbols. `legs` gives
    each symbol a signed share where one condition moves several symbols, as in a pair.
    """

    symbols: tuple[str, ...]
    security_type: str = "equity"
    resolution: str = "daily"
    direction: str = "long"
    indicators: tuple[IndicatorUse, ...] = ()
    entry: Rules = field(default_factory=Rules)
    exit: Rules = field(default_factory=Rules)
    stop: Stop | None = None
    target: Stop | None = None
    size: Size | None = None
    holding_bars: int | None = None
    rebalance: Rebalance | None = None
    ranking: Ranking | None = None
    weights: Mapping[str, float] | None = None
    legs: Mapping[str, float] | None = None
    max_positions: int | None = None

    def __post_init__(self) -> None:
        if not self.symbols or len(set(self.symbols)) != len(self.symbols):
            raise DataError(f"requirements.symbols is {list(self.symbols)!r}; name each symbol once, at least one")
        one_of("requirements.security_type", self.security_type, _SECURITY_TYPES)
        one_of("requirements.resolution", self.resolution, _RESOLUTIONS)
        one_of("requirements.direction", self.direction, _DIRECTIONS)
        for what in ("holding_bars", "max_positions"):
            if getattr(self, what) is not None:
                whole(f"requirements.{what}", getattr(self, what))
        self._check_shares()
        self._check_conditions()
        self._check_mode()

    def _check_shares(self) -> None:
        for what in ("weights", "legs"):
            shares = getattr(self, what)
            if shares is None:
                continue
            known_keys(f"requirements.{what}", shares, self.symbols)
            for symbol, share in shares.items():
                number(f"requirements.{what}.{symbol}", share)

    def _check_conditions(self) -> None:
        for what, position in (("entry", False), ("exit", True)):
            rules: Rules = getattr(self, what)
            for side in ("long", "short"):
                text = getattr(rules, side)
                if text is None:
                    continue
                if self.direction not in (side, "both"):
                    raise DataError(f"requirements.{what}.{side} is set, but direction is {self.direction!r}")
                check_expression(text, self.symbols, position=position)
        if self.ranking is not None:
            check_expression(self.ranking.by, self.symbols, position=False)

    def _check_mode(self) -> None:
        if self.rebalance is None:
            if self.ranking is not None or self.weights is not None:
                raise DataError("requirements.ranking and weights need a rebalance: say when the portfolio is set")
            if not self.entry:
                raise DataError("requirements say neither when to enter (entry) nor when to rebalance (rebalance)")
        elif self.ranking is None and self.weights is None and not self.entry:
            raise DataError("requirements.rebalance needs ranking, weights or an entry condition: what is held?")

    @property
    def sides(self) -> tuple[int, ...]:
        """The directions that may be held: +1, -1 or both."""
        return {"long": (1,), "short": (-1,), "both": (1, -1)}[self.direction]

    @classmethod
    def from_json(cls, values: Any) -> Requirements:
        """Build and check requirements from their JSON object.

        Raises:
            DataError: An unknown key, a missing or bad value, or a condition that cannot be evaluated.
        """
        given = dict(known_keys("requirements", values, [part.name for part in fields(cls)]))
        if not isinstance(given.get("symbols"), list | tuple):
            raise DataError(f'requirements.symbols is {given.get("symbols")!r}; write a list such as ["SPY"]')
        given["symbols"] = tuple(str(symbol) for symbol in given["symbols"])
        given["indicators"] = tuple(IndicatorUse.from_json(use) for use in given.get("indicators") or ())
        for name, kind in _PARTS.items():
            if given.get(name) is not None:
                given[name] = kind.from_json(given[name])
            elif kind is Rules:
                given.pop(name, None)
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; what is not asked for is left out."""
        result: dict[str, Any] = {}
        for part in fields(self):
            value = getattr(self, part.name)
            if value is None or (part.name in ("indicators", "entry", "exit") and not value):
                continue
            if part.name == "indicators":
                value = [use.to_json() for use in value]
            elif part.name in _PARTS:
                value = value.to_json()
            result[part.name] = list(value) if isinstance(value, tuple) else value
        return result


_PARTS: dict[str, Any] = {
    "entry": Rules,
    "exit": Rules,
    "stop": Stop,
    "target": Stop,
    "size": Size,
    "rebalance": Rebalance,
    "ranking": Ranking,
}
