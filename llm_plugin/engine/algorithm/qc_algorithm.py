"""QCAlgorithm: the class that user algorithms derive from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from llm_plugin.engine.algorithm.commands import CommandApi
from llm_plugin.engine.algorithm.data import DataApi
from llm_plugin.engine.algorithm.environment import EnvironmentApi
from llm_plugin.engine.algorithm.events import EventHandlers
from llm_plugin.engine.algorithm.indicators import IndicatorApi
from llm_plugin.engine.algorithm.object_store import ObjectStore
from llm_plugin.engine.algorithm.trading import TradingApi
from llm_plugin.engine.algorithm.universes import UniverseApi
from llm_plugin.engine.base.enums import (
    AccountType,
    AlgorithmStatus,
    BrokerageName,
    Resolution,
    SecurityType,
)
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.zones import zone
from llm_plugin.engine.brokerages.messages import BrokerageMessageApi
from llm_plugin.engine.brokerages.models import brokerage_model
from llm_plugin.engine.core import EngineCore, current_context
from llm_plugin.engine.data.lean_data import home_folder
from llm_plugin.engine.framework.pipeline import FrameworkApi, FrameworkPipeline
from llm_plugin.engine.history.requests import HistoryApi
from llm_plugin.engine.loop.benchmark import as_benchmark
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.results.charts import PlottingApi
from llm_plugin.engine.scheduling.schedule import ScheduleContext, ScheduleManager, SchedulingApi
from llm_plugin.engine.securities.seeders import initializer_of
from llm_plugin.engine.statistics import TradeBuilder
from llm_plugin.errors import ConfigError

__all__ = ["QCAlgorithm"]


class AlgorithmBase(  # type: ignore[override]
    EnvironmentApi,
    EventHandlers,
    DataApi,
    UniverseApi,
    BrokerageMessageApi,
    CommandApi,
    TradingApi,
    FrameworkApi,
    HistoryApi,
    IndicatorApi,
    PlottingApi,
    SchedulingApi,
    LeanObject,
):
    """Settings, clock and event handlers."""

    _engine: EngineCore

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        # Not in __init__: user classes may have one that calls nothing.
        self = super().__new__(cls)
        core = EngineCore(current_context())
        core.algorithm = self
        self.history_core = core
        self._engine = core
        self.schedule = ScheduleManager(
            ScheduleContext(
                lambda: core.clock.utc_us,
                lambda: core.clock.zone,
                lambda key: core.entry_of(_symbol_of(core, key)).exchange_hours,
                lambda: [security.exchange.hours for security in core.securities.values()],
            )
        )
        self.framework = FrameworkPipeline(self, lambda symbol: core.entry_of(symbol).exchange_hours)
        self._trade_builder = TradeBuilder()
        self._object_store = ObjectStore(core.context.object_store_folder or home_folder() / "storage")
        self._interest = None
        self._current_slice = None
        self._name = cls.__name__
        self._tags, self._commands = set(), {}
        self._prepare()
        return self

    def _prepare(self) -> None:
        """Let further parts set up their state."""

    def to_symbol(self, symbol: Any) -> Symbol:
        """Return the Symbol of a symbol, ticker, identifier or security.

        Raises:
            ValueError: A ticker that was never added.
        """
        if isinstance(symbol, Symbol):
            return symbol
        found = self._engine.symbol_cache.find(getattr(symbol, "symbol", symbol))
        if found is None:
            raise ValueError(f"{symbol} was never added to the algorithm: add it first, or give a Symbol")
        return found

    def seed_security(self, security: Any) -> None:
        """Give a security its last known price."""
        for point in self.get_last_known_prices(security):
            security.set_market_price(point)

    # Set-up.
    def set_start_date(self, *args: Any, **named: Any) -> None:
        """`(year, month, day)` or a date: midnight in the algorithm's zone. A live run that goes on starts now."""
        self._check_unlocked("set_start_date")
        if self._engine.start_is_now:
            return
        day = _day(args, named)
        self._engine.start = datetime(day.year, day.month, day.day)
        self._engine.clock.utc_us = self._engine.clock.zone.utc(_us(self._engine.start))

    def set_end_date(self, *args: Any, **named: Any) -> None:
        """`(year, month, day)` or a date: the end of that day, at most yesterday's."""
        self._check_unlocked("set_end_date")
        day = min(_day(args, named), datetime.now(UTC).date() - timedelta(days=1))
        self._engine.end = datetime(day.year, day.month, day.day, 23, 59, 59, 999999)

    def set_cash(self, *args: Any, **named: Any) -> None:
        """`(starting_cash)`, or `(symbol, starting_cash[, conversion_rate])`."""
        self._check_unlocked("set_cash")
        self._engine.portfolio.set_cash(*args, *_in_order(named, ("symbol", "starting_cash", "conversion_rate")))

    def set_account_currency(self, currency: str, starting_cash: Any = None) -> None:
        """Set the account's currency, before `set_cash` and any security."""
        core = self._engine
        self._check_unlocked("set_account_currency")
        if len(core.securities):
            raise ValueError("set_account_currency must be called before adding securities")
        amount = core.cash_book[core.cash_book.account_currency].exact_amount
        core.cash_book.set_account_currency(currency)
        core.portfolio.unsettled_cash_book.set_account_currency(currency)
        core.cash_book[currency].set_amount(amount if starting_cash is None else starting_cash)

    def set_time_zone(self, where: Any) -> None:
        """Set the algorithm's zone."""
        self._check_unlocked("set_time_zone")
        self._engine.clock.set_zone(zone(where))

    def set_brokerage_model(self, brokerage: Any, account_type: AccountType | None = None) -> None:
        """Choose a brokerage by name, or give a model of your own."""
        core = self._engine
        self._check_unlocked("set_brokerage_model")
        if isinstance(brokerage, BrokerageName):
            core.brokerage_model = brokerage_model(brokerage, account_type)
            core.brokerage_name = brokerage
        else:
            core.brokerage_model = brokerage
        core.brokerage_chosen = True
        for security in core.securities.values():
            core.assign_models(security)

    def set_benchmark(self, *args: Any) -> None:
        """`(symbol or ticker)`, `(security_type, ticker)`, or a function of the time."""
        core = self._engine
        value = args[-1]
        if len(args) == 2:
            kind = SecurityType(args[0])
            core.benchmark_request = core.make_symbol(str(value), kind, self._default_market(kind))
        elif isinstance(value, Symbol):
            core.benchmark_request = value
        elif isinstance(value, str):
            found = core.symbol_cache.find(value)
            equity = SecurityType.EQUITY
            core.benchmark_request = found or core.make_symbol(value, equity, self._default_market(equity))
        else:
            core.benchmark_request = as_benchmark(value)

    def set_warm_up(self, period: Any, resolution: Resolution | None = None) -> None:
        """`(timedelta or number of bars[, resolution])`."""
        core = self._engine
        self._check_unlocked("set_warm_up")
        if isinstance(period, timedelta):
            core.warmup_span, core.warmup_bars = period, None
        else:
            core.warmup_span, core.warmup_bars = None, int(period)
        core.settings.warmup_resolution = None if resolution is None else Resolution(resolution)

    set_warmup = set_warm_up
    SetWarmup = SetWarmUp = set_warm_up

    def set_finished_warming_up(self) -> None:
        """End the warm-up now."""
        self._engine.is_warming_up = False

    def set_security_initializer(self, initializer: Any) -> None:
        """Call a function, or an object with `initialize`, with each new security."""
        self._engine.security_initializers = [initializer_of(initializer)]

    def add_security_initializer(self, initializer: Any) -> None:
        """Call one more function with each new security."""
        self._engine.security_initializers.append(initializer_of(initializer))

    def set_risk_free_interest_rate_model(self, model: Any) -> None:
        """Replace the interest rates of the statistics."""
        self._interest = model

    def set_trade_builder(self, builder: Any) -> None:
        """Replace the builder of closed trades."""
        self._trade_builder = builder

    def get_parameter(self, name: str, default: Any = None) -> Any:
        """Return a parameter, converted to the default's type."""
        text = self._engine.context.parameters.get(name)
        if text is None:
            return default
        if default is None or isinstance(default, str):
            return text
        if isinstance(default, bool):
            return text.strip().lower() in ("true", "1", "yes")
        try:
            return type(default)(text)
        except (TypeError, ValueError):
            kind = type(default).__name__
            raise ConfigError(f"parameter {name} = {text!r} is not of type {kind} as its default {default!r}") from None

    def get_parameters(self) -> dict[str, str]:
        """Return all parameters."""
        return dict(self._engine.context.parameters)

    def _check_unlocked(self, member: str) -> None:
        if self._engine.locked:
            raise ValueError(f"{member} can only be called in initialize")

    # Messages.
    def log(self, message: Any) -> None:
        """Write a line to the log."""
        self._engine.message("", str(message))

    def debug(self, message: Any) -> None:
        """Write a line to the log."""
        self._engine.message("", str(message))

    def error(self, message: Any) -> None:
        """Write an error line to the log."""
        self._engine.error(str(message))

    def quit(self, message: str = "") -> None:
        """Stop the backtest at the next slice."""
        self._engine.message("", f"Quit(): {message}")
        self._engine.status = AlgorithmStatus.STOPPED

    def set_quit(self, quit: bool) -> None:
        """Stop the backtest at the next slice."""
        if quit:
            self._engine.status = AlgorithmStatus.STOPPED

    def set_runtime_statistic(self, name: str, value: Any) -> None:
        """Show a figure while running."""
        self._engine.runtime_statistics[name] = str(value)

    def set_summary_statistic(self, name: str, value: Any) -> None:
        """Add a figure to the printed statistics."""
        self._engine.summary_statistics[name] = str(value)


class QCAlgorithm(AlgorithmBase):
    """Base of user algorithms, in either spelling."""


def _in_order(named: dict[str, Any], names: tuple[str, ...]) -> list[Any]:
    """Return arguments that were given by name in the order in which the method takes them."""
    unknown = [name for name in named if name not in names]
    if unknown:
        raise TypeError(f"there is no argument {unknown[0]!r}; known: {', '.join(names)}")
    return [named[name] for name in names if name in named]


def _day(args: tuple[Any, ...], named: dict[str, Any]) -> date:
    args = (*args, *_in_order(named, ("year", "month", "day", "start", "end")))
    if len(args) == 3:
        return date(*(int(part) for part in args))
    value = args[0]
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    raise ValueError(f"{args!r} is no date: give (year, month, day) or a datetime")


def _us(moment: datetime) -> int:
    from llm_plugin.engine.base.zones import to_us

    return to_us(moment)


def _symbol_of(core: EngineCore, key: Any) -> Symbol:
    found = core.symbol_cache.find(key)
    return found if found is not None else core.make_symbol(str(key), SecurityType.EQUITY, "usa")
