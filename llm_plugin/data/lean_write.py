"""Writing files of a LEAN `Data` folder, byte for byte reproducible."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from llm_plugin.errors import DataError

__all__ = ["HOURS_FILE", "PROPERTIES_FILE", "file_hashes", "new_folder", "write_hours", "write_properties", "write_zip"]

HOURS_FILE = "market-hours/market-hours-database.json"
PROPERTIES_FILE = "symbol-properties/symbol-properties-database.csv"
PROPERTIES_HEADER = (
    "market,symbol,type,description,quote_currency,contract_multiplier,minimum_price_variation,lot_size,"
    "market_ticker,minimum_order_size,price_magnifier,strike_multiplier"
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


def new_folder(folder: Path) -> Path:
    """Create the output folder.

    Raises:
        DataError: It holds something already: two markets in one folder would be mixed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: name a new folder, or remove it first")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_zip(path: Path, member: str, text: str) -> None:
    """Write one csv member; time stamp, permissions and compression are fixed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    info = zipfile.ZipInfo(member, date_time=_EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o644 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, text.encode("ascii"), compresslevel=6)


def _segment(start: str, end: str, state: str = "market") -> dict[str, str]:
    return {"start": start, "end": end, "state": state}


def hours_entry(security_type: str) -> dict[str, Any]:
    """Return a synthetic exchange's hours: the real weekly pattern, without holidays or daily breaks."""
    if security_type == "equity":
        day = [
            _segment("04:00:00", "09:30:00", "premarket"),
            _segment("09:30:00", "16:00:00"),
            _segment("16:00:00", "20:00:00", "postmarket"),
        ]
        week: dict[str, Any] = {"sunday": []} | dict.fromkeys(_WEEKDAYS, day) | {"saturday": []}
        return {"dataTimeZone": "America/New_York", "exchangeTimeZone": "America/New_York", **week, "holidays": []}
    full = [_segment("00:00:00", "1.00:00:00")]
    week = {"sunday": [_segment("17:00:00", "1.00:00:00")]} | dict.fromkeys(_WEEKDAYS, full)
    week |= {"friday": [_segment("00:00:00", "17:00:00")], "saturday": []}
    return {"dataTimeZone": "UTC", "exchangeTimeZone": "America/New_York", **week, "holidays": []}


def write_hours(folder: Path, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the market-hours database."""
    path = folder / HOURS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"entries": entries}, indent=1) + "\n", encoding="utf-8", newline="\n")


def write_properties(folder: Path, rows: list[str]) -> None:
    """Write the symbol-properties database."""
    path = folder / PROPERTIES_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([PROPERTIES_HEADER, *rows]) + "\n", encoding="utf-8", newline="\n")


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
