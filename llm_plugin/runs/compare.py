"""`lean-llm compare`: two runs order by order, event by event and statistic by statistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from difflib import SequenceMatcher
from typing import Any

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.runs.lean_results import LeanResults

__all__ = ["FIELDS", "Comparison", "Difference", "compare_runs"]

FIELDS = ("time", "symbol", "quantity", "type", "price", "status", "tag", "limitPrice", "stopPrice", "lastFillTime")
EVENT_FIELDS = ("time", "status", "fillPrice", "fillQuantity", "orderFeeAmount", "orderFeeCurrency", "message")
TYPES = (
    "Market",
    "Limit",
    "StopMarket",
    "StopLimit",
    "MarketOnOpen",
    "MarketOnClose",
    "OptionExercise",
    "LimitIfTouched",
    "ComboMarket",
    "ComboLimit",
    "ComboLegLimit",
    "TrailingStop",
)
STATUSES = {
    0: "New",
    1: "Submitted",
    2: "PartiallyFilled",
    3: "Filled",
    5: "Canceled",
    6: "None",
    7: "Invalid",
    8: "CancelPending",
    9: "UpdateSubmitted",
}
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One order or event that differs; `fields` is name -> (value in A, value in B), empty where one run lacks it."""

    order_a: int | None
    order_b: int | None
    event: int | None = None
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    row_a: Row | None = None
    row_b: Row | None = None


@dataclass
class Comparison:
    """What is equal and what is not."""

    orders_a: int
    orders_b: int
    orders_equal: int
    order_differences: list[Difference]
    events_a: int
    events_b: int
    events_equal: int
    event_differences: list[Difference]
    statistics_equal: int
    statistics: dict[str, tuple[str | None, str | None]]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.order_differences or self.event_differences or self.statistics)


def compare_runs(a: LeanResults, b: LeanResults, ignore: Sequence[str] = ()) -> Comparison:
    """Align two runs.

    Orders are aligned by symbol, type, time and quantity, so that one order more in the middle is one difference
    and not all that follow.

    Args:
        a: One run.
        b: The other.
        ignore: Order or event fields, or statistics, that may differ.

    Raises:
        ConfigError: `ignore` names what neither run has.
    """
    known = {*FIELDS, *EVENT_FIELDS, *a.statistics, *b.statistics}
    unknown = [name for name in ignore if name not in known]
    if unknown:
        raise ConfigError(
            [f"--ignore {name}: no such field or statistic{did_you_mean(name, known)}" for name in unknown]
        )
    rows_a, rows_b = [_order_row(row) for row in a.orders], [_order_row(row) for row in b.orders]
    pairs, differences = _align(rows_a, rows_b)
    fields = [name for name in FIELDS if name not in ignore]
    equal = 0
    for left, right in pairs:
        different = _different(left, right, fields)
        equal += not different
        if different:
            differences.append(Difference(left["id"], right["id"], None, different, left, right))
    differences.sort(key=lambda item: item.order_a if item.order_a is not None else item.order_b or 0)
    events_equal, event_differences = _events(a.events, b.events, pairs, [f for f in EVENT_FIELDS if f not in ignore])
    statistics = {
        name: (a.statistics.get(name), b.statistics.get(name))
        for name in dict.fromkeys([*a.statistics, *b.statistics])
        if name not in ignore and a.statistics.get(name) != b.statistics.get(name)
    }
    named = len({*a.statistics, *b.statistics} - set(ignore))
    return Comparison(
        orders_a=len(rows_a),
        orders_b=len(rows_b),
        orders_equal=equal,
        order_differences=differences,
        events_a=len(a.events),
        events_b=len(b.events),
        events_equal=events_equal,
        event_differences=event_differences,
        statistics_equal=named - len(statistics),
        statistics=statistics,
    )


def _align(a: list[Row], b: list[Row]) -> tuple[list[tuple[Row, Row]], list[Difference]]:
    keys_a, keys_b = ([(r["symbol"], r["type"], r["time"], r["quantity"]) for r in rows] for rows in (a, b))
    pairs: list[tuple[Row, Row]] = []
    alone: list[Difference] = []
    for kind, a1, a2, b1, b2 in SequenceMatcher(None, keys_a, keys_b, autojunk=False).get_opcodes():
        shared = min(a2 - a1, b2 - b1)
        if kind in ("equal", "replace"):
            pairs += zip(a[a1 : a1 + shared], b[b1 : b1 + shared], strict=True)
            a1, b1 = a1 + shared, b1 + shared
        alone += [Difference(row["id"], None, row_a=row) for row in a[a1:a2]]
        alone += [Difference(None, row["id"], row_b=row) for row in b[b1:b2]]
    return pairs, alone


def _events(
    a: list[Row], b: list[Row], pairs: list[tuple[Row, Row]], fields: Sequence[str]
) -> tuple[int, list[Difference]]:
    of_a, of_b = _by_order(a), _by_order(b)
    equal, differences = 0, []
    for left, right in pairs:
        first, second = of_a.get(left["id"], []), of_b.get(right["id"], [])
        for number in range(max(len(first), len(second))):
            one = _event_row(first[number]) if number < len(first) else None
            two = _event_row(second[number]) if number < len(second) else None
            different = _different(one, two, fields) if one is not None and two is not None else {}
            if one is not None and two is not None and not different:
                equal += 1
            else:
                differences.append(Difference(left["id"], right["id"], number + 1, different, one, two))
    return equal, differences


def _by_order(events: list[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {}
    for row in events:
        found.setdefault(int(row["orderId"]), []).append(row)
    return found


def _different(a: Mapping[str, Any], b: Mapping[str, Any], fields: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    return {name: (a.get(name), b.get(name)) for name in fields if a.get(name) != b.get(name)}


def _order_row(row: Row) -> Row:
    symbol = row.get("symbol")
    identifier = symbol.get("id", symbol.get("value", "")) if isinstance(symbol, Mapping) else str(symbol)
    return {
        "id": int(row["id"]),
        "time": _moment(row.get("time") or row.get("createdTime")),
        "symbol": str(identifier),
        "quantity": _number(row["quantity"]),
        "type": _name(row.get("type"), dict(enumerate(TYPES))),
        "price": _number(row.get("price")),
        "status": _name(row.get("status"), STATUSES),
        "tag": str(row.get("tag") or ""),
        "limitPrice": _number(row.get("limitPrice")),
        "stopPrice": _number(row.get("stopPrice")),
        "lastFillTime": _moment(row.get("lastFillTime")),
    }


def _event_row(row: Row) -> Row:
    numbers = {name: _number(row.get(name)) for name in ("fillPrice", "fillQuantity", "orderFeeAmount")}
    return {
        **numbers,
        "time": _moment(row.get("time")),
        "status": str(row.get("status", "")).lower(),
        "orderFeeCurrency": row.get("orderFeeCurrency"),
        "message": str(row.get("message") or ""),
    }


def _name(value: Any, names: Mapping[int, str]) -> str:
    if isinstance(value, int):
        return names.get(value, str(value))
    text = str(value or "")
    return text[:1].upper() + text[1:]


def _number(value: Any) -> str | None:
    if value is None:
        return None
    number = Decimal(str(value)).normalize()
    return format(number, "f") if number else "0"


def _moment(value: Any) -> str | None:
    """Return a time as ISO text in UTC; LEAN writes orders' times as text and events' as seconds since 1970."""
    if value is None:
        return None
    if isinstance(value, int | float | Decimal):
        moment = datetime.fromtimestamp(float(value), UTC)
    else:
        try:
            moment = datetime.fromisoformat(str(value).replace("Z", "+00:00")[:32])
        except ValueError:
            return str(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
