"""The replay as gate 4 reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution
from llm_plugin.engine.base.names import snake
from llm_plugin.engine.base.zones import from_us
from llm_plugin.strategies.judge.replay import Replayed
from llm_plugin.strategies.judge.script import Script
from llm_plugin.strategies.trusted_run import TrustedFill, TrustedOrder, TrustedRun

__all__ = ["trusted_run"]


def trusted_run(replayed: Replayed, script: Script, data_folder: Path, start: date, end: date) -> TrustedRun:
    """Return what the replay saw, in the terms of the requirements.

    Args:
        replayed: The replay.
        script: What it replayed.
        data_folder: The data that it used.
        start: First day.
        end: Last day.
    """
    world = script.world
    result = replayed.result
    zone = result.algorithm._engine.clock.zone.name
    cash = next((float(amount) for name, amount in world.cash if name == world.currency), 0.0) if world else 0.0
    pairs = [(stream.ticker, str(Resolution(stream.resolution)).lower()) for stream in script.subscriptions]
    modes = [stream.normalization for stream in script.subscriptions] or [world.normalization if world else 1]
    return TrustedRun(
        data_folder=data_folder,
        start=start,
        end=end,
        cash=cash,
        orders=_orders(replayed),
        subscriptions=tuple(dict.fromkeys(pairs)),
        equity=_equity(result),
        price_mode=snake(str(DataNormalizationMode(modes[0]))),
        time_zone=zone,
        statistics=dict(result.statistics),
    )


def _orders(replayed: Replayed) -> tuple[TrustedOrder, ...]:
    fills: dict[int, list[TrustedFill]] = {}
    for event in replayed.result.order_events:
        if event.exact_fill_quantity:
            fee = float(event.order_fee.value.exact_amount)
            fills.setdefault(event.order_id, []).append(
                TrustedFill(_aware(event.utc_time), float(event.fill_price), float(event.fill_quantity), fee)
            )
    found = []
    for order in replayed.result.orders:
        asked = replayed.asked_us.get(order.id)
        found.append(
            TrustedOrder(
                id=order.id,
                symbol=str(order.symbol.value),
                kind=snake(str(order.type)),
                quantity=float(order.quantity),
                created_utc=_aware(from_us(asked) if asked is not None else order.created_time),
                status=snake(str(order.status)),
                limit_price=_price(order, "_limit_price"),
                stop_price=_price(order, "_stop_price"),
                tag=str(order.tag),
                fills=tuple(fills.get(order.id, ())),
            )
        )
    return tuple(found)


def _price(order: Any, name: str) -> float | None:
    value = getattr(order, name, None)
    return float(value) if value is not None else None


def _equity(result: Any) -> tuple[tuple[datetime, float], ...]:
    chart = result.run_state.charts.get("Strategy Equity") if result.run_state is not None else None
    if chart is None:
        return ()
    return tuple((_aware(moment), float(value)) for moment, value in chart.series["Equity"].points())


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
