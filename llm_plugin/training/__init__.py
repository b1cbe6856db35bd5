"""Fine-tuning of the validator: preference pairs become a LoRA adapter, in a process of its own.

`train_adapter` starts that process and waits; nothing here touches an object that serves.
"""

from __future__ import annotations

from llm_plugin.training.job import TrainingJob, TrainingResult, TrainingStep
from llm_plugin.training.process import train_adapter

__all__ = ["TrainingJob", "TrainingResult", "TrainingStep", "train_adapter"]
