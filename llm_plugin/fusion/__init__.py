"""Fusion of signal and language model: built-in rules, and strategies of one's own by name."""

from __future__ import annotations

from llm_plugin.fusion.base import Fused, FusionInput, Proposal, Strategy, break_even, edge
from llm_plugin.fusion.registry import (
    choose,
    fuse,
    fusion_names,
    get_fusion,
    register_fusion,
    size_multiplier,
    unregister_fusion,
)
from llm_plugin.fusion.rules import market_regime

__all__ = [
    "Fused",
    "FusionInput",
    "Proposal",
    "Strategy",
    "break_even",
    "choose",
    "edge",
    "fuse",
    "fusion_names",
    "get_fusion",
    "market_regime",
    "register_fusion",
    "size_multiplier",
    "unregister_fusion",
]
