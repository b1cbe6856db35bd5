"""Counterfactual replay: what an action leads to on the recorded price path.

One code path serves executed trades (their twin), vetoed ones (shadow trades) and training labels. Fills follow
`llm_plugin.engine.models.fill_rules`, the same functions that the embedded engine's fill models call. Runs inside LEAN:
standard library only.

The trade is fed completed bars in order. Within a bar the stop comes before the target, and both before the
vertical barrier. Stops move on completed bars and work from the next bar on. Protective orders are sent when the
entry has filled, so they work from the bar after the fill.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from llm_plugin.domain import (
    Action,
    ExitPlan,
    ExitReason,
    Outcome,
    OutcomeKind,
    PriceBar,
    from_jsonable,
    to_jsonable,
)
from llm_plugin.engine.models import fill_rules
from llm_plugin.errors import DataError
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy, ManagedStop, round_to_increment, validate_plan
from llm_plugin.outcomes.replay_entry import EntryFill, ReplayEntry, check_entry, hold_outcome

__all__ = ["EntryFill", "ReplayEntry", "ReplayTrade", "hold_outcome", "stop_fill", "target_fill"]

STATE_VERSION = "1"
STATE_VALUES = (
    *("factor", "bars_held", "entry_price", "exit_price", "_target", "_bid", "_ask", "_worst", "_best"),
    *("_spread_cost", "_fees", "opened_utc", "closed_utc", "_last_utc"),
)


class ReplayTrade:
    """One trade on a price path, from its decision to its exit.

    Args:
        entry: What was decided, when and at which quote; BUY or SELL.
        plan: Stop, target and vertical barrier.
        policy: Rules that move the stop.
        costs: Slippage and fees.

    Raises:
        DataError: The action opens nothing, a price is not a positive number, or the stop lies on the wrong side.
    """

    def __init__(
        self, entry: ReplayEntry, plan: ExitPlan, policy: ExitPolicy | None = None, costs: Costs | None = None
    ) -> None:
        check_entry(entry)
        validate_plan(entry.action.side, entry.reference_price, plan)
        self.entry = entry
        self.plan = plan
        self.policy = policy or ExitPolicy()
        self.costs = costs or Costs()
        self.action = entry.action
        self.side = entry.action.side
        self.risk = plan.stop_distance(entry.reference_price)
        self.factor = 1.0
        self.bars_held = 0
        self.entry_price = math.nan
        self.exit_price = math.nan
        self.opened_utc: datetime | None = None
        self.closed_utc: datetime | None = None
        self.exit_reason: ExitReason | None = None
        self.stop: ManagedStop | None = None
        self._target = plan.target
        self._pending: ExitReason | None = None
        self._last_utc = entry.decided_utc
        self._bid, self._ask = entry.bid, entry.ask
        self._worst = self._best = self._spread_cost = self._fees = 0.0
        if entry.fill is EntryFill.QUOTE:
            self._open(self._ask if self.side > 0 else self._bid, entry.decided_utc)

    @property
    def closed(self) -> bool:
        """True once the exit has filled."""
        return self.closed_utc is not None

    @property
    def filled(self) -> bool:
        """True once the entry has filled."""
        return self.stop is not None

    def update(self, bar: PriceBar, market_open: bool | None = None) -> bool:
        """Feed the next completed bar; bars up to the decision, or seen before, change nothing.

        Args:
            bar: The bar, in the order of time.
            market_open: Whether a market order fills at once when the bar ends. Where not given: yes for a trade
                that entered at the quote, no for one that entered at the next open.

        Returns:
            True once the trade is closed.
        """
        if self.closed or bar.end_utc <= self._last_utc:
            return self.closed
        _check_bar(bar, self.entry.symbol_id)
        self._last_utc = bar.end_utc
        if self._pending is not None:
            self._bid, self._ask = bar.bid_open, bar.ask_open
            self._close_at_market(self._pending, bar.start_utc)
            return True
        if not self.filled:
            if bar.start_utc < self.entry.decided_utc:
                return False
            self._bid, self._ask = bar.bid_open, bar.ask_open
            self._open(self._ask if self.side > 0 else self._bid, bar.start_utc)
            self.bars_held = 1
            self._end_bar(bar, market_open)
            return self.closed
        self.bars_held += 1
        if not self._protected(bar):
            self._end_bar(bar, market_open)
        return self.closed

    def apply(self, action: Action, market_open: bool | None = None) -> bool:
        """Carry out a position action at the end of the last bar; the default policy goes on afterwards.

        HOLD changes nothing. The opposite side closes. Returns False where the action changes nothing.

        Raises:
            DataError: There is no open position to act on, or the action would add to it.
        """
        if self.stop is None or self.closed:
            raise DataError(f"{action.value} on decision {self.entry.decision_id}: there is no open position")
        if action.side == self.side:
            raise DataError(f"{action.value} on decision {self.entry.decision_id} would add to the position")
        if action.side:
            self._leave(ExitReason.SIGNAL, market_open)
            return True
        return self.stop.apply(action, self._exit_quote())

    def fork(self, decision_id: str, action: Action, market_open: bool | None = None) -> ReplayTrade:
        """Return a copy that took `action` at the end of the last bar: the answer to a position question."""
        twin = copy.copy(self)
        twin.stop = copy.copy(self.stop)
        twin.entry = replace(self.entry, decision_id=decision_id)
        twin.action = action
        twin.apply(action, market_open)
        return twin

    def rescale(self, factor: float) -> None:
        """Multiply all prices by `factor` and divide the quantity by it (a split or dividend under raw prices)."""
        if not (math.isfinite(factor) and factor > 0):
            raise DataError(f"price factor {factor!r} of {self.entry.symbol_id} must be a positive number")
        self.factor *= factor
        self.risk *= factor
        self._target = None if self._target is None else self._target * factor
        if self.stop is not None:
            self.stop.rescale(factor)
        for name in ("entry_price", "_bid", "_ask", "_worst", "_best", "_spread_cost"):
            setattr(self, name, getattr(self, name) * factor)

    def close_now(self, price: float, time_utc: datetime, reason: ExitReason) -> None:
        """End the trade at a price from outside, without slippage or fee: a delisting, a run's last bar."""
        if self.closed:
            return
        if not self.filled:
            self._open(price, time_utc)
            self._fees = self._spread_cost = 0.0
            reason = ExitReason.NOT_EXECUTED
        self._finish(price, time_utc, reason)

    def end_of_data(self) -> None:
        """End the trade at the last known quote; such an outcome is cut short and says so."""
        self.close_now(self._exit_quote(), self._last_utc, ExitReason.END_OF_DATA)

    def outcome(self, kind: OutcomeKind = OutcomeKind.REPLAY, taken: bool = False) -> Outcome:
        """Return what the action led to, net of spread, slippage and fees.

        Raises:
            DataError: The trade is still open.
        """
        if self.opened_utc is None or self.closed_utc is None or self.exit_reason is None:
            raise DataError(f"the replay of decision {self.entry.decision_id} is still open")
        quantity = self.entry.quantity / self.factor
        units = quantity * self.entry.contract_multiplier
        pnl = self.side * (self.exit_price - self.entry_price) * units - self._fees
        return_fraction = pnl / (self.entry_price * units)
        return Outcome(
            decision_id=self.entry.decision_id,
            run_id=self.entry.run_id,
            symbol_id=self.entry.symbol_id,
            action=self.action,
            kind=kind,
            taken=taken,
            opened_utc=self.opened_utc,
            closed_utc=self.closed_utc,
            entry_price=self.entry_price,
            exit_price=self.exit_price,
            quantity=self.side * quantity,
            pnl=pnl,
            return_fraction=return_fraction,
            r_multiple=pnl / (self.risk * units),
            volatility_adjusted_return=return_fraction / self.entry.volatility_fraction,
            bars_held=self.bars_held,
            mae_r=self._worst / self.risk,
            mfe_r=self._best / self.risk,
            cost_r=self._spread_cost / self.risk + self._fees / (self.risk * units),
            exit_reason=self.exit_reason,
        )

    def state(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "version": STATE_VERSION,
            "entry": to_jsonable(self.entry),
            "action": self.action.value,
            "plan": to_jsonable(self.plan),
            "policy": asdict(self.policy),
            "costs": asdict(self.costs),
            "exit_reason": self.exit_reason,
            "pending": self._pending,
            "stop": None if self.stop is None else self.stop.state(),
            "values": {name: to_jsonable(getattr(self, name)) for name in STATE_VALUES},
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> ReplayTrade:
        """Rebuild from `state()`.

        Raises:
            DataError: The state was written by another version.
        """
        if state.get("version") != STATE_VERSION:
            raise DataError(f"replay state has version {state.get('version')!r}; this program reads {STATE_VERSION!r}")
        entry = from_jsonable(ReplayEntry, state["entry"])
        entry = replace(entry, fill=EntryFill(entry.fill))
        plan = from_jsonable(ExitPlan, state["plan"])
        trade = cls(entry, plan, ExitPolicy(**state["policy"]), Costs(**state["costs"]))
        for name, value in state["values"].items():
            if name.endswith("_utc"):
                value = None if value is None else datetime.fromisoformat(value)
            elif value is None and name != "_target":
                value = math.nan
            setattr(trade, name, value)
        trade.action = Action(state["action"])
        trade.risk = plan.stop_distance(entry.reference_price) * trade.factor
        trade.exit_reason = None if state["exit_reason"] is None else ExitReason(state["exit_reason"])
        trade._pending = None if state["pending"] is None else ExitReason(state["pending"])
        trade.stop = None if state["stop"] is None else ManagedStop.restore(state["stop"], trade.policy)
        return trade

    # -- inside ----------------------------------------------------------------------------------------------------

    def _exit_quote(self) -> float:
        return self._bid if self.side > 0 else self._ask

    def _open(self, quote: float, time_utc: datetime) -> None:
        price = fill_rules.market_fill(self.side > 0, quote, quote * self.costs.slippage_fraction)
        self.entry_price = price
        self.opened_utc = time_utc
        self.stop = ManagedStop(self.side, price, self.risk, self.plan.stop * self.factor, self.policy)
        self._pay(price, price - quote, time_utc)

    def _protected(self, bar: PriceBar) -> bool:
        """Fill the stop or the target inside the bar, the stop first; True if the trade closed."""
        stop = self.stop
        if stop is None:
            return False
        buy = self.side < 0
        prices = _side(bar, buy)
        increment = self.entry.price_increment
        slip = prices[3] * self.costs.slippage_fraction
        self._bid, self._ask = bar.bid_close, bar.ask_close
        level = round_to_increment(stop.stop, increment)
        price = stop_fill(self.entry.security_type, buy, level, prices, slip)
        if price is not None:
            self._finish(price, bar.end_utc, stop.reason, slip)
            return True
        if self._target is None:
            return False
        price = target_fill(self.entry.security_type, buy, round_to_increment(self._target, increment), prices)
        if price is None:
            return False
        self._see(prices[1] if buy else prices[2])  # nothing says which extreme came first: assume the adverse one
        self._finish(price, bar.end_utc, ExitReason.TARGET)
        return True

    def _end_bar(self, bar: PriceBar, market_open: bool | None) -> None:
        """Book a bar that the position survived, then the vertical barrier, then the rules that move the stop."""
        self._bid, self._ask = bar.bid_close, bar.ask_close
        _, high, low, close = _side(bar, self.side < 0)
        self._see(high)
        self._see(low)
        if self.plan.timeout is not None and bar.end_utc >= self.entry.decided_utc + self.plan.timeout:
            self._leave(ExitReason.TIMEOUT, market_open)
        elif self.stop is not None:
            self.stop.on_close(close)

    def _leave(self, reason: ExitReason, market_open: bool | None) -> None:
        at_once = self.entry.fill is EntryFill.QUOTE if market_open is None else market_open
        if at_once:
            self._close_at_market(reason, self._last_utc)
        else:
            self._pending = reason

    def _close_at_market(self, reason: ExitReason, time_utc: datetime) -> None:
        quote = self._exit_quote()
        slip = quote * self.costs.slippage_fraction
        self._finish(fill_rules.market_fill(self.side < 0, quote, slip), time_utc, reason, slip)

    def _finish(self, price: float, time_utc: datetime, reason: ExitReason, slip: float = 0.0) -> None:
        self._see(price)
        self.exit_price = price
        self.closed_utc = time_utc
        self.exit_reason = reason
        self._pending = None
        if reason not in (ExitReason.DELISTED, ExitReason.END_OF_DATA, ExitReason.NOT_EXECUTED):
            self._pay(price, slip, time_utc, maker=reason is ExitReason.TARGET)

    def _pay(self, price: float, slip: float, time_utc: datetime, maker: bool = False) -> None:
        """Add half the spread, the slippage and the fee of one order."""
        entry = self.entry
        self._spread_cost += (self._ask - self._bid) / 2 + abs(slip)
        units = entry.quantity / self.factor * entry.contract_multiplier
        kind = entry.security_type
        self._fees += self.costs.fee(kind, units, price, time_utc, entry.ticker, entry.quote_currency, maker)

    def _see(self, price: float) -> None:
        gain = self.side * (price - self.entry_price)
        self._worst = min(self._worst, gain)
        self._best = max(self._best, gain)


def stop_fill(
    security_type: str, buy: bool, stop: float, prices: tuple[float, float, float, float], slip: float
) -> float | None:
    """Return where a stop order fills in a bar's (open, high, low, close) of its side, None where it does not."""
    open_, high, low, close = prices
    if security_type == "equity":
        return fill_rules.equity_stop_market_fill(buy, stop, open_, high, low, slip)
    return fill_rules.stop_market_fill(buy, stop, high, low, close, slip)


def target_fill(security_type: str, buy: bool, limit: float, prices: tuple[float, float, float, float]) -> float | None:
    """Return where a limit order fills in a bar's (open, high, low, close) of its side, None where it does not."""
    open_, high, low, _ = prices
    if security_type == "equity":
        return fill_rules.equity_limit_fill(buy, limit, open_, high, low)
    return fill_rules.limit_fill(buy, limit, high, low)


def _side(bar: PriceBar, buy: bool) -> tuple[float, float, float, float]:
    if buy:
        return bar.ask_open, bar.ask_high, bar.ask_low, bar.ask_close
    return bar.bid_open, bar.bid_high, bar.bid_low, bar.bid_close


def _check_bar(bar: PriceBar, symbol_id: str) -> None:
    total = bar.bid_open + bar.bid_high + bar.bid_low + bar.bid_close
    total += bar.ask_open + bar.ask_high + bar.ask_low + bar.ask_close
    if not math.isfinite(total):
        raise DataError(f"bar of {symbol_id} ending {bar.end_utc.isoformat()} holds a price that is no number")
