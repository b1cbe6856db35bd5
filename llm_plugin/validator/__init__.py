"""The validator: `Validator.from_settings(settings, run_id)` is a `domain.DecisionBackend`."""

from __future__ import annotations

from llm_plugin.validator.arms import MetaLabel
from llm_plugin.validator.build import build_parts
from llm_plugin.validator.pipeline import Parts, SignalSource, Validator

__all__ = ["MetaLabel", "Parts", "SignalSource", "Validator", "build_parts"]
