"""Adapter folders without a model, and prompts."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_plugin.domain import Action

from .standin import OllamaStandIn, VllmStandIn, running

ENTRY = (Action.BUY, Action.HOLD)


@dataclass(frozen=True)
class TextPrompt:
    prefix: str
    suffix: str

    @property
    def hash(self) -> str:
        return hashlib.sha256((self.prefix + self.suffix).encode()).hexdigest()

    @property
    def text(self) -> str:
        return self.prefix + self.suffix


PROMPTS = [TextPrompt("Judge the signal.\n", f"SIG=BUY ADX={10 + i} ->") for i in range(6)]


def write_adapter(folder: Path, seed: int) -> Path:
    """Write a LoRA folder that passes every check which needs no model library."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    data = struct.pack("<8f", *(seed + i / 10 for i in range(8)))
    header = {
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": {
            "dtype": "F32",
            "shape": [2, 2],
            "data_offsets": [0, 16],
        },
        "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight": {
            "dtype": "F32",
            "shape": [2, 2],
            "data_offsets": [16, 32],
        },
    }
    lead = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(lead)) + lead + data)
    return folder


@pytest.fixture
def adapters(tmp_path: Path) -> list[Path]:
    return [write_adapter(tmp_path / "registry" / f"v{seed:04d}", seed) for seed in (1, 2, 3)]


@pytest.fixture
def ollama() -> Iterator[OllamaStandIn]:
    with running(OllamaStandIn()) as server:
        yield server


@pytest.fixture
def vllm() -> Iterator[VllmStandIn]:
    with running(VllmStandIn()) as server:
        yield server
