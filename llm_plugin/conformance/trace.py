"""The first thing in which a run differs: statistic, order, order event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.conformance.judge import Difference
from llm_plugin.errors import ConfigError

__all__ = ["first_difference", "order_lines", "read_orders", "trace_lines"]

# What differs between any two runs: random identities and the algorithm's name.
_IDENTITIES = frozenset({"id", "algorithmId", "brokerId"})


def order_lines(texts: Sequence[str]) -> Iterator[str]:
    """Yield our orders one by one: the hash over all up to this one, and the text that goes into it."""
    digest = hashlib.md5(usedforsecurity=False)
    for number, text in enumerate(texts):
        digest.update((("," if number else "") + text).encode("utf-8"))
        yield f"{number + 1:>4} {digest.hexdigest()} {text}"


def trace_lines(
    found: Sequence[Difference], outcome: Mapping[str, Any], against: Path | None = None, limit: int = 50
) -> Iterator[str]:
    """Yield what `--trace` prints.

    Args:
        found: Differences of the run, of the judge.
        outcome: What the run's process wrote.
        against: Result folder of a real LEAN run of the same algorithm.
        limit: At most so many orders.
    """
    statistics = [item for item in found if item.field not in ("Status", "OrderListHash")]
    for item in found:
        if item.field in ("Status", "OrderListHash"):
            yield str(item)
    yield f"first statistic that differs: {statistics[0]}" if statistics else "no statistic differs"
    if against is not None:
        orders, events = read_orders(against)
        ours = [json.loads(text) for text in outcome.get("orders", [])]
        yield _told("order", first_difference(orders, ours))
        yield _told("order event", first_difference(events, outcome.get("events", [])))
        return
    texts = outcome.get("orders", [])
    yield f"our {len(texts)} orders, each with the hash over all up to it (LEAN publishes the last hash only):"
    for number, line in enumerate(order_lines(texts)):
        if number == limit:
            yield f"... and {len(texts) - limit} more, in the run's result folder"
            return
        yield line


def first_difference(theirs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]]) -> str:
    """Return where two lists first differ, or an empty string; numbers are compared as numbers."""
    for number, (expected, got) in enumerate(zip(theirs, ours, strict=False)):
        for key in sorted({_key(k) for k in expected} & {_key(k) for k in got}):
            left, right = _value(expected, key), _value(got, key)
            if key not in _IDENTITIES and not _equal(left, right):
                return f"{number + 1}, {key}: {left!r} expected, got {right!r}"
    if len(theirs) != len(ours):
        return f"{min(len(theirs), len(ours)) + 1}: {len(theirs)} expected, got {len(ours)}"
    return ""


def read_orders(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return orders by id and order events of a LEAN result folder.

    Raises:
        ConfigError: The folder has no result file.
    """
    orders: list[dict[str, Any]] | None = None
    events: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if path.name.endswith("-order-events.json"):
            events = content
        elif isinstance(content, dict) and isinstance(content.get("orders", content.get("Orders")), dict):
            by_id: dict[str, Any] = content["orders"] if "orders" in content else content["Orders"]
            # A summary has the member too, empty.
            if orders is None or len(by_id) > len(orders):
                orders = [by_id[key] for key in sorted(by_id, key=int)]
    if orders is None:
        raise ConfigError(f"{folder} has no LEAN result: a .json file with 'orders' is expected")
    return orders, events


def _told(what: str, where: str) -> str:
    return f"first {what} that differs: {where}" if where else f"no {what} differs"


def _key(name: str) -> str:
    return name[:1].lower() + name[1:]


def _value(item: Mapping[str, Any], key: str) -> Any:
    return item[key] if key in item else item[key[:1].upper() + key[1:]]


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys = {_key(k) for k in left} & {_key(k) for k in right}
        return all(_equal(_value(left, k), _value(right, k)) for k in keys)
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return abs(float(left) - float(right)) <= 1e-9 * max(1.0, abs(float(left)))
    return bool(str(left).lower() == str(right).lower())
