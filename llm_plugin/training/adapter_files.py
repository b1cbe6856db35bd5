"""What a training leaves on the disk: the adapter alone, the same bytes from run to run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from llm_plugin.errors import TrainingFailed
from llm_plugin.reasoning.loading import Base

__all__ = ["ADAPTER", "save_adapter"]

ADAPTER = "default"


def save_adapter(trainer: Any, draft: Path, base: Base, *, otherwise: str) -> None:
    """Write the adapter alone: no reference copy, no optimiser, no path of this machine.

    Args:
        trainer: A TRL trainer that has trained.
        draft: Folder to write anew.
        base: The base that it was trained on.
        otherwise: What holds where it cannot be kept.

    Raises:
        TrainingFailed: A trained weight is no finite number.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not bool(torch.isfinite(parameter).all()):
            raise TrainingFailed(f"{name} holds numbers that are none after training; {otherwise}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    model.peft_config[ADAPTER].base_model_name_or_path = base.version
    model.save_pretrained(str(draft), selected_adapters=[ADAPTER], save_embedding_layers=False)
    config = draft / "adapter_config.json"
    content = json.loads(config.read_text(encoding="utf-8"))
    content["base_model_name_or_path"] = base.version
    if isinstance(content.get("target_modules"), list):  # a set in PEFT: its order differs from run to run
        content["target_modules"] = sorted(content["target_modules"])
    config.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
