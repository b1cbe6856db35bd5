"""Both spellings of LEAN's API: snake_case (today's Python) and PascalCase (before 2024), from one mechanism.

Engine classes are written in snake_case and derive from `LeanObject`. Every public member and every attribute of the
instances gets its other spellings when the class is made; when a user's subclass overrides either spelling, both lead
to the override. Enumerations derive from `LeanEnum`: `Resolution.DAILY` and `Resolution.Daily` are the same member.

No class here has a `__getattr__` for its instances: Python would then look up every attribute of every object of the
engine the slow way, some five times as long.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import EnumMeta, IntEnum
from functools import lru_cache
from opcode import opmap
from types import FunctionType
from typing import Any

from llm_plugin.errors import UnsupportedLeanApi

__all__ = [
    "LeanEnum", "LeanObject", "LeanType", "MissingMember", "OtherSpelling", "add_spellings", "as_missing_member",
    "find_member", "other_spellings", "overridden", "pascal", "snake",
    "static_member",
]  # fmt: skip

_WORD = re.compile(r"([A-Z]+)([A-Z][a-z])")
_STORE_ATTR = opmap["STORE_ATTR"]
_STEP = re.compile(r"([a-z0-9])([A-Z])")


class MissingMember(UnsupportedLeanApi, AttributeError):
    """A member that the engine lacks; also an AttributeError, so that `hasattr` and `getattr` with a default work."""


@lru_cache(maxsize=8192)
def snake(name: str) -> str:
    """Return the snake_case spelling: `OnEndOfDay` -> `on_end_of_day`, `SMA` -> `sma`."""
    return _STEP.sub(r"\1_\2", _WORD.sub(r"\1_\2", name)).lower()


@lru_cache(maxsize=8192)
def pascal(name: str) -> str:
    """Return the PascalCase spelling of a snake_case or UPPER_CASE name: `stop_price` -> `StopPrice`."""
    return "".join(part[:1].upper() + part[1:].lower() for part in name.split("_"))


# LEAN's names in C# that are no PascalCase of their words.
_CAPITALS = {
    snake(word): word
    for word in (
        "ABANDS AD ADDIFF ADOSC ADR ADRatio ADVR ADVRatio ADX ADXR ALMA ALWAYS_OPEN AO APO APS AR ARIMA AROON ASI ATR "
        "AverageMAE AverageMFE BB BOP CC CCI CHOP CIK CKS CMF CMO CO COV CRSI CUSIP CompositeFIGI DCH DEM DEMA DO DPO "
        "EMA EMPTY EMV ETF FI FISH FRAMA HE HMA HT IBS ICHIMOKU ID ISIN IV KAMA KCH KER KST KVO LOGR LSMA LWMA "
        "LargestMAE LargestMFE MACD MAD MAE MAMA MASS MAX MFE MFI MGD MIDPOINT MIDPRICE MIN MOM MOMERSION MOMP MOSC "
        "MSI NATR NHNL NHNLV NONE OBV OrganizationID PPHL PPO PSAR PSO ParseFIXUtcTimestamp RC RDV RMA ROC ROCP ROCR "
        "RSI RSV RVI SAREXT SEDOL SI SM SMA SOBV SORTINO SR SRSI STC STD STO STR SUM SWISS TDD TDS TEMA TP TR TRIMA "
        "TRIN TRIX TSF TSI ULTOSC USResident VAR VIDYA VP VTX VWAP VWMA WILR WTO WWMA ZLEMA ZZ"
    ).split()
}


def other_spellings(name: str) -> tuple[str, ...]:
    """Return LEAN's spellings in C# of a snake_case name: `stop_price` -> `StopPrice`; `sma` -> `Sma`, `SMA`."""
    capitals = _CAPITALS.get(name)
    return (pascal(name),) if capitals is None else (pascal(name), capitals)


class OtherSpelling:
    """Another spelling of what is read by its snake_case name: an attribute of the instance, or a plain value."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, target: Any, owner: type | None = None) -> Any:
        return getattr(owner if target is None else target, self.name)


def static_member(kind: type, name: str) -> Any:
    """Return what a class or its bases hold under a name, without calling it; None if nothing."""
    return next((vars(part)[name] for part in kind.__mro__ if name in vars(part)), None)


def _is_snake(name: str) -> bool:
    return name[0] != "_" and name == name.lower()


def _stored_names(kind: type) -> set[str]:
    """Return the attributes that the functions of a class set on an object, and the annotated ones."""
    found = set(vars(kind).get("__annotations__", ()))
    for value in vars(kind).values():
        parts = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__wrapped__", value),)
        for function in parts:
            if isinstance(function, FunctionType):
                code, names = function.__code__.co_code, function.__code__.co_names
                operations = code[::2]
                at = operations.find(_STORE_ATTR)
                while at >= 0:
                    found.add(names[code[2 * at + 1]])
                    at = operations.find(_STORE_ATTR, at + 1)
    return found


def add_spellings(kind: type, names: Iterable[str]) -> None:
    """Give attributes that live on the instances of a class their other spellings."""
    for name in names:
        if _is_snake(name):
            for other in other_spellings(name):
                present = static_member(kind, other)
                if present is None or getattr(present, "refused", False):
                    setattr(kind, other, OtherSpelling(name))


class LeanType(type):
    """The class of LEAN's classes."""

    def __dir__(cls) -> list[str]:
        """Leave out what is there only to be refused."""
        return [name for name in type.__dir__(cls) if not getattr(static_member(cls, name), "refused", False)]


class LeanObject(metaclass=LeanType):
    """Base of every class that user code sees."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = dict(vars(cls))
        inherited = {name for base in cls.__mro__[1:] for name in vars(base)}
        engine_class = cls.__module__.startswith("llm_plugin.engine")
        for name, value in own.items():
            if name.startswith("_"):
                continue
            if _is_snake(name):
                for twin in other_spellings(name):
                    if (engine_class or twin in inherited) and twin not in own:
                        cls._put_spelling(twin, name, value)
            elif (twin := snake(name)) in inherited and twin not in own:
                setattr(cls, twin, value)
        if engine_class:
            add_spellings(cls, _stored_names(cls))
        else:
            from llm_plugin.engine.base.refusals import refuse_dead_overrides

            refuse_dead_overrides(cls)

    @classmethod
    def _put_spelling(cls, twin: str, name: str, value: Any) -> None:
        if hasattr(type(value), "__get__") or isinstance(value, type):
            setattr(cls, twin, value)
        elif not isinstance(static_member(cls, twin), OtherSpelling):
            # An instance may have a value of its own.
            setattr(cls, twin, OtherSpelling(name))

    def __dir__(self) -> list[str]:
        """Leave out what is there only to be refused."""
        return [name for name in object.__dir__(self) if not getattr(static_member(type(self), name), "refused", False)]

    def to_string(self) -> str:
        """Return the text of the object, as .NET's method of that name."""
        return str(self)

    ToString = to_string

    def _missing_member(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _missing(type(self), name)


def _missing(kind: type, name: str) -> MissingMember:
    of = next((part.__name__ for part in kind.__mro__ if part.__module__.startswith("llm_plugin.engine")), "object")
    return MissingMember(f"{of}.{name}", "neither the engine nor your class defines it")


def as_missing_member(error: AttributeError) -> AttributeError:
    """Return the error that names the class and the member, if Python did not find a member of one of LEAN's classes.

    Args:
        error: Any error of an attribute.
    """
    target, name = error.obj, error.name or ""
    kind = target if isinstance(target, type) else type(target)
    if not isinstance(kind, LeanType) or name.startswith("__") or not str(error).endswith(f"has no attribute {name!r}"):
        return error
    told = _missing(kind, name)
    told.obj, told.name = target, name
    return told.with_traceback(error.__traceback__)


class _LeanEnumMeta(EnumMeta):
    def __init__(cls, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Python 3.11 goes through a descriptor written in Python for each look at a member.
        for name, member in cls._member_map_.items():
            type.__setattr__(cls, name, member)

    def __getattr__(cls, name: str) -> Any:
        if not name.startswith("_"):
            member: Any = cls.__members__.get(snake(name).upper())
            if member is not None:
                return member
            raise MissingMember(f"{cls.__name__}.{name}", f"known: {', '.join(cls.__members__)}")
        raise AttributeError(name)


class LeanEnum(IntEnum, metaclass=_LeanEnumMeta):
    """An enumeration with LEAN's numbers; prints LEAN's spelling (`MarketOnOpen`)."""

    def __str__(self) -> str:
        return pascal(self.name)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec) if not spec or spec[-1] not in "dnx" else format(int(self), spec)

    def to_string(self) -> str:
        """Return LEAN's spelling."""
        return str(self)

    ToString = to_string


def overridden(target: Any, name: str, base: type) -> Any | None:
    """Return a member that is not the base class's own, or None: the user replaced it.

    Args:
        target: An object that may or may not derive from `base`.
        name: The snake_case name.
        base: The engine's class.
    """
    if isinstance(target, base):
        return None if getattr(type(target), name) is getattr(base, name) else getattr(target, name)
    return find_member(target, name)


def find_member(target: Any, name: str) -> Any | None:
    """Return a user object's member in either spelling, or None.

    Args:
        target: Any object, also one that does not derive from the engine's classes.
        name: The snake_case name.
    """
    member = getattr(target, name, None)
    return member if member is not None else getattr(target, pascal(name), None)
