"""The clock, the state and the services that QCAlgorithm shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from llm_plugin.engine.algorithm.object_store import ObjectStore
from llm_plugin.engine.algorithm.settings import AlgorithmSettings, UniverseSettings
from llm_plugin.engine.base.enums import (
    AccountType,
    AlgorithmMode,
    AlgorithmStatus,
    BrokerageName,
    DeploymentTarget,
)
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.models.shortable import shortable_quantity_of
from llm_plugin.engine.orders.order import OrderProperties
from llm_plugin.engine.statistics import InterestRateProvider, TradeBuilder

__all__ = ["EnvironmentApi"]


class EnvironmentApi(LeanObject):
    """Properties of an algorithm."""

    MAX_TAGS_COUNT = MaxTagsCount = 100
    MAX_NAME_AND_TAGS_LENGTH = MaxNameAndTagsLength = 200

    _engine: EngineCore
    _name: str
    _tags: set[str]
    _interest: Any
    _current_slice: Any
    _object_store: ObjectStore
    _trade_builder: TradeBuilder

    @property
    def time(self) -> datetime:
        """Now, naive, in the algorithm's zone."""
        return self._engine.clock.time

    @property
    def utc_time(self) -> datetime:
        """Now, naive UTC."""
        return self._engine.clock.utc_time

    @property
    def time_zone(self) -> Any:
        """The algorithm's zone."""
        return self._engine.clock.zone

    @property
    def start_date(self) -> datetime:
        """Midnight of the first day."""
        return self._engine.start

    @property
    def end_date(self) -> datetime:
        """End of the last day."""
        return self._engine.end

    @property
    def is_warming_up(self) -> bool:
        """True before the start date."""
        return self._engine.is_warming_up

    @property
    def live_mode(self) -> bool:
        """Whether the run is paced by a clock, and its account outlives the process."""
        return self._engine.live

    @property
    def algorithm_mode(self) -> AlgorithmMode:
        """Backtesting or live."""
        return AlgorithmMode.LIVE if self._engine.live else AlgorithmMode.BACKTESTING

    @property
    def deployment_target(self) -> DeploymentTarget:
        """The local platform."""
        return DeploymentTarget.LOCAL_PLATFORM

    @property
    def algorithm_id(self) -> str:
        """Id of the run."""
        return self._engine.context.algorithm_id

    @property
    def project_id(self) -> int:
        """0: local projects have none."""
        return 0

    @property
    def status(self) -> AlgorithmStatus:
        """State of the run."""
        return self._engine.status

    @property
    def name(self) -> str:
        """Name of the run."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    def set_name(self, name: str) -> None:
        """Set the name of the run."""
        self._name = name

    @property
    def tags(self) -> set[str]:
        """Words about the run, at most MAX_TAGS_COUNT, each cut to MAX_NAME_AND_TAGS_LENGTH."""
        return self._tags

    @tags.setter
    def tags(self, values: Iterable[str] | None) -> None:
        if values is None:
            return
        given = [tag for tag in values if tag and tag.strip()]
        if len(given) > self.MAX_TAGS_COUNT:
            most = f"Warning: The tags collection cannot contain more than {self.MAX_TAGS_COUNT} items."
            self._engine.warn_once("tags", f"{most} It will be truncated.")
        cut = given[: self.MAX_TAGS_COUNT]
        self._tags = {tag[: self.MAX_NAME_AND_TAGS_LENGTH] for tag in cut}

    def set_tags(self, tags: Iterable[str] | None) -> None:
        """Replace the tags."""
        self.tags = tags

    def add_tag(self, tag: str) -> None:
        """Add a tag; a blank one, and one too many, changes nothing."""
        if not tag or not tag.strip():
            return
        if len(self.tags) >= self.MAX_TAGS_COUNT:
            most = f"Tags are limited to a maximum of {self.MAX_TAGS_COUNT}."
            self._engine.warn_once("add_tag", f"Warning: AddTag({tag}): Unable to add tag. {most}")
            return
        self.tags.add(tag[: self.MAX_NAME_AND_TAGS_LENGTH])

    @property
    def runtime_statistics(self) -> dict[str, str]:
        """What `set_runtime_statistic` set."""
        return self._engine.runtime_statistics

    def shortable(self, symbol: Any, short_quantity: float = 0, update_order_id: int | None = None) -> bool:
        """Whether that many units more can be sold short, beside holdings and open orders."""
        security = self._engine.securities[symbol]
        return self._engine.is_shortable(security.symbol, -abs(to_decimal(short_quantity)), update_order_id)

    def shortable_quantity(self, symbol: Any) -> int:
        """How many units can be sold short; 0 where no limit is known."""
        limit = shortable_quantity_of(self._engine.securities[symbol])
        return int(limit) if limit is not None else 0

    # Objects.
    @property
    def portfolio(self) -> Any:
        """Account and holdings."""
        return self._engine.portfolio

    @property
    def securities(self) -> Any:
        """All securities."""
        return self._engine.securities

    @property
    def active_securities(self) -> Any:
        """Securities that are subscribed now."""
        return self._engine.active_securities

    @property
    def transactions(self) -> Any:
        """Orders."""
        return self._engine.transactions

    @property
    def subscription_manager(self) -> Any:
        """Streams and consolidators."""
        return self._engine.subscription_manager

    @property
    def settings(self) -> AlgorithmSettings:
        """Settings."""
        return self._engine.settings

    @property
    def universe_settings(self) -> UniverseSettings:
        """Defaults of new subscriptions."""
        return self._engine.universe_settings

    @universe_settings.setter
    def universe_settings(self, value: UniverseSettings) -> None:
        self._engine.universe_settings = value

    @property
    def brokerage_model(self) -> Any:
        """The brokerage model."""
        return self._engine.brokerage_model

    @property
    def brokerage_name(self) -> BrokerageName:
        """The brokerage."""
        return self._engine.brokerage_name

    @property
    def benchmark(self) -> Any:
        """The benchmark."""
        return self._engine.benchmark

    @property
    def market_hours_database(self) -> Any:
        """Exchange hours."""
        return self._engine.market_hours

    @property
    def symbol_properties_database(self) -> Any:
        """Symbol properties."""
        return self._engine.symbol_properties

    @property
    def object_store(self) -> ObjectStore:
        """User files."""
        return self._object_store

    @property
    def trade_builder(self) -> TradeBuilder:
        """Closed trades."""
        return self._trade_builder

    @property
    def risk_free_interest_rate_model(self) -> Any:
        """Interest rates."""
        if self._interest is None:
            self._interest = InterestRateProvider(self._engine.data_folder)
        return self._interest

    @property
    def statistics(self) -> Any:
        """The statistics of what was sampled so far."""
        from llm_plugin.engine.results.run_statistics import RunStatistics, current_statistics

        if self._engine.sampler is None:
            raise ValueError("there are no statistics in initialize: the run has not begun")
        return RunStatistics(current_statistics(self._engine, self._engine.sampler))

    @property
    def current_slice(self) -> Any:
        """The slice of this moment."""
        return self._current_slice

    @property
    def account_currency(self) -> str:
        """Currency of the account."""
        return self._engine.cash_book.account_currency

    @property
    def account_type(self) -> AccountType:
        """Margin or cash."""
        return self._engine.brokerage_model.account_type  # type: ignore[no-any-return]

    @property
    def default_order_properties(self) -> OrderProperties:
        """Options of orders that name none."""
        return self._engine.default_order_properties

    @default_order_properties.setter
    def default_order_properties(self, value: OrderProperties) -> None:
        self._engine.default_order_properties = value

    @property
    def log_lines(self) -> list[str]:
        """What was logged so far."""
        return self._engine.log_lines
