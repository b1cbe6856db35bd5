"""The one clock of a run, in UTC microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llm_plugin.engine.base.zones import EPOCH, FineTime, Zone, from_us, zone

__all__ = ["Clock"]


class Clock:
    """What time it is in the backtest."""

    __slots__ = ("_cached_time", "_cached_us", "_cached_utc", "_cached_utc_us", "_fine", "utc_us", "zone")

    def __init__(self, zone_name: str = "America/New_York") -> None:
        self.utc_us = 0
        self.zone: Zone = zone(zone_name)
        self._cached_us = -1
        self._cached_time = EPOCH
        self._cached_utc_us, self._cached_utc = -1, EPOCH
        # (time, ticks past it) of the last moment between two microseconds.
        self._fine = (-1, 0)

    @property
    def time(self) -> datetime:
        """Naive time in the algorithm's zone."""
        if self._cached_us != self.utc_us:
            self._cached_us = self.utc_us
            self._cached_time = EPOCH + timedelta(microseconds=self.zone.local(self.utc_us))
        return self._cached_time

    @property
    def utc_time(self) -> datetime:
        """Naive UTC time."""
        if self._cached_utc_us != self.utc_us:
            self._cached_utc_us = self.utc_us
            self._cached_utc = EPOCH + timedelta(microseconds=self.utc_us)
        return self._cached_utc

    @property
    def ticks(self) -> int:
        """How many ticks of 100 nanoseconds the clock stands past its microsecond."""
        at, ticks = self._fine
        return ticks if at == self.utc_us else 0

    def stand(self, utc_us: int, ticks: int) -> None:
        """Set the clock to a time, some ticks past it; it loses them when its microsecond changes."""
        self.utc_us, self._fine = utc_us, (utc_us, ticks)
        self._cached_utc_us = utc_us
        self._cached_utc = FineTime.at(utc_us, ticks) if ticks else from_us(utc_us)

    @property
    def aware_utc(self) -> datetime:
        """Aware UTC time."""
        return from_us(self.utc_us).replace(tzinfo=UTC)

    def set_zone(self, where: object) -> None:
        """Change the algorithm's zone."""
        self.zone = zone(where)
        self._cached_us = -1

    def local(self, where: Zone) -> datetime:
        """Naive time in another zone."""
        return from_us(where.local(self.utc_us))
