"""What a question says about the market, the position and the account, read from LEAN's objects."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from llm_plugin.domain import AccountState, ExitPlan, MarketContext, PositionState
from llm_plugin.lean.bracket import Bracket
from llm_plugin.lean.compat import number, ticker, utc_now
from llm_plugin.lean.config import LeanConfig
from llm_plugin.lean.features import Feed
from llm_plugin.outcomes.exits import ExitPolicy, plan_exit

__all__ = ["AccountWatch", "default_plan", "exit_policy", "market_context", "position_state", "price_increment"]

SECURITY_TYPES = {0: "base", 1: "equity", 4: "forex", 6: "cfd", 7: "crypto", 9: "index", 11: "cryptofuture"}
EQUITY, RAW = 1, 0
LONGEST_CLOSURE_BARS = 200
"""More hours than any week-end with holidays; finer bars wait for the next open bar instead."""


class AccountWatch:
    """Follows the account's equity and its peak."""

    __slots__ = ("_portfolio", "peak_equity", "start_equity")

    def __init__(self, algorithm: Any) -> None:
        self._portfolio = algorithm.portfolio
        self.start_equity = float(self._portfolio.total_portfolio_value)
        self.peak_equity = self.start_equity

    def observe(self) -> None:
        """Note the equity at a completed bar."""
        equity = float(self._portfolio.total_portfolio_value)
        if equity > self.peak_equity:
            self.peak_equity = equity

    def state(self) -> AccountState:
        """Return the account as it stands."""
        self.observe()
        return AccountState(
            equity=float(self._portfolio.total_portfolio_value),
            peak_equity=self.peak_equity,
            balance=float(self._portfolio.cash),
            start_equity=self.start_equity,
        )


def market_context(algorithm: Any, feed: Feed) -> MarketContext:
    """Describe a symbol at its last completed bar; quotes are the bar's closing bid and ask."""
    security = feed.security
    properties = security.symbol_properties
    bar = feed.last
    price = float(security.price)
    return MarketContext(
        symbol_id=feed.symbol_id,
        ticker=ticker(feed.symbol),
        market=str(feed.symbol.id.market),
        security_type=security_type(security),
        time_utc=utc_now(algorithm) if bar is None else bar.end_utc,
        resolution=feed.resolution,
        price=price if bar is None else bar.close,
        bid=price if bar is None else bar.bid_close,
        ask=price if bar is None else bar.ask_close,
        features=feed.features() if feed.ready else {},
        lot_size=float(properties.lot_size),
        tick_size=float(properties.minimum_price_variation),
        contract_multiplier=float(properties.contract_multiplier),
        quote_currency=str(security.quote_currency.symbol),
        ready=feed.ready and not algorithm.is_warming_up,
    )


def security_type(security: Any) -> str:
    """Return the security type in LEAN's lower-case folder name."""
    return SECURITY_TYPES.get(number(security.symbol.security_type), "base")


def position_state(algorithm: Any, feed: Feed, bracket: Bracket | None, bars_held: int) -> PositionState:
    """Describe the open position of a symbol."""
    holding = algorithm.portfolio[feed.symbol]
    quantity = float(holding.quantity)
    if quantity == 0:
        return PositionState()
    return PositionState(
        quantity=quantity,
        entry_price=float(holding.average_price),
        unrealized_pnl=float(holding.unrealized_profit),
        bars_held=bars_held,
        stop=math.nan if bracket is None else bracket.managed.stop,
        target=math.nan if bracket is None or bracket.target is None else bracket.target,
        trailing=bracket is not None and bracket.managed.trailing,
        at_break_even=bracket is not None and bracket.managed.at_break_even,
    )


def price_increment(feed: Feed) -> float:
    """Return the step to which LEAN rounds order prices; 0 for an equity whose data are adjusted."""
    security = feed.security
    if number(security.symbol.security_type) == EQUITY and not is_raw(security):
        return 0.0
    return float(security.symbol_properties.minimum_price_variation)


def is_raw(security: Any) -> bool:
    """Return whether prices are as traded, so that splits and dividends show in them."""
    return any(number(item.data_normalization_mode) == RAW for item in security.subscriptions)


def exit_policy(config: LeanConfig) -> ExitPolicy:
    """Return the exit rules of the configuration."""
    return ExitPolicy.from_mapping(config.get("outcomes.exit"))


def default_plan(feed: Feed, side: int, policy: ExitPolicy) -> ExitPlan | None:
    """Plan stop, target and vertical barrier from the ATR, None as long as the ATR is not known."""
    if not feed.atr.ready or feed.last is None or not feed.atr.value > 0:
        return None
    bar_period = timedelta(seconds=feed.seconds)
    plan = plan_exit(side, feed.last.close, feed.atr.value, policy, bar_period, price_increment(feed))
    if plan.timeout is None or feed.resolution == "daily":
        return plan
    return replace(plan, timeout=_into_open_hours(feed, feed.last.end_utc, plan.timeout, bar_period))


def _into_open_hours(feed: Feed, start_utc: datetime, timeout: timedelta, bar_period: timedelta) -> timedelta:
    """Put a vertical barrier off, bar by bar, until the exchange is open: a closing order then fills at once."""
    hours = feed.security.exchange.hours
    for _ in range(LONGEST_CLOSURE_BARS):
        local = (start_utc + timeout).astimezone(feed.zone).replace(tzinfo=None)
        if hours.is_open(local, False):
            return timeout
        timeout += bar_period
    return timeout
