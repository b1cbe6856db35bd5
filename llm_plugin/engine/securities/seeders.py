"""Security initializers and seeders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.data.bars import BaseData

__all__ = [
    "BrokerageModelSecurityInitializer",
    "CompositeSecurityInitializer",
    "FuncSecurityInitializer",
    "FuncSecuritySeeder",
    "ISecurityInitializer",
    "ISecuritySeeder",
    "SecuritySeeder",
    "initializer_of",
]


class ISecuritySeeder(LeanObject):
    """Gives a security its first price."""

    def seed_security(self, security: Any) -> bool:
        """Seed it; return whether there was data."""
        raise NotImplementedError(f"{type(self).__name__} must define seed_security(security)")


class FuncSecuritySeeder(ISecuritySeeder):
    """Seeds with what a function of the security returns: one point of data or several."""

    def __init__(self, seed_function: Callable[[Any], Any]) -> None:
        if not callable(seed_function):
            raise TypeError(f"FuncSecuritySeeder takes a function of the security, not {seed_function!r}")
        self._function = seed_function

    def seed_security(self, security: Any) -> bool:
        """Seed it; return whether there was data."""
        found = self._function(security)
        points = [found] if found is None or isinstance(found, BaseData) else list(found)
        points = [point for point in points if point is not None]
        for point in points:
            security.set_market_price(point)
        return bool(points)


class _NullSeeder(ISecuritySeeder):
    def seed_security(self, security: Any) -> bool:
        """Leave it."""
        return True


class SecuritySeeder(LeanObject):
    """Ready-made seeders."""

    NULL = Null = _NullSeeder()


class ISecurityInitializer(LeanObject):
    """Prepares each new security."""

    def initialize(self, security: Any) -> None:
        """Prepare it."""
        raise NotImplementedError(f"{type(self).__name__} must define initialize(security)")


class FuncSecurityInitializer(ISecurityInitializer):
    """Calls a function of the security."""

    def __init__(self, initializer: Callable[[Any], Any]) -> None:
        if not callable(initializer):
            raise TypeError(f"FuncSecurityInitializer takes a function of the security, not {initializer!r}")
        self._function = initializer

    def initialize(self, security: Any) -> None:
        """Call the function."""
        self._function(security)


class CompositeSecurityInitializer(ISecurityInitializer):
    """Calls several initializers in order."""

    def __init__(self, *initializers: Any) -> None:
        self.initializers = [*initializers]

    def add_security_initializer(self, initializer: Any) -> None:
        """Add one more."""
        self.initializers.append(initializer)

    def initialize(self, security: Any) -> None:
        """Call all."""
        for initializer in self.initializers:
            initializer_of(initializer)(security)


class BrokerageModelSecurityInitializer(ISecurityInitializer):
    """Gives a security the models of a brokerage, then seeds it.

    The engine has given it the models of the algorithm's brokerage before; another brokerage model replaces them.
    """

    def __init__(self, brokerage_model: Any = None, security_seeder: Any = None) -> None:
        self._model, self._seeder = brokerage_model, security_seeder

    def initialize(self, security: Any) -> None:
        """Set the models and seed."""
        from llm_plugin.engine.brokerages.models import model_from

        for name in ("fee", "fill", "slippage", "settlement", "buying_power") if self._model is not None else ():
            current = getattr(security, f"{name}_model")
            setattr(security, f"{name}_model", model_from(self._model, f"get_{name}_model", security, current))
        seed = find_member(self._seeder, "seed_security") if self._seeder is not None else None
        if seed is not None:
            seed(security)


def initializer_of(value: Any) -> Callable[[Any], Any]:
    """Return what to call with a new security: a function, or the `initialize` of an object.

    Raises:
        ValueError: It is neither.
    """
    function = find_member(value, "initialize")
    if function is not None:
        return function  # type: ignore[no-any-return]
    if callable(value):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"{value!r} is no security initializer: give a function of the security")
