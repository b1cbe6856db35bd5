"""The plugin inside LEAN: a validator for existing algorithms, on the standard library, numpy and pandas.

Framework style wraps an alpha model, classic style asks before the order:

    self.add_alpha(LLMValidatedAlphaModel(EmaCrossAlphaModel(), config="llm_config.yaml"))

    self.llm = LLMPlugin(self, "llm_config.yaml")
    if self.llm.validate(symbol, Action.BUY, confidence=0.7).approved: ...
"""

from __future__ import annotations

from llm_plugin.domain import Action, ExitPlan
from llm_plugin.lean.alpha import LLMValidatedAlphaModel
from llm_plugin.lean.plugin import LLMPlugin
from llm_plugin.lean.risk import LLMRiskManagementModel

__all__ = ["Action", "ExitPlan", "LLMPlugin", "LLMRiskManagementModel", "LLMValidatedAlphaModel"]
