"""Both spellings of LEAN's API: snake_case (today's Python) and PascalCase (before 2024), from one mechanism.

Engine classes are written in snake_case and derive from `LeanObject`. Every public member gets its PascalCase twin
when the class is made; when a user's subclass overrides either spelling, both lead to the override. Enumerations
derive from `LeanEnum`: `Resolution.DAILY` and `Resolution.Daily` are the same member.
"""

from __future__ import annotations

import re
from enum import EnumMeta, IntEnum
from functools import lru_cache
from typing import Any

from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["LeanEnum", "LeanObject", "LeanType", "MissingMember", "find_member", "overridden", "pascal", "snake"]

_WORD = re.compile(r"([A-Z]+)([A-Z][a-z])")
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


def _static(kind: type, name: str) -> Any:
    return next((vars(part)[name] for part in kind.__mro__ if name in vars(part)), None)


def _is_snake(name: str) -> bool:
    return name[0] != "_" and name == name.lower()


class LeanType(type):
    """The class of LEAN's classes: a missing member is reported by name on them too."""

    def __getattr__(cls, name: str) -> Any:
        """Find the other spelling on the class itself; a member in neither spelling is reported by name."""
        if not name.startswith("_"):
            twin = snake(name)
            for part in cls.__mro__:
                if twin in vars(part):
                    return getattr(cls, twin)
            raise MissingMember(f"{cls.__name__}.{name}", "neither the engine nor your class defines it")
        raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")


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
                twin = pascal(name)
                if (engine_class or twin in inherited) and twin not in own:
                    setattr(cls, twin, value)
            elif (twin := snake(name)) in inherited and twin not in own:
                setattr(cls, twin, value)
        if not engine_class:
            from llm_plugin.engine.base.refusals import refuse_dead_overrides

            refuse_dead_overrides(cls)

    def __getattr__(self, name: str) -> Any:
        """Find the other spelling; a member in neither spelling is reported by name."""
        if not name.startswith("_"):
            twin = snake(name)
            if twin != name:
                try:
                    return object.__getattribute__(self, twin)
                except AttributeError:
                    # The twin may be dynamic itself; its own __getattr__ names it.
                    if type(self).__getattr__ is not LeanObject.__getattr__:
                        return getattr(self, twin)
        return self._missing_member(name)

    def __dir__(self) -> list[str]:
        """Leave out what is there only to be refused."""
        return [name for name in object.__dir__(self) if not getattr(_static(type(self), name), "refused", False)]

    def to_string(self) -> str:
        """Return the text of the object, as .NET's method of that name."""
        return str(self)

    ToString = to_string

    def _missing_member(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        kind = next((c.__name__ for c in type(self).__mro__ if c.__module__.startswith("llm_plugin.engine")), "object")
        raise MissingMember(f"{kind}.{name}", "neither the engine nor your class defines it")


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
