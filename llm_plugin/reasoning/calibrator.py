"""From scores to probabilities: how often does a signal with this margin pay?

Fitted on its own slice of time and stored as JSON with the model generation: a threshold means the same after a swap.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llm_plugin.errors import ModelError

__all__ = ["MIN_CALIBRATION_ROWS", "Calibrator"]

MIN_CALIBRATION_ROWS = 30
SCHEMA_VERSION = "1"
Kind = Literal["platt", "isotonic"]


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Monotone map from a score margin to P(replayed net R > 0).

    Attributes:
        kind: `platt` (two parameters: slope, offset) or `isotonic` (knots, linear in between).
        slope: Platt's slope; never negative.
        offset: Platt's offset.
        knots: Isotonic's (margin, probability) pairs, both ascending.
        rows: How many decisions it was fitted on.
        brier: Mean squared error of the fitted probabilities on those rows.
        base_brier: The same for the constant base rate.
    """

    kind: Kind
    slope: float = 1.0
    offset: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()
    rows: int = 0
    brier: float = math.nan
    base_brier: float = math.nan

    def probability(self, margin: float) -> float:
        """Return the probability of a profit for one margin.

        Raises:
            ValueError: The margin is NaN.
        """
        if math.isnan(margin):
            raise ValueError("the margin is NaN: the question has no entry to judge")
        if self.kind == "platt":
            return _sigmoid(self.slope * margin + self.offset)
        return _interpolate(self.knots, margin)

    @classmethod
    def fit(cls, margins: Sequence[float], profitable: Sequence[bool], kind: Kind = "platt") -> Calibrator:
        """Fit on matured decisions.

        Args:
            margins: log p(signal) - log p(HOLD) per decision.
            profitable: Whether the replayed net R was above zero.
            kind: `platt` is safer on hundreds of rows, `isotonic` more faithful on thousands.

        Raises:
            ValueError: Unequal lengths, or fewer than `MIN_CALIBRATION_ROWS` rows.
        """
        if len(margins) != len(profitable):
            raise ValueError(f"{len(margins)} margins but {len(profitable)} labels")
        if len(margins) < MIN_CALIBRATION_ROWS:
            raise ValueError(f"{len(margins)} decisions are too few to calibrate; {MIN_CALIBRATION_ROWS} are needed")
        labels = [1.0 if flag else 0.0 for flag in profitable]
        if kind == "platt":
            slope, offset = _fit_platt(margins, labels)
            draft = cls("platt", slope=slope, offset=offset)
        else:
            draft = cls("isotonic", knots=_fit_isotonic(margins, labels))
        base = sum(labels) / len(labels)
        brier = sum((draft.probability(m) - y) ** 2 for m, y in zip(margins, labels, strict=True)) / len(labels)
        return cls(
            kind=kind,
            slope=draft.slope,
            offset=draft.offset,
            knots=draft.knots,
            rows=len(labels),
            brier=brier,
            base_brier=base * (1 - base),
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "schema_version": SCHEMA_VERSION,
            "kind": self.kind,
            "slope": self.slope,
            "offset": self.offset,
            "knots": [list(pair) for pair in self.knots],
            "rows": self.rows,
            "brier": self.brier if math.isfinite(self.brier) else None,
            "base_brier": self.base_brier if math.isfinite(self.base_brier) else None,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Calibrator:
        """Rebuild from `to_json`.

        Raises:
            ModelError: An unknown kind or schema, or values that are no calibrator.
        """
        kind, version = data.get("kind"), data.get("schema_version")
        if kind not in ("platt", "isotonic") or version != SCHEMA_VERSION:
            raise ModelError(f"calibrator kind {kind!r}, schema {version!r} is unknown; train or fit the model again")
        try:
            knots = tuple((float(x), float(y)) for x, y in data["knots"])
            slope, offset = float(data["slope"]), float(data["offset"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"the calibrator is damaged ({error}); train or fit the model again") from error
        if kind == "isotonic" and not _ascending(knots):
            raise ModelError("the calibrator's knots do not ascend; train or fit the model again")
        if slope < 0 or not math.isfinite(slope) or not math.isfinite(offset):
            raise ModelError(f"the calibrator's slope {slope} or offset {offset} is impossible; fit the model again")
        figures = [math.nan if data.get(key) is None else float(data[key]) for key in ("brier", "base_brier")]
        return cls(kind, slope, offset, knots, int(data.get("rows", 0)), figures[0], figures[1])


def _sigmoid(value: float) -> float:
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-min(value, 700.0)))
    power = math.exp(max(value, -700.0))
    return power / (1.0 + power)


def _ascending(knots: Sequence[tuple[float, float]]) -> bool:
    return bool(knots) and all(a[0] < b[0] and a[1] <= b[1] for a, b in itertools.pairwise(knots))


def _interpolate(knots: Sequence[tuple[float, float]], margin: float) -> float:
    place = bisect_right(knots, margin, key=lambda knot: knot[0])
    if place == 0:
        return knots[0][1]
    if place == len(knots):
        return knots[-1][1]
    (x0, y0), (x1, y1) = knots[place - 1], knots[place]
    return y0 + (y1 - y0) * (margin - x0) / (x1 - x0)


def _fit_platt(margins: Sequence[float], labels: Sequence[float], iterations: int = 100) -> tuple[float, float]:
    """Newton's method on Platt's smoothed targets; a negative slope means no skill and becomes zero."""
    positives = sum(labels)
    negatives = len(labels) - positives
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    targets = [high if label else low for label in labels]
    slope, offset = 0.0, math.log((positives + 1) / (negatives + 1))
    for _ in range(iterations):
        g0 = g1 = h00 = h01 = 0.0
        h11 = 1e-9
        for margin, target in zip(margins, targets, strict=True):
            p = _sigmoid(slope * margin + offset)
            w = max(p * (1 - p), 1e-9)
            g0 += (p - target) * margin
            g1 += p - target
            h00 += w * margin * margin
            h01 += w * margin
            h11 += w
        h00 += 1e-3  # a ridge: separable or constant margins must not run away
        g0 += 1e-3 * slope
        determinant = h00 * h11 - h01 * h01
        if determinant <= 1e-12:
            break
        step_slope, step_offset = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
        scale = min(1.0, 5.0 / max(abs(step_slope), abs(step_offset), 1e-12))
        slope, offset = slope - scale * step_slope, offset - scale * step_offset
        if max(abs(step_slope), abs(step_offset)) < 1e-9:
            break
    if slope < 0:
        return 0.0, math.log((positives + 1) / (negatives + 1))
    return slope, offset


def _fit_isotonic(margins: Sequence[float], labels: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """Pool adjacent violators; each block becomes one knot at its mean margin, smoothed by one pseudo-win and -loss."""
    blocks: list[list[float]] = []  # sum of margins, sum of labels, count
    for margin, label in sorted(zip(margins, labels, strict=True)):
        blocks.append([margin, label, 1.0])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots: list[tuple[float, float]] = []
    for total, wins, count in blocks:
        x, y = total / count, (wins + 1) / (count + 2)
        if knots and x <= knots[-1][0]:
            continue
        knots.append((x, max(y, knots[-1][1] if knots else 0.0)))
    return tuple(knots)
