"""Whole histories that were read in this process: several streams of a run, and the next run, read the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType
from llm_plugin.engine.base.zones import Zone, zone
from llm_plugin.engine.data.bar_columns import BarColumns
from llm_plugin.engine.data.csv_decode import CsvTable

__all__ = ["History", "histories", "keep", "kept"]

_MOST = 16


class History(NamedTuple):
    """A file, and all that its columns depend on."""

    path: Path
    security_type: SecurityType
    resolution: Resolution
    tick_type: TickType
    data_zone: Zone
    exchange_zone: Zone

    def told(self) -> list[Any]:
        """Return it as JSON can hold it."""
        kinds = (self.security_type, self.resolution, self.tick_type)
        return [str(self.path), *(int(kind) for kind in kinds), self.data_zone.name, self.exchange_zone.name]

    @classmethod
    def from_told(cls, told: list[Any]) -> History:
        """Return what was told.

        Raises:
            ValueError: It is none.
            KeyError: It names no time zone.
        """
        path, security_type, resolution, tick_type, data_zone, exchange_zone = told
        kinds = SecurityType(security_type), Resolution(resolution), TickType(tick_type)
        return cls(Path(path), *kinds, zone(data_zone), zone(exchange_zone))


_kept: dict[History, tuple[CsvTable, BarColumns]] = {}


def kept(history: History, table: CsvTable) -> BarColumns | None:
    """Return the columns that were made of a table before, not to be written to."""
    found = _kept.get(history)
    return found[1] if found is not None and found[0] is table else None


def keep(history: History, table: CsvTable, columns: BarColumns) -> None:
    """Keep the columns of a table that has no fault."""
    for group in (columns.exact, columns.digits, columns.sizes, columns.sides):
        for values in group.values():
            values.flags.writeable = False
    columns.start_us.flags.writeable = columns.end_us.flags.writeable = False
    while len(_kept) >= _MOST:
        _kept.pop(next(iter(_kept)), None)
    _kept[history] = table, columns


def histories() -> list[History]:
    """Return the histories that are kept."""
    return list(_kept)
