"""What a drift check remembers between two checks, as plain JSON; a clock that goes back is defined here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.files import write_whole

if TYPE_CHECKING:
    from llm_plugin.drift.inputs import InputBaseline

__all__ = ["STATE_VERSION", "DriftState"]

STATE_VERSION = "1"


@dataclass(frozen=True)
class DriftState:
    """The state of one market and one model.

    Attributes:
        checked_utc: When it was last checked.
        baselines: What the history of each symbol says.
        alarmed_utc: Newest bar of the last alarm of each symbol.
        since_utc: For each stream of decisions, from where on its detector runs: its last change.
        reported_utc: For each stream, when that change was reported.
    """

    checked_utc: datetime | None = None
    baselines: Mapping[str, InputBaseline] = field(default_factory=dict)
    alarmed_utc: Mapping[str, datetime] = field(default_factory=dict)
    since_utc: Mapping[str, datetime] = field(default_factory=dict)
    reported_utc: Mapping[str, datetime] = field(default_factory=dict)

    def as_of(self, moment: datetime) -> DriftState:
        """Return what was known at a moment: where the clock has gone back, whatever came later is forgotten."""
        if self.checked_utc is None or moment >= self.checked_utc:
            return self
        kept = {name for name, reported in self.reported_utc.items() if reported <= moment}
        return replace(
            self,
            checked_utc=None,
            baselines={n: b for n, b in self.baselines.items() if b.end_us <= moment.timestamp() * 1e6},
            alarmed_utc={name: time for name, time in self.alarmed_utc.items() if time <= moment},
            since_utc={name: time for name, time in self.since_utc.items() if name in kept},
            reported_utc={name: time for name, time in self.reported_utc.items() if name in kept},
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        values = {name: to_jsonable(dict(value)) for name, value in vars(self).items() if isinstance(value, Mapping)}
        return {
            **values,
            "version": STATE_VERSION,
            "checked_utc": to_jsonable(self.checked_utc),
            "baselines": {name: baseline.to_json() for name, baseline in self.baselines.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DriftState:
        """Rebuild.

        Raises:
            DataError: Another version, or a damaged field.
        """
        from llm_plugin.drift.inputs import InputBaseline

        if values.get("version") != STATE_VERSION:
            raise DataError(f"drift state has version {values.get('version')!r}, not {STATE_VERSION!r}; delete it")
        try:
            times = {
                name: {key: datetime.fromisoformat(text) for key, text in values[name].items()}
                for name in ("alarmed_utc", "since_utc", "reported_utc")
            }
            checked = values["checked_utc"]
            return cls(
                checked_utc=None if checked is None else datetime.fromisoformat(checked),
                baselines={name: InputBaseline.from_json(item) for name, item in values["baselines"].items()},
                **times,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"drift state cannot be read ({error}); delete it") from error

    @classmethod
    def read(cls, path: Path) -> DriftState:
        """Return the state of a file; an empty one where there is none.

        Raises:
            DataError: The file is damaged; named.
        """
        if not path.is_file():
            return cls()
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, DataError) as error:
            raise DataError(f"{path}: {error}; delete it to calibrate anew") from error

    def write(self, path: Path) -> None:
        """Write the file as a whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(self.to_json(), separators=(",", ":")) + "\n")
