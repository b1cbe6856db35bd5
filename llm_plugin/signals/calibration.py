"""Platt scaling: two numbers that turn a score into a probability. numpy only: it runs where signals are served."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llm_plugin.errors import DataError

__all__ = ["PlattScale", "fit_platt", "fit_sides"]

FloatArray = npt.NDArray[np.float64]
_EDGE = 1e-6
_MIN_SLOPE = 0.05


@dataclass(frozen=True, slots=True)
class PlattScale:
    """probability = sigmoid(slope * logit(score) + intercept); the slope is above 0, so the order is kept."""

    slope: float
    intercept: float

    def __call__(self, score: FloatArray) -> FloatArray:
        """Return calibrated probabilities of scores in [0, 1]."""
        return _sigmoid(self.slope * _logit(score) + self.intercept)


def fit_platt(score: FloatArray, label: npt.NDArray[np.int8]) -> PlattScale:
    """Fit by Newton's method on the log loss, with Platt's soft targets.

    Args:
        score: Raw probabilities.
        label: 0 or 1.

    Raises:
        DataError: Only one class is there.
    """
    positives = int(label.sum())
    negatives = len(label) - positives
    if not positives or not negatives:
        raise DataError(f"calibration needs both classes, got {positives} of {len(label)} positive")
    x = _logit(score)
    target = np.where(label > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    slope, intercept = _newton(x, target, 1.0)
    if slope < _MIN_SLOPE:
        # Scores without skill out of fold: keep their order, let the base rate speak.
        slope = _MIN_SLOPE
        intercept = _intercept(x, target, slope)
    return PlattScale(float(slope), float(intercept))


def fit_sides(score: FloatArray, label: npt.NDArray[np.int8], drift_neutral: bool) -> list[PlattScale]:
    """Fit the scales of the long and the short side.

    Args:
        score: Raw probabilities, (2, n), long first.
        label: 0 or 1, (2, n).
        drift_neutral: One slope and one base rate for both sides, each side measured from its own mean score: a trend
            of the training years is not taken for a property of the market.

    Raises:
        DataError: Only one class is there.
    """
    if not drift_neutral:
        return [fit_platt(score[side], label[side]) for side in range(2)]
    centres = _logit(score).mean(axis=1, keepdims=True)
    both = fit_platt(_sigmoid(_logit(score) - centres).ravel(), label.ravel())
    return [PlattScale(both.slope, both.intercept - both.slope * float(centre)) for centre in centres[:, 0]]


def _newton(x: FloatArray, target: FloatArray, slope: float) -> tuple[float, float]:
    design = np.stack([x, np.ones_like(x)], axis=1)
    theta = np.array([slope, 0.0])
    for _ in range(50):
        p = _sigmoid(design @ theta)
        gradient = design.T @ (p - target)
        weight = np.maximum(p * (1 - p), 1e-9)
        hessian = design.T @ (design * weight[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        theta = theta - np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    return float(theta[0]), float(theta[1])


def _intercept(x: FloatArray, target: FloatArray, slope: float) -> float:
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        if float(np.mean(_sigmoid(slope * x + middle) - target)) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _logit(score: FloatArray) -> FloatArray:
    clipped = np.clip(score, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(clipped / (1 - clipped)), dtype=np.float64)


def _sigmoid(x: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-x)), dtype=np.float64)
