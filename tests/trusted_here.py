"""Run a strategy that the test itself wrote, in this process, and return the run as gate 4 reads it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.names import snake
from llm_plugin.engine.runner import run_backtest
from llm_plugin.strategies.trusted_run import TrustedFill, TrustedOrder, TrustedRun

MARKET = Path(__file__).resolve().parents[1] / "datasets" / "market"


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _price(order: Any, name: str) -> float | None:
    value = getattr(order, name, None)
    return float(value) if value is not None else None


def trusted_here(source: str, folder: Path, start: date, end: date, cash: float = 100_000) -> TrustedRun:
    """Run a source text on the sample data."""
    file = folder / "main.py"
    file.write_text(source, encoding="utf-8")
    result = run_backtest(file, data_folder=MARKET, results_folder=None, start=start, end=end)
    fills: dict[int, list[TrustedFill]] = {}
    for event in result.order_events:
        if event.exact_fill_quantity:
            fee = float(event.order_fee.value.exact_amount)
            fill = TrustedFill(_aware(event.utc_time), float(event.fill_price), float(event.fill_quantity), fee)
            fills.setdefault(event.order_id, []).append(fill)
    orders = tuple(
        TrustedOrder(
            id=order.id,
            symbol=str(order.symbol.value),
            kind=snake(str(order.type)),
            quantity=float(order.quantity),
            created_utc=_aware(order.created_time),
            status=snake(str(order.status)),
            limit_price=_price(order, "_limit_price"),
            stop_price=_price(order, "_stop_price"),
            tag=str(order.tag),
            fills=tuple(fills.get(order.id, ())),
        )
        for order in result.orders
    )
    return TrustedRun(MARKET, start, end, cash, orders)
