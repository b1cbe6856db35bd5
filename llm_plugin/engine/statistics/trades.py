"""Closed trades from fills (fill to fill, first in first out) and the statistics over them."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import TradeDirection
from llm_plugin.engine.base.money import ZERO, round_half_even, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.statistics.open_trades import OpenPosition, OpenTrade

__all__ = ["Trade", "TradeBuilder", "TradeStatistics"]

_LONG = TradeDirection.LONG
_NEVER = datetime(1, 1, 1)
_ID_SPACE = uuid.UUID("0b0b2a52-1d2c-5c0e-8f0c-5a8c7d1f2e30")


def _figure(place: int, doc: str) -> Any:
    def read(self: Trade) -> Any:
        return self._figures()[place]

    def write(self: Trade, value: Any) -> None:
        self._figures()[place] = value

    return property(read, write, doc=doc)


class Trade(LeanObject):
    """One closed (or still open) round trip. Money is in the account currency."""

    # Of a closed trade: how many closed before it; profit, worst, best and drawdown a unit; units.
    _closed: tuple[int, Decimal, Decimal, Decimal, Decimal, Decimal] | None = None
    # What follows from it, once it was asked for.
    _known: list[Any] | None = None

    def __init__(
        self,
        symbol: Any,
        entry_time: datetime,
        entry_price: Decimal,
        direction: TradeDirection,
        quantity: Decimal,
        total_fees: Decimal = ZERO,
        order_ids: Iterable[int] = (),
    ) -> None:
        self.symbol = symbol
        self.entry_time, self.entry_price = entry_time, entry_price
        self.direction, self.quantity = direction, quantity
        self.total_fees = total_fees
        self.exit_time, self.exit_price = _NEVER, ZERO
        self.order_ids = list(order_ids)

    def close(
        self, serial: int, profit: Decimal, worst: Decimal, best: Decimal, drawdown: Decimal, size: Decimal
    ) -> None:
        """Keep what the figures of the closed trade are worked out from."""
        self._closed, self._known = (serial, profit, worst, best, drawdown, size), None

    def _figures(self) -> list[Any]:
        """Work the figures out when the first of them is asked for: nobody may ever ask."""
        if self._known is None:
            self._known = ["", ZERO, ZERO, ZERO, ZERO, False]
            if self._closed is not None:
                serial, *units, size = self._closed
                # LEAN draws an id by chance; a run of ours must be repeatable.
                text = f"{serial}|{self.symbol}|{self.entry_time}|{self.exit_time}"
                money = [round_half_even(unit * size, 2) for unit in units]
                self._known = [str(uuid.uuid5(_ID_SPACE, text)), *money, money[0] > 0]
        return self._known

    id = _figure(0, "Unique name.")
    profit_loss = _figure(1, "Profit before fees.")
    mae = _figure(2, "Worst profit while it was open.")
    mfe = _figure(3, "Best profit while it was open.")
    end_trade_drawdown = _figure(4, "How far it fell from its best profit.")
    is_win = _figure(5, "Whether it earned something before fees.")

    @property
    def symbols(self) -> list[Any]:
        """The symbol, as a list."""
        return [self.symbol]

    @property
    def duration(self) -> timedelta:
        """From entry to exit."""
        return self.exit_time - self.entry_time


class TradeBuilder(LeanObject):
    """Turns fills into closed trades. Prices come from `set_market_price` between fills, for MAE and MFE."""

    def __init__(self) -> None:
        self._closed: list[Trade] = []
        self._positions: dict[Any, OpenPosition] = {}
        self._charged: set[int] = set()
        # Prices that somebody holds back are asked for before a fill.
        self.behind: Callable[[], None] | None = None

    @property
    def closed_trades(self) -> list[Trade]:
        """All closed trades so far."""
        return list(self._closed)

    def has_open_position(self, symbol: Any) -> bool:
        """Whether a trade of the symbol is open."""
        position = self._positions.get(symbol)
        return bool(position and position.open)

    @property
    def open_symbols(self) -> set[Any]:
        """Symbols whose prices are needed; others may be skipped."""
        return set(self._positions)

    def is_quiet(self, symbol: Any, price: float) -> bool:
        """Whether `set_market_price` with this price would change nothing."""
        position = self._positions.get(symbol)
        if position is None:
            return True
        low, high = position.quiet
        return low < price < high

    def position(self, symbol: Any) -> OpenPosition | None:
        """Return the open trades of a symbol."""
        return self._positions.get(symbol)

    def set_market_price(self, symbol: Any, price: Decimal) -> None:
        """Tell the builder a new price of a symbol."""
        position = self._positions.get(symbol)
        if position is not None:
            position.observe(price)

    def apply_split(self, symbol: Any, factor: Decimal) -> None:
        """Scale open trades of raw-price equities by a split factor."""
        position = self._positions.get(symbol)
        if position is None:
            return
        position.lowest *= factor
        position.highest *= factor
        for item in position.open:
            item.trade.quantity /= factor
            item.trade.entry_price *= factor
            item.best *= factor
            item.drawdown *= factor
        position.settle()

    def process_fill(
        self,
        symbol: Any,
        utc_time: datetime,
        fill_price: Decimal,
        fill_quantity: Decimal,
        order_id: int,
        fee: Decimal = ZERO,
        conversion_rate: Decimal = Decimal(1),
        multiplier: Decimal = Decimal(1),
    ) -> None:
        """Account for one fill; an order's fee counts with its first fill only."""
        if self.behind is not None:
            self.behind()
        fee = ZERO if order_id in self._charged else fee
        self._charged.add(order_id)
        position = self._positions.get(symbol)
        if position is None or not position.open:
            opened = _opened(symbol, utc_time, fill_price, fill_quantity, order_id, fee)
            self._positions[symbol] = OpenPosition([opened], fill_price, fill_price)
            return
        position.observe(fill_price)
        long = position.open[0].trade.direction is _LONG
        if (fill_quantity > 0) == long:
            position.open.append(_opened(symbol, utc_time, fill_price, fill_quantity, order_id, fee))
            position.settle()
            return
        rate = conversion_rate * multiplier
        left = self._close(position, utc_time, fill_price, abs(fill_quantity), order_id, fee, rate)
        if left > 0:
            signed = left if fill_quantity > 0 else -left
            position.turn(_opened(symbol, utc_time, fill_price, signed, order_id, ZERO), fill_price)
        elif not position.open:
            del self._positions[symbol]
        else:
            position.settle()

    def _close(
        self,
        position: OpenPosition,
        time: datetime,
        price: Decimal,
        quantity: Decimal,
        order_id: int,
        fee: Decimal,
        rate: Decimal,
    ) -> Decimal:
        while position.open and quantity > 0:
            item = position.open[0]
            trade = item.trade
            closed = min(quantity, trade.quantity)
            done = trade
            if closed == trade.quantity:
                position.open.pop(0)
            else:
                trade.quantity -= closed
                kept = (trade.symbol, trade.entry_time, trade.entry_price, trade.direction)
                done = Trade(*kept, closed, trade.total_fees, trade.order_ids)
                trade.total_fees = ZERO
            done.order_ids.append(order_id)
            done.exit_time, done.exit_price = time, price
            done.total_fees += fee
            fee = ZERO
            self._measure(done, position, item, rate)
            quantity -= closed
        return quantity

    def _measure(self, trade: Trade, position: OpenPosition, item: OpenTrade, rate: Decimal) -> None:
        size = trade.quantity * rate
        if trade.direction is _LONG:
            profit, worst, best = (
                trade.exit_price - trade.entry_price,
                position.lowest - trade.entry_price,
                position.highest - trade.entry_price,
            )
        else:
            profit, worst, best = (
                trade.entry_price - trade.exit_price,
                trade.entry_price - position.highest,
                trade.entry_price - position.lowest,
            )
        trade.close(len(self._closed), profit, worst, best, item.drawdown, size)
        self._closed.append(trade)


def _opened(symbol: Any, time: datetime, price: Decimal, quantity: Decimal, order_id: int, fee: Decimal) -> OpenTrade:
    side = _LONG if quantity > 0 else TradeDirection.SHORT
    return OpenTrade(Trade(symbol, time, price, side, abs(quantity), fee, order_ids=[order_id]))


@dataclass
class TradeStatistics:
    """Counts, sums and ratios over closed trades."""

    start_date_time: datetime | None = None
    end_date_time: datetime | None = None
    total_number_of_trades: int = 0
    number_of_winning_trades: int = 0
    number_of_losing_trades: int = 0
    total_profit_loss: Decimal = ZERO
    total_profit: Decimal = ZERO
    total_loss: Decimal = ZERO
    largest_profit: Decimal = ZERO
    largest_loss: Decimal = ZERO
    average_profit_loss: Decimal = ZERO
    average_profit: Decimal = ZERO
    average_loss: Decimal = ZERO
    average_trade_duration: timedelta = timedelta(0)
    average_winning_trade_duration: timedelta = timedelta(0)
    average_losing_trade_duration: timedelta = timedelta(0)
    median_trade_duration: timedelta = timedelta(0)
    median_winning_trade_duration: timedelta = timedelta(0)
    median_losing_trade_duration: timedelta = timedelta(0)
    max_consecutive_winning_trades: int = 0
    max_consecutive_losing_trades: int = 0
    profit_loss_ratio: Decimal = ZERO
    win_loss_ratio: Decimal = ZERO
    win_rate: Decimal = ZERO
    loss_rate: Decimal = ZERO
    average_mae: Decimal = ZERO
    average_mfe: Decimal = ZERO
    largest_mae: Decimal = ZERO
    largest_mfe: Decimal = ZERO
    maximum_closed_trade_drawdown: Decimal = ZERO
    maximum_intra_trade_drawdown: Decimal = ZERO
    profit_loss_standard_deviation: Decimal = ZERO
    profit_loss_downside_deviation: Decimal = ZERO
    profit_factor: Decimal = ZERO
    sharpe_ratio: Decimal = ZERO
    sortino_ratio: Decimal = ZERO
    profit_to_max_drawdown_ratio: Decimal = ZERO
    maximum_end_trade_drawdown: Decimal = ZERO
    average_end_trade_drawdown: Decimal = ZERO
    maximum_drawdown_duration: timedelta = timedelta(0)
    total_fees: Decimal = ZERO

    @classmethod
    def of(cls, trades: Iterable[Trade]) -> TradeStatistics:
        """The statistics of trades in the order in which they closed."""
        closed = list(trades)
        result = cls()
        if not closed:
            return result
        wins = [trade for trade in closed if trade.profit_loss > 0]
        losses = [trade for trade in closed if trade.profit_loss <= 0]
        result._sums(closed, wins, losses)
        result._durations(closed, wins, losses)
        result._runs(closed)
        result._ratios(closed, losses)
        return result

    def _sums(self, closed: list[Trade], wins: list[Trade], losses: list[Trade]) -> None:
        self.start_date_time = min(trade.entry_time for trade in closed)
        self.end_date_time = max(trade.exit_time for trade in closed)
        self.total_number_of_trades = len(closed)
        self.number_of_winning_trades, self.number_of_losing_trades = len(wins), len(losses)
        self.total_profit = _total(trade.profit_loss for trade in wins)
        self.total_loss = _total(trade.profit_loss for trade in losses)
        self.total_profit_loss = self.total_profit + self.total_loss
        self.largest_profit = max((trade.profit_loss for trade in wins), default=ZERO)
        self.largest_loss = min((trade.profit_loss for trade in losses), default=ZERO)
        self.average_profit = _mean([trade.profit_loss for trade in wins])
        self.average_loss = _mean([trade.profit_loss for trade in losses])
        self.average_profit_loss = _mean([trade.profit_loss for trade in closed])
        self.average_mae = _mean([trade.mae for trade in closed])
        self.average_mfe = _mean([trade.mfe for trade in closed])
        self.largest_mae = min(ZERO, *(trade.mae for trade in closed))
        self.largest_mfe = max(ZERO, *(trade.mfe for trade in closed))
        self.maximum_end_trade_drawdown = max(ZERO, *(trade.end_trade_drawdown for trade in closed))
        self.average_end_trade_drawdown = self.average_profit_loss - self.average_mfe
        self.total_fees = _total(trade.total_fees for trade in closed)

    def _durations(self, closed: list[Trade], wins: list[Trade], losses: list[Trade]) -> None:
        for kind, group in (("trade", closed), ("winning_trade", wins), ("losing_trade", losses)):
            spans = sorted([trade.exit_time - trade.entry_time for trade in group])
            if spans:
                average = sum(spans, timedelta(0)) / len(spans)
                middle = len(spans) // 2
                median = spans[middle] if len(spans) % 2 else (spans[middle - 1] + spans[middle]) / 2
                setattr(self, f"average_{kind}_duration", average)
                setattr(self, f"median_{kind}_duration", median)

    def _runs(self, closed: list[Trade]) -> None:
        total = highest = highest_with_mfe = ZERO
        winning = losing = 0
        peak_time, falling = closed[0].entry_time, False
        for trade in closed:
            highest_with_mfe = max(highest_with_mfe, total + trade.mfe)
            self.maximum_intra_trade_drawdown = min(
                self.maximum_intra_trade_drawdown, total + trade.mae - highest_with_mfe
            )
            total += trade.profit_loss
            if trade.profit_loss > 0:
                winning, losing = winning + 1, 0
                if total > highest:
                    highest = total
                    if falling:
                        self.maximum_drawdown_duration = max(
                            self.maximum_drawdown_duration, trade.exit_time - peak_time
                        )
                    peak_time, falling = trade.exit_time, False
            else:
                winning, losing, falling = 0, losing + 1, True
                self.maximum_closed_trade_drawdown = min(self.maximum_closed_trade_drawdown, total - highest)
            self.max_consecutive_winning_trades = max(self.max_consecutive_winning_trades, winning)
            self.max_consecutive_losing_trades = max(self.max_consecutive_losing_trades, losing)

    def _ratios(self, closed: list[Trade], losses: list[Trade]) -> None:
        ten, count = Decimal(10), len(closed)
        if self.average_loss:
            self.profit_loss_ratio = self.average_profit / abs(self.average_loss)
        lost = self.number_of_losing_trades
        self.win_loss_ratio = Decimal(self.number_of_winning_trades) / lost if lost else ten
        self.win_rate = Decimal(self.number_of_winning_trades) / count
        self.loss_rate = 1 - self.win_rate
        if self.total_profit:
            self.profit_factor = self.total_profit / abs(self.total_loss) if self.total_loss < 0 else ten
        self.profit_loss_standard_deviation = _deviation([trade.profit_loss for trade in closed])
        self.profit_loss_downside_deviation = _deviation([trade.profit_loss for trade in losses])
        if self.profit_loss_standard_deviation:
            self.sharpe_ratio = self.average_profit_loss / self.profit_loss_standard_deviation
        if self.profit_loss_downside_deviation:
            self.sortino_ratio = self.average_profit_loss / self.profit_loss_downside_deviation
        if self.total_profit_loss:
            deepest = self.maximum_closed_trade_drawdown
            self.profit_to_max_drawdown_ratio = self.total_profit_loss / abs(deepest) if deepest < 0 else ten


def _total(values: Iterable[Decimal]) -> Decimal:
    return sum(values, ZERO)


def _mean(values: list[Decimal]) -> Decimal:
    return _total(values) / len(values) if values else ZERO


def _deviation(values: list[Decimal]) -> Decimal:
    if len(values) < 2:
        return ZERO
    middle = _mean(values)
    spread = _total((value - middle) ** 2 for value in values) / (len(values) - 1)
    return to_decimal(math.sqrt(float(spread)))
