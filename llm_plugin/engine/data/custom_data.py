"""Custom data: the user's own class says where its lines are and what they mean."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import FileFormat, Resolution, SecurityType, SubscriptionTransportMedium
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.zones import DAY_US, EPOCH, to_us
from llm_plugin.engine.feed.bar_stream import PointStream
from llm_plugin.engine.feed.subscriptions import SubscriptionDataConfig
from llm_plugin.engine.market.market_hours import MarketHoursEntry, tradable_days
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import DataError, UnsupportedLeanApi

__all__ = ["CustomDataConfig", "SubscriptionDataSource", "custom_symbol"]

_EPOCH_ORDINAL = EPOCH.toordinal()


class SubscriptionDataSource(LeanObject):
    """Where custom data lies; without a medium, a web address is remote and all else a local file.

    `sort` orders the points of the source by their end.
    """

    def __init__(
        self,
        source: str,
        transport_medium: SubscriptionTransportMedium | None = None,
        format: FileFormat = FileFormat.CSV,
        headers: Any = None,
    ) -> None:
        self.source = str(source)
        medium = SubscriptionTransportMedium
        remote = self.source.lower().startswith(("http://", "https://"))
        default = medium.REMOTE_FILE if remote else medium.LOCAL_FILE
        self.transport_medium = default if transport_medium is None else medium(transport_medium)
        self.format = format
        self.headers = headers
        self.sort = False

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes two sources the same."""
        return self.source, int(self.transport_medium), int(self.format)


class CustomDataConfig(SubscriptionDataConfig):
    """A stream of a user's data class.

    Args:
        kind: The class, with `get_source` and `reader`.
        symbol: Its symbol.
        resolution: Resolution as subscribed.
        entry: Hours and time zone.
        files: Reads an object store key; local paths are read as they are.
        report: Called with each line that the reader could not read.
    """

    def __init__(
        self, kind: type, symbol: Symbol, resolution: Resolution, entry: MarketHoursEntry, files: Any, report: Any
    ) -> None:
        zone = entry.exchange_hours.time_zone
        super().__init__(kind, symbol, resolution, entry.data_time_zone, zone, fill_forward=False, custom=True)
        self._entry, self._files, self._report = entry, files, report
        self._map: Any = None

    def follow_tickers(self, map_file: Any) -> None:
        """Let `mapped_symbol` be the ticker of each day, by a map file; without one nothing changes."""
        self._map, self.follows_tickers = map_file, map_file is not None

    def open_stream(self, start_us: int, end_us: int) -> PointStream:
        """Return the points between two UTC times, in emission order."""
        return PointStream(self, None, self._points(start_us, end_us))

    def _points(self, start_us: int, end_us: int) -> Iterator[tuple[int, Any]]:
        zone = self.exchange_time_zone
        days = tradable_days(self._entry.exchange_hours, zone.local(start_us) // DAY_US, zone.local(end_us) // DAY_US)
        source: SubscriptionDataSource | None = None
        last = start_us
        for number in days:
            day = datetime.combine(date.fromordinal(_EPOCH_ORDINAL + number), datetime.min.time())
            if self._map is not None:
                self.mapped_symbol = self._map.ticker(day.date())
            found = self._source(day)
            if found is None or (source is not None and found.key == source.key):
                continue
            source = found
            points = self._read(found, day)
            for point in sorted(points, key=_end) if found.sort else points:
                emit = zone.utc(to_us(point.end_time))
                # What began within the run is told, also if it ends after it.
                if zone.utc(to_us(point.time)) > end_us:
                    break
                if emit >= last:
                    last = emit
                    yield emit, point

    def _source(self, day: datetime) -> SubscriptionDataSource | None:
        method = find_member(self.type(), "get_source")
        if method is None:
            raise DataError(f"{self.type.__name__} has no get_source(config, date, is_live_mode)")
        found: SubscriptionDataSource | None = method(self, day, False)
        return found

    def _read(self, source: SubscriptionDataSource, day: datetime) -> Iterator[Any]:
        read = find_member(self.type(), "reader")
        if read is None:
            raise DataError(f"{self.type.__name__} has no reader(config, line, date, is_live_mode)")
        for line in self._lines(source):
            try:
                answer = read(self, line, day, False)
            except (ValueError, IndexError, KeyError, TypeError) as error:
                self._report(f"{self.symbol}: {type(error).__name__} in reader: {error}: {line[:80]!r}")
                continue
            for point in answer if isinstance(answer, list) else [answer]:
                if point is None or point.time is None:
                    continue
                if point.symbol is None:
                    point.symbol = self.symbol
                yield point

    def _lines(self, source: SubscriptionDataSource) -> Iterator[str]:
        if source.format not in (FileFormat.CSV, FileFormat.UNFOLDING_COLLECTION):
            raise UnsupportedLeanApi(f"FileFormat.{source.format}", "supported: Csv, UnfoldingCollection")
        text = self._text(source)
        if source.format == FileFormat.UNFOLDING_COLLECTION:
            return iter([text] if text else [])
        return iter(text.splitlines())

    def _text(self, source: SubscriptionDataSource) -> str:
        if source.transport_medium == SubscriptionTransportMedium.OBJECT_STORE:
            if not self._files.contains_key(source.source):
                return ""
            return _unpacked(bytes(self._files.read_bytes(source.source)))
        if source.transport_medium != SubscriptionTransportMedium.LOCAL_FILE:
            raise UnsupportedLeanApi(
                f"SubscriptionTransportMedium.{source.transport_medium}",
                f"the engine opens no network connection; download {source.source} and give a local file",
            )
        path = Path(source.source)
        return _unpacked(path.read_bytes()) if path.is_file() else ""


def _end(point: Any) -> datetime:
    end: datetime = point.end_time
    return end


def requires_mapping(kind: type, symbol: Symbol) -> bool:
    """Return whether data follows the ticker changes of the security that it stands for."""
    own = find_member(kind(), "requires_mapping")
    if own is not None:
        return bool(own())
    return symbol.underlying is not None and symbol.underlying.security_type == SecurityType.EQUITY


def _unpacked(content: bytes) -> str:
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(archive.namelist()[0])
    return content.decode("utf-8-sig", errors="replace")


def custom_symbol(kind: type, ticker: str, underlying: Symbol | None = None, market: str | None = None) -> Symbol:
    """Return the symbol of custom data: `TICKER`, with the identifier `TICKER.Type`; it may stand for another one.

    Where it does, `market` is the other one's unless it is named.
    """
    if underlying is None:
        name = f"{ticker.upper()}.{kind.__name__}"
        return Symbol(SecurityIdentifier(name, SecurityType.BASE, "usa"), ticker, name)
    name = f"{underlying.id.symbol.upper()}.{kind.__name__}"
    first = underlying.id.date.date() if underlying.id.date.year > 1899 else None
    sid = SecurityIdentifier(name, SecurityType.BASE, market or underlying.id.market, first)
    symbol = Symbol(sid, underlying.value, name)
    symbol.underlying = underlying
    return symbol
