"""Numbers that user code reads as floats and the engine keeps as exact decimals."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.pulse import beat

__all__ = ["decimal_field", "float_view", "optional_decimal_field"]


def decimal_field(name: str, doc: str, exact: str = "", *, beats: bool = False) -> Any:
    """Return a property `name` over the exact attribute `exact`, or `_name` where none is given.

    Args:
        name: Of the property.
        doc: Its docstring.
        exact: Where the value is kept.
        beats: Whether moments in a row rely on it.
    """
    hidden = exact or f"_{name}"

    def read(self: Any) -> float:
        return float(getattr(self, hidden))

    def write(self: Any, value: Any) -> None:
        setattr(self, hidden, to_decimal(value))
        if beats:
            beat()

    return property(read, write, doc=doc)


def optional_decimal_field(name: str, doc: str) -> Any:
    """Like `decimal_field`, but None is allowed."""
    hidden = f"_{name}"

    def read(self: Any) -> float | None:
        value = getattr(self, hidden)
        return None if value is None else float(value)

    def write(self: Any, value: Any) -> None:
        setattr(self, hidden, None if value is None else to_decimal(value))

    return property(read, write, doc=doc)


def float_view(exact: str, doc: str) -> Any:
    """Return a read-only float property over an exact attribute or property."""

    def read(self: Any) -> float:
        return float(getattr(self, exact))

    return property(read, doc=doc)
