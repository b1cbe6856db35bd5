"""The sections of `llm_config.yaml` as frozen pydantic models: one description per key feeds YAML, docs and errors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from llm_plugin.settings._learning import (
    DriftSettings,
    GateSettings,
    LearningSettings,
    RegistrySettings,
    ServiceSettings,
    WatchSettings,
)
from llm_plugin.settings._section import Section

__all__ = [
    "DevelopmentSettings",
    "ExitSettings",
    "FeaturesSettings",
    "FusionSettings",
    "LlmModelSettings",
    "LoggingSettings",
    "MemorySettings",
    "OutcomesSettings",
    "PromptsSettings",
    "ReasoningSettings",
    "RegimeWeights",
    "RiskSettings",
    "ServerSettings",
    "SessionSettings",
    "Settings",
    "SignalsSettings",
    "SizingSettings",
    "ValidatorSettings",
]

Resolution = Literal["second", "minute", "hour", "daily"]


class ServerSettings(Section):
    """The server that runs the model, for providers ollama, vllm and openai."""

    url: str | None = Field(default=None, pattern=r"^https?://", description="address of the server")
    model: str | None = Field(
        default=None, min_length=1, description="the base's name there; null = the name of the model or of its folder"
    )
    api_key: SecretStr | None = Field(
        default=None, description="key of the server; better LEAN_LLM__LLM_MODEL__SERVER__API_KEY"
    )
    timeout_seconds: float = Field(default=10.0, gt=0, le=3600, description="longest wait for one answer")
    swap: Literal["drain", "merge"] = Field(
        default="drain", description="Ollama: drain = hold requests and reload; merge = a whole model per adapter"
    )
    adapters_at: str | None = Field(
        default=None, min_length=1, description="vLLM: where it sees LEAN_LLM_HOME/registry; null = the same path"
    )


class LlmModelSettings(Section):
    """The language model that validates."""

    provider: str = Field(
        default="transformers",
        min_length=1,
        description="back end: transformers, ollama, vllm, openai, or a registered name",
    )
    name: str = Field(
        default="bootstrap", min_length=1, description="model under LEAN_LLM_HOME/models/llm, or a model folder"
    )
    adapter: str | None = Field(default=None, description="LoRA adapter folder on top of the model")
    quantization: Literal["int8", "int4", "none"] = Field(
        default="none", description="weight quantisation (bitsandbytes)"
    )
    device: Literal["auto", "cuda", "cpu"] = Field(
        default="auto", description="auto = CUDA where present, else the CPU"
    )
    max_memory: dict[str, str] | None = Field(
        default=None, description='memory per device before weights are offloaded, as {"0": "6GiB", "cpu": "24GiB"}'
    )
    max_new_tokens: int = Field(default=50, ge=1, le=4096, description="length of a generated reason, in tokens")
    temperature: float = Field(
        default=0.1, ge=0, le=2, description="sampling temperature of reasons; the action is scored"
    )
    top_p: float = Field(default=0.9, gt=0, le=1, description="nucleus of reason sampling")
    server: ServerSettings = Field(
        default_factory=ServerSettings, description="The server that runs the model (providers ollama, vllm, openai)."
    )


class RegimeWeights(Section):
    """Weight of the language model per market regime; the signal has the rest."""

    trend: float = Field(default=0.2, ge=0, le=1, description="weight of the LLM in a trend")
    range: float = Field(default=0.7, ge=0, le=1, description="weight of the LLM in a range")
    neutral: float = Field(default=0.3, ge=0, le=1, description="weight of the LLM where neither holds")


class FusionSettings(Section):
    """How signal and language model become one decision."""

    strategy: str = Field(
        default="weighted", min_length=1, description="weighted, regime, llm, signal, or a registered name"
    )
    llm_weight: float = Field(default=0.3, ge=0, le=1, description="weight of the LLM where the two disagree")
    confidence_threshold: float = Field(
        default=0.7, ge=0.5, le=1, description="who alone reaches this confidence decides a disagreement"
    )
    llm_confidence: Literal["choice", "calibrated"] = Field(
        default="choice", description="what weight and threshold see: the model's share for its choice, or P(pays)"
    )
    break_even: bool = Field(
        default=True, description="count calibrated probabilities from the break-even of stop and target, not from 0.5"
    )
    regime_weights: RegimeWeights = Field(default_factory=RegimeWeights, description="weights of strategy regime")
    adx_trend: float = Field(default=25.0, ge=0, le=100, description="ADX from which the market is in a trend")
    adx_range: float = Field(default=20.0, ge=0, le=100, description="ADX below which the market is in a range")
    use_selective_querying: bool = Field(
        default=True, description="ask about an open position only every query_interval bars"
    )
    query_interval: int = Field(
        default=5, ge=1, le=10_000, description="bars between questions where querying is selective"
    )
    cache_decay_rate: float = Field(
        default=0.5, ge=0, le=1, description="factor per bar on the certainty of an answer used again (every_n)"
    )


class RiskSettings(Section):
    """Hard vetoes on entries; exits are never blocked."""

    enable_risk_veto: bool = Field(default=True, description="switch for every rule of this section")
    max_consecutive_losses: int = Field(default=3, ge=1, le=1000, description="losses in a row that block entries")
    min_win_rate_threshold: float = Field(
        default=0.4, ge=0, le=1, description="win rate below which entries are blocked"
    )
    min_trades_for_win_rate: int = Field(
        default=20, ge=1, le=100_000, description="realised trades before the win rate counts"
    )
    max_drawdown_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="drawdown at which the floor of the buffer lies"
    )
    dd_buffer_threshold: float = Field(
        default=0.2, ge=0, le=1, description="share of (peak - floor) that must be left, or entries are blocked"
    )
    recovery: Literal["cooldown_bars", "next_session", "shadow_wins"] = Field(
        default="cooldown_bars", description="what ends a block"
    )
    cooldown_bars: int = Field(default=12, ge=1, le=100_000, description="bars until a block ends")
    shadow_wins: int = Field(default=2, ge=1, le=1000, description="shadow trades won in a row that end it")
    max_block_bars: int = Field(default=240, ge=1, le=1_000_000, description="longest block, whatever the recovery")
    rules: list[str] = Field(
        default_factory=list, description="further rules: vix, support_resistance, blackout, or registered names"
    )
    on_unavailable: Literal["veto", "pass"] = Field(
        default="veto", description="answer of a rule whose input is missing"
    )
    vix_above: float = Field(default=30.0, gt=0, description="rule vix: entries are blocked above this VIX")
    level_distance_fraction: float = Field(
        default=0.002,
        gt=0,
        lt=1,
        description="rule support_resistance: no short this near to support, no long this near to resistance",
    )
    blackout_start: str = Field(
        default="12:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="rule blackout: from"
    )
    blackout_end: str = Field(
        default="13:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="rule blackout: to, exclusive"
    )
    blackout_timezone: str = Field(
        default="America/New_York", min_length=1, description="rule blackout: zone of both times"
    )


class PromptsSettings(Section):
    """What the language model reads."""

    style: Literal["compact", "full"] = Field(
        default="compact", description="built-in templates: compact (small models) or full (instruction-tuned models)"
    )
    system: str | None = Field(default=None, description="text before every question; null = that of the style")
    context_template: str | None = Field(
        default=None, description="the question, with {fields}; null = that of the style"
    )


class LoggingSettings(Section):
    """What is logged; each line is one JSON object on the logger `llm_plugin`."""

    log_llm_queries: bool = Field(default=False, description="each prompt and its scores")
    log_decision_fusion: bool = Field(
        default=False, description="both sides of each decision and the rule that decided"
    )
    log_risk_veto: bool = Field(default=True, description="each veto by a risk rule")
    log_latency: bool = Field(default=False, description="seconds per stage of each decision")


class DevelopmentSettings(Section):
    """For people who work on a strategy."""

    verbose_logging: bool = Field(default=False, description="switches everything in logging on, at level DEBUG")


class ValidatorSettings(Section):
    """Who answers, and what happens when nobody does."""

    mode: Literal["in_process", "service", "record", "none"] = Field(default="in_process", description="where it runs")
    arm: Literal["llm", "none", "risk", "random", "tabular"] = Field(
        default="llm", description="who decides: the LLM, or an ablation arm that asks none"
    )
    on_failure: Literal["veto_entries", "follow_signal"] = Field(
        default="veto_entries", description="verdict on an entry when no answer came"
    )
    timeout_seconds: float = Field(default=10.0, gt=0, le=3600, description="longest wait for one answer")
    random_veto_rate: float = Field(default=0.3, ge=0, le=1, description="share of entries that arm random vetoes")
    seed: int = Field(default=0, ge=0, description="seed of everything random")
    url: str | None = Field(default=None, pattern=r"^https?://", description="address of the service (mode service)")
    api_key: SecretStr | None = Field(
        default=None, description="key of the service; better LEAN_LLM__VALIDATOR__API_KEY"
    )


class ReasoningSettings(Section):
    """How often and how the language model is asked."""

    mode: Literal["entry", "every_n", "always"] = Field(
        default="entry", description="entry: each signal; every_n: every query_interval bars, reusing answers between"
    )
    reasons: Literal["after_run", "never"] = Field(
        default="after_run", description="when the model writes its reasons; not while a decision waits"
    )
    cache_size: int = Field(default=100_000, ge=0, description="answers kept for identical prompts; 0 = no cache")
    batch_size: int = Field(default=32, ge=1, le=4096, description="most prompts in one forward pass")
    threads: int = Field(default=1, ge=1, le=1024, description="threads of the model; pinned, so that runs repeat")
    tie_tolerance: float = Field(
        default=1e-4, ge=0, le=0.1, description="scores this near are a tie, and a tie is HOLD"
    )


class SignalsSettings(Section):
    """The signal model of algorithms that ask for one."""

    kind: Literal["ensemble", "none"] = Field(default="ensemble", description="none: the algorithm has its own signals")
    model: str = Field(
        default="eurusd_hour", min_length=1, description="under LEAN_LLM_HOME/models/ensemble, or a folder"
    )
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="probability from which BUY or SELL is signalled; null = the model's own"
    )
    allow_lookahead: bool = Field(default=False, description="run although a model's data cutoff lies after the start")


class FeaturesSettings(Section):
    """The observation."""

    resolution: Resolution = Field(default="hour", description="bars that features are computed from")
    user: list[str] = Field(default_factory=list, description="names given to register_feature, appended in this order")


class MemorySettings(Section):
    """Similar past trades."""

    backend: Literal["weaviate", "local", "none"] = Field(default="weaviate", description="where trades are searched")
    k: int = Field(default=3, ge=1, le=100, description="trades shown to the model")
    same_symbol_first: bool = Field(default=True, description="those of the same symbol come before those of others")
    shadow: bool = Field(default=True, description="vetoed trades, followed as shadows, are remembered too")
    seed_run: str | None = Field(default=None, description="run to start with; its cutoff must be earlier")
    url: str | None = Field(
        default=None, pattern=r"^https?://", description="Weaviate elsewhere; null = start a local one"
    )
    grpc_port: int = Field(default=50051, ge=1, le=65535, description="gRPC port of url")
    api_key: SecretStr | None = Field(default=None, description="key of url; better LEAN_LLM__MEMORY__API_KEY")
    timeout_seconds: float = Field(default=5.0, gt=0, le=600, description="longest wait for one search")


class SessionSettings(Section):
    """Statistics of the run so far, as the model sees them."""

    enabled: bool = Field(default=True, description="session line in the prompt")
    recent_trades: int = Field(default=50, ge=1, le=100_000, description="newest trades that the figures are made of")
    pattern_min_trades: int = Field(
        default=5, ge=2, le=10_000, description="trades before a pattern is called hot or cold"
    )
    hot_win_rate: float = Field(default=0.65, ge=0, le=1, description="win rate from which a pattern is hot")
    cold_win_rate: float = Field(default=0.35, ge=0, le=1, description="win rate up to which a pattern is cold")


class ExitSettings(Section):
    """Exit plan of signals that bring none; null switches a rule off."""

    atr_period: int = Field(default=14, ge=2, le=1000, description="bars of the ATR")
    stop_atr: float = Field(default=2.0, gt=0, le=100, description="stop distance in ATR; this is 1 R")
    target_atr: float | None = Field(default=3.0, gt=0, le=1000, description="target distance in ATR")
    timeout_bars: int = Field(default=48, ge=1, le=100_000, description="vertical barrier in bars")
    break_even_at_r: float | None = Field(
        default=None, gt=0, le=100, description="profit in R that moves the stop to entry"
    )
    trail_at_r: float | None = Field(default=None, gt=0, le=100, description="profit in R from which the stop trails")
    trail_distance_r: float = Field(default=1.0, gt=0, le=100, description="distance of a trailing stop, in R")


class OutcomesSettings(Section):
    """What decisions led to."""

    store_url: str = Field(
        default="sqlite:///store.sqlite", min_length=1, description="SQLAlchemy URL, relative to the run folder"
    )
    exit: ExitSettings = Field(default_factory=ExitSettings, description="exit plan of signals that bring none")
    slippage_bps: float = Field(default=0.0, ge=0, le=1000, description="slippage per fill in replay, in basis points")
    match_bars: int = Field(default=2, ge=1, le=10_000, description="bars within which an approval binds to a fill")


class SizingSettings(Section):
    """The multiplier of an approved entry: 1, 0.75 or 0.5 by the probability that it pays."""

    enabled: bool = Field(default=True, description="false: every approved entry at full size")
    full_from: float = Field(default=0.55, ge=0, le=1, description="multiplier 1 from here, 0.5 being break-even")
    three_quarters_from: float = Field(default=0.52, ge=0, le=1, description="multiplier 0.75 from here, 0.5 below")


class Settings(Section):
    """All of `llm_config.yaml`."""

    llm_model: LlmModelSettings = Field(default_factory=LlmModelSettings)
    fusion: FusionSettings = Field(default_factory=FusionSettings)
    risk: RiskSettings = Field(default_factory=RiskSettings)
    prompts: PromptsSettings = Field(default_factory=PromptsSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)
    development: DevelopmentSettings = Field(default_factory=DevelopmentSettings)
    validator: ValidatorSettings = Field(default_factory=ValidatorSettings)
    reasoning: ReasoningSettings = Field(default_factory=ReasoningSettings)
    signals: SignalsSettings = Field(default_factory=SignalsSettings)
    features: FeaturesSettings = Field(default_factory=FeaturesSettings)
    memory: MemorySettings = Field(default_factory=MemorySettings)
    session: SessionSettings = Field(default_factory=SessionSettings)
    outcomes: OutcomesSettings = Field(default_factory=OutcomesSettings)
    sizing: SizingSettings = Field(default_factory=SizingSettings)
    learning: LearningSettings = Field(default_factory=LearningSettings)
    gate: GateSettings = Field(default_factory=GateSettings)
    watch: WatchSettings = Field(default_factory=WatchSettings)
    drift: DriftSettings = Field(default_factory=DriftSettings)
    registry: RegistrySettings = Field(default_factory=RegistrySettings)
    service: ServiceSettings = Field(default_factory=ServiceSettings)
