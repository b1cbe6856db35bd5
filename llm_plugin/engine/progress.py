"""How far a run is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    time: datetime
    bars: int
    fraction: float
