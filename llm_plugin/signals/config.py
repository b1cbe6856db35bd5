"""What an ensemble is trained from and with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.outcomes.exits import ExitPolicy

__all__ = ["DEFAULT_FEATURES", "MEMBERS", "EnsembleConfig"]

MEMBERS = ("random_forest", "xgboost", "lightgbm", "gradient_boosting")

# Available for every instrument: nothing here needs volume or a quoted spread.
DEFAULT_FEATURES: tuple[str, ...] = tuple(
    """
    ema_distance_5 ema_distance_20 ema_distance_50 ema_distance_100 ema_distance_200 ema_slope_20 ema_slope_50
    ema_spread_5_20 ema_spread_20_50 ema_spread_50_200 macd_signal macd_histogram macd_histogram_change
    regression_slope_20 regression_slope_50 regression_slope_240 regression_r2_50 regression_r2_240
    adx_14 di_difference_14 di_difference_28 trend_strength aroon_up_25 aroon_down_25
    rsi_7 rsi_14 stochastic_k_14 stochastic_k_50 cci_20 tsi_25_13 ultimate_oscillator awesome_oscillator
    momentum_acceleration_20 balance_of_power_14 streak
    return_1 return_3 return_8 return_24 return_48 return_120 return_240
    skewness_72 autocorrelation_72 efficiency_ratio_24 variance_ratio_5_240 up_share_24
    atr_fraction_14 atr_ratio_7_100 volatility_ratio_24 volatility_percentile bollinger_b_20 bollinger_width_20
    choppiness_14 channel_width_120
    range_position_20 range_position_120 range_position_240 previous_day_close_distance day_range_position
    week_open_distance body_fraction support_distance resistance_distance
    hour_utc_sin hour_utc_cos weekday_sin weekday_cos session_london session_new_york since_london_open
    hour_return_mean hour_size_ratio weekday_return_mean
    """.split()
)

_MIN_FEATURES = 50
_RANGES: dict[str, tuple[float, float]] = {
    "folds": (2, 50),
    "embargo_bars": (0, 100_000),
    "sample_stride": (1, 1_000),
    "trees": (1, 5_000),
    "depth": (1, 16),
    "min_leaf": (1, 100_000),
    "threads": (1, 256),
    "entries_per_1000_bars": (0.1, 1_000),
}


@dataclass(frozen=True, slots=True)
class EnsembleConfig:
    """Settings of one training run.

    Attributes:
        name: Folder name of the model.
        ticker: What it is trained on.
        market: Its market.
        security_type: LEAN's name in lower case; decides the fill rules of the labels.
        resolution: Of the bars.
        features: At least 50 market features.
        members: Kinds of models; their probabilities are averaged.
        exit: Triple barrier: stop and target in ATR, vertical barrier in bars, rules that move the stop.
        slippage_bps: Slippage per fill in the labels.
        data_cutoff_utc: Nothing that ends later is seen; None = the end of the bars.
        folds: Blocks of the walk-forward; the first of them only calibrates the others.
        embargo_bars: Bars between the last training label and the block that is predicted.
        sample_stride: Every n-th bar trains: neighbouring labels share most of their path.
        trees: Trees of the random forest; the boosted members have half as many.
        depth: Depth of the random forest; the boosted members are two levels lower.
        min_leaf: Least training samples in a leaf.
        entries_per_1000_bars: Rate of flat-only entries that the threshold is set for, on out-of-fold predictions.
        drift_neutral: Both sides share one base rate (forex); False keeps each side its own (equities that rise).
        threads: Models fitted at the same time; the result does not depend on it.
        seed: Of everything random.
    """

    name: str = "eurusd_hour"
    ticker: str = "EURUSD"
    market: str = "oanda"
    security_type: str = "forex"
    resolution: str = "hour"
    features: tuple[str, ...] = DEFAULT_FEATURES
    members: tuple[str, ...] = MEMBERS
    exit: ExitPolicy = field(default_factory=ExitPolicy)
    slippage_bps: float = 0.0
    data_cutoff_utc: datetime | None = None
    folds: int = 5
    embargo_bars: int = 24
    sample_stride: int = 4
    trees: int = 120
    depth: int = 6
    min_leaf: int = 40
    entries_per_1000_bars: float = 40.0
    drift_neutral: bool = True
    threads: int = 2
    seed: int = 7

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = _name_problems("features", self.features, market_feature_names())
        problems += _name_problems("members", self.members, MEMBERS)
        if len(self.features) < _MIN_FEATURES:
            problems.append(f"features: {len(self.features)} names; an ensemble needs at least {_MIN_FEATURES}")
        if not self.members:
            problems.append(f"members is empty; choose from {', '.join(MEMBERS)}")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and low <= value <= high):
                problems.append(f"{name} is {value!r}; it must be from {low} to {high}")
        if not (math.isfinite(self.slippage_bps) and self.slippage_bps >= 0):
            problems.append(f"slippage_bps is {self.slippage_bps!r}; it must be at least 0")
        if self.data_cutoff_utc is not None and self.data_cutoff_utc.tzinfo is None:
            problems.append(f"data_cutoff_utc {self.data_cutoff_utc} has no time zone; give an aware time")
        if self.exit.timeout_bars is None:
            problems.append("exit.timeout_bars is null; labels need a vertical barrier")
        if problems:
            raise ConfigError(problems)

    def to_json(self) -> dict[str, Any]:
        """Return all values as JSON types."""
        values = asdict(self)
        values["features"], values["members"] = list(self.features), list(self.members)
        cutoff = self.data_cutoff_utc
        values["data_cutoff_utc"] = None if cutoff is None else _stamp(cutoff)
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> EnsembleConfig:
        """Rebuild a configuration from `to_json`'s output; missing keys take their defaults.

        Raises:
            ConfigError: An unknown key or an impossible value.
        """
        known = [item.name for item in fields(cls)]
        unknown = [f"unknown key {key!r}{did_you_mean(key, known)}" for key in values if key not in known]
        if unknown:
            raise ConfigError(unknown)
        merged: dict[str, Any] = dict(values)
        for name in ("features", "members"):
            if name in merged:
                merged[name] = tuple(merged[name])
        if isinstance(merged.get("exit"), Mapping):
            merged["exit"] = ExitPolicy.from_mapping(merged["exit"])
        if isinstance(merged.get("data_cutoff_utc"), str):
            merged["data_cutoff_utc"] = datetime.fromisoformat(merged["data_cutoff_utc"].replace("Z", "+00:00"))
        return cls(**merged)


def _name_problems(key: str, names: tuple[str, ...], known: tuple[str, ...]) -> list[str]:
    problems = [f"{key}: unknown {name!r}{did_you_mean(name, known)}" for name in names if name not in known]
    twice = sorted({name for name in names if names.count(name) > 1})
    return problems + [f"{key}: {name!r} is listed more than once" for name in twice]


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
