"""Signals of the machine-learning ensemble: training, the model folder, and the source that an algorithm asks.

Training libraries are imported by training only; serving needs numpy and onnxruntime.
"""

from __future__ import annotations

from llm_plugin.signals.config import DEFAULT_FEATURES, MEMBERS, EnsembleConfig
from llm_plugin.signals.ensemble import Ensemble
from llm_plugin.signals.manifest import EnsembleManifest, require_cutoff
from llm_plugin.signals.out_of_fold import OOF_NAME
from llm_plugin.signals.source import EnsembleSignalSource, model_folder
from llm_plugin.signals.train import train_ensemble

__all__ = [
    "DEFAULT_FEATURES",
    "MEMBERS",
    "OOF_NAME",
    "Ensemble",
    "EnsembleConfig",
    "EnsembleManifest",
    "EnsembleSignalSource",
    "model_folder",
    "require_cutoff",
    "train_ensemble",
]
