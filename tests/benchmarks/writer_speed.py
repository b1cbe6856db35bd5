"""Tokens per second and memory of one fine-tuning on a random model: this project's trainer against TRL's defaults."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["SHAPES", "Measured", "estimated_gib", "measure"]

SHAPES: dict[str, dict[str, int]] = {
    "7b": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "vocab_size": 32016,
        "max_position_embeddings": 4096,
    },
    "tiny": {
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 1024,
        "max_position_embeddings": 4096,
    },
}
LONGEST, SHORTEST = 1800, 500


@dataclass(frozen=True)
class Measured:
    """One training.

    Attributes:
        tokens_per_second: Real tokens, padding not counted.
        peak_gib: Most memory that torch held on the device; 0 on a processor.
        seconds: Of the steps.
    """

    tokens_per_second: float
    peak_gib: float
    seconds: float


def measure(shape: str, device: str, folder: Path, *, ours: bool, steps: int, micro_batch: int = 4) -> Measured:
    """Train LoRA on a random model for a few steps, on rows as long as strategies are in a common tokenizer.

    Args:
        shape: Of `SHAPES`.
        device: `cuda` or `cpu`.
        folder: For checkpoints.
        ours: This project's arguments; False takes those that TRL has of itself, with the same LoRA.
        steps: Optimiser steps.
        micro_batch: Rows per forward pass.
    """
    import torch

    from llm_plugin.writer.settings import PRESETS

    model, tokenizer = _model(shape, device), _tokenizer(folder, SHAPES[shape]["vocab_size"])
    settings = PRESETS["7b"].sft.model_copy(
        update={"max_steps": steps, "micro_batch": micro_batch, "eval_rows": 0, "save_steps": 10_000}
    )
    rows = _rows(steps * settings.micro_batch * settings.accumulation * 2, SHAPES[shape]["vocab_size"])
    trainer = (
        _ours(model, tokenizer, settings, rows, folder) if ours else _default(model, tokenizer, settings, rows, folder)
    )
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    trainer.train()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - begun
    tokens = max(int(entry.get("num_tokens", 0)) for entry in trainer.state.log_history)
    peak = torch.cuda.max_memory_allocated() / (1 << 30) if device == "cuda" else 0.0
    return Measured(tokens / seconds, peak, seconds)


def estimated_gib(shape: str, folder: Path) -> float:
    """Return what the estimate says that the same training needs on a GPU."""
    from transformers import LlamaConfig

    from llm_plugin.writer.estimate import GIB, Machine, estimate, shape_of
    from llm_plugin.writer.settings import PRESETS

    LlamaConfig(**SHAPES[shape]).save_pretrained(str(folder))
    machine = Machine("cuda", 80 * GIB, 80 * GIB, 0.0)
    mean = (SHORTEST + LONGEST) // 2
    found = estimate(shape_of(folder), PRESETS["7b"].sft, rows=64, tokens=64 * mean, longest=LONGEST, machine=machine)
    return found.memory_bytes / GIB


def _model(shape: str, device: str) -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16 if device == "cuda" else torch.float32)
    try:
        with torch.device(device):
            return LlamaForCausalLM(LlamaConfig(**SHAPES[shape], pad_token_id=0, bos_token_id=1, eos_token_id=2))
    finally:
        torch.set_default_dtype(before)


def _tokenizer(folder: Path, vocabulary: int) -> Any:
    from llm_plugin.writer.network import build_code_tokenizer

    return build_code_tokenizer(["x = 1\n"] * 8, folder / "tokenizer", min(vocabulary, 300), 4096)


def _rows(count: int, vocabulary: int) -> Any:
    import random

    from llm_plugin.writer.examples import IGNORED, Examples

    rng = random.Random(0)
    ids = [[rng.randrange(3, vocabulary) for _ in range(rng.randint(SHORTEST, LONGEST))] for _ in range(count)]
    labels = [[IGNORED] * 80 + row[80:] for row in ids]
    lengths = [len(row) for row in ids]
    return Examples({"input_ids": ids, "labels": labels}, 0, sum(lengths), max(lengths))


def _ours(model: Any, tokenizer: Any, settings: Any, rows: Any, folder: Path) -> Any:
    from llm_plugin.writer.chat import ChatFormat
    from llm_plugin.writer.fit import plan_of
    from llm_plugin.writer.trainer import make_trainer

    plan = plan_of(settings, model, ChatFormat(tokenizer), rows)
    return make_trainer(model, tokenizer, settings, plan, rows, None, folder)


def _default(model: Any, tokenizer: Any, settings: Any, rows: Any, folder: Path) -> Any:
    from trl import SFTConfig, SFTTrainer

    from datasets import Dataset
    from llm_plugin.writer.trainer import lora_config

    arguments = SFTConfig(
        output_dir=str(folder / "default"),
        max_steps=settings.max_steps,
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.accumulation,
        max_length=None,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        use_cpu=model.device.type == "cpu",
        bf16=model.device.type == "cuda",
        logging_steps=1,
    )
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_dict(rows.columns),
        processing_class=tokenizer,
        peft_config=lora_config(settings, model),
    )
