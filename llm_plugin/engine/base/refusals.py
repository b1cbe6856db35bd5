"""No silent difference: what LEAN would honour and the engine lacks raises by name instead of vanishing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any

from llm_plugin.engine.base.lean_members import INSTANCE_ATTRIBUTES, OVERRIDABLE_METHODS, REFUSED_PROPERTIES
from llm_plugin.engine.base.names import MissingMember, pascal, snake
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["OtherSpelling", "RefusedProperty", "install", "refuse_dead_overrides"]

_installed: set[str] = set()


class RefusedProperty:
    """A property that LEAN lets a user set and the engine does not have."""

    refused = True

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = name.rpartition(".")[2]

    def __get__(self, target: Any, owner: type | None = None) -> Any:
        if target is not None and self._key in getattr(target, "__dict__", ()):
            return vars(target)[self._key]
        raise MissingMember(self._name, "the engine does not have it")

    def __set__(self, target: Any, value: Any) -> None:
        # The engine itself may come to have it: then the list of refusals is written anew.
        if sys._getframe(1).f_globals.get("__name__", "").startswith("llm_plugin.engine"):
            vars(target)[self._key] = value
            return
        raise MissingMember(self._name, f"the engine cannot honour the value {value!r}")


class OtherSpelling:
    """The PascalCase spelling of an attribute that lives on the instance."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, target: Any, owner: type | None = None) -> Any:
        if target is None:
            raise AttributeError(self._name)
        return getattr(target, self._name)

    def __set__(self, target: Any, value: Any) -> None:
        setattr(target, self._name, value)


def install(names: Mapping[str, Any]) -> None:
    """Put the refusals on the engine's classes, once.

    Args:
        names: The classes by LEAN's names.
    """
    for name, members in REFUSED_PROPERTIES.items():
        _put(names.get(name), name, members, refused=True)
    for name, members in INSTANCE_ATTRIBUTES.items():
        _put(names.get(name), name, members, refused=False)


def _put(kind: Any, name: str, members: str, *, refused: bool) -> None:
    key = f"{name}|{refused}"
    if not isinstance(kind, type) or key in _installed:
        return
    _installed.add(key)
    for member in members.split():
        for spelling in (member, pascal(member)):
            if _has(kind, spelling) or (spelling == member and not refused):
                continue
            setattr(kind, spelling, RefusedProperty(f"{name}.{spelling}") if refused else OtherSpelling(member))


def _has(kind: type, name: str) -> bool:
    nothing = object()
    return inspect.getattr_static(kind, name, nothing) is not nothing


def refuse_dead_overrides(user_class: type) -> None:
    """Raise where a user's class overrides a method that LEAN calls and the engine does not.

    Args:
        user_class: A class of the user's that derives from the engine's.

    Raises:
        UnsupportedLeanApi: It names the method.
    """
    for base in user_class.__mro__[1:]:
        methods = OVERRIDABLE_METHODS.get(base.__name__)
        if methods is None or not base.__module__.startswith("llm_plugin.engine"):
            continue
        known = methods.split()
        for own in vars(user_class):
            if own[:1] != "_" and snake(own) in known and not _has(base, snake(own)):
                raise UnsupportedLeanApi(
                    f"{base.__name__}.{snake(own)}", f"{user_class.__name__} overrides it and the engine never calls it"
                )
