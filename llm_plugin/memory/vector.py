"""From a question to 64 numbers: a fixed, versioned transform of named features and the trade's setup.

A trade is described in its own direction: features that say up or down are multiplied by the side, so that a short
into a fall lies near a long into a rise, and the side is a dimension of its own. Values are centred and scaled by
constants, or by scales frozen from a training period; nothing is fitted on the run itself, so that a vector depends
on its question alone. Unavailable features count as average.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import DecisionRequest
from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.memory.records import DIMENSIONS, Vector

__all__ = ["DIRECTIONAL", "SETUP", "SYMMETRIC", "TRANSFORM_VERSION", "VectorTransform"]

TRANSFORM_VERSION = "1"
CLIP = 3.0
SIDE_WEIGHT = 2.0
SETUP = ("side", "confidence", "reward_to_risk", "stop_in_atr")

# name -> (value that says neither up nor down, typical deviation from it)
DIRECTIONAL: dict[str, tuple[float, float]] = {
    "ema_distance_20": (0, 2.0),
    "ema_distance_50": (0, 3.0),
    "ema_distance_200": (0, 6.0),
    "ema_slope_20": (0, 0.12),
    "ema_slope_50": (0, 0.07),
    "ema_spread_20_50": (0, 1.2),
    "ema_spread_50_200": (0, 3.5),
    "ema_alignment": (0, 0.7),
    "macd": (0, 0.7),
    "macd_histogram": (0, 0.25),
    "regression_slope_20": (0, 0.15),
    "regression_slope_50": (0, 0.1),
    "di_difference_14": (0, 18.0),
    "trend_strength": (0, 0.5),
    "rsi_7": (50, 18.0),
    "rsi_14": (50, 12.0),
    "rsi_28": (50, 8.0),
    "stochastic_k_14": (50, 30.0),
    "cci_20": (0, 110.0),
    "streak": (0, 0.25),
    "momentum_acceleration_5": (0, 1.5),
    "balance_of_power_14": (0, 0.25),
    "return_1": (0, 1.0),
    "return_3": (0, 1.0),
    "return_8": (0, 1.0),
    "return_24": (0, 1.0),
    "return_48": (0, 1.0),
    "return_120": (0, 1.0),
    "return_240": (0, 1.0),
    "skewness_72": (0, 0.7),
    "bollinger_b_20": (0.5, 0.33),
    "range_position_20": (0.5, 0.33),
    "range_position_50": (0.5, 0.33),
    "range_position_240": (0.5, 0.33),
    "body_fraction": (0, 0.6),
    "day_open_distance": (0, 2.0),
    "previous_day_close_distance": (0, 3.0),
    "week_open_distance": (0, 5.0),
}
# name -> (usual value, typical deviation from it)
SYMMETRIC: dict[str, tuple[float, float]] = {
    "adx_14": (24, 10.0),
    "regression_r2_50": (0.5, 0.3),
    "efficiency_ratio_24": (0.25, 0.18),
    "atr_ratio_14_100": (1, 0.3),
    "volatility_ratio_24": (1, 0.35),
    "volatility_percentile": (0.5, 0.3),
    "volatility_regime": (0, 0.8),
    "true_range_ratio": (1, 0.6),
    "choppiness_14": (50, 12.0),
    "bollinger_width_20": (4, 2.0),
    "channel_width_120": (12, 4.0),
    "autocorrelation_72": (0, 0.13),
    "kurtosis_72": (1.5, 2.5),
    "hour_utc_sin": (0, 0.7),
    "hour_utc_cos": (0, 0.7),
    "weekday_sin": (0, 0.7),
    "weekday_cos": (0, 0.7),
    "session_asia": (0.35, 0.5),
    "session_london": (0.35, 0.5),
    "session_new_york": (0.35, 0.5),
    "spread_atr": (0.08, 0.08),
    "spread_ratio_240": (1, 0.5),
}


class VectorTransform:
    """The transform, with constant scales or with scales frozen from a training period.

    Args:
        scales: Typical deviation per feature, replacing the constants; centres stay, so that long and short are
            treated alike.

    Raises:
        ConfigError: A name that the transform does not use, or a scale that is not a positive number.
    """

    def __init__(self, scales: Mapping[str, float] | None = None) -> None:
        known = DIRECTIONAL | SYMMETRIC
        given = dict(scales or {})
        problems = [f"memory vector: {name!r} is not used{did_you_mean(name, known)}" for name in given.keys() - known]
        problems += [
            f"memory vector: scale of {name} is {value!r}, not a positive number"
            for name, value in given.items()
            if not (math.isfinite(value) and value > 0)
        ]
        if problems:
            raise ConfigError(sorted(problems))
        self._names = tuple(known)
        self._directional = len(DIRECTIONAL)
        self._centres = np.array([known[name][0] for name in known])
        self._scales = np.array([given.get(name, known[name][1]) for name in known])
        text = json.dumps([TRANSFORM_VERSION, CLIP, SIDE_WEIGHT, SETUP, self._names, self._scales.tolist()])
        self.version = f"{TRANSFORM_VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    @classmethod
    def fitted(cls, names: Sequence[str], rows: NDArray[np.float64]) -> VectorTransform:
        """Freeze scales from feature rows of a period that lies before everything the transform is used on."""
        scales = {}
        for name, (centre, default) in (DIRECTIONAL | SYMMETRIC).items():
            values = rows[:, names.index(name)] if name in names else np.empty(0)
            values = values[np.isfinite(values)]
            middle = centre if name in DIRECTIONAL else (float(values.mean()) if len(values) else centre)
            spread = float(np.sqrt(np.square(values - middle).mean())) if len(values) > 1 else 0.0
            scales[name] = spread if spread > 0 else default
        return cls(scales)

    @property
    def scales(self) -> dict[str, float]:
        """Scales in force, to be kept beside whatever is trained on the hits."""
        return dict(zip(self._names, self._scales.tolist(), strict=True))

    def __call__(self, request: DecisionRequest) -> Vector:
        """Return the unit vector of an entry question."""
        side = request.signal.action.side
        features = request.market.features
        values = np.array([features.get(name, math.nan) for name in self._names], np.float64)
        scaled = (values - self._centres) / self._scales
        scaled[: self._directional] *= side
        whole = np.concatenate([self._setup(request, side), scaled])
        whole = np.where(np.isfinite(whole), np.clip(whole, -CLIP, CLIP), 0.0)
        if len(whole) != DIMENSIONS:
            raise ConfigError(f"the memory transform makes {len(whole)} numbers, not {DIMENSIONS}")
        return np.asarray(whole / np.linalg.norm(whole), np.float32)

    def _setup(self, request: DecisionRequest, side: int) -> NDArray[np.float64]:
        price, plan = request.market.price, request.exit
        reward = stop = 0.0
        if plan is not None and plan.stop != price:
            risk = plan.stop_distance(price)
            atr = request.market.features.get("atr_fraction_14", math.nan) * price
            stop = risk / atr - 2.0 if atr > 0 else 0.0
            if plan.target is not None and plan.target != price:
                reward = (math.log(abs(plan.target - price) / risk) - math.log(1.5)) / 0.5
        confidence = (request.signal.confidence - 0.6) / 0.1
        return np.array([side * SIDE_WEIGHT, confidence, reward, stop])
