"""The paper brokerage's memory: cash, holdings and orders outlive the process that trades them.

A new process gets what a brokerage would tell it: its cash, its holdings, its open orders under their own ids and
tags, and besides all earlier orders, fills and samples, so that the result files are those of the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import AlgorithmStatus
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.zones import from_us
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.live.journal import SCHEMA, Journal
from llm_plugin.engine.live.order_restore import order_row, restore_orders
from llm_plugin.engine.live.samples import SampleBook
from llm_plugin.engine.live.state_codec import decode, encode
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.models.settlement import DelayedSettlementModel
from llm_plugin.errors import DataError

__all__ = ["PaperAccount"]

_HELD = (
    "exact_quantity",
    "exact_average_price",
    "exact_profit",
    "exact_fees",
    "exact_sale_volume",
    "exact_dividends",
    "exact_last_trade_profit",
)
Row = dict[str, Any]


class PaperAccount:
    """A paper account kept in a journal.

    Args:
        path: The journal's file.
        about: What is noted in a new journal, to be compared by who continues it.

    Raises:
        DataError: The journal is damaged.
    """

    def __init__(self, path: Path, about: Mapping[str, Any] | None = None) -> None:
        self.journal = Journal(path)
        self.about = dict(about or {})
        self.resumed = not self.journal.is_new
        self.samples = SampleBook()
        self._known: dict[str, dict[str, Any]] = {"cash": {}, "unsettled": {}, "held": {}, "waiting": {}}
        self._open: dict[int, Row] = {}
        self._records = 0
        self._time_us = -1
        self._run: Any = None
        self._live = False

    @property
    def time_us(self) -> int | None:
        """The last moment that was kept, None for a new account."""
        return self.journal.state.time_us

    @property
    def ended(self) -> bool:
        """Whether the recorded data came to their end."""
        return self.journal.state.ended

    # What the session calls.
    def set_clock(self, core: EngineCore) -> None:
        """Let `initialize` see the moment at which the run goes on."""
        if self.time_us is not None:
            core.start_is_now = True
            core.clock.utc_us = self.time_us + 1
            core.start = from_us(core.clock.zone.local(self.time_us + 1))

    def prepare(self, core: EngineCore) -> None:
        """Give the algorithm its cash, holdings and orders; the run goes on right after the last moment."""
        state = self.journal.state
        if state.time_us is None:
            start = {"schema": SCHEMA, **self.about, "start": core.start.isoformat(), "end": core.end.isoformat()}
            self.journal.append({"start": start})
            return
        core.start = from_us(core.clock.zone.local(state.time_us + 1))
        if core.end <= core.start:
            raise DataError(
                f"the account stands at {core.start:%Y-%m-%d %H:%M}, the data end {core.end:%Y-%m-%d}: nothing is left "
                "to play; give a later --end, or --new"
            )
        self._subscribe(core)
        self._restore_account(core)
        restore_orders(core, state.orders, state.events, working=False)

    def attach(self, run: Any) -> None:
        """Follow orders, and give what is held its last known price."""
        self._run = run
        core: EngineCore = run.core
        core.transactions.listeners.append(self._on_order_event)
        state = self.journal.state
        if state.time_us is None:
            return
        for security in core.securities.values():
            for config in sorted(security.subscriptions, key=lambda item: int(item.tick_type)):
                point = None if config.is_custom_data else core.data_manager.last_point(config, security, state.time_us)
                if point is not None:
                    security.set_market_price(point)
        self.samples.restore(run, state)
        self._refresh_sampler(run)

    def go_live(self, loop: Any) -> None:
        """Put the account back to what it was, whatever the warm-up did to it; open orders work from here on."""
        core: EngineCore = loop.core
        state = self.journal.state
        if state.time_us is not None:
            self._restore_account(core)
            restore_orders(core, state.orders, [], working=True)
            self._refresh_sampler(self._run)
        self._live = True
        self._learn(core)

    def resume_samples(self, loop: Any) -> None:
        """Let equity curve and returns go on where they stopped."""
        self.samples.resume(self._run, self.journal.state)

    def moment(self, core: EngineCore) -> None:
        """Keep what changed in the moment that is over."""
        row = self._changes(core)
        changed = self._changed_orders(core)
        if changed:
            row["orders"] = changed
        row |= self.samples.changes(self._run)
        now = core.clock.utc_us
        if row or now != self._time_us:
            self._time_us = now
            self.journal.append({"t": now, **row}, durable="orders" in row)

    def close(self, status: AlgorithmStatus) -> None:
        """Note whether the data have come to their end, and release the journal."""
        if status == AlgorithmStatus.COMPLETED:
            self.journal.append({"end": True})
        self.journal.close()

    # Orders.
    def _on_order_event(self, event: Any) -> None:
        core: EngineCore = self._run.core
        order = core.transactions._orders[event.order_id]
        row = order_row(core, order)
        self._open[event.order_id] = row
        fields = {name: value for name, value in vars(event).items() if name != "ticket"}
        change: Row = {"orders": [row], "events": [{name: encode(value) for name, value in fields.items()}]}
        if event.exact_fill_quantity != 0:
            change["fills"] = [self._fill_row(core, event)]
        if self._live:
            change |= self._changes(core)
            change["t"] = core.clock.utc_us
        self.journal.append(change, durable=True)

    @staticmethod
    def _fill_row(core: EngineCore, event: Any) -> list[Any]:
        """What the builder of closed trades was told."""
        security = core.securities[event.symbol]
        fee = event.order_fee.value
        paid = core.cash_book.exact_convert(fee.exact_amount, fee.currency) if fee.exact_amount else ZERO
        numbers = (event.exact_fill_price, event.exact_fill_quantity, paid, security.quote_currency.exact_rate)
        texts = [str(number) for number in (*numbers, security.symbol_properties.exact_multiplier)]
        return [str(event.symbol.id), event.utc_time.isoformat(), event.order_id, *texts]

    def _changed_orders(self, core: EngineCore) -> list[Row]:
        """Open orders that moved without an event: trailing stops, triggers, splits."""
        changed = []
        for order in core.transactions.iterate_open_orders():
            row = order_row(core, order)
            if self._open.get(order.id) != row:
                self._open[order.id] = row
                changed.append(row)
        return changed

    # Cash and holdings.
    def _changes(self, core: EngineCore) -> Row:
        row: Row = {}
        for name, now in self._figures(core).items():
            known = self._known[name]
            new = {key: value for key, value in now.items() if known.get(key) != value}
            if new:
                known.update(new)
                row[name] = new
        if "held" in row:
            row["tickers"] = {str(s.symbol.id): s.symbol.value for s in core.securities.values()}
        records = list(core.portfolio.records.items())
        if len(records) > self._records:
            winning = set(core.portfolio.winning)
            row["records"] = [[t.isoformat(), str(p), t in winning] for t, p in records[self._records :]]
            self._records = len(records)
        return row

    @staticmethod
    def _figures(core: EngineCore) -> dict[str, dict[str, Any]]:
        portfolio = core.portfolio
        securities = core.securities.values()
        waiting = {
            str(s.symbol.id): [encode(list(item)) for item in s.settlement_model._waiting]
            for s in securities
            if isinstance(s.settlement_model, DelayedSettlementModel)
        }
        return {
            "cash": {cash.symbol: str(cash.exact_amount) for cash in portfolio.cash_book.values()},
            "unsettled": {cash.symbol: str(cash.exact_amount) for cash in portfolio.unsettled_cash_book.values()},
            "held": {
                str(s.symbol.id): [str(getattr(s.holdings, name)) for name in _HELD]
                for s in securities
                if s.holdings.exact_sale_volume or s.holdings.exact_quantity
            },
            "waiting": {key: value for key, value in waiting.items() if value},
        }

    def _learn(self, core: EngineCore) -> None:
        """Take the account as it stands for known; a new one is written whole."""
        self._records = len(self.journal.state.records)
        if self.resumed:
            self._known = {name: dict(values) for name, values in self._figures(core).items()}
        else:
            self.journal.append({"t": core.clock.utc_us, **self._changes(core)}, durable=True)

    def _subscribe(self, core: EngineCore) -> None:
        """Add what is held, or has an open order, and that `initialize` did not add."""
        state = self.journal.state
        open_orders = {row["symbol"] for row in state.orders.values() if row["open"]}
        held = {key for key, values in state.held.items() if Decimal(values[0]) != 0}
        for identifier in sorted(held | open_orders):
            if not any(str(symbol.id) == identifier for symbol in core.securities.keys()):
                sid = SecurityIdentifier.parse(identifier)
                ticker = state.tickers.get(identifier, sid.symbol)
                symbol = core.algorithm.add_security(Symbol(sid, ticker)).symbol
                if core.symbol_cache.find(ticker) is None:
                    core.symbol_cache.add(ticker, symbol)

    def _restore_account(self, core: EngineCore) -> None:
        state, portfolio = self.journal.state, core.portfolio
        for book, saved in ((portfolio.cash_book, state.cash), (portfolio.unsettled_cash_book, state.unsettled)):
            for currency in {*saved, *book.keys()}:
                book.ensure(currency).set_amount(Decimal(saved.get(currency, "0")))
        for security in core.securities.values():
            values = state.held.get(str(security.symbol.id), ["0"] * len(_HELD))
            for name, text in zip(_HELD, values, strict=True):
                setattr(security.holdings, name, Decimal(text))
            model = security.settlement_model
            if isinstance(model, DelayedSettlementModel):
                rows = state.waiting.get(str(security.symbol.id), [])
                model._waiting = [tuple(decode(row, _no_symbol)) for row in rows]
        portfolio.records.clear()
        portfolio.winning.clear()
        portfolio.losing.clear()
        for text, profit, won in state.records:
            moment = datetime.fromisoformat(text)
            portfolio.records[moment] = Decimal(profit)
            (portfolio.winning if won else portfolio.losing).append(moment)
        portfolio.invalidate()

    @staticmethod
    def _refresh_sampler(run: Any) -> None:
        sampler = run.sampler
        sampler.held = [s for s in run.core.securities.values() if s.holdings.exact_quantity != 0]
        sampler.invested = bool(sampler.held)


def _no_symbol(identifier: str) -> None:
    return None
