"""Prices of market-on-open and market-on-close orders of equities that are subscribed as ticks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.zones import DAY_US, MINUTE_US
from llm_plugin.engine.data.bars import Tick

__all__ = ["closing_price", "opening_trade"]

# Bits of LEAN's trade conditions.
_OPENING = 1 << 6 | 1 << 26
_CLOSING = 1 << 7 | 1 << 24


def _is_official(tick: Tick, code: str, wanted: int) -> bool:
    condition = str(tick.sale_condition).strip()
    return bool(condition) and getattr(tick, "exchange_code", "") == code and bool(int(condition, 16) & wanted)


def _last_tick(asset: Any, trades: list[Tick]) -> Tick | None:
    ticks = trades or asset.cache.quote_ticks or asset.cache.trade_ticks
    return ticks[-1] if ticks else None


def opening_trade(asset: Any) -> tuple[int, Decimal] | None:
    """Return (exchange-local end, price) to open at: the official print, else the last trade after a minute.

    The price is 0 where there are quotes only; None means to wait.
    """
    hours = asset.exchange.hours
    trades = [tick for tick in asset.cache.trade_ticks if hours.is_open_us(tick._start_local)]
    code = asset.primary_exchange.code
    official = next((tick for tick in trades if _is_official(tick, code, _OPENING)), None)
    if official is not None:
        return official._end_local, official.exact("value")
    tick = _last_tick(asset, trades)
    if tick is None:
        return None
    ended = tick._end_local
    opened = hours.first_open_us(asset.exchange.local_us // DAY_US)
    if opened is not None and ended % DAY_US - opened % DAY_US < MINUTE_US:
        return None
    return ended, tick.exact("value") if tick in trades else ZERO


def closing_price(asset: Any, close_us: int) -> Decimal | None:
    """Return the price to close at: the official print, else the last trade (extended hours: after a minute).

    The price is 0 where there are quotes only; None means to wait.
    """
    trades = list(asset.cache.trade_ticks)
    code = asset.primary_exchange.code
    official = next((tick for tick in reversed(trades) if _is_official(tick, code, _CLOSING)), None)
    if official is not None:
        return official.exact("value")  # type: ignore[no-any-return]
    tick = _last_tick(asset, trades)
    if tick is not None and asset.is_extended_market_hours and tick._end_local - close_us < MINUTE_US:
        return None
    return tick.exact("value") if tick is not None and tick in trades else ZERO
