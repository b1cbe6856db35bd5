"""The named observation: 228 market features, 33 LLM features, and what users register.

Standard library and numpy only, so that it runs inside LEAN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llm_plugin.features.catalog import (
    FEATURE_SCHEMA_VERSION,
    FeatureSpec,
    llm_feature_names,
    llm_feature_specs,
    market_feature_names,
    market_feature_specs,
    schema_hash,
)
from llm_plugin.features.engine import FeatureEngine
from llm_plugin.features.llm import SessionFigures, llm_features, llm_vector
from llm_plugin.features.registry import FeatureContext, FeatureRegistry, default_registry, register_feature

if TYPE_CHECKING:
    LLM_FEATURES: tuple[str, ...]
    MARKET_FEATURES: tuple[str, ...]

__all__ = [
    "FEATURE_SCHEMA_VERSION",
    "LLM_FEATURES",
    "MARKET_FEATURES",
    "FeatureContext",
    "FeatureEngine",
    "FeatureRegistry",
    "FeatureSpec",
    "SessionFigures",
    "default_registry",
    "llm_feature_names",
    "llm_feature_specs",
    "llm_features",
    "llm_vector",
    "market_feature_names",
    "market_feature_specs",
    "register_feature",
    "schema_hash",
]


def __getattr__(name: str) -> Any:
    if name == "MARKET_FEATURES":
        return market_feature_names()
    if name == "LLM_FEATURES":
        return llm_feature_names()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
