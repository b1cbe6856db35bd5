"""Configuration: `llm_config.yaml`, environment and command line, validated, with the origin of every value."""

from __future__ import annotations

from llm_plugin.settings._learning import (
    DriftSettings,
    GateSettings,
    LearningSettings,
    RegistrySettings,
    ServiceSettings,
    TrainingSettings,
    WatchSettings,
)
from llm_plugin.settings._models import (
    DevelopmentSettings,
    ExitSettings,
    FeaturesSettings,
    FusionSettings,
    LlmModelSettings,
    LoggingSettings,
    MemorySettings,
    OutcomesSettings,
    PromptsSettings,
    ReasoningSettings,
    RegimeWeights,
    RiskSettings,
    SessionSettings,
    Settings,
    SignalsSettings,
    SizingSettings,
    ValidatorSettings,
)
from llm_plugin.settings._render import default_yaml, render_reference
from llm_plugin.settings._resolve import CONFIG_SCHEMA, ENV_PREFIX, Origin, Resolved, load_settings, resolve

__all__ = [
    "CONFIG_SCHEMA",
    "ENV_PREFIX",
    "DevelopmentSettings",
    "DriftSettings",
    "ExitSettings",
    "FeaturesSettings",
    "FusionSettings",
    "GateSettings",
    "LearningSettings",
    "LlmModelSettings",
    "LoggingSettings",
    "MemorySettings",
    "Origin",
    "OutcomesSettings",
    "PromptsSettings",
    "ReasoningSettings",
    "RegimeWeights",
    "RegistrySettings",
    "Resolved",
    "RiskSettings",
    "ServiceSettings",
    "SessionSettings",
    "Settings",
    "SignalsSettings",
    "SizingSettings",
    "TrainingSettings",
    "ValidatorSettings",
    "WatchSettings",
    "default_yaml",
    "load_settings",
    "render_reference",
    "resolve",
]
