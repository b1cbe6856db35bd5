"""What past days did in the same hour, and past weeks on the same weekday."""

from __future__ import annotations

import math

__all__ = ["Seasonality"]

_NAN = math.nan
_MEMORY = 1 / 20  # weight of the newest observation: about the last twenty days


class Seasonality:
    """Running means of return, size, direction and spread in 24 hour buckets and 7 weekday buckets (UTC)."""

    def __init__(self) -> None:
        self.hour_return = [_NAN] * 24
        self.hour_size = [_NAN] * 24
        self.hour_up = [_NAN] * 24
        self.hour_last = [_NAN] * 24
        self.hour_spread = [_NAN] * 24
        self.day_return = [_NAN] * 7
        self.day_size = [_NAN] * 7
        self.hours_size = _NAN
        self.days_size = _NAN

    def features(
        self, start_seconds: float, end_seconds: float, change: float, spread: float, sigma: float
    ) -> list[float]:
        """Take the bar that just ended and return the 8 seasonality features in catalogue order.

        Args:
            start_seconds: Start of the bar.
            end_seconds: End of the bar; the coming hour begins here.
            change: Log return of the bar.
            spread: Closing spread as a fraction of the price, NaN where unknown.
            sigma: Standard deviation of returns for scaling, above 0.
        """
        size = abs(change)
        # Judged against the norm of the hour before this bar goes into it.
        hour = int(start_seconds // 3600) % 24
        norm, spread_norm = self.hour_size[hour], self.hour_spread[hour]
        self._learn(hour, int(start_seconds // 86_400 + 3) % 7, change, spread)
        coming = int(end_seconds // 3600) % 24
        weekday = int(end_seconds // 86_400 + 3) % 7
        return [
            self.hour_return[coming] / sigma,
            _ratio(self.hour_size[coming], self.hours_size),
            self.hour_up[coming],
            self.hour_last[coming] / sigma,
            _ratio(size, norm),
            self.day_return[weekday] / sigma,
            _ratio(self.day_size[weekday], self.days_size),
            _ratio(spread, spread_norm),
        ]

    def _learn(self, hour: int, day: int, change: float, spread: float) -> None:
        size = abs(change)
        _mix(self.hour_return, hour, change, _MEMORY)
        _mix(self.hour_size, hour, size, _MEMORY)
        _mix(self.hour_up, hour, 1.0 if change > 0 else 0.0, _MEMORY)
        _mix(self.hour_spread, hour, spread, _MEMORY)
        self.hour_last[hour] = change
        _mix(self.day_return, day, change, _MEMORY / 12)
        _mix(self.day_size, day, size, _MEMORY / 12)
        self.hours_size = _mixed(self.hours_size, size, _MEMORY / 24)
        self.days_size = _mixed(self.days_size, size, _MEMORY / 84)


def _mixed(old: float, new: float, weight: float) -> float:
    if new != new:
        return old
    return new if old != old else old + weight * (new - old)


def _mix(buckets: list[float], at: int, new: float, weight: float) -> None:
    buckets[at] = _mixed(buckets[at], new, weight)


def _ratio(value: float, norm: float) -> float:
    """Return value / norm, at most 20; NaN where either is unknown or the norm is 0."""
    return min(20.0, value / norm) if norm > 0 and value == value else _NAN
