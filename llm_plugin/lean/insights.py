"""Insights as the wrapper remembers them: which one is active, and when a decision's own time is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from llm_plugin.lean.compat import lean_api, number, security_id

__all__ = ["InsightLog", "KnownInsight", "flat_insight"]


@dataclass(slots=True)
class KnownInsight:
    """An insight that went on to LEAN. `closes_utc` is as LEAN set it first: a later cancel does not move it."""

    insight: Any
    symbol_id: str
    direction: int
    sent_utc: datetime
    closes_utc: datetime | None = None

    def refresh(self) -> None:
        """Read the close time once LEAN has set it."""
        if self.closes_utc is None:
            closes = _aware(self.insight.close_time_utc)
            if closes is not None and closes >= self.sent_utc:
                self.closes_utc = closes

    def active(self, now: datetime) -> bool:
        """Return whether portfolio models still see it; a cancelled one is not active."""
        closes = _aware(self.insight.close_time_utc)
        if closes is None or (self.closes_utc is None and closes < self.sent_utc):
            return self.sent_utc == now
        return closes >= now

    def over(self, now: datetime) -> bool:
        """Return whether its own time has passed, cancelled or not; one cancelled at once never had any."""
        if self.closes_utc is None:
            closes = _aware(self.insight.close_time_utc)
            return closes is not None and closes.year > 1 and closes < self.sent_utc
        return self.closes_utc < now

    @property
    def cancelled(self) -> bool:
        """Whether somebody ended it before its time."""
        closes = _aware(self.insight.close_time_utc)
        return self.closes_utc is not None and closes is not None and closes < self.closes_utc


@dataclass(slots=True)
class InsightLog:
    """The insights of all symbols, oldest first."""

    known: dict[str, list[KnownInsight]] = field(default_factory=dict)

    def add(self, insight: Any, now: datetime) -> KnownInsight:
        """Remember an insight that goes on to LEAN."""
        item = KnownInsight(insight, security_id(insight.symbol), number(insight.direction), now)
        self.known.setdefault(item.symbol_id, []).append(item)
        return item

    def refresh(self, now: datetime) -> None:
        """Read close times and forget what is over."""
        for symbol_id, items in self.known.items():
            if items:
                for item in items:
                    item.refresh()
                if any(item.over(now) for item in items):
                    self.known[symbol_id] = [item for item in items if not item.over(now)]

    def last_active(self, symbol_id: str, now: datetime) -> KnownInsight | None:
        """Return the insight that portfolio models use: the newest active one."""
        for item in reversed(self.known.get(symbol_id, ())):
            if item.active(now):
                return item
        return None

    def longest_close(self, symbol_id: str, now: datetime) -> datetime | None:
        """Return when the last of the symbol's active insights ends, None where none is active."""
        ends = [item.closes_utc for item in self.known.get(symbol_id, ()) if item.active(now)]
        return max((end for end in ends if end is not None), default=None)


def flat_insight(insight: Any, until_utc: datetime | None, zone: tzinfo) -> Any:
    """Return a FLAT insight that lasts as long as everything active, so that nothing older comes back.

    Args:
        insight: The vetoed insight.
        until_utc: When the last active insight of the symbol ends. A period would not do: LEAN counts whole trading
            days and converts the rest.
        zone: Time zone of the exchange, in which LEAN takes close times.
    """
    lean = lean_api()
    until = insight.period if until_utc is None else until_utc.astimezone(zone).replace(tzinfo=None)
    source = str(insight.source_model or "LLMValidated")
    return lean.Insight.price(insight.symbol, until, lean.InsightDirection.FLAT, None, None, source)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
