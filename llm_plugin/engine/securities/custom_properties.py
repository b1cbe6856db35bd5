"""Properties that user code hangs on a security: by item, by attribute or by method, all the same."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.names import LeanObject

__all__ = ["CustomProperties"]


class _Get:
    """`security.get("name")`, also with the type that C# wants to know: `security.get[float]("name")`."""

    def __init__(self, owner: CustomProperties) -> None:
        self._owner = owner

    def __getitem__(self, kind: Any) -> _Get:
        return self

    def __call__(self, key: str, default: Any = None) -> Any:
        found, value = self._owner.try_get(key)
        return value if found else default


class CustomProperties(LeanObject):
    """Keeps them among the object's attributes; a name that the class itself has is kept apart and hides nothing."""

    _own: frozenset[str] = frozenset()
    _hidden: dict[str, Any]

    def _close_attributes(self) -> None:
        """Say that every attribute from now on is the user's."""
        self._hidden = {}
        self._own = frozenset((*vars(self), "_own"))

    @property
    def get(self) -> Any:
        """`get(key[, default])`: a custom property."""
        return _Get(self)

    def __getitem__(self, key: str) -> Any:
        found, value = self.try_get(key)
        if not found:
            raise KeyError(f"{self} has no custom property {key!r}; it has: {', '.join(self._custom()) or 'none'}")
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._own or hasattr(type(self), key):
            self._hidden[key] = value
        else:
            setattr(self, key, value)

    def add(self, key: str, value: Any) -> None:
        """Set a custom property."""
        self[key] = value

    def try_get(self, key: str) -> tuple[bool, Any]:
        """Return (found, value) of a custom property."""
        if key in self._hidden:
            return True, self._hidden[key]
        found = key in self._custom()
        return found, vars(self).get(key) if found else None

    def _custom(self) -> list[str]:
        return [*(name for name in vars(self) if name not in self._own), *self._hidden]
