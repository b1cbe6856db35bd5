"""The time axis of a walk-forward: cycles, swaps, roll-backs, in simulated time; one JSON line each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import RecordError

__all__ = ["TIMELINE_NAME", "Event", "EventKind", "Timeline", "read_timeline", "serving_at"]

TIMELINE_NAME = "timeline.jsonl"
EventKind = Literal["start", "drift", "cycle", "swap", "rollback", "watch_end"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    Attributes:
        kind: `start` names the first version; `drift` was found; `cycle` ended in some way; `swap` and `rollback`
            changed who answers; `watch_end`: the previous version needs no longer answer in shadow.
        time_utc: Simulated time.
        decision: Entry questions asked before it.
        matured: Matured decisions at that time.
        version: Who answers from now on.
        cycle: Number of the cycle it belongs to, 0 for none.
        status: How a cycle ended, as `CycleStatus`; empty otherwise.
        reason: In words.
        data_cutoff_utc: Nothing later is in `version`; None for a model of unknown data.
        figures: Numbers: counts of pairs, the gate's decision, the watch's value.
        seconds: Real time it took; not part of what must repeat.
    """

    kind: EventKind
    time_utc: datetime
    decision: int
    matured: int
    version: str
    cycle: int = 0
    status: str = ""
    reason: str = ""
    data_cutoff_utc: datetime | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain: dict[str, Any] = to_jsonable(asdict(self))
        return plain

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Event:
        """Rebuild from `to_json`."""
        values = dict(row)
        values["time_utc"] = _moment(values["time_utc"])
        if values.get("data_cutoff_utc") is not None:
            values["data_cutoff_utc"] = _moment(values["data_cutoff_utc"])
        return cls(**values)


class Timeline:
    """Collects events and writes each at once; a run that is started again writes them again from the first."""

    def __init__(self, path: Path) -> None:
        self.events: list[Event] = []
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")

    def add(self, event: Event) -> None:
        """Keep and write an event."""
        self.events.append(event)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(event.to_json(), allow_nan=False) + "\n")


def read_timeline(folder: Path) -> list[Event]:
    """Return the events of a run's folder.

    Raises:
        RecordError: It has none, or the file is damaged.
    """
    path = folder / TIMELINE_NAME
    if not path.is_file():
        raise RecordError(f"{path} does not exist: no arm that learns was run in {folder}")
    try:
        return [Event.from_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    except (ValueError, TypeError, KeyError) as error:
        raise RecordError(f"{path} is damaged ({error}): run the walk-forward again") from error


def serving_at(events: Sequence[Event], moment: datetime) -> str:
    """Return the version that answered a question of this moment; an event of the same moment comes before it."""
    version = ""
    for event in events:
        if event.time_utc > moment:
            break
        version = event.version
    return version


def number(value: Any) -> float:
    """Return a JSON number as a float, NaN where it is null."""
    return math.nan if value is None else float(value)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
