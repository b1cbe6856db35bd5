"""Bases of the framework's models, the null models and the composites."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.framework.targets import PortfolioTargetCollection, distinct_by_symbol
from llm_plugin.errors import AlgorithmError

__all__ = [
    "AlphaModel",
    "CompositeAlphaModel",
    "CompositeRiskManagementModel",
    "ExecutionModel",
    "NullAlphaModel",
    "NullExecutionModel",
    "NullPortfolioConstructionModel",
    "NullRiskManagementModel",
    "RiskManagementModel",
    "member_of",
    "model_name",
    "notify_changes",
    "required",
]


def member_of(model: Any, name: str) -> Callable[..., Any]:
    """Return a model's method in either spelling.

    Raises:
        NotImplementedError: The model has none.
    """
    method = find_member(model, name)
    if method is None:
        raise NotImplementedError(f"{type(model).__name__} must implement the method '{name}'")
    return method  # type: ignore[no-any-return]


def required(model: Any, *names: str) -> Any:
    """Return the model if it has all methods; classes in place of instances are refused too.

    Raises:
        TypeError: A class was given.
        NotImplementedError: A method is missing.
    """
    if isinstance(model, type):
        raise TypeError(f"{model.__name__} is a class: give an instance, {model.__name__}()")
    for name in names:
        member_of(model, name)
    return model


def result_of(model: Any, method: str, result: Iterable[Any] | None) -> list[Any]:
    """Return a model's answer as a list; None is an error, as in LEAN."""
    if result is None:
        raise AlgorithmError(f"{type(model).__name__}.{method} returned None: return a list, [] if there is nothing")
    return list(result)


def notify_changes(model: Any, algorithm: Any, changes: Any) -> None:
    """Tell a model about added and removed securities, if it wants to know."""
    method = find_member(model, "on_securities_changed")
    if method is not None:
        method(algorithm, changes)


def model_name(model: Any) -> str:
    """A model's own name, or that of its class."""
    name = find_member(model, "name")
    return str(name) if isinstance(name, str) and name else type(model).__name__


class AlphaModel(LeanObject):
    """Base of alpha models: `update(algorithm, data)` returns insights."""

    @property
    def name(self) -> str:
        """What its insights name as their source; the class's name where none was set."""
        return str(self.__dict__.get("_model_name") or type(self).__name__)

    @name.setter
    def name(self, value: Any) -> None:
        self.__dict__["_model_name"] = str(value)

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Return the new insights."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'update'")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Called when securities come and go."""


class NullAlphaModel(AlphaModel):
    """No insights."""

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """Return nothing."""
        return []


class CompositeAlphaModel(AlphaModel):
    """Several alpha models; their insights in order."""

    def __init__(self, *models: Any) -> None:
        if not models:
            raise ValueError("CompositeAlphaModel needs at least one alpha model")
        self._models = list(models)
        self.name = f"CompositeAlphaModel({','.join(model_name(model) for model in models)})"

    def add_alpha(self, model: Any) -> None:
        """Add one more."""
        self._models.append(required(model, "update"))

    def update(self, algorithm: Any, data: Any) -> Iterable[Any]:
        """The insights of all, named after their model."""
        insights = []
        for model in self._models:
            for insight in result_of(model, "update", member_of(model, "update")(algorithm, data)):
                insight.source_model = insight.source_model or model_name(model)
                insights.append(insight)
        return insights

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Tell all."""
        for model in self._models:
            notify_changes(model, algorithm, changes)


class RiskManagementModel(LeanObject):
    """Base of risk models: `manage_risk(algorithm, targets)` returns targets that replace others."""

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """Return the targets to override."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'manage_risk'")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Called when securities come and go."""


class NullRiskManagementModel(RiskManagementModel):
    """No overrides."""

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """Return nothing."""
        return []


class CompositeRiskManagementModel(RiskManagementModel):
    """Several risk models; each sees the targets as the ones before left them."""

    def __init__(self, *models: Any) -> None:
        given = models[0] if len(models) == 1 and isinstance(models[0], (list, tuple)) else models
        if not given:
            raise ValueError("CompositeRiskManagementModel needs at least one risk model")
        self._models = list(given)

    def add_risk_management(self, model: Any) -> None:
        """Add one more."""
        self._models.append(required(model, "manage_risk"))

    def manage_risk(self, algorithm: Any, targets: Any) -> Iterable[Any]:
        """The targets after all models."""
        current = list(targets)
        for model in self._models:
            adjusted = result_of(model, "manage_risk", member_of(model, "manage_risk")(algorithm, list(current)))
            current = distinct_by_symbol([*adjusted, *current])
        return current

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Tell all."""
        for model in self._models:
            notify_changes(model, algorithm, changes)


class ExecutionModel(LeanObject):
    """Base of execution models: `execute(algorithm, targets)` sends orders."""

    _asynchronous = True

    def __init__(self, asynchronous: bool = True) -> None:
        self._asynchronous = asynchronous

    @property
    def asynchronous(self) -> bool:
        """Whether orders fill at the end of the slice."""
        return self._asynchronous

    def _collection(self) -> PortfolioTargetCollection:
        found = self.__dict__.get("_targets")
        if found is None:
            found = self.__dict__["_targets"] = PortfolioTargetCollection()
        return found

    def execute(self, algorithm: Any, targets: Any) -> None:
        """Send orders."""
        raise NotImplementedError(f"{type(self).__name__} must implement the method 'execute'")

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Called when securities come and go."""

    def on_order_event(self, algorithm: Any, order_event: Any) -> None:
        """Called for every order event."""


class NullExecutionModel(ExecutionModel):
    """No orders."""

    def execute(self, algorithm: Any, targets: Any) -> None:
        """Do nothing."""


class NullPortfolioConstructionModel(LeanObject):
    """No targets."""

    def create_targets(self, algorithm: Any, insights: Any) -> Iterable[Any]:
        """Return nothing."""
        return []

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Do nothing."""
