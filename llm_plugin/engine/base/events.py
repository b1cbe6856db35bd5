"""Events in LEAN's style: `indicator.updated += handler`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["EventHandler"]


class EventHandler:
    """An ordered list of callbacks that supports `+=` and `-=` as a .NET event does."""

    __slots__ = ("handlers",)

    def __init__(self) -> None:
        self.handlers: list[Callable[..., Any]] = []

    def __iadd__(self, handler: Callable[..., Any]) -> EventHandler:
        if not callable(handler):
            raise TypeError(f"an event handler must be callable, not {handler!r}")
        self.handlers = [*self.handlers, handler]
        return self

    def __isub__(self, handler: Callable[..., Any]) -> EventHandler:
        # Equality, not identity: two reads of a bound method are two objects.
        kept = list(self.handlers)
        if handler in kept:
            kept.reverse()
            kept.remove(handler)
            kept.reverse()
        self.handlers = kept
        return self

    def __call__(self, *args: Any) -> None:
        for handler in self.handlers:
            handler(*args)

    def __len__(self) -> int:
        return len(self.handlers)

    def __bool__(self) -> bool:
        return bool(self.handlers)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(self.handlers)
