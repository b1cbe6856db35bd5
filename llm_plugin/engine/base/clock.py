"""The one clock of a run, in UTC microseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llm_plugin.engine.base.zones import EPOCH, Zone, from_us, zone

__all__ = ["Clock"]


class Clock:
    """What time it is in the backtest."""

    __slots__ = ("_cached_time", "_cached_us", "_cached_utc", "_cached_utc_us", "utc_us", "zone")

    def __init__(self, zone_name: str = "America/New_York") -> None:
        self.utc_us = 0
        self.zone: Zone = zone(zone_name)
        self._cached_us = -1
        self._cached_time = EPOCH
        self._cached_utc_us, self._cached_utc = -1, EPOCH

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
