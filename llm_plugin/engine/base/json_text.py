"""JSON text with exact decimals: numbers keep their digits and scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from llm_plugin.engine.base.money import format_decimal
from llm_plugin.engine.base.zones import FineTime

__all__ = ["RawJson", "iso_utc", "to_json_text"]


class RawJson(str):
    """Text that is JSON already."""

    __slots__ = ()


def iso_utc(moment: datetime) -> str:
    """`2013-10-07T13:31:00Z`, with a fraction only if there is one."""
    text = (moment if moment.tzinfo is None else moment.replace(tzinfo=None)).isoformat()
    if isinstance(moment, FineTime) and moment.ticks:
        return f"{moment.isoformat(timespec='microseconds')}{moment.ticks}Z"
    return (text.rstrip("0") if "." in text else text) + "Z"


def _span_text(span: timedelta) -> str:
    seconds, days = abs(span).seconds, abs(span).days
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    fraction = f".{abs(span).microseconds:06d}0" if span.microseconds else ""
    sign = "-" if span < timedelta(0) else ""
    return f"{sign}{days}.{clock}{fraction}" if days else f"{sign}{clock}{fraction}"


def _scalar(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return str(int(value.value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else "null"
    if isinstance(value, datetime):
        return f'"{iso_utc(value)}"'
    if isinstance(value, date):
        return f'"{value.isoformat()}"'
    if isinstance(value, timedelta):
        return f'"{_span_text(value)}"'
    return encode_basestring(str(value))


@lru_cache(maxsize=4096)
def _key(name: str) -> str:
    return encode_basestring(name) + ":"


def to_json_text(value: Any) -> str:
    """Write a value as JSON without spaces. Naive datetimes are UTC; enumerations become their numbers."""
    kind = type(value)
    # The usual types first: the checks against abstract classes below are slow.
    if kind is Decimal:
        return format_decimal(value)
    if kind is int:
        return str(value)
    if kind is datetime:
        return f'"{iso_utc(value)}"'
    if kind is dict:
        return "{" + ",".join([_key(str(key)) + to_json_text(item) for key, item in value.items()]) + "}"
    if kind is list:
        return "[" + ",".join([to_json_text(item) for item in value]) + "]"
    if isinstance(value, RawJson):
        return str(value)
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool | Enum | float):
        return _scalar(value)
    if isinstance(value, Mapping):
        return "{" + ",".join([_key(str(key)) + to_json_text(item) for key, item in value.items()]) + "}"
    if isinstance(value, Iterable):
        return "[" + ",".join(to_json_text(item) for item in value) + "]"
    return _scalar(value)
