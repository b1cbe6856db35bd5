"""The sections of the closed loop: what is learned from, how, who judges it, who watches it, where it is served."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from llm_plugin.settings._section import Section

__all__ = [
    "DriftSettings",
    "GateSettings",
    "LearningSettings",
    "RegistrySettings",
    "ServiceSettings",
    "TrainingSettings",
    "WatchSettings",
]


class TrainingSettings(Section):
    """LoRA DPO of the validator, in a process of its own."""

    rank: int = Field(default=16, ge=1, le=512, description="LoRA rank; an adapter in service keeps its own")
    alpha: int = Field(default=32, ge=1, le=2048, description="LoRA alpha")
    dropout: float | None = Field(
        default=None, ge=0, lt=1, description="LoRA dropout; null = 0.1 for a base of 1B parameters and more, else 0"
    )
    target_modules: Literal["auto", "all-linear", "attention"] = Field(
        default="auto", description="attention = q, k, v, o; auto = attention from 1B parameters on, else all-linear"
    )
    beta: float = Field(default=0.1, gt=0, le=10, description="DPO's beta")
    sft_weight: float = Field(default=1.0, ge=0, le=10, description="weight of the sft term that keeps the format")
    learning_rate: float | None = Field(
        default=None, gt=0, le=1, description="peak learning rate; null = by model size: 2e-3 small, 5e-5 from 1B on"
    )
    epochs: float = Field(default=3.0, gt=0, le=1000, description="passes over the pairs, unless min_steps asks more")
    min_steps: int = Field(default=160, ge=1, le=1_000_000, description="least optimiser steps, however few the pairs")
    max_steps: int = Field(default=400, ge=1, le=10_000_000, description="most optimiser steps, however many the pairs")
    batch_size: int = Field(default=16, ge=1, le=4096, description="pairs per optimiser step")
    micro_batch: int = Field(default=16, ge=1, le=4096, description="pairs per forward pass; the rest is accumulated")
    quantization: Literal["int8", "int4", "none"] | None = Field(
        default=None, description="how the base is loaded in training; null = as it is served"
    )
    save_steps: int = Field(default=25, ge=1, le=1_000_000, description="steps between checkpoints to resume from")
    threads: int = Field(default=1, ge=1, le=1024, description="torch threads of the trainer; leave serving its cores")
    processes: int = Field(default=1, ge=1, le=1024, description="processes (GPUs) that accelerate starts")
    seed: int = Field(default=0, ge=0, description="seed of everything random")


class LearningSettings(Section):
    """When the validator is retrained, and on what."""

    model: str = Field(default="validator", min_length=1, pattern=r"^[a-z0-9][a-z0-9_-]*$", description="registry name")
    store_url: str | None = Field(
        default=None, min_length=1, description="outcome store that is learned from; null = that of the service"
    )
    min_outcomes: int = Field(default=500, ge=1, le=1_000_000, description="new matured decisions before a retrain")
    min_outcomes_on_drift: int = Field(default=200, ge=1, le=1_000_000, description="the same after drift was found")
    interval_hours: float = Field(default=4.0, gt=0, le=8760, description="hours between two looks at the rule")
    window_decisions: int = Field(
        default=1000, ge=1, le=1_000_000, description="newest matured decisions to learn from"
    )
    replay_fraction: float = Field(
        default=0.2, ge=0, le=0.9, description="share of training rows drawn from older regimes, against forgetting"
    )
    context_rows: int = Field(
        default=400, ge=0, le=100_000, description="most bars without a signal that are rendered as decisions"
    )
    noise_band_r: float = Field(default=0.1, ge=0, le=10, description="differences in R within it make no pair")
    clip_r: float = Field(default=3.0, gt=0, le=100, description="outcomes beyond so many R count as so many")
    holdout: int = Field(default=100, ge=20, le=100_000, description="newest matured decisions that only the gate sees")
    calibration_fraction: float = Field(
        default=0.15, gt=0, lt=0.5, description="share of the training window that only the calibrator sees"
    )
    embargo_hours: float | None = Field(
        default=None, ge=0, le=8760, description="gap before the holdout; null = the longest holding time"
    )
    kto: bool = Field(default=True, description="rows whose path cannot be replayed train by KTO where pairs are few")
    busy_hours: list[str] = Field(
        default_factory=lambda: ["09:30-10:30", "15:30-16:00"],
        description="no retrain starts in these times of days on which the market is open",
    )
    busy_timezone: str = Field(default="America/New_York", min_length=1, description="zone of busy_hours")
    busy_market: str = Field(
        default="usa/equity", pattern=r"^[a-z]+/[a-z]+$", description="market/security type whose calendar counts"
    )
    lease_seconds: float = Field(
        default=120.0, ge=1, le=86_400, description="life of the cycle's lease, renewed meanwhile"
    )
    training: TrainingSettings = Field(default_factory=TrainingSettings, description="LoRA DPO of the validator")


class GateSettings(Section):
    """Whether a challenger replaces the champion; judged on the same fresh holdout."""

    level: float = Field(default=0.025, gt=0, lt=0.5, description="one-sided level of the first challenger of a window")
    min_gain_fraction: float = Field(
        default=0.05, ge=0, le=10, description="least gain, as a share of the champion's mean absolute utility"
    )
    min_outcomes: int = Field(default=30, ge=10, le=1_000_000, description="fewest outcomes that can be judged")
    min_days: int = Field(default=10, ge=2, le=10_000, description="fewest day blocks that can be judged")
    repetitions: int = Field(default=9999, ge=99, le=1_000_000, description="permutations and bootstrap samples")
    min_parse_rate: float = Field(default=0.95, ge=0, le=1, description="least share of readable generated answers")
    min_action_mass: float = Field(default=0.8, ge=0, le=1, description="least mean probability of a legal action")
    max_latency_ratio: float = Field(default=2.0, gt=0, le=1000, description="most time per answer, champion = 1")
    latency_budget_seconds: float = Field(
        default=0.05,
        ge=0,
        le=3600,
        description="time per answer that is never too much; a busy machine's clock is noisy",
    )
    slice_tolerance_r: float = Field(
        default=0.1, ge=0, le=10, description="a slice fails where its upper bound lies below minus this"
    )
    min_slice: int = Field(default=20, ge=2, le=100_000, description="smaller slices are pooled")
    approval_low: float = Field(default=0.5, ge=0, le=1, description="least approval rate, champion = 1")
    approval_high: float = Field(default=1.5, ge=1, le=1000, description="most approval rate, champion = 1")
    approval_floor: float = Field(
        default=0.1, ge=0, le=1, description="the upper bound counts from here where the champion takes fewer signals"
    )
    any_approval_rate: bool = Field(default=False, description="the operator's leave to drop both bounds")
    selectivity_level: float = Field(
        default=0.045,
        gt=0,
        lt=0.5,
        description="level of the first challenger against its own verdicts dealt at random",
    )
    seed: int = Field(default=0, ge=0, description="seed of permutations and bootstrap")


class WatchSettings(Section):
    """After a swap the previous generation answers in shadow."""

    enabled: bool = Field(default=True, description="keep the previous generation in shadow and compare")
    level: float = Field(default=0.025, gt=0, lt=0.5, description="most false roll-backs over a whole watch")
    outcomes: int = Field(default=1000, ge=20, le=1_000_000, description="matured decisions after which it ends")
    health_failures: int = Field(
        default=5, ge=1, le=10_000, description="failed answers in a row that roll back at once"
    )


class DriftSettings(Section):
    """Whether the market or the model's worth has changed."""

    check_minutes: float = Field(default=30.0, gt=0, le=10_080, description="minutes between two checks")
    statistic: Literal["ks", "psi"] = Field(default="ks", description="distance per feature")
    window_bars: int = Field(default=120, ge=20, le=100_000, description="newest bars compared with the history")
    false_alarms_per_month: float = Field(default=1.0, gt=0, le=1000, description="what thresholds are calibrated to")
    history_windows: int = Field(
        default=200, ge=20, le=100_000, description="length of the history behind the thresholds, in windows"
    )
    outcome_detector: Literal["adwin", "page_hinkley"] = Field(default="adwin", description="on replayed net R")
    outcomes: int = Field(
        default=2000, ge=100, le=100_000, description="newest matured decisions that outcomes and calibration look at"
    )
    calibration_level: float = Field(
        default=0.0002, gt=0, lt=0.5, description="a right calibrator alarms once in 1 / this many decisions, at most"
    )


class RegistrySettings(Section):
    """Where model versions lie, and who mirrors them."""

    mirror: bool = Field(default=True, description="mirror versions, aliases and gate decisions to MLflow")
    mlflow_uri: str | None = Field(
        default=None, min_length=1, description="MLflow server or database; null = SQLite under LEAN_LLM_HOME"
    )


class ServiceSettings(Section):
    """`lean-llm serve`."""

    host: str = Field(default="127.0.0.1", min_length=1, description="address to bind; another one needs an api_key")
    port: int = Field(default=8900, ge=0, le=65_535, description="port; 0 = any free one")
    api_key: SecretStr | None = Field(
        default=None, description="key that clients send; better LEAN_LLM__SERVICE__API_KEY"
    )
    max_request_bytes: int = Field(default=1_048_576, ge=1024, le=1 << 30, description="largest request body")
    requests_per_minute: int = Field(default=60_000, ge=1, le=100_000_000, description="per client; more get 429")
    max_batch: int = Field(default=64, ge=1, le=4096, description="most questions in one request")
    poll_seconds: float = Field(default=1.0, gt=0, le=3600, description="how often the champion pointer is read")
