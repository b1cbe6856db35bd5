"""A small LEAN for tests: one clock, quote bars, and LEAN's order rules that matter to the plugin.

Market orders fill at the current quote; stops and limits are scanned by id with the next bar; cancels
and updates wait for the next drain (a synchronous order, or the end of the bar). The real engine is used where
whole algorithms run; this one can be stopped between any two steps.
"""

from __future__ import annotations

import enum
import itertools
import sys
import types
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    import pytest

NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2013, 1, 7, 14, 0, tzinfo=UTC)


class InsightDirection(enum.IntEnum):
    DOWN = -1
    FLAT = 0
    UP = 1


class Resolution(enum.IntEnum):
    TICK = 0
    SECOND = 1
    MINUTE = 2
    HOUR = 3
    DAILY = 4


@dataclass(frozen=True)
class FakeSymbol:
    value: str = "EURUSD"
    id_text: str = "EURUSD 8G"
    security_type: int = 4
    market: str = "oanda"

    @property
    def id(self) -> Any:
        return _Identifier(self.id_text, self.market)


@dataclass(frozen=True)
class _Identifier:
    text: str
    market: str

    def __str__(self) -> str:
        return self.text


class Insight:
    _ids = itertools.count(1)

    def __init__(self, symbol, period, direction, confidence=None, source_model=None):
        self.id = next(self._ids)
        self.symbol, self.period, self.direction = symbol, period, direction
        self.confidence, self.source_model = confidence, source_model
        self.group_id = None
        self.close_time_utc = None

    @staticmethod
    def price(symbol, period, direction, magnitude=None, confidence=None, source_model=None, weight=None, tag=""):
        return Insight(symbol, period, direction, confidence, source_model)


@dataclass
class PortfolioTarget:
    symbol: Any
    quantity: float


class QuoteBar(SimpleNamespace):
    """A quote bar; times are naive exchange time."""


class TradeBar(SimpleNamespace):
    """A trade bar."""


def quote_bar(end_utc, low, high, close, open_=None, spread=0.0002, length=timedelta(hours=1)):
    """A quote bar by bid prices."""
    end = end_utc.astimezone(NEW_YORK).replace(tzinfo=None)
    bid = SimpleNamespace(open=close if open_ is None else open_, high=high, low=low, close=close)
    ask = SimpleNamespace(**{name: getattr(bid, name) + spread for name in ("open", "high", "low", "close")})
    return QuoteBar(time=end - length, end_time=end, bid=bid, ask=ask, symbol="EURUSD")


class Event:
    """A .NET event: handlers are added with `+=`."""

    def __init__(self):
        self.handlers = []

    def __iadd__(self, handler):
        self.handlers.append(handler)
        return self

    def __isub__(self, handler):
        self.handlers.remove(handler)
        return self

    def __call__(self, *arguments):
        for handler in list(self.handlers):
            handler(*arguments)


@dataclass
class FakeTicket:
    broker: Any
    order_id: int
    symbol: Any
    quantity: float
    order_type: int
    tag: str
    sent_utc: datetime
    stop: float | None = None
    limit: float | None = None
    status: int = 1
    order_events: list = field(default_factory=list)

    def cancel(self, tag=None):
        self.broker.queue.append(lambda: self.broker.do_cancel(self))

    def update_stop_price(self, price, tag=None):
        self.broker.queue.append(lambda: setattr(self, "stop", price))
        return SimpleNamespace(is_success=True)

    def update_limit_price(self, price, tag=None):
        self.broker.queue.append(lambda: setattr(self, "limit", price))

    def update_quantity(self, quantity, tag=None):
        self.broker.queue.append(lambda: setattr(self, "quantity", quantity))


class Table(dict):
    """LEAN's dictionary: `contains_key`, and lookup by ticker."""

    def contains_key(self, key):
        return self.get(key) is not None

    def __getitem__(self, key):
        return dict.__getitem__(self, getattr(key, "value", key))

    def get(self, key, default=None):
        return dict.get(self, getattr(key, "value", key), default)


class ObjectStore:
    def __init__(self):
        self.texts = {}

    def contains_key(self, key):
        return key in self.texts

    def read(self, key):
        return self.texts[key]

    def save(self, key, text):
        self.texts[key] = text
        return True


class FakeAlgorithm:
    """An algorithm with one security unless more are added."""

    def __init__(self, parameters=None, *, live=False, store=None, symbol=None, price=1.3):
        self.parameters = parameters or {}
        self.live_mode = live
        self.time_zone = NEW_YORK
        self.object_store = store or ObjectStore()
        self.is_warming_up = False
        self.account_currency = "USD"
        self.brokerage_name = "OANDA_BROKERAGE"
        self.start_date, self.end_date = datetime(2013, 1, 1), datetime(2014, 1, 1)
        self.now = START
        self.securities = Table()
        self.portfolio = Portfolio(self)
        self.queue, self.tickets, self.messages = [], {}, []
        self.refuse = set()
        self.transactions = SimpleNamespace(
            last_order_id=0,
            get_order_ticket=self.tickets.get,
            get_open_order_tickets=lambda symbol: [t for t in self.tickets.values() if t.status == 1],
        )
        self.insights_generated = Event()
        self.cancelled_insights = []
        self.insights = SimpleNamespace(cancel=self.cancelled_insights.extend)
        self.history = _History(self)
        self.history_bars = []
        self.consolidators = {}
        self.subscription_manager = SimpleNamespace(
            add_consolidator=lambda s, c: self.consolidators.setdefault(s.value, []).append(c),
            remove_consolidator=lambda s, c: self.consolidators[s.value].remove(c),
        )
        self.forward = None
        self.symbol = self.add(symbol or FakeSymbol(), price)

    # -- LEAN's surface

    @property
    def utc_time(self):
        return self.now.replace(tzinfo=None)

    def get_parameter(self, name, default=None):
        return self.parameters.get(name, default)

    def resolve_consolidator(self, symbol, resolution):
        return SimpleNamespace(data_consolidated=Event(), resolution=resolution)

    def log(self, text):
        self.messages.append(text)

    error = debug = log

    def market_order(self, symbol, quantity, asynchronous=False, tag=""):
        ticket = self._submit(symbol, quantity, 0, tag)
        if ticket.status == 1:
            self.drain()
            security = self.securities[symbol]
            self._fill(ticket, security.ask if quantity > 0 else security.bid)
        return ticket

    def stop_market_order(self, symbol, quantity, stop, asynchronous=False, tag=""):
        return self._submit(symbol, quantity, 2, tag, stop=stop)

    def limit_order(self, symbol, quantity, limit, asynchronous=False, tag=""):
        return self._submit(symbol, quantity, 1, tag, limit=limit)

    def liquidate(self, symbol, tag="Liquidated"):
        return self.market_order(symbol, -self.portfolio[symbol].quantity, False, tag)

    # -- the machine

    def add(self, symbol, price=1.3, normalization=1):
        config = SimpleNamespace(resolution=3, data_normalization_mode=normalization)
        self.securities[symbol.value] = SimpleNamespace(
            symbol=symbol,
            price=price,
            bid=price,
            ask=price + 0.0002,
            subscriptions=[config],
            exchange=SimpleNamespace(
                time_zone=NEW_YORK, exchange_open=True, hours=SimpleNamespace(is_open=lambda local, extended: True)
            ),
            symbol_properties=SimpleNamespace(lot_size=1.0, minimum_price_variation=0.00001, contract_multiplier=1.0),
            quote_currency=SimpleNamespace(symbol="USD", conversion_rate=1.0),
        )
        return symbol

    def bar(self, low, high, close, open_=None, symbol=None, hours=1):
        """Let an hour pass: scan, consolidate, then the algorithm's own code, then `finish`."""
        symbol = symbol or self.symbol
        self.now += timedelta(hours=hours)
        raw = quote_bar(self.now, low, high, close, open_)
        self._scan(symbol, raw)
        security = self.securities[symbol]
        security.price = security.bid = close
        security.ask = close + 0.0002
        for consolidator in list(self.consolidators.get(symbol.value, ())):
            consolidator.data_consolidated(None, raw)
        return raw

    def finish(self):
        """The end of the slice: what was queued is done."""
        self.drain()

    def drain(self):
        while self.queue:
            self.queue.pop(0)()

    def do_cancel(self, ticket):
        if ticket.status == 1:
            self._event(ticket, 5, 0.0, 0.0)

    def _submit(self, symbol, quantity, kind, tag, **prices):
        ticket = FakeTicket(self, len(self.tickets) + 1, symbol, quantity, kind, tag, self.now, **prices)
        self.tickets[ticket.order_id] = ticket
        self.transactions.last_order_id = ticket.order_id
        self._event(ticket, 7 if kind in self.refuse else 1, 0.0, 0.0)
        return ticket

    def _scan(self, symbol, raw):
        for ticket in [t for t in self.tickets.values() if t.status == 1 and t.symbol.value == symbol.value]:
            if ticket.status != 1 or ticket.sent_utc >= self.now:
                continue
            side = raw.ask if ticket.quantity > 0 else raw.bid
            sell = ticket.quantity < 0
            if ticket.stop is not None and (side.low < ticket.stop if sell else side.high > ticket.stop):
                self._fill(ticket, min(ticket.stop, side.close) if sell else max(ticket.stop, side.close))
            elif ticket.limit is not None and (side.high > ticket.limit if sell else side.low < ticket.limit):
                self._fill(ticket, ticket.limit)

    def _fill(self, ticket, price, quantity=None):
        amount = ticket.quantity if quantity is None else quantity
        self.portfolio.fill(ticket.symbol, amount, price)
        self._event(ticket, 3, price, amount)

    def _event(self, ticket, status, price, quantity):
        ticket.status = status
        fee = SimpleNamespace(value=SimpleNamespace(amount=0.0, currency="USD"))
        event = SimpleNamespace(
            order_id=ticket.order_id,
            id=len(ticket.order_events) + 1,
            symbol=ticket.symbol,
            utc_time=self.utc_time,
            status=status,
            fill_price=price,
            fill_quantity=quantity,
            order_fee=fee,
        )
        ticket.order_events.append(event)
        if self.forward is not None:
            self.forward(event)


class Portfolio(dict):
    def __init__(self, algorithm):
        super().__init__()
        self.algorithm = algorithm
        self.cash = 100_000.0
        self.cash_book = {}

    @property
    def total_portfolio_value(self):
        return self.cash + sum(h.quantity * self.algorithm.securities[k].price for k, h in self.items())

    def __getitem__(self, symbol):
        key = getattr(symbol, "value", symbol)
        if key not in self:
            self[key] = SimpleNamespace(quantity=0.0, average_price=0.0, unrealized_profit=0.0, invested=False)
        return dict.__getitem__(self, key)

    def fill(self, symbol, quantity, price):
        holding = self[symbol]
        if holding.quantity * quantity >= 0:
            total = holding.quantity + quantity
            holding.average_price = (holding.average_price * holding.quantity + price * quantity) / total
        elif abs(quantity) > abs(holding.quantity):
            holding.average_price = price
        holding.quantity += quantity
        holding.invested = holding.quantity != 0
        self.cash -= quantity * price


class _History:
    def __init__(self, algorithm):
        self.algorithm = algorithm

    def __getitem__(self, kind):
        return lambda symbol, count, resolution: [
            raw
            for raw in self.algorithm.history_bars
            if raw.end_time <= self.algorithm.now.astimezone(NEW_YORK).replace(tzinfo=None)
        ][-count:]


def install(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Put a fake `AlgorithmImports` in place."""
    module = types.ModuleType("AlgorithmImports")
    for item in (Insight, InsightDirection, Resolution, PortfolioTarget, QuoteBar, TradeBar):
        setattr(module, item.__name__, item)
    monkeypatch.setitem(sys.modules, "AlgorithmImports", module)
    return module


def flat_history(until=START, bars=300, price=1.3, width=0.001):
    """Hourly bars around one price, each `width` wide, so that the ATR is `width`."""
    return [
        quote_bar(until - timedelta(hours=bars - 1 - n), price - width / 2, price + width / 2, price)
        for n in range(bars)
    ]
