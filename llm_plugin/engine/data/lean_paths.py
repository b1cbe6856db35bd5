"""Where LEAN's files lie and what their lines mean, for custom data that reads market data."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import Resolution, SecurityType, TickType, resolution_span
from llm_plugin.engine.base.money import to_decimal
from llm_plugin.engine.base.names import LeanObject, LeanType
from llm_plugin.engine.base.zones import from_us, to_us
from llm_plugin.engine.data.bars import TradeBar
from llm_plugin.engine.data.lean_data import bar_file
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["Compression", "Globals", "LeanData", "market_data_source", "trade_bar_of_line"]

_PRICES = ("open", "high", "low", "close")
_SUFFIXED = (SecurityType.CRYPTO, SecurityType.CRYPTO_FUTURE)
_KNOWN = (SecurityType.BASE, SecurityType.INDEX, SecurityType.EQUITY, SecurityType.FOREX, SecurityType.CFD, *_SUFFIXED)


class _Folders(LeanType):
    @property
    def data_folder(cls) -> str:
        """The data folder of the run at hand."""
        from llm_plugin.engine.core import current_context

        return str(current_context().data_folder)

    DataFolder = data_folder


class Globals(LeanObject, metaclass=_Folders):
    """Folders of the run."""


class LeanData(LeanObject):
    """Names of LEAN's data files."""

    @staticmethod
    def generate_zip_file_name(symbol: Any, date: datetime, resolution: Resolution, tick_type: TickType) -> str:
        """Return a file's name without its folder."""
        kind = symbol.security_type
        if kind not in _KNOWN:
            raise UnsupportedLeanApi(f"LeanData.generate_zip_file_name of {kind}", "options and futures are left out")
        side = str(TickType(tick_type)).lower()
        if Resolution(resolution) >= Resolution.HOUR:
            return f"{symbol.value.lower()}_{side}.zip" if kind in _SUFFIXED else f"{symbol.value.lower()}.zip"
        return f"{date:%Y%m%d}_{side}.zip"

    @staticmethod
    def generate_relative_zip_file_path(
        symbol: Any, date: datetime, resolution: Resolution, tick_type: TickType
    ) -> str:
        """Return a file's path below the data folder."""
        path = LeanData.generate_zip_file_path("", symbol, date, resolution, tick_type)
        return path.lstrip("/")

    @staticmethod
    def generate_zip_file_path(
        data_directory: str, symbol: Any, date: datetime, resolution: Resolution, tick_type: TickType
    ) -> str:
        """Return a file's path."""
        day = date.date() if isinstance(date, datetime) else date
        return str(
            bar_file(
                Path(data_directory), symbol.security_type, symbol.id.market, symbol.value, Resolution(resolution),
                TickType(tick_type), day,
            )
        )  # fmt: skip


class Compression(LeanObject):
    """Zip archives in memory."""

    @staticmethod
    def zip_bytes(content: Any, entry_name: str) -> bytes:
        """Return an archive with one entry."""
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(entry_name, bytes(content))
        return out.getvalue()

    @staticmethod
    def unzip_data(content: Any) -> dict[str, str]:
        """Return the entries of an archive as text."""
        with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
            return {name: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}


def market_data_source(config: Any, date: datetime) -> Any:
    """Return where the file of a subscription lies."""
    from llm_plugin.engine.data.custom_data import SubscriptionDataSource

    folder = Globals.data_folder
    path = LeanData.generate_zip_file_path(folder, config.symbol, date, config.resolution, config.tick_type)
    return SubscriptionDataSource(path)


class FileTradeBar(TradeBar):
    """A trade bar of a line of LEAN's files, whose prices keep their decimals."""

    __slots__ = ("_decimals",)

    _decimals: dict[str, Decimal]

    def exact(self, name: str = "value") -> Decimal:
        """Return a price as LEAN's decimal."""
        field = "close" if name in ("value", "price") else name
        known, now = self._decimals.get(field), getattr(self, field)
        # Users may change what they read.
        return known if known is not None and float(known) == now else to_decimal(now)


def trade_bar_of_line(config: Any, line: str, date: datetime, *, equity: bool | None = None) -> FileTradeBar:
    """Return the bar of a line of a trade file, in exchange time.

    Args:
        config: Symbol, resolution and time zones.
        line: Of the file; prices of equities are ten-thousandths.
        date: Of the file, where its lines have only times of day.
        equity: Whether the prices are an equity's; None: as the symbol says.
    """
    scaled = config.symbol.security_type == SecurityType.EQUITY if equity is None else equity
    scale = Decimal("0.0001") if scaled else Decimal(1)
    fields = line.split(",")
    resolution = Resolution(config.resolution)
    if resolution >= Resolution.HOUR:
        text = fields[0]
        local = datetime.fromisoformat(f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[9:14]}")
    else:
        local = datetime(date.year, date.month, date.day) + timedelta(milliseconds=float(fields[0]))
    data_zone, exchange = config.data_time_zone, config.exchange_time_zone
    start = from_us(exchange.local(data_zone.utc(to_us(local))))
    prices = {name: Decimal(text) * scale for name, text in zip(_PRICES, fields[1:5], strict=True)}
    volume = float(fields[5]) if len(fields) > 5 and fields[5] else 0.0
    first, high, low, close = (float(value) for value in prices.values())
    bar = FileTradeBar(start, config.symbol, first, high, low, close, volume, resolution_span(resolution))
    bar._decimals = prices
    return bar
