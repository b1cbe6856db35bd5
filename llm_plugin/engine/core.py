"""The state of one run: what the algorithm, the order handler and the time loop share."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_plugin.engine.algorithm.settings import AlgorithmSettings, UniverseSettings
from llm_plugin.engine.base.clock import Clock
from llm_plugin.engine.base.enums import (
    AlgorithmStatus,
    BrokerageName,
    DataNormalizationMode,
    Resolution,
    SecurityType,
    TickType,
)
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.pulse import beating_field
from llm_plugin.engine.brokerages.models import DefaultBrokerageModel, model_from
from llm_plugin.engine.data.map_files import equity_symbol, load_map_file
from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig, SubscriptionManager, data_kind
from llm_plugin.engine.market.market_hours import MarketHoursEntry, database_key, load_market_hours
from llm_plugin.engine.market.symbol_properties import SymbolProperties, load_symbol_properties
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol, SymbolCache
from llm_plugin.engine.models.shortable import shortable_quantity_of
from llm_plugin.engine.orders.order import OrderEvent, OrderProperties
from llm_plugin.engine.orders.transactions import TransactionManager
from llm_plugin.engine.portfolio.cash import CashBook
from llm_plugin.engine.portfolio.portfolio import SecurityPortfolioManager
from llm_plugin.engine.securities.manager import ActiveSecurities, SecurityManager
from llm_plugin.engine.securities.security import Security
from llm_plugin.engine.universe.manager import UniverseManager
from llm_plugin.errors import DataError

__all__ = ["EngineCore", "RunContext", "current_context"]

_PAIRS = frozenset({SecurityType.FOREX, SecurityType.CRYPTO})


@dataclass
class RunContext:
    """What a run is started with."""

    data_folder: Path
    parameters: dict[str, str] = field(default_factory=dict)
    object_store_folder: Path | None = None
    algorithm_id: str = "algorithm"
    project_folder: Path | None = None
    # The live session, None in a backtest.
    live: Any = None
    # Finds the symbol of a ticker; set by the run.
    find: Callable[[Any], Symbol | None] | None = None
    # Of the run; set by it.
    clock: Any = None


_context: ContextVar[RunContext | None] = ContextVar("lean_run_context", default=None)


def current_context() -> RunContext:
    """Return the run that is being set up.

    Raises:
        RuntimeError: No run: QCAlgorithm classes are made by `run_backtest`.
    """
    context = _context.get()
    if context is None:
        raise RuntimeError("QCAlgorithm can only be created by a backtest: use llm_plugin.engine.runner.run_backtest")
    return context


def current_find() -> Callable[[Any], Symbol | None] | None:
    """Return what finds symbols by ticker in the run at hand; None outside of a run."""
    context = _context.get()
    return context.find if context is not None else None


def set_context(context: RunContext | None) -> Any:
    """Set the run that is being set up; return the token that undoes it."""
    return _context.set(context)


def reset_context(token: Any) -> None:
    """Undo `set_context`."""
    _context.reset(token)


class EngineCore:
    """Clock, databases, securities, cash, orders and settings of one run."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.data_folder = context.data_folder
        self.live = context.live is not None
        self.start_is_now = False
        self.clock = context.clock = Clock()
        self.market_hours = load_market_hours(context.data_folder)
        self.symbol_properties = load_symbol_properties(context.data_folder)
        self.symbol_cache = SymbolCache()
        context.find = self.symbol_cache.find
        self.cash_book = CashBook()
        self.cash_book["USD"].set_amount(Decimal(100000))
        self.securities = SecurityManager(self.symbol_cache.find)
        self.subscription_manager = SubscriptionManager(self.clock)
        self.settings = AlgorithmSettings()
        self.universe_settings = UniverseSettings()
        self.brokerage_model: Any = DefaultBrokerageModel()
        self.brokerage_chosen = False
        self.running_sessions: list[Any] = []
        self.security_initializers: list[Callable[[Security], Any]] = []
        self.default_order_properties = OrderProperties()
        self.portfolio = SecurityPortfolioManager(self.securities, self.cash_book)
        self.transactions = TransactionManager(self)
        self.portfolio.transactions = self.transactions
        self.start = datetime(1998, 1, 1)
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        self.end = datetime(yesterday.year, yesterday.month, yesterday.day, 23, 59, 59, 999999)
        self.is_warming_up = False
        self.warmup_finished = False
        self.warmup_span: timedelta | None = None
        self.warmup_bars: int | None = None
        self._status = AlgorithmStatus.RUNNING
        self.locked = False
        self.benchmark: Any = None
        self.benchmark_security: Security | None = None
        self.internal_securities: list[Security] = []
        self.brokerage_name = BrokerageName.DEFAULT
        self.benchmark_request: Any = None
        self.log_lines: list[str] = []
        self.runtime_statistics: dict[str, str] = {}
        self.summary_statistics: dict[str, str] = {}
        self.max_orders = 10_000
        # Set by the algorithm and the loop.
        self.algorithm: Any = None
        self.data_manager: Any = None
        self.sampler: Any = None
        self.pending_streams: list[SubscriptionDataConfig] = []
        # (universe, security): taken out by hand, worked off at the end of the time step.
        self.leaving: list[tuple[Any, Security]] = []
        self.user_universes: list[Any] = []
        self.universe_manager = UniverseManager()
        self.universes: Any = None
        self.added: list[Security] = []
        self.removed: list[Security] = []
        self.warned: set[str] = set()

    status: AlgorithmStatus = beating_field("status", "Whether the run goes on.")

    # Messages.
    def message(self, kind: str, text: str) -> None:
        """Keep a log line with the algorithm's time."""
        self.log_lines.append(f"{self.clock.time:%Y-%m-%d %H:%M:%S} {kind}{text}")

    def error(self, text: str) -> None:
        """Keep an error line."""
        self.message("ERROR:: ", str(text))

    def warn_once(self, key: str, text: str) -> None:
        """Keep a warning the first time."""
        if key not in self.warned:
            self.warned.add(key)
            self.message("", text)

    # What the order handler asks.
    def is_shortable(self, symbol: Symbol, quantity: Decimal, but: int | None = None) -> bool:
        """Ask a security's shortable provider; without one everything can be sold short.

        Args:
            symbol: What is sold.
            quantity: How much, signed or not.
            but: An open order that is not counted, since it changes.
        """
        security = self.securities[symbol]
        if security.shortable_provider is None:
            return True
        limit = shortable_quantity_of(security)
        if limit is None:
            return True
        orders = [order for order in self.transactions.iterate_open_orders() if order.symbol == symbol]
        tickets = [self.transactions.get_order_ticket(order.id) for order in orders if order.id != but]
        held = security.holdings.exact_quantity + sum((t.exact_remaining for t in tickets if t is not None), ZERO)
        return held > -limit and held - abs(quantity) >= -limit

    @property
    def tells_orders(self) -> bool:
        """Whether code of the user's hears of order events."""
        heard = getattr(self.algorithm.on_order_event, "__func__", None)
        return heard is not lean_algorithm().on_order_event or not self.algorithm.framework.is_idle

    def dispatch_order_event(self, event: OrderEvent) -> None:
        """Tell the user."""
        self.algorithm.on_order_event(event)

    # Symbols and securities.
    def make_symbol(self, ticker: str, kind: SecurityType, market: str) -> Symbol:
        """Return a symbol; equities get the identity of their map file."""
        if kind == SecurityType.EQUITY:
            return equity_symbol(self.data_folder, ticker.upper(), market, ticker)
        return Symbol(SecurityIdentifier(ticker.upper(), kind, market), ticker, ticker)

    def entry_of(self, symbol: Symbol) -> MarketHoursEntry:
        """Return a symbol's market hours."""
        return self.market_hours.get_entry(symbol.id.market, symbol, symbol.security_type)

    def properties_of(self, symbol: Symbol) -> SymbolProperties:
        """Return a symbol's properties.

        Raises:
            DataError: A currency pair that the database does not know.
        """
        found = self.symbol_properties.find(symbol.id.market, database_key(symbol), symbol.security_type)
        if found is not None:
            return found
        if symbol.security_type == SecurityType.FOREX and len(symbol.value) == 6:
            return SymbolProperties(symbol.value, symbol.value[3:], 1, Decimal("0.00001"), 1)
        if symbol.security_type in (SecurityType.CRYPTO, SecurityType.CFD):
            raise DataError(
                f"{symbol.value} on {symbol.id.market} is not in "
                f"{self.data_folder / 'symbol-properties' / 'symbol-properties-database.csv'}: add a row for it"
            )
        return SymbolProperties(symbol.value, self.cash_book.account_currency)

    def create_security(self, symbol: Symbol, *, internal: bool = False, leverage: float = 0.0) -> Security:
        """Make a security with the models of the brokerage."""
        properties = self.properties_of(symbol)
        quote = self.cash_book.ensure(properties.quote_currency)
        base = None
        if symbol.security_type in _PAIRS:
            base = self.cash_book.ensure(base_currency(symbol.value, properties.quote_currency))
        hours = self.entry_of(symbol).exchange_hours
        security = Security(symbol, hours, properties, quote, self.clock, self.cash_book, base)
        security.is_internal = internal
        security.running_sessions = self.running_sessions
        if symbol.security_type == SecurityType.EQUITY:
            found = load_map_file(self.data_folder, symbol.id.market, symbol.value)
            security.primary_exchange_code = found.primary_exchange if found is not None else ""
        self.assign_models(security)
        if leverage:
            security.set_leverage(leverage)
        return security

    def initialize_security(self, security: Security, leverage: float = 0.0) -> None:
        """Let the initializers prepare a security that has its subscriptions; a leverage given has the last word."""
        for initializer in self.security_initializers:
            initializer(security)
        if leverage and self.security_initializers:
            security.set_leverage(leverage)
        if self.settings.seed_initial_prices and security.exact_price == 0:
            self.algorithm.seed_security(security)

    def assign_models(self, security: Security) -> None:
        """Give a security the models of the brokerage model (which may be the user's)."""
        standard, model = DefaultBrokerageModel(), self.brokerage_model
        for name in ("fee", "fill", "slippage", "settlement", "buying_power"):
            default = getattr(standard, f"get_{name}_model")(security)
            setattr(security, f"{name}_model", model_from(model, f"get_{name}_model", security, default))
        security.shortable_provider = model_from(model, "get_shortable_provider", security, None)
        security.margin_interest_rate_model = model_from(model, "get_margin_interest_rate_model", security, None)

    def add_config(
        self,
        security: Security,
        resolution: Resolution,
        tick_type: TickType,
        *,
        fill_forward: bool = True,
        extended: bool = False,
        internal: bool = False,
        normalization: Any = None,
    ) -> SubscriptionDataConfig:
        """Subscribe a security to one kind of bars, unless it is already."""
        for config in security.subscriptions:
            same = config.resolution == resolution and config.tick_type == tick_type
            if same and config.is_internal_feed == internal:
                return config
        entry = self.entry_of(security.symbol)
        mode = normalization
        if mode is None:
            # LEAN's own feeds (benchmark, currencies) are adjusted whatever the user's are.
            mode = DataNormalizationMode.ADJUSTED if internal else self.universe_settings.data_normalization_mode
        config = SubscriptionDataConfig(
            data_kind(resolution, tick_type),
            security.symbol,
            resolution,
            entry.data_time_zone,
            entry.exchange_hours.time_zone,
            tick_type=tick_type,
            fill_forward=fill_forward,
            extended=extended,
            internal=internal,
            normalization=mode,
        )
        self.register(security, config)
        return config

    def register(self, security: Security, config: SubscriptionDataConfig) -> None:
        """Let a stream start with the next time step."""
        security.subscriptions.append(config)
        self.subscription_manager.add_config(config)
        config.stream = None
        self.pending_streams.append(config)

    @property
    def active_securities(self) -> ActiveSecurities:
        """Securities with a stream of the user's."""
        active = ActiveSecurities(self.symbol_cache.find)
        for security in self.securities.values():
            if any(not config.is_internal_feed for config in security.subscriptions):
                active.add(security.symbol, security)
        return active

    @property
    def last_day(self) -> date:
        """Last day of the run."""
        return self.end.date()


def base_currency(ticker: str, quote: str) -> str:
    """Return the base currency of a pair.

    Raises:
        ValueError: The ticker does not end with the quote currency.
    """
    if not ticker.endswith(quote) or len(ticker) <= len(quote):
        raise ValueError(f"{ticker} is no pair quoted in {quote}")
    return ticker[: -len(quote)]


def one_of(value: Any, default: Any) -> Any:
    """Return the value, or the default where it is None."""
    return default if value is None else value


@lru_cache(maxsize=1)
def lean_algorithm() -> Any:
    """Return the class that users' algorithms derive from; it needs this module first."""
    from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm

    return QCAlgorithm
