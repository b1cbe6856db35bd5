"""The watch over a new generation: each outcome counts once, and whoever is worse goes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

from llm_plugin.errors import DataError
from llm_plugin.watch.evidence import CLIP_R, Evidence

if TYPE_CHECKING:
    from llm_plugin.settings import WatchSettings

__all__ = ["Watch", "WatchStatus", "WatchVerdict"]

SCHEMA_VERSION = "1"

WatchStatus = Literal["watching", "roll_back", "kept"]
"""`roll_back`: the previous generation shall serve again. `kept`: the watch has ended without that."""


@dataclass(frozen=True, slots=True)
class WatchVerdict:
    """How a watch stands.

    Attributes:
        status: See `WatchStatus`.
        champion: The generation that is watched.
        previous: The one it replaced, which answers in shadow.
        value: The e-value.
        bar: What it rolls back at: 1 / level.
        outcomes: Matured decisions that counted.
        disagreements: Those on which the two differ.
        mean_difference: Mean of new minus previous in clipped R over all that counted, None before the first.
        reason: One sentence.
        counted: False where the last update changed nothing: a duplicate, or the watch has ended.
    """

    status: WatchStatus
    champion: str
    previous: str
    value: float
    bar: float
    outcomes: int
    disagreements: int
    mean_difference: float | None
    reason: str
    counted: bool = True

    @property
    def rolled_back(self) -> bool:
        """True where the previous generation shall serve again."""
        return self.status == "roll_back"

    @property
    def ended(self) -> bool:
        """True where no further outcome counts."""
        return self.status != "watching"


class Watch:
    """One new generation against the one it replaced.

    Outcomes belong in the order of decision time, matured ones only. One that comes late, with a time before the last
    counted one (a clock that went backwards, a second source), counts within the running day: time never runs
    backwards here, and no day is opened twice.
    """

    def __init__(
        self, champion: str, previous: str, settings: WatchSettings, state: Mapping[str, Any] | None = None
    ) -> None:
        """Begin a watch, or go on with a stored one.

        Args:
            champion: The version in service.
            previous: The version before it.
            settings: `settings.watch`.
            state: What `state` returned before.

        Raises:
            DataError: The state belongs to other versions, another schema, or is damaged.
        """
        if champion == previous:
            raise DataError(f"version {champion} cannot be watched against itself")
        self.champion, self.previous = champion, previous
        self._settings = settings
        self._evidence = Evidence()
        self._seen: dict[str, None] = {}
        self._day: date | None = None
        self._disagreements = 0
        self._sum = 0.0
        self._failures = 0
        self._status: WatchStatus = "watching"
        self._reason = ""
        self.late = 0
        if state is not None:
            self._restore(state)

    @property
    def rolled_back(self) -> bool:
        """True where the previous generation shall serve again."""
        return self._status == "roll_back"

    @property
    def value(self) -> float:
        """The e-value."""
        return self._evidence.value

    @property
    def verdict(self) -> WatchVerdict:
        """How it stands now."""
        return self._verdict(True)

    def update(
        self, decision_id: str, time_utc: datetime, net_r: float, champion_size: float, previous_size: float
    ) -> WatchVerdict:
        """Take in one matured decision; the same one again changes nothing.

        Args:
            decision_id: The question.
            time_utc: When it was asked.
            net_r: Replayed net R of the signal's action.
            champion_size: What the new generation made of it: 0 for a veto, else the size multiplier.
            previous_size: The same of the previous generation.

        Raises:
            DataError: A time without a zone, an R that is not finite, or a size outside 0 to 1; nothing has changed.
        """
        if time_utc.tzinfo is None:
            raise DataError(f"decision {decision_id}: time {time_utc} has no time zone")
        if not math.isfinite(net_r):
            raise DataError(f"decision {decision_id}: net R is {net_r}; it must be finite")
        for who, size in (("champion", champion_size), ("previous", previous_size)):
            if not 0 <= size <= 1:
                raise DataError(f"decision {decision_id}: size {size} of the {who} version must lie from 0 to 1")
        if decision_id in self._seen or self._status != "watching":
            return self._verdict(False)
        self._seen[decision_id] = None
        self._turn_day(time_utc.astimezone(UTC).date())
        difference = max(-CLIP_R, min(CLIP_R, net_r)) * (champion_size - previous_size)
        self._evidence.add(difference)
        self._disagreements += champion_size != previous_size
        self._sum += difference
        self._conclude()
        return self._verdict(True)

    def answered(self, ok: bool, why: str = "") -> WatchVerdict:
        """Note whether the new generation could answer; so many failures in a row roll back at once.

        Args:
            ok: False where it raised, timed out, or gave rubbish.
            why: The cause of a failure.
        """
        if self._status != "watching":
            return self._verdict(False)
        self._failures = 0 if ok else self._failures + 1
        if self._failures >= self._settings.health_failures:
            self._status = "roll_back"
            cause = f", last: {why}" if why else ""
            self._reason = f"{self.champion} failed to answer {self._failures} times in a row{cause}"
        return self._verdict(True)

    def state(self) -> dict[str, Any]:
        """Return everything as plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "champion": self.champion,
            "previous": self.previous,
            "status": self._status,
            "reason": self._reason,
            "day": self._day.isoformat() if self._day is not None else None,
            "disagreements": self._disagreements,
            "sum": self._sum,
            "failures": self._failures,
            "late": self.late,
            "evidence": self._evidence.to_json(),
            "seen": list(self._seen),
        }

    def _turn_day(self, day: date) -> None:
        if self._day is None or day > self._day:
            self._evidence.new_day()
            self._day = day
        elif day < self._day:
            self.late += 1

    def _conclude(self) -> None:
        value, bar, count = self._evidence.value, 1 / self._settings.level, self._evidence.count
        if value >= bar:
            self._status = "roll_back"
            self._reason = (
                f"{self.champion} is worse than {self.previous} by {-self._sum / count:.3f} R a decision over "
                f"{count} outcomes (e-value {value:.1f}, bar {bar:.0f})"
            )
        elif count >= self._settings.outcomes:
            self._status = "kept"
            self._reason = f"{count} outcomes did not show that {self.champion} is worse (e-value {value:.2f})"

    def _verdict(self, counted: bool) -> WatchVerdict:
        count, value, bar = self._evidence.count, self._evidence.value, 1 / self._settings.level
        return WatchVerdict(
            status=self._status,
            champion=self.champion,
            previous=self.previous,
            value=value,
            bar=bar,
            outcomes=count,
            disagreements=self._disagreements,
            mean_difference=self._sum / count if count else None,
            reason=self._reason or f"e-value {value:.2f} of {bar:.0f} after {count} outcomes",
            counted=counted,
        )

    def _restore(self, state: Mapping[str, Any]) -> None:
        if state.get("schema_version") != SCHEMA_VERSION:
            raise DataError(
                f"watch state has schema {state.get('schema_version')!r}, this version reads {SCHEMA_VERSION!r}; "
                "start the watch anew"
            )
        if (state.get("champion"), state.get("previous")) != (self.champion, self.previous):
            raise DataError(
                f"watch state is of {state.get('champion')} after {state.get('previous')}, "
                f"not of {self.champion} after {self.previous}"
            )
        try:
            self._evidence = Evidence.from_json(state["evidence"])
            self._seen = dict.fromkeys(str(name) for name in state["seen"])
            self._day = date.fromisoformat(state["day"]) if state["day"] is not None else None
            self._disagreements, self._failures = int(state["disagreements"]), int(state["failures"])
            self._sum, self.late, self._reason = float(state["sum"]), int(state["late"]), str(state["reason"])
            status = state["status"]
            if status not in ("watching", "roll_back", "kept"):
                raise ValueError(f"status {status!r}")
            if len(self._seen) != self._evidence.count:
                raise ValueError(f"{len(self._seen)} decisions but {self._evidence.count} outcomes")
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"watch state is damaged ({error}); start the watch anew") from error
        self._status = status
