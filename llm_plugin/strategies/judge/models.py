"""Fee, slippage, fill, settlement and margin models as plain values: named by a candidate, rebuilt from the engine.

Only classes of the engine with plain numbers are taken over. A model of the candidate's own is code, and code of a
candidate never runs where verdicts are made: the replay keeps the brokerage's model instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from typing import Any

__all__ = ["ROLES", "describe", "rebuild"]

# Role -> (attribute of a security, modules of the engine, ending of the names).
ROLES = {
    "fee": ("fee_model", ("models.fees", "brokerages.fees"), "FeeModel"),
    "slippage": ("slippage_model", ("models.slippage",), "SlippageModel"),
    "fill": ("fill_model", ("models.fills", "models.equity_fills"), "FillModel"),
    "settlement": ("settlement_model", ("models.settlement",), "SettlementModel"),
    "margin": ("buying_power_model", ("models.buying_power", "models.cash_buying_power"), "Model"),
}
_MOST_VALUES = 8
_KINDS = {int: "i", float: "f", Decimal: "d"}
_LARGEST = Decimal(10) ** 9


def describe(role: str, model: Any) -> tuple[str, dict[str, Any]] | None:
    """Return a model's class name and its values as JSON can hold them; None for one that cannot be told.

    Args:
        role: A key of `ROLES`.
        model: The model of a security.
    """
    kind = type(model)
    if not kind.__module__.startswith("llm_plugin.engine."):
        return None
    if role == "fill":
        return kind.__name__, {}
    values: dict[str, Any] = {}
    for kept, value in getattr(model, "__dict__", {}).items():
        name = _set_as(kind, kept)
        if isinstance(value, bool | str) or value is None:
            values[name] = value
        elif isinstance(value, int | float | Decimal):
            values[name] = [_KINDS[type(value)] if type(value) in _KINDS else "d", str(value)]
        elif isinstance(value, timedelta):
            values[name] = ["t", value.total_seconds()]
        elif value == []:
            values[name] = ["l", ""]
        else:
            return None
    return kind.__name__, values


def _set_as(kind: type, kept: str) -> str:
    """Return the name by which an attribute is set: that of the property, where one keeps it behind an underscore."""
    member = getattr(kind, kept[1:], None) if kept[:1] == "_" else None
    return kept[1:] if isinstance(member, property) and member.fset is not None else kept


def rebuild(role: str, name: str, values: Mapping[str, Any]) -> Any:
    """Return a model of the engine with some values.

    Args:
        role: A key of `ROLES`.
        name: Class name.
        values: As `describe` gave them; they come from the candidate's process.

    Raises:
        ValueError: No such model, a value that it does not have, or one that no model can have.
    """
    kind = _classes(role).get(name)
    if kind is None:
        raise ValueError(f"{name[:60]} is no {role} model of the engine")
    if len(values) > _MOST_VALUES:
        raise ValueError(f"{name} has fewer values")
    known = {attribute for part in kind.__mro__ if "__init__" in vars(part) for attribute in _set_by(part)}
    model: Any = object.__new__(kind)
    for attribute, value in values.items():
        if attribute not in known:
            raise ValueError(f"{name} has no {attribute[:60]}")
        setattr(model, attribute, _plain(value))
    return model


def _set_by(part: type) -> tuple[str, ...]:
    code = getattr(part.__init__, "__code__", None)  # type: ignore[misc]
    return tuple(code.co_names) if code is not None else ()


def _plain(value: Any) -> Any:
    if isinstance(value, bool | str) or value is None:
        return value[:20] if isinstance(value, str) else value
    kind, number = value
    if kind == "l":
        return []
    if kind == "t":
        seconds = float(number)
        if not math.isfinite(seconds) or not 0 <= seconds <= 1e8:
            raise ValueError(f"{seconds} is no span")
        return timedelta(seconds=seconds)
    found = Decimal(str(number)[:60])
    # Negative costs would pay for trading.
    if kind not in _KINDS.values() or not found.is_finite() or not 0 <= found <= _LARGEST:
        raise ValueError(f"{str(number)[:40]} is no value of a model")
    return {"i": int, "f": float}.get(kind, Decimal)(found)


@lru_cache(maxsize=8)
def _classes(role: str) -> dict[str, type]:
    _, modules, ending = ROLES[role]
    found: dict[str, type] = {}
    for module in modules:
        content = vars(import_module(f"llm_plugin.engine.{module}"))
        for name, value in content.items():
            if isinstance(value, type) and name.endswith(ending) and not name.startswith("_"):
                found[name] = value
    return found
