"""Where insights are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.framework.insights import Insight

__all__ = ["GeneratedInsightsCollection", "InsightCollection", "InsightManager"]


class InsightCollection(LeanObject):
    """Insights by symbol, in the order in which they came."""

    def __init__(self) -> None:
        self._by_symbol: dict[Any, list[Insight]] = {}
        self._all: list[Insight] = []
        # How many were ever added.
        self.total_count = 0

    @property
    def count(self) -> int:
        """How many are held."""
        return sum(len(items) for items in self._by_symbol.values())

    def add(self, insight: Insight) -> None:
        """Add one."""
        self.total_count += 1
        beat()
        self._all.append(insight)
        self._by_symbol.setdefault(insight.symbol, []).append(insight)

    def add_range(self, insights: Iterable[Insight]) -> None:
        """Add several."""
        for insight in insights:
            self.add(insight)

    def contains(self, insight: Insight) -> bool:
        """Whether it is held."""
        return any(item is insight for item in self._by_symbol.get(insight.symbol, ()))

    def contains_key(self, symbol: Any) -> bool:
        """Whether a symbol has insights."""
        return bool(self._by_symbol.get(symbol))

    def remove(self, insight: Insight) -> bool:
        """Remove one; False if it is not held."""
        items = self._by_symbol.get(insight.symbol, [])
        for at, item in enumerate(items):
            if item is insight:
                del items[at]
                if not items:
                    del self._by_symbol[insight.symbol]
                return True
        return False

    def __getitem__(self, symbol: Any) -> list[Insight]:
        return list(self._by_symbol[symbol])

    def __contains__(self, key: Any) -> bool:
        return self.contains(key) if isinstance(key, Insight) else self.contains_key(key)

    def __iter__(self) -> Iterator[Insight]:
        return iter([insight for items in self._by_symbol.values() for insight in items])

    def __len__(self) -> int:
        return self.count

    def get(self, symbol: Any) -> list[Insight]:
        """The insights of a symbol; empty if there are none."""
        return list(self._by_symbol.get(symbol, ()))

    def clear(self, symbols: Iterable[Any]) -> None:
        """Remove those of some symbols."""
        for symbol in symbols:
            self._by_symbol.pop(symbol, None)

    def get_next_expiry_time(self) -> datetime | None:
        """The earliest close time, or None."""
        return min((item.close_time_utc for items in self._by_symbol.values() for item in items), default=None)

    def get_active_insights(self, utc_time: datetime) -> list[Insight]:
        """Those that did not close before a time."""
        return [item for item in self if item.is_active(utc_time)]

    def has_active_insights(self, symbol: Any, utc_time: datetime) -> bool:
        """Whether a symbol has an active one."""
        return any(item.is_active(utc_time) for item in self._by_symbol.get(symbol, ()))

    def remove_expired_insights(self, utc_time: datetime) -> list[Insight]:
        """Remove and return those that closed before a time."""
        expired = [item for item in self if item.is_expired(utc_time)]
        for item in expired:
            self.remove(item)
        return expired

    def remove_insights(self, filter: Callable[[Insight], bool]) -> None:
        """Remove those that a filter accepts, from the history too."""
        self._all = [item for item in self._all if not filter(item)]
        for item in [item for item in self if filter(item)]:
            self.remove(item)

    def get_insights(self, filter: Callable[[Insight], bool] | None = None) -> list[Insight]:
        """All that were ever added, or those that a filter accepts."""
        return [item for item in self._all if filter is None or filter(item)]


class InsightManager(InsightCollection):
    """The algorithm's insights."""

    def __init__(self, algorithm: Any) -> None:
        super().__init__()
        self._algorithm = algorithm
        self._score_function: Any = None

    def set_insight_score_function(self, function: Any) -> None:
        """An object with `score(insight_manager, utc_time)` that is called at every step."""
        self._score_function = function

    def step(self, utc_now: datetime) -> None:
        """Let the score function rate."""
        if self._score_function is not None:
            find_member(self._score_function, "score")(self, utc_now)  # type: ignore[misc]

    def expire(self, targets: Iterable[Any] | None) -> None:
        """Close insights, or those of symbols, as of now."""
        now = self._algorithm.utc_time
        for target in targets or ():
            for insight in [target] if isinstance(target, Insight) else self.get(target):
                insight.expire(now)

    def cancel(self, targets: Iterable[Any] | None) -> None:
        """The same as `expire`."""
        self.expire(targets)


class GeneratedInsightsCollection(LeanObject):
    """What the `insights_generated` event carries."""

    def __init__(self, date_time_utc: datetime, insights: Iterable[Insight], clone: bool = True) -> None:
        self.date_time_utc = date_time_utc
        self.insights = [item.clone() for item in insights] if clone else list(insights)
