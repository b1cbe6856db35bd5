"""What a drift check says. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from llm_plugin.domain import to_jsonable

__all__ = ["DriftKind", "DriftReport", "Finding", "Standing"]

DriftKind = Literal["inputs", "outcomes", "calibration"]
Standing = Literal["drift", "calm", "silent", "cannot_judge"]
"""`silent`: it alarmed so lately that it still sees the same data. `cannot_judge`: too little data."""


@dataclass(frozen=True)
class Finding:
    """One detector's answer.

    Attributes:
        kind: What it looks at.
        name: The symbol, or the stream of figures.
        standing: What it found.
        text: The same in words.
        statistics: Its figures, with the thresholds beside them.
        change_point_utc: Since when, where it found drift.
    """

    kind: DriftKind
    name: str
    standing: Standing
    text: str
    statistics: Mapping[str, Any] = field(default_factory=dict)
    change_point_utc: datetime | None = None


@dataclass(frozen=True)
class DriftReport:
    """The answers of all detectors at one moment."""

    checked_utc: datetime
    findings: tuple[Finding, ...]

    @property
    def found(self) -> bool:
        """True where any detector found drift that it had not reported before."""
        return bool(self.kinds)

    @property
    def kinds(self) -> tuple[DriftKind, ...]:
        """What drifted, each kind once."""
        return tuple(dict.fromkeys(finding.kind for finding in self.findings if finding.standing == "drift"))

    @property
    def change_point_utc(self) -> datetime | None:
        """Since when a retrain should learn; None without drift.

        A change of outcomes or calibration says when what is to be learned has changed and goes before one of the
        inputs; of several the latest, for since then everything known is of the market as it is now.
        """
        drifted = [f for f in self.findings if f.standing == "drift" and f.change_point_utc is not None]
        telling = [finding for finding in drifted if finding.kind != "inputs"] or drifted
        return max((f.change_point_utc for f in telling if f.change_point_utc is not None), default=None)

    @property
    def text(self) -> str:
        """The report for people, one line per detector; what drifted comes first."""
        order = sorted(self.findings, key=lambda finding: finding.standing != "drift")
        head = "drift found" if self.found else "no new drift"
        lines = [f"{self.checked_utc:%Y-%m-%d %H:%M} UTC: {head}"]
        return "\n".join(lines + [f"  {finding.kind} ({finding.name}): {finding.text}" for finding in order])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "checked_utc": to_jsonable(self.checked_utc),
            "found": self.found,
            "kinds": list(self.kinds),
            "change_point_utc": to_jsonable(self.change_point_utc),
            "text": self.text,
            "findings": [to_jsonable(finding) for finding in self.findings],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DriftReport:
        """Rebuild; what is derived is derived again."""
        findings = [
            Finding(**{**item, "change_point_utc": _time(item["change_point_utc"])}) for item in values["findings"]
        ]
        return cls(datetime.fromisoformat(values["checked_utc"]), tuple(findings))


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
