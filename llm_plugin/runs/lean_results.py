"""Reads what any LEAN left in a results folder: the embedded engine, a Launcher or the LEAN CLI."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_plugin.errors import RecordError

__all__ = ["LeanResults", "find_result_file", "read_results"]

EVENTS_SUFFIX = "-order-events.json"
SUMMARY_SUFFIX = "-summary.json"
_NOT_RESULTS = ("-summary", "-order-events", "-monitor-report")
_SEPARATED = re.compile(r"[-_ ]+(\w)")
_FREE_TEXT = frozenset({"statistics", "runtimeStatistics", "charts", "state", "parameters"})
_FINISHED = re.compile(r"Processing total of ([\d,]+) data points")


@dataclass
class LeanResults:
    """One run's results; keys are camelCase whatever wrote them, numbers are exact decimals."""

    folder: Path
    file: Path
    algorithm_id: str
    statistics: dict[str, str]
    orders: list[dict[str, Any]]
    events: list[dict[str, Any]]
    status: str = ""
    error: str = ""
    log_lines: list[str] = field(default_factory=list)

    @property
    def order_list_hash(self) -> str:
        """LEAN's hash over all orders, empty where it was not written."""
        return self.statistics.get("OrderListHash", "")


def find_result_file(path: Path) -> Path:
    """Return the result JSON of a results folder, or of its parent's newest run.

    Raises:
        RecordError: There is none, or there are several that nothing tells apart.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise RecordError(f"{path} does not exist: name a results folder, or the result JSON in it")
    files = [file for file in sorted(path.glob("*.json")) if not any(mark in file.stem for mark in _NOT_RESULTS)]
    named = [file for file in files if _beside(file, EVENTS_SUFFIX) or _beside(file, SUMMARY_SUFFIX)]
    if not named:
        named = [file for file in files if _looks_like_results(file)]
    if not named:
        inside = ", ".join(sorted(item.name for item in path.iterdir())[:8]) or "nothing"
        raise RecordError(f"{path} holds no LEAN result JSON (there is: {inside}): did the run end before its results?")
    if len(named) > 1:
        names = ", ".join(file.name for file in named)
        raise RecordError(f"{path} holds the results of several runs ({names}): name the one you mean")
    return named[0]


def read_results(path: Path) -> LeanResults:
    """Read a results folder, or a result JSON with what lies beside it.

    Raises:
        RecordError: A file is missing or damaged; it is named.
    """
    file = find_result_file(path)
    data = _object(file)
    statistics = data.get("statistics")
    if not isinstance(statistics, Mapping):
        raise RecordError(f"{file} has no statistics: it is no LEAN result, or the run ended before they were made")
    orders = data.get("orders", {})
    rows = list(orders.values()) if isinstance(orders, Mapping) else orders
    state = data.get("state") or {}
    algorithm_id = file.stem
    return LeanResults(
        folder=file.parent,
        file=file,
        algorithm_id=algorithm_id,
        statistics={str(key): str(value) for key, value in statistics.items()},
        orders=sorted((_order(row, file) for row in rows), key=lambda row: int(row["id"])),
        events=_events(file),
        status=str(state.get("Status", state.get("status", ""))),
        error=str(state.get("RuntimeError", state.get("runtimeError", "")) or ""),
        log_lines=_log(file),
    )


def data_points(lines: list[str]) -> int:
    """Return how many data points LEAN says it has processed, 0 where it does not say."""
    for line in reversed(lines):
        found = _FINISHED.search(line)
        if found:
            return int(found.group(1).replace(",", ""))
    return 0


def _beside(file: Path, suffix: str) -> bool:
    return file.with_name(f"{file.stem}{suffix}").is_file()


def _looks_like_results(file: Path) -> bool:
    try:
        data = _object(file)
    except RecordError:
        return False
    return "statistics" in data and ("orders" in data or "charts" in data)


def _parsed(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except OSError as error:
        raise RecordError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise RecordError(f"{file} is damaged: {error}; the run may have been killed while it wrote it") from error


def _object(file: Path) -> dict[str, Any]:
    data = _parsed(file)
    if not isinstance(data, dict):
        raise RecordError(f"{file} holds a {type(data).__name__}, a LEAN result is an object")
    return {_camel(key): (value if _camel(key) in _FREE_TEXT else _plain(value)) for key, value in data.items()}


def _events(file: Path) -> list[dict[str, Any]]:
    path = file.with_name(f"{file.stem}{EVENTS_SUFFIX}")
    if not path.is_file():
        return []
    rows = _plain(_parsed(path))
    if not isinstance(rows, list) or not all(isinstance(row, dict) and "orderId" in row for row in rows):
        raise RecordError(f"{path} is no list of order events")
    return sorted(rows, key=lambda row: (int(row["orderId"]), int(row.get("orderEventId", 0))))


def _order(row: Any, file: Path) -> dict[str, Any]:
    if not isinstance(row, dict) or "id" not in row or "quantity" not in row:
        raise RecordError(f"{file}: {str(row)[:80]!r} is no order")
    return row


def _log(file: Path) -> list[str]:
    for path in (file.with_name(f"{file.stem}-log.txt"), file.with_name("log.txt")):
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace").splitlines()
    return []


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_camel(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _camel(key: str) -> str:
    text = _SEPARATED.sub(lambda found: found.group(1).upper(), key)
    return "id" if text in ("ID", "Id") else text[:1].lower() + text[1:]
