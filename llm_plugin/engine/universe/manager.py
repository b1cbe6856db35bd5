"""`self.universe_manager`: the universes of an algorithm by symbol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.symbols import Symbol

__all__ = ["UniverseManager"]


class _Securities(dict[Any, Any]):
    """Securities by symbol with .NET's `Count`."""

    count = Count = property(len)

    def contains_key(self, symbol: Any) -> bool:
        """Whether a symbol is a member of any universe."""
        return symbol in self

    ContainsKey = contains_key


class UniverseManager(LeanObject):
    """Universes by symbol."""

    def __init__(self) -> None:
        self._universes: dict[Symbol, Any] = {}
        # Set by the run: lets a universe go.
        self.on_remove: Any = None

    def include(self, universe: Any) -> bool:
        """Take in a universe; False if its symbol is known."""
        if universe.symbol in self._universes:
            return False
        self._universes[universe.symbol] = universe
        return True

    def forget(self, symbol: Symbol) -> None:
        """Forget a universe that has gone."""
        self._universes.pop(symbol, None)

    def has_member(self, symbol: Symbol) -> bool:
        """Whether any universe has a symbol."""
        return any(symbol in universe.members for universe in self._universes.values())

    @property
    def active_securities(self) -> dict[Symbol, Any]:
        """Members of all universes."""
        found = _Securities()
        for universe in self._universes.values():
            for symbol, security in universe.members.items():
                found.setdefault(symbol, security)
        return found

    @property
    def count(self) -> int:
        """Number of universes."""
        return len(self._universes)

    def contains_key(self, symbol: Any) -> bool:
        """Whether there is a universe of that symbol."""
        return symbol in self

    def remove(self, symbol: Symbol) -> bool:
        """Let a universe go."""
        universe = self._universes.pop(symbol, None)
        if universe is None:
            return False
        if self.on_remove is not None:
            self.on_remove(universe)
        return True

    def keys(self) -> list[Symbol]:
        """Symbols of the universes."""
        return list(self._universes)

    def values(self) -> list[Any]:
        """The universes."""
        return list(self._universes.values())

    def __getitem__(self, symbol: Symbol) -> Any:
        if symbol not in self._universes:
            raise KeyError(f"{symbol} is no universe; there are {', '.join(map(str, self._universes)) or 'none'}")
        return self._universes[symbol]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._universes

    def __len__(self) -> int:
        return len(self._universes)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._universes)
