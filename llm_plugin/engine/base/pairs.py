"""A key and its value with .NET's names."""

from __future__ import annotations

from typing import Any

__all__ = []


class Pair(tuple):  # type: ignore[type-arg]
    """A (key, value) tuple with .NET's names."""

    __slots__ = ()

    def __new__(cls, key: Any, value: Any) -> Pair:
        return super().__new__(cls, (key, value))

    key = Key = property(lambda self: self[0])
    value = Value = property(lambda self: self[1])
