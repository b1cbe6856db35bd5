"""A small untrained model with the project's own tokenizer, and prompts for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from llm_plugin.domain import Action

PREFIX = "Judge the signal: take it or HOLD.\n"
ENTRY = (Action.BUY, Action.HOLD)


@dataclass(frozen=True)
class TextPrompt:
    prefix: str
    suffix: str

    @property
    def hash(self) -> str:
        return hashlib.sha256((self.prefix + self.suffix).encode()).hexdigest()


def prompt_of(index: int, prefix: str = PREFIX) -> TextPrompt:
    long = " and more of the same context" * (index % 4)
    return TextPrompt(prefix, f"SIG=BUY ADX={10 + index} RSI={90 - index} TREND={index % 3 - 1}{long} ->")


def make_model(folder: Path, seed: int = 0, scale: float = 6.0, hidden: int = 32) -> Path:
    """Write an untrained model whose scores differ visibly from prompt to prompt."""
    import torch

    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network

    texts = [
        f"{PREFIX}{prompt_of(i).suffix} {action.value} | 0.{i:02d} | trend" for i in range(60) for action in Action
    ]
    tokenizer = build_tokenizer(texts, folder)
    model = build_network(tokenizer, hidden=hidden, layers=2, max_tokens=512, seed=seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter *= scale
    save_network(model, folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny")


def make_adapter(model: Path, out: Path, seed: int = 3, rank: int = 4) -> Path:
    """Write a LoRA adapter with random weights for that model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
        )
        get_peft_model(base, config).save_pretrained(str(out))
    return out


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """A LoRA adapter with random weights on that model."""
    return make_adapter(model_folder, tmp_path_factory.mktemp("adapter") / "lora")


@pytest.fixture(scope="session")
def other_adapter_folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Another one, with clearly other answers."""
    return make_adapter(model_folder, tmp_path_factory.mktemp("adapter") / "other", seed=11)
