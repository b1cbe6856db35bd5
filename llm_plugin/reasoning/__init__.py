"""Language models behind one protocol: decision scoring, reasons, cache, calibration.

`TransformersModel` lives in `llm_plugin.reasoning.transformers_model`: importing it imports torch.
"""

from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText, choose_action, make_scores
from llm_plugin.reasoning.cache import ScoringCache
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.fake import FakeModel
from llm_plugin.reasoning.registry import backend_names, create_model, register_backend

__all__ = [
    "ActionScores",
    "Calibrator",
    "FakeModel",
    "LanguageModel",
    "PromptText",
    "ScoringCache",
    "backend_names",
    "choose_action",
    "create_model",
    "make_scores",
    "register_backend",
]
