"""Securities by symbol, ticker or identifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.pairs import Pair
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.securities.security import Security

__all__ = ["ActiveSecurities", "SecurityManager"]

_NOBODY: tuple[Any, Any] = (object(), None)


class SecurityManager(LeanObject):
    """Securities by symbol, ticker or identifier."""

    def __init__(self, find: Any) -> None:
        self._items: dict[Symbol, Security] = {}
        # What left a universe: not listed any more, but still found by its symbol, and counted in the account.
        self._gone: dict[Symbol, Security] = {}
        self._find = find
        self.version = 0
        # The last symbol that was looked up: an order asks for the same one many times.
        self._recent = _NOBODY

    def add(self, symbol: Any, security: Security | None = None) -> None:
        """Add a security."""
        if security is None:
            symbol, security = symbol.symbol, symbol
        self._items[symbol] = security
        self._recent = _NOBODY
        self._gone.pop(symbol, None)
        self.version += 1
        beat()

    def remove(self, symbol: Symbol) -> bool:
        """Take a security off the list; it is still found by its symbol."""
        security = self._items.pop(symbol, None)
        self.version += 1
        beat()
        self._recent = _NOBODY
        if security is not None:
            self._gone[symbol] = security
        return security is not None

    @property
    def each(self) -> Iterable[Security]:
        """The securities themselves, for a look that changes nothing."""
        return self._items.values()

    @property
    def total(self) -> list[Security]:
        """All securities that there ever were."""
        return [*self._items.values(), *self._gone.values()]

    def is_listed(self, symbol: Symbol) -> bool:
        """True unless the security left all universes."""
        return symbol in self._items

    def _get(self, symbol: Symbol) -> Security | None:
        return self._items.get(symbol) or self._gone.get(symbol)

    def _symbol(self, key: Any) -> Symbol | None:
        return key if isinstance(key, Symbol) else self._find(key)

    def __getitem__(self, key: Any) -> Security:
        known = self._recent
        if known[0] is key:
            return known[1]  # type: ignore[no-any-return]
        found = self._items.get(key) if isinstance(key, Symbol) else None
        if found is not None:
            self._recent = key, found
            return found
        symbol = self._symbol(key)
        found = self._get(symbol) if symbol is not None else None
        if found is None:
            raise KeyError(
                f"{key} was not subscribed: call self.add_equity (add_forex, add_crypto, ...) in initialize first"
            )
        return found

    def get(self, key: Any, default: Security | None = None) -> Security | None:
        """Return a security or the default."""
        known = self._recent
        if known[0] is key:
            return known[1]  # type: ignore[no-any-return]
        symbol = self._symbol(key)
        return (self._get(symbol) or default) if symbol is not None else default

    def __contains__(self, key: Any) -> bool:
        symbol = self._symbol(key)
        return symbol is not None and (symbol in self._items or symbol in self._gone)

    def contains_key(self, key: Any) -> bool:
        """True if subscribed."""
        return key in self

    def try_get_value(self, key: Any) -> tuple[bool, Security | None]:
        """Return (found, security)."""
        found = self.get(key)
        return found is not None, found

    def __iter__(self) -> Iterator[Any]:
        return iter(Pair(symbol, security) for symbol, security in list(self._items.items()))

    def __len__(self) -> int:
        return len(self._items)

    @property
    def count(self) -> int:
        """Number of securities."""
        return len(self._items)

    def keys(self) -> list[Symbol]:
        """Symbols."""
        return list(self._items)

    Keys = property(keys)

    def values(self) -> list[Security]:
        """Securities."""
        return list(self._items.values())

    Values = property(values)

    def items(self) -> list[tuple[Symbol, Security]]:
        """Symbols and securities."""
        return list(self._items.items())

    def copy(self) -> dict[Symbol, Security]:
        """Return symbols and securities as a dictionary of the caller's."""
        return dict(self._items)

    def pop(self, key: Any, *default: Any) -> Any:
        """Take a security off the list and return it; the default, where one is given and it is not listed."""
        symbol = self._symbol(key)
        security = self._items.get(symbol) if symbol is not None else None
        if symbol is None or security is None:
            if default:
                return default[0]
            raise KeyError(f"{key} was not subscribed")
        self.remove(symbol)
        return security

    def clear(self) -> None:
        """Take all securities off the list."""
        for symbol in self.keys():
            self.remove(symbol)


class _View(list[Any]):
    """A list that may be called for: `.keys` is a property in .NET and a method in Python."""

    def __call__(self) -> list[Any]:
        return self


class ActiveSecurities(SecurityManager):
    """Securities that are subscribed now, as .NET's dictionary: `keys` and `values` with and without a call."""

    @property
    def keys(self) -> _View:
        """Symbols."""
        return _View(self._items)

    Keys = keys

    @property
    def values(self) -> _View:
        """Securities."""
        return _View(self._items.values())

    Values = values
