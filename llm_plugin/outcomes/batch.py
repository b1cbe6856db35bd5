"""Replay of many entries at once, for training labels and counterfactual studies: numpy, no loop over trades.

The results equal those of `ReplayTrade` fed one bar at a time (a test compares them, bit for bit in prices).
Memory grows with the number of entries, time with entries times the bars that they are held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import ExitReason
from llm_plugin.errors import DataError
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay_entry import EntryFill

__all__ = ["COLUMNS", "REASONS", "BatchEntries", "BatchOutcomes", "replay_many"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PRICES = tuple(f"{side}_{name}" for side in ("bid", "ask") for name in ("open", "high", "low", "close"))
COLUMNS = ("start_us", "end_us", *PRICES)
REASONS = (
    *(ExitReason.STOP, ExitReason.TARGET, ExitReason.TIMEOUT, ExitReason.TRAIL, ExitReason.BREAK_EVEN),
    *(ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED),
)
STOP, TARGET, TIMEOUT, TRAIL, BREAK_EVEN, END_OF_DATA, NOT_EXECUTED = range(7)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class BatchEntries:
    """Entries decided at the end of bars. All arrays have one element per entry; NaN target = none.

    Attributes:
        bar: Index of the bar at whose end the entry is decided; its closing quote is the quote of the decision.
        side: +1 long, -1 short.
        stop: Stop price.
        target: Target price, NaN for none.
        reference_price: Price that 1 R is measured from; None = mid close of the decision bar.
        quantity: Units, contract multiplier included.
    """

    bar: Ints
    side: Ints
    stop: Floats
    target: Floats
    reference_price: Floats | None = None
    quantity: Floats | None = None


@dataclass(frozen=True)
class BatchOutcomes:
    """One element per entry. `reason` indexes REASONS; `exit_bar` is -1 where the entry never filled.

    `matured` is False where the data ended before the trade did: such a result is cut short and is no label.
    """

    r_multiple: Floats
    pnl: Floats
    return_fraction: Floats
    entry_price: Floats
    exit_price: Floats
    exit_bar: Ints
    closed_us: Ints
    bars_held: Ints
    mae_r: Floats
    mfe_r: Floats
    cost_r: Floats
    reason: NDArray[np.int8]
    matured: Bools


def replay_many(
    columns: Mapping[str, NDArray[Any]],
    entries: BatchEntries,
    *,
    timeout: timedelta | None,
    policy: ExitPolicy | None = None,
    costs: Costs | None = None,
    security_type: str = "forex",
    fill: EntryFill = EntryFill.QUOTE,
    market_open: Bools | None = None,
) -> BatchOutcomes:
    """Replay every entry on the same bars.

    Args:
        columns: Equally long arrays named in COLUMNS; times in microseconds since the epoch, bars in order.
        entries: What is entered after which bar.
        timeout: Vertical barrier in wall-clock time from the decision, None for none.
        policy: Rules that move the stop.
        costs: Slippage and fees.
        security_type: LEAN's name in lower case; equities have their own gap rule.
        fill: Whether market orders fill at the quote they are sent on or at the next bar's open.
        market_open: For each bar, whether a market order fills at once when it ends; None follows `fill`.

    Raises:
        DataError: A column is missing or damaged, an entry lies outside the bars, or a stop on the wrong side.
    """
    bars = _bars(columns)
    _check(bars, entries)
    batch = _Batch(bars, entries, policy or ExitPolicy(), costs or Costs(), security_type)
    batch.timeout_us = None if timeout is None else timeout // timedelta(microseconds=1)
    length = len(bars["end_us"])
    batch.open_at_end = np.full(length, fill is EntryFill.QUOTE) if market_open is None else market_open
    if fill is EntryFill.QUOTE:
        batch.enter_at_quote()
    return batch.run()


class _Batch:
    """State of all trades as arrays; `active` holds the indices of those still open."""

    timeout_us: int | None
    open_at_end: Bools

    def __init__(
        self, bars: dict[str, NDArray[Any]], entries: BatchEntries, policy: ExitPolicy, costs: Costs, kind: str
    ) -> None:
        count = len(entries.bar)
        self.bars = {name: values for name, values in bars.items() if name not in ("start_us", "end_us")}
        self.start_us, self.end_us = bars["start_us"].astype(np.int64), bars["end_us"].astype(np.int64)
        self.policy, self.costs, self.kind = policy, costs, kind
        self.bar = entries.bar.astype(np.int64)
        self.side = entries.side.astype(np.float64)
        self.reference = _reference(bars, entries)
        self.risk = np.abs(self.reference - entries.stop)
        self.stop, self.target = entries.stop.astype(np.float64).copy(), entries.target
        self.units = np.ones(count) if entries.quantity is None else entries.quantity
        self.entry_price, self.exit_price = np.full(count, np.nan), np.full(count, np.nan)
        self.worst, self.best, self.spread_cost, self.fees = (np.zeros(count) for _ in range(4))
        self.exit_bar, self.closed_us = np.full(count, -1, np.int64), self.end_us[self.bar].copy()
        self.held = np.zeros(count, np.int64)
        self.reason = np.full(count, NOT_EXECUTED, np.int8)
        self.stop_reason = np.full(count, STOP, np.int8)
        self.filled, self.trailing, self.at_break_even, self.pending = (np.zeros(count, bool) for _ in range(4))

    def column(self, name: str, pos: Ints, buy: Bools) -> Floats:
        """Return a price of each trade's own side: ask to buy, bid to sell."""
        return np.where(buy, self.bars[f"ask_{name}"][pos], self.bars[f"bid_{name}"][pos]).astype(np.float64)

    def half_spread(self, name: str, pos: Ints) -> Floats:
        return np.asarray((self.bars[f"ask_{name}"][pos] - self.bars[f"bid_{name}"][pos]) / 2, np.float64)

    def enter_at_quote(self) -> None:
        self.enter(np.arange(len(self.bar)), "close", self.bar, self.end_us[self.bar])

    def enter(self, rows: Ints, price_name: str, pos: Ints, time_us: Ints) -> None:
        quote = self.column(price_name, pos, self.side[rows] > 0)
        price = quote + self.side[rows] * (quote * self.costs.slippage_fraction)
        self.entry_price[rows] = price
        self.filled[rows] = True
        self.pay(rows, self.half_spread(price_name, pos) + np.abs(price - quote), price, time_us)

    def run(self) -> BatchOutcomes:
        active = np.arange(len(self.bar))
        step = 1
        while len(active):
            inside = self.bar[active] + step < len(self.end_us)
            self.cut_short(active[~inside])
            active = active[inside]
            active = self.advance(active, self.bar[active] + step)
            step += 1
        return self.results()

    def advance(self, active: Ints, pos: Ints) -> Ints:
        """Carry the open trades over one bar each and return those that are still open."""
        leaving = self.pending[active]
        if leaving.any():
            self.leave(active[leaving], "open", pos[leaving], self.start_us)
            active, pos = active[~leaving], pos[~leaving]
        fresh = ~self.filled[active]
        if fresh.any():
            self.enter(active[fresh], "open", pos[fresh], self.start_us[pos[fresh]])
        self.held[active] += 1
        hit = np.zeros(len(active), bool)
        old = ~fresh
        hit[old] = self.stopped(active[old], pos[old])
        rest = old & ~hit
        hit[rest] = self.reached(active[rest], pos[rest])
        active, pos = active[~hit], pos[~hit]
        return active[~self.end_bar(active, pos)]

    def stopped(self, rows: Ints, pos: Ints) -> Bools:
        buy = self.side[rows] < 0
        sign = np.where(buy, 1.0, -1.0)
        stop, close = self.stop[rows], self.column("close", pos, buy)
        extreme = np.where(buy, self.column("high", pos, buy), self.column("low", pos, buy))
        slip = close * self.costs.slippage_fraction
        beyond = sign * (extreme - stop)
        if self.kind == "equity":
            hit = beyond >= 0
            gap = self.column("open", pos, buy)
            price = np.where(buy, np.maximum(gap, stop), np.minimum(gap, stop)) + sign * slip
        else:
            hit = beyond > 0
            price = np.where(buy, np.maximum(stop, close + slip), np.minimum(stop, close - slip))
        at = rows[hit]
        self.finish(at, price[hit], pos[hit], self.end_us[pos[hit]], self.stop_reason[at], "close", slip[hit])
        return np.asarray(hit, bool)

    def reached(self, rows: Ints, pos: Ints) -> Bools:
        buy = self.side[rows] < 0
        target = self.target[rows]
        high, low = self.column("high", pos, buy), self.column("low", pos, buy)
        hit = np.where(buy, low < target, high > target) & ~np.isnan(target)
        if self.kind == "equity":
            gap = self.column("open", pos, buy)
            price = np.where(buy, np.minimum(gap, target), np.maximum(gap, target))
        else:
            price = np.where(buy, np.minimum(high, target), np.maximum(low, target))
        at = rows[hit]
        self.see(at, np.where(buy, high, low)[hit])
        reason = np.full(len(at), TARGET, np.int8)
        self.finish(at, price[hit], pos[hit], self.end_us[pos[hit]], reason, "close", np.zeros(len(at)))
        return np.asarray(hit, bool)

    def end_bar(self, rows: Ints, pos: Ints) -> Bools:
        """Book the bar, apply the vertical barrier, then the rules that move the stop; True where closed."""
        buy = self.side[rows] < 0
        self.see(rows, self.column("high", pos, buy))
        self.see(rows, self.column("low", pos, buy))
        due = np.zeros(len(rows), bool)
        if self.timeout_us is not None:
            due = self.end_us[pos] >= self.end_us[self.bar[rows]] + self.timeout_us
        at_once = due & self.open_at_end[pos]
        self.leave(rows[at_once], "close", pos[at_once], self.end_us)
        self.pending[rows[due & ~at_once]] = True
        self.move_stops(rows[~due], self.column("close", pos, buy)[~due])
        return at_once

    def move_stops(self, rows: Ints, price: Floats) -> None:
        side, entry, risk = self.side[rows], self.entry_price[rows], self.risk[rows]
        gain_r = side * (price - entry) / risk
        policy = self.policy
        if policy.break_even_at_r is not None:
            moves = ~self.at_break_even[rows] & (gain_r >= policy.break_even_at_r)
            self.at_break_even[rows[moves]] = True
            self.raise_to(rows[moves], entry[moves], BREAK_EVEN)
        if policy.trail_at_r is not None:
            self.trailing[rows] |= gain_r >= policy.trail_at_r
            moves = self.trailing[rows]
            level = price - side * policy.trail_distance_r * risk
            self.raise_to(rows[moves], level[moves], TRAIL)

    def raise_to(self, rows: Ints, level: Floats, reason: int) -> None:
        better = self.side[rows] * (level - self.stop[rows]) > 0
        self.stop[rows[better]] = level[better]
        self.stop_reason[rows[better]] = reason

    def leave(self, rows: Ints, price_name: str, pos: Ints, times: Ints) -> None:
        quote = self.column(price_name, pos, self.side[rows] < 0)
        slip = quote * self.costs.slippage_fraction
        reason = np.full(len(rows), TIMEOUT, np.int8)
        self.finish(rows, quote - self.side[rows] * slip, pos, times[pos], reason, price_name, slip)

    def cut_short(self, rows: Ints) -> None:
        last = len(self.end_us) - 1
        rows = rows[self.filled[rows]]
        pos = np.full(len(rows), last)
        price = self.column("close", pos, self.side[rows] < 0)
        self.see(rows, price)
        self.exit_price[rows], self.exit_bar[rows] = price, last
        self.closed_us[rows], self.reason[rows] = self.end_us[last], END_OF_DATA

    def finish(
        self,
        rows: Ints,
        price: Floats,
        pos: Ints,
        time_us: Ints,
        reason: NDArray[np.int8],
        spread_at: str,
        slip: Floats,
    ) -> None:
        self.see(rows, price)
        self.exit_price[rows], self.exit_bar[rows] = price, pos
        self.closed_us[rows], self.reason[rows] = time_us, reason
        self.pay(rows, self.half_spread(spread_at, pos) + np.abs(slip), price, time_us, reason == TARGET)

    def see(self, rows: Ints, price: Floats) -> None:
        gain = self.side[rows] * (price - self.entry_price[rows])
        self.worst[rows] = np.minimum(self.worst[rows], gain)
        self.best[rows] = np.maximum(self.best[rows], gain)

    def pay(self, rows: Ints, cost: Floats, price: Floats, time_us: Ints, maker: Bools | None = None) -> None:
        self.spread_cost[rows] += cost
        if self.costs.is_free(self.kind):
            return
        makers = np.zeros(len(rows), bool) if maker is None else maker
        for row, value, moment, is_maker in zip(rows, price, time_us, makers, strict=True):
            when = EPOCH + timedelta(microseconds=int(moment))
            units = float(self.units[row])
            self.fees[row] += self.costs.fee(self.kind, units, float(value), when, maker=bool(is_maker))

    def results(self) -> BatchOutcomes:
        executed = self.exit_bar >= 0
        move = np.where(executed, self.side * (self.exit_price - self.entry_price), 0.0)
        pnl = move * self.units - self.fees
        entry = np.where(executed, self.entry_price, self.reference)
        return BatchOutcomes(
            r_multiple=pnl / (self.risk * self.units),
            pnl=pnl,
            return_fraction=pnl / (entry * self.units),
            entry_price=self.entry_price,
            exit_price=self.exit_price,
            exit_bar=self.exit_bar,
            closed_us=self.closed_us,
            bars_held=self.held,
            mae_r=self.worst / self.risk,
            mfe_r=self.best / self.risk,
            cost_r=self.spread_cost / self.risk + self.fees / (self.risk * self.units),
            reason=self.reason,
            matured=executed & (self.reason != END_OF_DATA),
        )


def _reference(bars: dict[str, NDArray[Any]], entries: BatchEntries) -> Floats:
    if entries.reference_price is not None:
        return entries.reference_price
    close = (bars["bid_close"] + bars["ask_close"]) / 2
    return np.asarray(close[entries.bar], np.float64)


def _bars(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    missing = [name for name in COLUMNS if name not in columns]
    if missing:
        raise DataError(f"replay needs the columns {', '.join(missing)}")
    bars = {name: np.asarray(columns[name]) for name in COLUMNS}
    lengths = {name: len(values) for name, values in bars.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns differ in length: {lengths}")
    for name in PRICES:
        wrong = np.flatnonzero(~np.isfinite(bars[name].astype(np.float64)))
        if len(wrong):
            raise DataError(f"{name} of bar {wrong[0]} is no number")
    late = np.flatnonzero(bars["start_us"][1:].astype(np.int64) < bars["end_us"][:-1].astype(np.int64))
    if len(late):
        raise DataError(f"bar {late[0] + 1} starts before bar {late[0]} ends; sort the bars and drop doubles")
    return bars


def _check(bars: dict[str, NDArray[Any]], entries: BatchEntries) -> None:
    count = len(bars["end_us"])
    outside = np.flatnonzero((entries.bar < 0) | (entries.bar >= count))
    if len(outside):
        raise DataError(f"entry {outside[0]} names bar {entries.bar[outside[0]]}; there are {count} bars")
    odd = np.flatnonzero(~np.isin(entries.side, (1, -1)))
    if len(odd):
        raise DataError(f"side of entry {odd[0]} is {entries.side[odd[0]]}; +1 is long, -1 is short")
    reference = _reference(bars, entries)
    for name, values, sign in (("stop", entries.stop, 1.0), ("target", entries.target, -1.0)):
        wrong_side = sign * entries.side * (reference - values) <= 0
        wrong = np.flatnonzero(wrong_side | ((name == "stop") & ~np.isfinite(values)))
        if len(wrong):
            first = wrong[0]
            raise DataError(
                f"{name} {values[first]!r} of entry {first} lies on the wrong side of its reference price "
                f"{reference[first]!r} (side {entries.side[first]:+d})"
            )
