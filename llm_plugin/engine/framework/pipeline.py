"""The framework's steps per slice: alpha, portfolio construction, risk, execution."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from llm_plugin.engine.base.events import EventHandler
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.framework.execution import ImmediateExecutionModel
from llm_plugin.engine.framework.insight_collection import GeneratedInsightsCollection, InsightManager
from llm_plugin.engine.framework.insights import Insight, InsightType
from llm_plugin.engine.framework.models import (
    CompositeAlphaModel,
    CompositeRiskManagementModel,
    NullAlphaModel,
    NullPortfolioConstructionModel,
    NullRiskManagementModel,
    member_of,
    model_name,
    notify_changes,
    required,
    result_of,
)
from llm_plugin.engine.framework.targets import distinct_by_symbol
from llm_plugin.engine.framework.universe import (
    CompositeUniverseSelectionModel,
    NullUniverseSelectionModel,
    asks_for_refresh,
)

__all__ = ["FrameworkApi", "FrameworkPipeline"]

_MODELS = ("universe_selection", "alpha", "portfolio_construction", "risk_management", "execution")


class FrameworkPipeline:
    """The models of one algorithm and how they are called.

    Args:
        algorithm: The algorithm; it offers `utc_time`, `securities`, `is_warming_up`, `error`.
        hours_of: Returns the exchange hours of a symbol.
    """

    is_idle: bool
    refreshes: bool
    execution: Any = None

    def __init__(self, algorithm: Any, hours_of: Callable[[Any], Any]) -> None:
        self._algorithm, self._hours_of = algorithm, hours_of
        self.insights = InsightManager(algorithm)
        self.insights_generated = EventHandler()
        self.universe_selection: Any = NullUniverseSelectionModel()
        self.alpha: Any = NullAlphaModel()
        self.portfolio_construction: Any = NullPortfolioConstructionModel()
        self.risk_management: Any = NullRiskManagementModel()
        self.execution = ImmediateExecutionModel()
        self._told: set[str] = set()

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name in _MODELS and self.execution is not None:
            self._learn()

    def _learn(self) -> None:
        """Every moment asks for these, and models are seldom set."""
        # Whether no alpha, no risk model and no insight could make anything happen.
        self.is_idle = (
            type(self.alpha) is NullAlphaModel
            and type(self.risk_management) is NullRiskManagementModel
            and type(self.portfolio_construction) is NullPortfolioConstructionModel
            and type(self.execution) is ImmediateExecutionModel
        )
        # Whether the selection model may ask to be called again.
        self.refreshes = asks_for_refresh(self.universe_selection)
        beat()

    def create_universes(self) -> list[Any]:
        """The universes of the selection model."""
        return list(member_of(self.universe_selection, "create_universes")(self._algorithm))

    def on_securities_changed(self, changes: Any) -> None:
        """Tell alpha, portfolio construction, execution and risk, in this order."""
        for model in (self.alpha, self.portfolio_construction, self.execution, self.risk_management):
            notify_changes(model, self._algorithm, changes)

    def on_order_event(self, event: Any) -> None:
        """Tell the execution model, if it wants to know."""
        model = self.execution
        method = None if type(model) is ImmediateExecutionModel else find_member(model, "on_order_event")
        if method is not None:
            method(self._algorithm, event)

    def on_slice(self, data: Any) -> None:
        """All steps for a slice; nothing after the first without data."""
        self.insights.step(self._algorithm.utc_time)
        if not data.has_data:
            return
        answer = member_of(self.alpha, "update")(self._algorithm, data)
        insights = result_of(self.alpha, "update", answer)
        if insights:
            insights = self._initialized(insights)
            self._generated(insights)
        self._process(insights)

    def emit(self, insights: Iterable[Insight]) -> None:
        """Process insights that user code emits by hand."""
        if self._algorithm.is_warming_up:
            self._tell_once("warming", "Warning: insights emitted during algorithm warmup are ignored.")
            return
        ready = self._initialized(list(insights))
        self._generated(ready)
        self._process(ready)

    def _tell_once(self, key: str, text: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._algorithm.error(text)

    def _initialized(self, insights: list[Insight]) -> list[Insight]:
        ready = []
        for insight in insights:
            security = self._algorithm.securities[insight.symbol]
            if security.is_delisted:
                self._tell_once("delisted", "Warning: insights for delisted securities are discarded.")
                continue
            insight.generated_time_utc = self._algorithm.utc_time
            if insight.type == InsightType.PRICE:
                insight.reference_value = security.price
            else:
                insight.reference_value = float(security.volatility_model.volatility)
            insight.source_model = insight.source_model or model_name(self.alpha)
            insight.set_period_and_close_time(self._hours_of(insight.symbol))
            ready.append(insight)
        return ready

    def _generated(self, insights: list[Insight]) -> None:
        self.insights.add_range(insights)
        if self.insights_generated:
            packet = GeneratedInsightsCollection(self._algorithm.utc_time, insights)
            self.insights_generated(self._algorithm, packet)

    def _process(self, insights: list[Insight]) -> None:
        algorithm = self._algorithm
        create = member_of(self.portfolio_construction, "create_targets")
        targets = result_of(self.portfolio_construction, "create_targets", create(algorithm, insights))
        self._remember(targets)
        manage = member_of(self.risk_management, "manage_risk")
        overrides = result_of(self.risk_management, "manage_risk", manage(algorithm, targets))
        self._remember(overrides)
        member_of(self.execution, "execute")(algorithm, distinct_by_symbol([*overrides, *targets]))

    def _remember(self, targets: list[Any]) -> None:
        for target in targets:
            self._algorithm.securities[target.symbol].holdings.target = target


class FrameworkApi(LeanObject):
    """The framework part of QCAlgorithm; the class that mixes it in sets `framework` to a FrameworkPipeline."""

    framework: FrameworkPipeline

    @property
    def insights(self) -> InsightManager:
        """All insights."""
        return self.framework.insights

    @property
    def insights_generated(self) -> EventHandler:
        """Fires with (algorithm, GeneratedInsightsCollection)."""
        return self.framework.insights_generated

    @insights_generated.setter
    def insights_generated(self, event: EventHandler) -> None:
        # `algorithm.insights_generated += handler` assigns the same event back.
        self.framework.insights_generated = event

    @property
    def alpha(self) -> Any:
        """The alpha model."""
        return self.framework.alpha

    @property
    def portfolio_construction(self) -> Any:
        """The portfolio construction model."""
        return self.framework.portfolio_construction

    @property
    def risk_management(self) -> Any:
        """The risk model."""
        return self.framework.risk_management

    @property
    def execution(self) -> Any:
        """The execution model."""
        return self.framework.execution

    @property
    def universe_selection(self) -> Any:
        """The universe selection model."""
        return self.framework.universe_selection

    def set_universe_selection(self, universe_selection: Any) -> None:
        """Use one universe selection model."""
        self.framework.universe_selection = required(universe_selection, "create_universes")

    def add_universe_selection(self, universe_selection: Any) -> None:
        """Use one more universe selection model."""
        required(universe_selection, "create_universes")
        current = self.framework.universe_selection
        if type(current) is NullUniverseSelectionModel:
            self.framework.universe_selection = universe_selection
        elif isinstance(current, CompositeUniverseSelectionModel):
            current.add_universe_selection(universe_selection)
        else:
            self.framework.universe_selection = CompositeUniverseSelectionModel(current, universe_selection)

    def set_alpha(self, alpha: Any) -> None:
        """Use one alpha model."""
        self.framework.alpha = required(alpha, "update")

    def add_alpha(self, alpha: Any) -> None:
        """Use one more alpha model."""
        required(alpha, "update")
        current = self.framework.alpha
        if type(current) is NullAlphaModel:
            self.framework.alpha = alpha
        elif isinstance(current, CompositeAlphaModel):
            current.add_alpha(alpha)
        else:
            self.framework.alpha = CompositeAlphaModel(current, alpha)

    def set_portfolio_construction(self, portfolio_construction: Any) -> None:
        """Use a portfolio construction model."""
        self.framework.portfolio_construction = required(portfolio_construction, "create_targets")

    def set_execution(self, execution: Any) -> None:
        """Use an execution model."""
        self.framework.execution = required(execution, "execute")

    def set_risk_management(self, risk_management: Any) -> None:
        """Use one risk model."""
        self.framework.risk_management = required(risk_management, "manage_risk")

    def add_risk_management(self, risk_management: Any) -> None:
        """Use one more risk model."""
        required(risk_management, "manage_risk")
        current = self.framework.risk_management
        if type(current) is NullRiskManagementModel:
            self.framework.risk_management = risk_management
        elif isinstance(current, CompositeRiskManagementModel):
            current.add_risk_management(risk_management)
        else:
            self.framework.risk_management = CompositeRiskManagementModel(current, risk_management)

    def emit_insights(self, *insights: Any) -> None:
        """Process insights now: targets, risk and orders follow at once."""
        given = insights[0] if len(insights) == 1 and not isinstance(insights[0], Insight) else insights
        self.framework.emit(given)
