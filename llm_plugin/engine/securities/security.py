"""Securities: prices, market hours, models, holdings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.clock import Clock
from llm_plugin.engine.base.enums import Resolution, SecurityType
from llm_plugin.engine.base.fields import float_view
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.pulse import beat, beating_field
from llm_plugin.engine.base.zones import DAY_US, to_us
from llm_plugin.engine.data.bars import BaseData, QuoteBar, Tick, TradeBar
from llm_plugin.engine.data.normalization import equity_normalization
from llm_plugin.engine.feed.subscriptions import default_data
from llm_plugin.engine.market.exchanges import Exchange
from llm_plugin.engine.market.market_hours import ExchangeHours
from llm_plugin.engine.market.symbol_properties import SymbolProperties
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.market.tick_exchanges import exchange_of
from llm_plugin.engine.models.fees import OrderFeeParameters, own_fee
from llm_plugin.engine.orders.order import OrderFee
from llm_plugin.engine.portfolio.cash import Cash, CashAmount, CashBook
from llm_plugin.engine.portfolio.holdings import SecurityHolding
from llm_plugin.engine.securities.cache import SecurityCache, SecurityExchange
from llm_plugin.engine.securities.custom_properties import CustomProperties
from llm_plugin.engine.securities.session import Session

if TYPE_CHECKING:
    from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig

__all__ = ["Security", "SecurityCache", "SecurityExchange"]

# A look at a member of an enumeration costs as much as several of anything else.
_CRYPTO = SecurityType.CRYPTO
_NONE: Any = None


class Security(CustomProperties):
    """A subscribed instrument."""

    def __init__(
        self,
        symbol: Symbol,
        hours: ExchangeHours,
        properties: SymbolProperties,
        quote_currency: Cash,
        clock: Clock,
        cash_book: CashBook,
        base_currency: Cash | None = None,
    ) -> None:
        self.symbol = symbol
        self.type = symbol.security_type
        self.exchange = SecurityExchange(hours, clock)
        self.symbol_properties = properties
        self.quote_currency = quote_currency
        self.base_currency = base_currency
        self.clock = clock
        self.cash_book = cash_book
        self.cache = SecurityCache()
        self.holdings = SecurityHolding(self)
        self.subscriptions: list[SubscriptionDataConfig] = []
        self.is_tradable = True
        self.is_delisted = False
        self.has_data = False
        self.is_internal = False
        self.fee_model: Any = None
        self.fill_model: Any = None
        self.slippage_model: Any = None
        self.buying_power_model = None
        self.settlement_model = None
        self.volatility_model = None
        self.margin_interest_rate_model = None
        self.shortable_provider: Any = None
        self.data_filter: Any = None
        self.primary_exchange_code = ""
        self._session: Session | None = None
        # The run's list of the sessions that it feeds.
        self.running_sessions: list[Any] = []
        # The data whose prices are known exactly, and these.
        self._exact_of, self._bid_of, self._ask_of = _NONE, _NONE, _NONE
        self._exact = self._bid = self._ask = ZERO
        self._fixed: Decimal | None = None
        self._close_attributes()

    buying_power_model = beating_field("buying_power_model", "What its positions take of the account.")
    settlement_model = beating_field("settlement_model", "When the funds of its fills arrive.")
    volatility_model = beating_field("volatility_model", "What follows how its price moves.")
    margin_interest_rate_model = beating_field("margin_interest_rate_model", "What borrowed money costs.")

    # Prices: exact ones for the engine, floats for user code.
    @property
    def exact_price(self) -> Decimal:
        """Last price, exact."""
        cache = self.cache
        source = cache.source
        if self.type is _CRYPTO and cache.trade is not None:
            source = cache.trade
        if source is None:
            return self._fixed if self._fixed is not None else ZERO
        if source is not self._exact_of:
            self._exact_of, self._exact = source, source.exact("value")
            self._fixed = None
        return self._fixed if self._fixed is not None else self._exact

    @property
    def near_price(self) -> float:
        """Last price as a float, without exact arithmetic."""
        source = self.cache.source
        if self._fixed is not None or source is None or self.type is _CRYPTO:
            return float(self.exact_price)
        return float(source.value)

    @property
    def last_data_price(self) -> Decimal:
        """Price of the last data of the default kind, as conversion rates use it."""
        last = self.cache.last
        if last is None:
            return self.exact_price
        return self._exact if last is self._exact_of else last.exact("value")

    @property
    def exact_close(self) -> Decimal:
        """Close of the last bar, exact."""
        source = self.cache.source
        if source is None or self._fixed is not None or source is self._exact_of or self.type is not _CRYPTO:
            return self.exact_price
        return source.exact("value")  # type: ignore[no-any-return]

    @property
    def exact_bid(self) -> Decimal:
        """Bid, or the price where there is no quote; exact."""
        source = self.cache.bid_source
        if source is None:
            return self.exact_price
        if source is not self._bid_of:
            self._bid = source.exact("bid_price" if isinstance(source, Tick) else "bid_close")
            self._bid_of = source
        return self._bid

    @property
    def exact_ask(self) -> Decimal:
        """Ask, or the price where there is no quote; exact."""
        source = self.cache.ask_source
        if source is None:
            return self.exact_price
        if source is not self._ask_of:
            self._ask = source.exact("ask_price" if isinstance(source, Tick) else "ask_close")
            self._ask_of = source
        return self._ask

    price = float_view("exact_price", "Last price.")
    bid_price = float_view("exact_bid", "Bid.")
    ask_price = float_view("exact_ask", "Ask.")
    close = float_view("exact_close", "Close of the last bar.")

    def _ohlc(self, name: str) -> float:
        source = self.cache.source
        return float(getattr(source, name)) if isinstance(source, TradeBar | QuoteBar) else self.price

    @property
    def open(self) -> float:
        """Open of the last bar."""
        return self._ohlc("open")

    @property
    def high(self) -> float:
        """High of the last bar."""
        return self._ohlc("high")

    @property
    def low(self) -> float:
        """Low of the last bar."""
        return self._ohlc("low")

    @property
    def volume(self) -> float:
        """Volume of the last trade bar."""
        return self.cache.trade.volume if self.cache.trade is not None else 0.0

    @property
    def bid_size(self) -> float:
        """Size at the bid."""
        source = self.cache.bid_source
        if source is None:
            return 0.0
        return float(source.bid_size if isinstance(source, Tick) else source.last_bid_size)

    @property
    def ask_size(self) -> float:
        """Size at the ask."""
        source = self.cache.ask_source
        if source is None:
            return 0.0
        return float(source.ask_size if isinstance(source, Tick) else source.last_ask_size)

    def set_market_price(self, data: Any) -> None:
        """Seed the security with a data point (or a plain price)."""
        if data is None:
            return
        if isinstance(data, BaseData):
            self.cache.add_data(data)
            self._fixed = None
        else:
            self._fixed = to_decimal(data)
        self.has_data = True
        beat()

    def apply_split(self, factor: Decimal) -> None:
        """Scale price and last data after a split of raw prices."""
        # A tick keeps its prices: the price alone is scaled then.
        fixed = self._fixed is not None or isinstance(self.cache.source, Tick)
        price = self.exact_price * factor
        self.cache.apply_split(factor)
        self._exact_of = None
        self._fixed = price if fixed else None
        beat()

    def order_fee(self, order: Any) -> Any:
        """Ask the fee model, which may be the user's."""
        fee = own_fee(self, order)
        if fee is not None:
            return OrderFee(CashAmount(*fee))
        function = find_member(self.fee_model, "get_order_fee")
        if function is None:
            raise ValueError(f"{type(self.fee_model).__name__} has no get_order_fee")
        return function(OrderFeeParameters(self, order))

    def exact_fee(self, order: Any) -> Decimal:
        """Return the fee of an order in the account currency."""
        fee = own_fee(self, order)
        if fee is None:
            value = self.order_fee(order).value
            fee = value.exact_amount, value.currency
        amount, currency = fee
        if not amount:
            return ZERO
        book = self.cash_book
        if currency == book.account_currency:
            return amount
        book.ensure(currency)
        return book.exact_convert(amount, currency)

    # Time and hours.
    @property
    def local_time(self) -> datetime:
        """Now, exchange time."""
        return self.exchange.local_time

    def local_of(self, utc_time: datetime) -> datetime:
        """Return a naive UTC time in exchange time."""
        from llm_plugin.engine.base.zones import from_us

        return from_us(self.exchange.hours.time_zone.local(to_us(utc_time)))

    @property
    def invested(self) -> bool:
        """True with a position of at least one lot."""
        return self.holdings.invested

    @property
    def hold_stock(self) -> bool:
        """True with a position."""
        return self.holdings.invested

    @property
    def leverage(self) -> float:
        """Leverage of the buying power model."""
        return float(self.buying_power_model.get_leverage(self)) if self.buying_power_model is not None else 1.0

    def set_leverage(self, leverage: float) -> None:
        """Set the leverage."""
        self.buying_power_model.set_leverage(self, leverage)

    @property
    def margin_model(self) -> Any:
        """The buying power model."""
        return self.buying_power_model

    @property
    def resolution(self) -> Resolution:
        """Finest subscribed resolution."""
        real = [c.resolution for c in self.subscriptions if not c.is_internal_feed] or [
            c.resolution for c in self.subscriptions
        ]
        return min(real) if real else Resolution.DAILY

    @property
    def is_extended_market_hours(self) -> bool:
        """True if a subscription includes extended hours."""
        return any(config.extended_market_hours for config in self.subscriptions)

    @property
    def subscription_data_config(self) -> Any:
        """The first subscription."""
        return next((c for c in self.subscriptions if not c.is_internal_feed), None)

    @property
    def fill_data_forward(self) -> bool:
        """True if a subscription fills forward."""
        return any(config.fill_data_forward for config in self.subscriptions)

    @property
    def data_normalization_mode(self) -> Any:
        """How prices are adjusted."""
        return self.subscriptions[0].data_normalization_mode if self.subscriptions else None

    @property
    def session(self) -> Session:
        """Prices and volume of the running day; it runs once its size is set."""
        if self._session is None:
            tick_type = default_data(self.type, self.resolution)[0]
            self._session = Session(self.symbol, self.exchange.hours, tick_type, self._run_session)
        return self._session

    def _run_session(self, session: Session) -> None:
        self.running_sessions.append((self, session))
        beat()

    @property
    def primary_exchange(self) -> Exchange:
        """Exchange of an equity's map file."""
        return exchange_of(self.primary_exchange_code, self.symbol)

    def set_data_normalization_mode(self, mode: Any) -> None:
        """Adjust prices another way from the next bar on; what is held and cached stays as it is."""
        chosen = equity_normalization(self.symbol, mode)
        for config in self.subscriptions:
            if config.data_normalization_mode != chosen:
                config.data_normalization_mode = chosen
                if config.restart is not None:
                    config.restart()

    def get_last_data(self) -> Any:
        """Return the last data."""
        return self.cache.last

    # Models.
    def set_fee_model(self, model: Any) -> None:
        """Replace the fee model."""
        self.fee_model = model

    def set_fill_model(self, model: Any) -> None:
        """Replace the fill model."""
        self.fill_model = model

    def set_slippage_model(self, model: Any) -> None:
        """Replace the slippage model."""
        self.slippage_model = model

    def set_buying_power_model(self, model: Any) -> None:
        """Replace the buying power model."""
        self.buying_power_model = model

    def set_margin_model(self, model: Any) -> None:
        """Replace the buying power model."""
        self.buying_power_model = model

    def set_settlement_model(self, model: Any) -> None:
        """Replace the settlement model."""
        self.settlement_model = model

    def set_volatility_model(self, model: Any) -> None:
        """Replace the volatility model."""
        self.volatility_model = model

    def set_data_filter(self, model: Any) -> None:
        """Replace the data filter."""
        self.data_filter = model

    def set_margin_interest_rate_model(self, model: Any) -> None:
        """Replace the margin interest model."""
        self.margin_interest_rate_model = model

    def set_shortable_provider(self, provider: Any) -> None:
        """Replace the provider of shortable quantities."""
        self.shortable_provider = provider

    def day_of(self, local_us: int) -> int:
        """Return days since 1970 of exchange-local microseconds."""
        return local_us // DAY_US

    def __repr__(self) -> str:
        return str(self.symbol)

    def __str__(self) -> str:
        return str(self.symbol)
