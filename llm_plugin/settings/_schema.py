"""Reading the models: dotted keys, their fields, and the allowed range in words."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

__all__ = ["allowed", "is_section", "leaves", "section_model", "sections"]


def section_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the nested model of a field, None where the field is a value."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def is_section(field: FieldInfo) -> bool:
    """True where a field is a section of its own."""
    return section_model(field) is not None


def sections(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield (dotted name, model) of every section, outer before inner."""
    for name, field in model.model_fields.items():
        inner = section_model(field)
        if inner is not None:
            yield f"{prefix}{name}", inner
            yield from sections(inner, f"{prefix}{name}.")


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield (dotted name, field) of every value."""
    for name, field in model.model_fields.items():
        inner = section_model(field)
        if inner is None:
            yield f"{prefix}{name}", field
        else:
            yield from leaves(inner, f"{prefix}{name}.")


def allowed(field: FieldInfo) -> str:
    """Say what a field takes, as `0 to 1`, `int8 | int4 | none` or `text or null`."""
    kinds = _union(field.annotation)
    optional = type(None) in kinds
    words = [_kind(kind, field) for kind in kinds if kind is not type(None)]
    return " or ".join(words) + (" or null" if optional else "")


def _union(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _kind(kind: Any, field: FieldInfo) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(str(choice) for choice in get_args(kind))
    if kind is bool:
        return "true | false"
    if kind in (int, float):
        return f"{'a whole number' if kind is int else 'a number'}{_range(field)}"
    if kind in (str, SecretStr):
        return f"text{_pattern(field)}"
    return {list: "a list of names", dict: "a map of texts"}.get(get_origin(kind) or kind, "value")


def _range(field: FieldInfo) -> str:
    low = next((item for item in field.metadata if hasattr(item, "ge") or hasattr(item, "gt")), None)
    high = next((item for item in field.metadata if hasattr(item, "le") or hasattr(item, "lt")), None)
    parts = []
    if low is not None:
        parts.append(f"from {low.ge}" if hasattr(low, "ge") else f"above {low.gt}")
    if high is not None:
        parts.append(f"up to {high.le}" if hasattr(high, "le") else f"below {high.lt}")
    return f" {' '.join(parts)}" if parts else ""


_PATTERN_WORDS = {r"^([01]\d|2[0-3]):[0-5]\d$": " as HH:MM", r"^https?://": " that starts with http:// or https://"}


def _pattern(field: FieldInfo) -> str:
    for item in field.metadata:
        pattern = getattr(item, "pattern", None)
        if pattern:
            return _PATTERN_WORDS.get(pattern, f" matching {pattern}")
        if getattr(item, "min_length", 0):
            return ", not empty"
    return ""
