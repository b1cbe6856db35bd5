""".NET's `JsonConvert` for algorithms that import it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["JsonConvert"]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return int(value) if isinstance(value, Enum) else value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    fields = getattr(value, "json_fields", None)
    if fields is not None:
        return _plain(fields())
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in value.keys()}
    if isinstance(value, Iterable):
        return [_plain(item) for item in value]
    raise UnsupportedLeanApi("JsonConvert.serialize_object", f"of a {type(value).__name__}")


class JsonConvert(LeanObject):
    """Text from objects and back; two objects with the same text are the same."""

    @staticmethod
    def serialize_object(value: Any, *unused: Any) -> str:
        """Return JSON text."""
        return json.dumps(_plain(value))

    @staticmethod
    def deserialize_object(text: str) -> Any:
        """Return dictionaries, lists and plain values."""
        return json.loads(text)
