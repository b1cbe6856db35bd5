"""LEAN's result files and the hash over a run's orders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import OrderType
from llm_plugin.engine.base.json_text import RawJson, iso_utc, to_json_text
from llm_plugin.engine.base.money import round_half_even, smart_rounding, to_decimal
from llm_plugin.engine.base.names import pascal, snake
from llm_plugin.engine.results.charts import Chart, charts_to_json
from llm_plugin.engine.statistics.performance import AlgorithmPerformance, StatisticsResults
from llm_plugin.engine.statistics.trades import Trade
from llm_plugin.files import write_whole

__all__ = [
    "RunState",
    "hash_of_texts",
    "order_event_json",
    "order_json",
    "order_list_hash",
    "runtime_statistics",
    "write_results",
]

_ROUNDED = {"limitPrice", "stopPrice", "triggerPrice", "trailingAmount"}
_TIME_IN_FORCE = "QuantConnect.Orders.TimeInForces."


@lru_cache(maxsize=1024)
def _camel(name: str) -> str:
    text = pascal(name)
    return text[:1].lower() + text[1:]


def _time_in_force(rule: Any) -> dict[str, Any]:
    name = type(rule).__name__
    if name == "GoodTilCanceledTimeInForce":
        return {}
    result: dict[str, Any] = {"$type": _TIME_IN_FORCE + name}
    if getattr(rule, "expiry", None) is not None:
        result["Expiry"] = RawJson(f'"{rule.expiry.isoformat()}"')
    return result


def _properties(properties: Any, spell: Callable[[str], str]) -> dict[str, Any]:
    own = {spell(key): value for key, value in properties.json_fields().items()}
    fields = {**own, "timeInForce": _time_in_force(properties.time_in_force)}
    if properties.exchange is not None:
        exchange = properties.exchange.json_fields()
        fields[spell("exchange")] = {spell(snake(key)): value for key, value in exchange.items()}
    return fields


def _own_fields(order: Any) -> dict[str, Any]:
    fields = {}
    for key, value in order.hash_fields():
        if key in _ROUNDED and value is not None and order.group_order_manager is None:
            value = smart_rounding(to_decimal(value))
        fields[key] = value
    return fields


def _symbol_json(symbol: Any) -> dict[str, Any]:
    fields = {"value": symbol.value, "id": str(symbol.id), "permtick": str(symbol.value)}
    return fields if symbol.underlying is None else {**fields, "underlying": _symbol_json(symbol.underlying)}


def _is_marketable(order: Any) -> bool:
    sent, limit = order.order_submission_data, getattr(order, "_limit_price", None)
    if order.type != OrderType.LIMIT or sent is None or limit is None:
        return bool(order.is_marketable)
    # LEAN looks at this after it has rounded the limit for the hash.
    rounded = smart_rounding(to_decimal(limit))
    return bool(rounded >= sent._ask_price if order.exact_quantity > 0 else rounded <= sent._bid_price)


def _group(order: Any) -> dict[str, Any]:
    group = order.group_order_manager
    return {} if group is None else {"groupOrderManager": group.json_fields()}


def order_json(order: Any, spell: Callable[[str], str] = pascal) -> str:
    """One order as LEAN writes it, without spaces.

    Args:
        order: The order.
        spell: How options of a brokerage are named: as in C# for the order list's hash, in camel case for files.
    """
    price = smart_rounding(order.exact_price)
    sent = order.order_submission_data
    fields: dict[str, Any] = {
        **_own_fields(order),
        "id": order.id,
        "contingentId": order.contingent_id,
        "brokerId": list(order.broker_id),
        "symbol": _symbol_json(order.symbol),
        "price": price,
        "priceCurrency": order.price_currency,
        "time": order.time,
        "createdTime": order.created_time,
    }
    for key, moment in (
        ("lastFillTime", order.last_fill_time),
        ("lastUpdateTime", order.last_update_time),
        ("canceledTime", order.canceled_time),
    ):
        if moment is not None:
            fields[key] = moment
    fields.update(
        {
            **({} if "quantity" in fields else {"quantity": order.exact_quantity}),
            "status": int(order.status),
            "tag": order.tag,
            "properties": _properties(order.properties, spell),
            "securityType": int(order.security_type),
            "direction": int(order.direction),
            "value": order.exact_quantity * price,
            "orderSubmissionData": None
            if sent is None
            else {"bidPrice": sent._bid_price, "askPrice": sent._ask_price, "lastPrice": sent._last_price},
            "isMarketable": _is_marketable(order),
            **_group(order),
            "priceAdjustmentMode": int(order.price_adjustment_mode or 0),
        }
    )
    return to_json_text(fields)


def order_list_hash(orders: Iterable[Any]) -> str:
    """MD5 over the orders by id: equal hashes mean the same orders, prices, times, tags and states."""
    return hash_of_texts(order_json(order) for order in sorted(orders, key=lambda order: order.id))


def hash_of_texts(texts: Iterable[str]) -> str:
    """`order_list_hash` of orders that `order_json` has written already, in order of their ids."""
    joined = ",".join(texts)
    return hashlib.md5(joined.encode("utf-8"), usedforsecurity=False).hexdigest()


def order_event_json(event: Any, algorithm_id: str) -> dict[str, Any]:
    """One order event as in `-order-events.json`."""
    result: dict[str, Any] = {
        "id": f"{algorithm_id}-{event.order_id}-{event.id}",
        "algorithmId": algorithm_id,
        "orderId": event.order_id,
        "orderEventId": event.id,
        "symbol": str(event.symbol.id),
        "symbolValue": event.symbol.value,
        "symbolPermtick": event.symbol.value,
        "time": RawJson(f"{(event.utc_time - datetime(1970, 1, 1)).total_seconds():.1f}"),
        "status": _camel(str(event.status.name)),
    }
    fee = getattr(getattr(event, "order_fee", None), "value", None)
    if fee is not None and fee.amount:
        result["orderFeeAmount"] = to_decimal(fee.amount)
        result["orderFeeCurrency"] = fee.currency
    result["fillPrice"] = to_decimal(event.fill_price)
    result["fillPriceCurrency"] = event.fill_price_currency
    result["fillQuantity"] = to_decimal(event.fill_quantity)
    result["direction"] = _camel(str(event.direction.name))
    if event.message:
        result["message"] = event.message
    result["isAssignment"] = bool(event.is_assignment)
    for key in ("limit_price", "stop_price", "trigger_price", "trailing_amount"):
        value = getattr(event, key, None)
        if value is not None:
            result[_camel(key)] = to_decimal(value)
    result["quantity"] = to_decimal(event.quantity)
    return result


def _money(symbol: str, value: Decimal) -> str:
    rounded = round_half_even(abs(value), 2)
    return f"{symbol}{'-' if value < 0 and rounded else ''}{rounded:,.2f}"


def runtime_statistics(
    *,
    currency_symbol: str,
    equity: Decimal,
    starting_value: Decimal,
    fees: Decimal,
    holdings: Decimal,
    net_profit: Decimal,
    unrealized: Decimal,
    volume: Decimal,
    summary: Mapping[str, str],
    custom: Mapping[str, str],
) -> dict[str, str]:
    """The figures that LEAN shows while it runs, sorted by name."""
    earned = (equity - starting_value) / starting_value if starting_value > 0 else Decimal(0)
    result = dict(custom)
    result["Probabilistic Sharpe Ratio"] = summary.get("Probabilistic Sharpe Ratio", "0%")
    result["Unrealized"] = _money(currency_symbol, unrealized)
    result["Fees"] = "-" + _money(currency_symbol, fees)
    result["Net Profit"] = _money(currency_symbol, net_profit)
    result["Return"] = f"{earned * 100:,.2f} %"
    result["Equity"] = _money(currency_symbol, equity)
    result["Holdings"] = _money(currency_symbol, holdings)
    result["Volume"] = _money(currency_symbol, volume)
    return dict(sorted(result.items()))


@dataclass
class RunState:
    """All that the result files hold."""

    statistics: StatisticsResults
    charts: Mapping[str, Chart] = field(default_factory=dict)
    orders: Sequence[Any] = ()
    order_events: Sequence[Any] = ()
    profit_loss: Mapping[datetime, Decimal] = field(default_factory=dict)
    runtime_statistics: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    algorithm_configuration: Mapping[str, Any] = field(default_factory=dict)
    server_statistics: Mapping[str, str] = field(default_factory=dict)
    log_lines: Sequence[str] = ()
    insights: Sequence[Mapping[str, Any]] = ()
    # `order_json` of each order, where it is known already.
    order_texts: Sequence[str] = ()


def _four_digits(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(round_half_even(value, 4).normalize(), "f")
    return value


def _numbers(data: Any) -> dict[str, Any]:
    if not is_dataclass(data) or isinstance(data, type):
        raise TypeError(f"{data!r} is no record of numbers")
    return {_camel(item.name): _four_digits(getattr(data, item.name)) for item in fields(data)}


def _trade_json(trade: Trade) -> dict[str, Any]:
    return {
        "id": trade.id,
        "symbols": [_symbol_json(trade.symbol)],
        "entryTime": trade.entry_time,
        "entryPrice": trade.entry_price,
        "direction": int(trade.direction),
        "quantity": trade.quantity,
        "exitTime": trade.exit_time,
        "exitPrice": trade.exit_price,
        "profitLoss": trade.profit_loss,
        "totalFees": trade.total_fees,
        "mae": trade.mae,
        "mfe": trade.mfe,
        "duration": trade.duration,
        "endTradeDrawdown": trade.end_trade_drawdown,
        "isWin": trade.is_win,
        "orderIds": trade.order_ids,
    }


def _performance_json(performance: AlgorithmPerformance, *, trades: bool) -> dict[str, Any]:
    return {
        "tradeStatistics": _numbers(performance.trade_statistics),
        "portfolioStatistics": _numbers(performance.portfolio_statistics),
        "closedTrades": [_trade_json(trade) for trade in performance.closed_trades] if trades else [],
    }


def _tail(run: RunState) -> dict[str, Any]:
    return {
        "statistics": dict(run.statistics.summary),
        "runtimeStatistics": dict(run.runtime_statistics),
        "state": dict(run.state),
        "serverStatistics": dict(run.server_statistics),
        "algorithmConfiguration": dict(run.algorithm_configuration),
    }


def _order_texts(run: RunState) -> Iterable[tuple[str, RawJson]]:
    known = run.order_texts or [order_json(order) for order in run.orders]
    texts = [
        order_json(order, _camel) if order.properties.json_fields() or order.properties.exchange is not None else text
        for order, text in zip(run.orders, known, strict=True)
    ]
    for order, text in zip(run.orders, texts, strict=True):
        yield str(order.id), RawJson(text)


def _full(run: RunState) -> dict[str, Any]:
    windows = run.statistics.rolling_performances
    return {
        "rollingWindow": {key: _performance_json(item, trades=False) for key, item in windows.items()},
        "totalPerformance": _performance_json(run.statistics.total_performance, trades=True),
        "charts": charts_to_json(run.charts),
        "orders": dict(_order_texts(run)),
        "profitLoss": {iso_utc(time): amount for time, amount in run.profit_loss.items()},
        **_tail(run),
    }


def _short(run: RunState) -> dict[str, Any]:
    performance = _performance_json(run.statistics.total_performance, trades=False)
    del performance["closedTrades"]
    charts = {}
    equity = run.charts.get("Strategy Equity")
    if equity is not None and "Equity" in equity.series:
        line = equity.series["Equity"].to_json()
        step = max(1, len(line["values"]) // 100)
        kept = line["values"][::step]
        line["values"] = kept if not line["values"] or kept[-1] == line["values"][-1] else [*kept, line["values"][-1]]
        charts["Strategy Equity"] = {"name": "Strategy Equity", "chartType": 0, "series": {"Equity": line}}
    return {"totalPerformance": performance, "charts": charts, **_tail(run)}


def write_results(folder: Path | str, algorithm_id: str, run: RunState) -> dict[str, Path]:
    """Write LEAN's result files; return them by kind (`full`, `summary`, `order_events`, `log`, `insights`).

    Args:
        folder: The results folder; made if it does not exist.
        algorithm_id: First part of the file names.
        run: What to write.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    files = {
        "full": (target / f"{algorithm_id}.json", to_json_text(_full(run))),
        "summary": (target / f"{algorithm_id}-summary.json", to_json_text(_short(run))),
        "order_events": (
            target / f"{algorithm_id}-order-events.json",
            to_json_text([order_event_json(event, algorithm_id) for event in run.order_events]),
        ),
        "log": (target / f"{algorithm_id}-log.txt", "".join(f"{line}\n" for line in run.log_lines)),
    }
    if run.insights:
        (target / algorithm_id).mkdir(exist_ok=True)
        files["insights"] = (target / algorithm_id / "alpha-results.json", to_json_text(list(run.insights)))
    for path, text in files.values():
        write_whole(path, text)
    return {kind: path for kind, (path, _) in files.items()}
