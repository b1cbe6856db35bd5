"""Market breadth: indicators over the bars of many symbols."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from llm_plugin.engine.indicators.base import BarIndicator

__all__ = ["AdvanceDeclineDifference", "AdvanceDeclineRatio", "AdvanceDeclineVolumeRatio", "ArmsIndex"]


class _AdvanceDecline(BarIndicator):
    """What the rising symbols have over what the falling ones have, once all symbols have a bar of the period."""

    needs = ("close", "volume")

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.warm_up_period = 2
        self._now: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        self._period: datetime | None = None

    @property
    def is_ready(self) -> bool:
        """Ready with a period before the current one."""
        return bool(self._before)

    def add(self, asset: Any) -> None:
        """Take a symbol in."""
        self._now.setdefault(str(asset.id), None)

    def remove(self, asset: Any) -> None:
        """Leave a symbol out."""
        self._now.pop(str(asset.id), None)

    add_stock, remove_stock = add, remove

    def reset(self) -> None:
        """Forget all input; the symbols stay."""
        super().reset()
        self._before = {}
        self._now = dict.fromkeys(self._now)
        self._period = None

    def _enqueue(self, bar: Any) -> None:
        key, period = str(bar.symbol.id), self._period
        if bar.end_time == period:
            self._before[key] = bar
            return
        if period is not None and bar.time > period:
            self._before = dict(self._now)
            self._now = dict.fromkeys(self._now)
            self._period = bar.time
        if key in self._now and (self._period is None or bar.time == self._period):
            self._now[key] = bar
            self._period = bar.time

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        self._enqueue(bar)
        if not self._before or any(item is None for item in self._now.values()):
            return None
        pairs = [(item, self._before.get(key)) for key, item in self._now.items()]
        up = [item for item, old in pairs if old is not None and item.close > old.close]
        down = [item for item, old in pairs if old is not None and item.close < old.close]
        return self._ratio(self._weight(up), self._weight(down))

    def _weight(self, bars: list[Any]) -> float:
        return float(len(bars))

    def _ratio(self, up: float, down: float) -> float:
        return up / down if down else up


class AdvanceDeclineRatio(_AdvanceDecline):
    """Number of rising over number of falling symbols."""

    def __init__(self, name: str = "A/D Ratio") -> None:
        super().__init__(name)


class AdvanceDeclineVolumeRatio(_AdvanceDecline):
    """Volume of rising over volume of falling symbols."""

    def __init__(self, name: str = "A/D Volume Rate") -> None:
        super().__init__(name)

    def _weight(self, bars: list[Any]) -> float:
        return math.fsum(bar.volume for bar in bars)


class AdvanceDeclineDifference(_AdvanceDecline):
    """Number of rising less number of falling symbols."""

    def __init__(self, name: str = "A/D Difference") -> None:
        super().__init__(name)

    def _ratio(self, up: float, down: float) -> float:
        return up - down


class ArmsIndex(BarIndicator):
    """TRIN: the advance/decline ratio over the advance/decline volume ratio."""

    needs = ("close", "volume")

    def __init__(self, name: str = "TRIN") -> None:
        super().__init__(name)
        self.ad_ratio = AdvanceDeclineRatio(f"{name}_A/D Ratio")
        self.adv_ratio = AdvanceDeclineVolumeRatio(f"{name}_A/D Volume Ratio")
        self.warm_up_period = 2
        self._arms = 0.0

    ADRatio = property(lambda self: self.ad_ratio, doc="Advance/decline ratio.")
    ADVRatio = property(lambda self: self.adv_ratio, doc="Advance/decline volume ratio.")

    @property
    def is_ready(self) -> bool:
        """Ready when both ratios are."""
        return self.ad_ratio.is_ready and self.adv_ratio.is_ready

    def add(self, asset: Any) -> None:
        """Take a symbol in."""
        self.ad_ratio.add(asset)
        self.adv_ratio.add(asset)

    def remove(self, asset: Any) -> None:
        """Leave a symbol out."""
        self.ad_ratio.remove(asset)
        self.adv_ratio.remove(asset)

    add_stock, remove_stock = add, remove

    def reset(self) -> None:
        """Forget all input; the symbols stay."""
        super().reset()
        self.ad_ratio.reset()
        self.adv_ratio.reset()
        self._arms = 0.0

    def _compute_bar(self, time: datetime, bar: Any) -> float | None:
        made = self.adv_ratio._produced
        self.ad_ratio.update(bar)
        self.adv_ratio.update(bar)
        volume = self.adv_ratio._value
        if volume == 0:
            return 0.0
        if self.adv_ratio._produced != made:
            self._arms = self.ad_ratio._value / volume
        return self._arms
