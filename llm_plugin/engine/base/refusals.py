"""No silent difference: what LEAN would honour and the engine lacks raises by name instead of vanishing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import NoneType
from typing import Any

from llm_plugin.engine.base.lean_lacking import LACKING_MEMBERS
from llm_plugin.engine.base.lean_members import (
    INSTANCE_ATTRIBUTES,
    OVERRIDABLE_METHODS,
    REFUSED_PROPERTIES,
)
from llm_plugin.engine.base.names import MissingMember, OtherSpelling, other_spellings, snake, static_member
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["RefusedMember", "RefusedProperty", "SettableSpelling", "install", "refuse_dead_overrides"]

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


class RefusedMember:
    """A method or a fixed property that LEAN has and the engine does not; an object's own attribute goes before it."""

    refused = True

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, target: Any, owner: type | None = None) -> Any:
        error = MissingMember(self._name, "neither the engine nor your class defines it")
        error.obj, error.name = owner if target is None else target, self._name.rpartition(".")[2]
        raise error


class SettableSpelling(OtherSpelling):
    """The PascalCase spelling of an attribute that lives on the instance and that LEAN lets a user set."""

    def __set__(self, target: Any, value: Any) -> None:
        setattr(target, self.name, value)


def install(names: Mapping[str, Any]) -> None:
    """Put the refusals on the engine's classes, once.

    Args:
        names: The classes by LEAN's names.
    """
    for name, members in REFUSED_PROPERTIES.items():
        _refuse(names.get(name), name, members, RefusedProperty)
    for name, members in LACKING_MEMBERS.items():
        _refuse(names.get(name), name, members, RefusedMember)
    for name, members in INSTANCE_ATTRIBUTES.items():
        kind: Any = names.get(name)
        if _is_new(kind, f"{name}|set"):
            for member in members.split():
                for spelling in other_spellings(member):
                    if type(static_member(kind, spelling)) in (NoneType, OtherSpelling):
                        setattr(kind, spelling, SettableSpelling(member))


def _refuse(kind: Any, name: str, members: str, how: type[RefusedProperty | RefusedMember]) -> None:
    if not _is_new(kind, f"{name}|{how.__name__}"):
        return
    present = {known for part in kind.__mro__ for known in vars(part)}
    for member in members.split():
        for spelling in (member, *other_spellings(member)):
            if spelling not in present:
                setattr(kind, spelling, how(f"{name}.{spelling}"))


def _is_new(kind: Any, key: str) -> bool:
    if not isinstance(kind, type) or key in _installed:
        return False
    _installed.add(key)
    return True


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
            method = static_member(base, snake(own))
            if own[:1] != "_" and snake(own) in known and (method is None or getattr(method, "refused", False)):
                raise UnsupportedLeanApi(
                    f"{base.__name__}.{snake(own)}", f"{user_class.__name__} overrides it and the engine never calls it"
                )
