"""Options that travel with an order."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

from llm_plugin.engine.base.names import LeanObject, add_spellings, snake
from llm_plugin.engine.orders.time_in_force import TimeInForce

__all__ = ["OrderProperties"]


class OrderProperties(LeanObject):
    """Options that travel with an order; one that the brokerage does not know is refused by name."""

    # Options of a brokerage in LEAN's order, with their defaults.
    _options: ClassVar[dict[str, Any]] = {}
    time_in_force: TimeInForce
    exchange: Any

    def __init__(self, exchange: Any = None, **given: Any) -> None:
        values = {"time_in_force": TimeInForce.GOOD_TIL_CANCELED, "exchange": exchange, **self._options, **given}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        add_spellings(cls, cls._options)

    def __setattr__(self, name: str, value: Any) -> None:
        name = snake(name)
        known = name in ("time_in_force", "exchange") or name in self._options
        if not known and type(self).__module__.startswith("llm_plugin.engine"):
            self._missing_member(name)
        object.__setattr__(self, name, value)

    def json_fields(self) -> dict[str, Any]:
        """Return what the order list holds of the options."""
        return {name: getattr(self, name) for name in self._options}

    def clone(self) -> OrderProperties:
        """Return a copy."""
        if not type(self).__module__.startswith("llm_plugin.engine"):
            return copy.copy(self)
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made
