"""Drift of the outcomes: has the mean of a stream of results changed? ADWIN or Page-Hinkley of `river`.

Two streams of matured decisions, both by decision time and both from symmetric replay: what the signals are worth
(net R), where a change either way counts, and what the decisions are worth against their opposites, where only a fall
does. A market whose good and bad contexts change places leaves the first one as it was and turns the second one over.

The detectors' state is not kept: they are run again over the stream since its last change, so that a restart, an
outcome that comes late and a clock that goes back all give what an uninterrupted run would have given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

__all__ = ["Shift", "find_shift"]

Detector = Literal["adwin", "page_hinkley"]
CLIP_R = 3.0
LEAST = 30
ADWIN_DELTA = 0.05
PAGE_HINKLEY_DELTA = 0.25
PAGE_HINKLEY_THRESHOLD = 20.0
USUAL_R = 1.25  # standard deviation of a trade of about 1 R either way


@dataclass(frozen=True, slots=True)
class Shift:
    """A change of the mean: the first value after it, where it was noticed, and the means on both sides."""

    place: int
    noticed: int
    before: float
    after: float


def find_shift(values: Sequence[float], detector: Detector, *, falls_only: bool = False) -> Shift | None:
    """Return the first change of the mean that the detector notices, None where there is none.

    Args:
        values: Net R, in the order of decisions.
        detector: Which one.
        falls_only: A rise is passed over, and the search goes on behind it.
    """
    clipped = np.clip(np.asarray(values, dtype=np.float64), -CLIP_R, CLIP_R)
    start = 0
    while len(clipped) - start >= LEAST:
        noticed = _first_alarm(clipped[start:], detector)
        if noticed is None:
            return None
        end = start + noticed + 1
        place = start + _split(clipped[start:end])
        shift = Shift(place, end - 1, float(clipped[start:place].mean()), float(clipped[place:end].mean()))
        if not falls_only or shift.after < shift.before:
            return shift
        start = place
    return None


def _first_alarm(values: Any, detector: Detector) -> int | None:
    from river import drift

    if detector == "adwin":
        adwin = drift.ADWIN(delta=ADWIN_DELTA, clock=1, min_window_length=10, grace_period=LEAST)
        scaled, found = (values + CLIP_R) / (2 * CLIP_R), adwin
    else:
        found = drift.PageHinkley(
            min_instances=LEAST, delta=PAGE_HINKLEY_DELTA, threshold=PAGE_HINKLEY_THRESHOLD, alpha=1.0
        )
        scaled = values / USUAL_R
    for place, value in enumerate(scaled.tolist()):
        found.update(value)
        if found.drift_detected:
            return place
    return None


def _split(values: Any) -> int:
    """Return where the mean most likely changed: the largest standardised difference of the two sides."""
    count, total = len(values), np.cumsum(values)
    left = np.arange(1, count)
    means = total[:-1] / left, (total[-1] - total[:-1]) / (count - left)
    return int(np.argmax(np.abs(means[0] - means[1]) * np.sqrt(left * (count - left)))) + 1
