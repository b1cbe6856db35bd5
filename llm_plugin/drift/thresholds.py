"""How high an alarm must hang so that it is passed only so many times in a history. numpy only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["alarm_places", "passing_height"]

Floats = NDArray[np.float64]
BODY = 0.9
LEAST_PEAKS = 8


def alarm_places(figures: Floats, height: float, silence: int) -> list[int]:
    """Return where a check that stays silent for a while after each alarm would have alarmed.

    Args:
        figures: One per check, in order; NaN never alarms.
        height: What a figure must exceed.
        silence: Checks after an alarm that still see the same bars and say nothing new.
    """
    places: list[int] = []
    for place in np.flatnonzero(figures > height).tolist():
        if not places or place - places[-1] >= silence:
            places.append(place)
    return places


def passing_height(figures: Floats, silence: int, alarms: float) -> float:
    """Return the height that is passed at most so many times.

    Where the history is long enough this is counted; where it is too short to contain so rare an event, the tail of
    its separate peaks above the 90th percentile, which fall off exponentially, is prolonged. The larger one holds.

    Args:
        figures: The history's figures, one per check.
        silence: As in `alarm_places`.
        alarms: Wanted number in this history; may lie far below one.
    """
    known = figures[np.isfinite(figures)]
    start = float(np.quantile(known, BODY))
    peaks = _peaks(known, start, silence)
    grown = start
    if len(peaks) >= LEAST_PEAKS:
        grown = start + float(np.mean(peaks - start)) * max(0.0, math.log(len(peaks) / alarms))
    return max(_counted(known, silence, alarms, start), grown)


def _peaks(figures: Floats, start: float, silence: int) -> Floats:
    """Return the highest figure of each separate stretch above `start`."""
    peaks: list[float] = []
    last = -silence
    for place in np.flatnonzero(figures > start).tolist():
        if peaks and place - last < silence:
            peaks[-1] = max(peaks[-1], float(figures[place]))
        else:
            peaks.append(float(figures[place]))
        last = place
    return np.asarray(peaks)


def _counted(figures: Floats, silence: int, alarms: float, start: float) -> float:
    """Return the lowest height from which on no higher one alarms more often than wanted; by bisection on counts."""
    heights = np.unique(np.quantile(figures, np.linspace(BODY, 1.0, 400)))
    allowed = [len(alarm_places(figures, height, silence)) <= alarms for height in heights.tolist()]
    if not allowed[-1]:
        return float(heights[-1])
    place = len(allowed) - 1
    while place > 0 and allowed[place - 1]:
        place -= 1
    return max(start, float(heights[place]))
