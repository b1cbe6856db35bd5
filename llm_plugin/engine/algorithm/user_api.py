"""Small parts of LEAN's API that belong to no other module."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context
from typing import Any

from llm_plugin.engine.base.enums import Resolution
from llm_plugin.engine.base.money import smart_rounding, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import from_us, to_us, zone
from llm_plugin.engine.data.bars import BaseData

__all__ = ["Extensions", "PythonData", "RegressionTestException"]


_OWN = {"symbol": "symbol", "time": "time", "value": "value", "endtime": "end_time"}


class RegressionTestException(Exception):
    """Raised by algorithms that test themselves."""


class PythonData(BaseData):
    """Base of custom data written by users; extra values by attribute or item."""

    # Class values, so that user classes need not call this class's __init__.
    symbol: Any = None
    time: Any = None
    value: Any = 0.0
    is_fill_forward = False
    _end_time: Any = None

    def __init__(self) -> None:
        """Start empty."""

    def default_resolution(self) -> Resolution:
        """Return the resolution of subscriptions that name none."""
        return Resolution.MINUTE

    @property
    def _extra(self) -> dict[str, Any]:
        values: dict[str, Any] = self.__dict__.setdefault("_values", {})
        return values

    def __setattr__(self, name: str, value: Any) -> None:
        # LEAN takes every spelling of its own four, and any other name as it is.
        own = name if name.startswith("_") else _OWN.get(name.lower().replace("_", ""), name)
        object.__setattr__(self, own, value)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_"):
            extra = self.__dict__.get("_values", {})
            wanted = name.lower()
            if wanted in extra:
                return extra[wanted]
            plain = wanted.replace("_", "")
            for key, value in (*extra.items(), *vars(self).items()):
                if key.lower().replace("_", "") == plain and not key.startswith("_"):
                    return value
        return self._missing_member(name)

    def __getitem__(self, key: str) -> Any:
        name = key.lower()
        if name in ("value", "price"):
            return self.value
        if name in self._extra:
            return self._extra[name]
        if hasattr(self, key):
            return getattr(self, key)
        raise KeyError(f"{type(self).__name__} has no value {key!r}; it has {', '.join(self._extra) or 'none'}")

    def __setitem__(self, key: str, value: Any) -> None:
        name = key.lower()
        if name.replace("_", "") in _OWN:
            setattr(self, name, value)
        self._extra[name] = value

    @property
    def storage_dictionary(self) -> dict[str, Any]:
        """All values that the user set, by item or attribute."""
        return {**{k: v for k, v in vars(self).items() if not k.startswith("_")}, **self._extra}

    def get_property(self, key: str) -> Any:
        """Return an extra value."""
        return self[key]


class Extensions(LeanObject):
    """Helpers that LEAN has as extension methods."""

    @staticmethod
    def to_time_span(resolution: Any) -> timedelta:
        """Return the length of a resolution."""
        from llm_plugin.engine.base.enums import Resolution, resolution_span

        return resolution_span(Resolution(resolution))

    @staticmethod
    def round_to_significant_digits(value: Any, digits: int) -> float:
        """Round to a count of digits, half to even."""
        return float(Context(prec=digits, rounding=ROUND_HALF_EVEN).create_decimal(to_decimal(value)))

    @staticmethod
    def smart_rounding(value: Any) -> float:
        """Round as LEAN's charts do."""
        return float(smart_rounding(to_decimal(value)))

    @staticmethod
    def convert_from_utc(time: datetime, where: Any) -> datetime:
        """Return a naive UTC time in a zone."""
        return from_us(zone(where).local(to_us(time)))

    @staticmethod
    def convert_to_utc(time: datetime, where: Any) -> datetime:
        """Return a zone's naive time in UTC."""
        return from_us(zone(where).utc(to_us(time)))

    @staticmethod
    def convert_to(time: datetime, from_zone: Any, to_zone: Any, strict: bool = False) -> datetime:
        """Return a zone's naive time in another zone."""
        return from_us(zone(to_zone).local(zone(from_zone).utc(to_us(time))))

    @staticmethod
    def tick_type_to_lower(tick_type: Any) -> str:
        """Return `trade` or `quote`."""
        from llm_plugin.engine.base.enums import TickType

        return str(TickType(tick_type)).lower()

    @staticmethod
    def resolution_to_lower(resolution: Any) -> str:
        """Return `minute` and the like."""
        return str(Resolution(resolution)).lower()

    @staticmethod
    def security_type_to_lower(security_type: Any) -> str:
        """Return `equity` and the like."""
        from llm_plugin.engine.base.enums import SecurityType

        return str(SecurityType(security_type)).lower()

    @staticmethod
    def round_down(time: datetime, interval: timedelta) -> datetime:
        """Round a time down to a multiple of an interval."""
        step = int(interval / timedelta(microseconds=1))
        return from_us(to_us(time) // step * step)

    @staticmethod
    def is_open(status: Any) -> bool:
        """Return whether an order status is open."""
        return bool(status.is_open())

    @staticmethod
    def is_closed(status: Any) -> bool:
        """Return whether an order status is closed."""
        return bool(status.is_closed())
