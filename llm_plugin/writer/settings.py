"""What can be set for the strategy writer: its fine-tuning, the small model that stands in, and two presets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.settings._section import Section

__all__ = ["PRESETS", "Preset", "SftSettings", "StandinSettings", "preset_named", "with_values"]

S = TypeVar("S", bound=Section)


class SftSettings(Section):
    """Supervised fine-tuning by LoRA; the defaults are those of a 7B base."""

    rank: int = Field(default=16, ge=1, le=512, description="LoRA rank")
    alpha: int = Field(default=32, ge=1, le=2048, description="LoRA alpha")
    dropout: float = Field(default=0.05, ge=0, lt=1, description="LoRA dropout")
    targets: Literal["attention", "all-linear"] = Field(default="attention", description="attention = q, k, v, o")
    train_embeddings: bool = Field(default=False, description="train the input embeddings whole, beside LoRA")
    epochs: float = Field(default=3.0, gt=0, le=1000, description="passes over the training rows")
    max_steps: int | None = Field(default=None, ge=1, description="most optimiser steps; null = by epochs")
    micro_batch: int = Field(default=4, ge=1, le=4096, description="rows per forward pass and process")
    accumulation: int = Field(default=8, ge=1, le=4096, description="forward passes per optimiser step")
    learning_rate: float = Field(default=2e-4, gt=0, le=1, description="peak learning rate")
    scheduler: Literal["cosine", "linear", "constant"] = Field(default="cosine", description="how it falls")
    warmup_fraction: float = Field(default=0.03, ge=0, lt=1, description="share of the steps in which it rises")
    weight_decay: float = Field(default=0.0, ge=0, le=1, description="AdamW's weight decay")
    beta2: float = Field(default=0.999, gt=0, lt=1, description="AdamW's second beta")
    quantization: Literal["none", "nf4"] = Field(default="none", description="nf4 = QLoRA, the base in four bits")
    max_tokens: int = Field(default=2048, ge=16, le=1_000_000, description="rows beyond it are left out and counted")
    packing: Literal["auto", "off"] = Field(
        default="auto", description="auto = several rows in one pass on a GPU, where that gives the same numbers"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="of products; auto = bfloat16 on a GPU, and on a processor that has it"
    )
    checkpointing: bool | None = Field(
        default=None, description="compute activations again in the backward pass; null = on a GPU from 1B parameters"
    )
    prompt_format: Literal["auto", "chat", "inst"] = Field(
        default="auto", description="auto = the model's own chat template where it has one, else [INST]"
    )
    variations: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="copies of each row with other tickers and numbers on both sides",
    )
    eval_rows: int = Field(default=100, ge=0, le=100_000, description="validation rows that are looked at meanwhile")
    eval_steps: int | None = Field(default=None, ge=1, description="steps between evaluations; null = every epoch")
    save_steps: int | None = Field(default=None, ge=1, description="steps between checkpoints; null = every epoch")
    log_steps: int = Field(default=10, ge=1, le=1_000_000, description="steps between logged figures")
    threads: int = Field(default=1, ge=1, le=1024, description="torch threads of each process")
    processes: int = Field(default=1, ge=1, le=1024, description="processes (GPUs) that accelerate uses")
    seed: int = Field(default=0, ge=0, description="seed of everything random")


class StandinSettings(Section):
    """The small code model where no weights are: tokenizer, size, and the training of its base."""

    vocabulary: int = Field(default=4096, ge=300, le=65_536, description="most tokens of its tokenizer")
    hidden: int = Field(default=192, ge=8, le=4096, multiple_of=8, description="width")
    layers: int = Field(default=5, ge=1, le=64, description="depth")
    context: int = Field(default=1024, ge=64, le=16_384, description="longest text in tokens")
    draws: int = Field(
        default=28_000,
        ge=0,
        le=1_000_000,
        description="rows that the grammar draws for it, beside the dataset",
    )
    steps: int = Field(default=1000, ge=1, le=1_000_000, description="optimiser steps of the base")
    batch_tokens: int = Field(default=3072, ge=64, le=1_000_000, description="tokens per step of the base")
    learning_rate: float = Field(default=3e-3, gt=0, le=1, description="peak learning rate of the base")
    save_steps: int = Field(default=100, ge=1, le=1_000_000, description="steps between checkpoints of the base")


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings that belong together.

    Attributes:
        name: As it is asked for.
        sft: Of the fine-tuning.
        standin: Of the small model; None where a base must be given.
        bases: Bases that it was made for, by hub name.
    """

    name: str
    sft: SftSettings
    standin: StandinSettings | None = None
    bases: tuple[str, ...] = ()


PRESETS = {
    "7b": Preset(
        name="7b",
        sft=SftSettings(),
        bases=("codellama/CodeLlama-7b-hf", "mistralai/Mistral-7B-v0.1", "google/gemma-2b"),
    ),
    "standin": Preset(
        name="standin",
        sft=SftSettings(
            rank=32,
            alpha=32,
            dropout=0.0,
            targets="all-linear",
            train_embeddings=True,
            max_steps=1500,
            epochs=1.0,
            micro_batch=16,
            accumulation=1,
            learning_rate=3e-3,
            beta2=0.95,
            warmup_fraction=0.05,
            max_tokens=1024,
            variations=1,
            eval_steps=200,
            save_steps=100,
            log_steps=10,
            threads=2,
        ),
        standin=StandinSettings(),
    ),
}


def preset_named(name: str) -> Preset:
    """Return a preset.

    Raises:
        ConfigError: There is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset {name!r} is unknown{did_you_mean(name, PRESETS)}: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def with_values(preset: Preset, values: dict[str, str]) -> Preset:
    """Return a preset with other values, written as text; `standin.` before a name means the small model.

    Raises:
        ConfigError: Names every setting that is unknown or out of range.
    """
    problems: list[str] = []
    sft = _changed(preset.sft, {k: v for k, v in values.items() if not k.startswith("standin.")}, "", problems)
    own = {k.removeprefix("standin."): v for k, v in values.items() if k.startswith("standin.")}
    standin = preset.standin
    if own and standin is None:
        problems.append(f"preset {preset.name} trains no stand-in: leave out {', '.join(f'standin.{k}' for k in own)}")
    elif standin is not None:
        standin = _changed(standin, own, "standin.", problems)
    if problems:
        raise ConfigError(problems)
    return Preset(preset.name, sft, standin, preset.bases)


def _changed(section: S, values: dict[str, str], prefix: str, problems: list[str]) -> S:
    import yaml

    given: dict[str, Any] = {}
    for name, text in values.items():
        if name not in type(section).model_fields:
            problems.append(f"{prefix}{name} is no setting{did_you_mean(name, type(section).model_fields)}")
            continue
        given[name] = float(text) if _is_float(section, name, text) else yaml.safe_load(text)
    try:
        return type(section).model_validate({**section.model_dump(), **given})
    except ValidationError as error:
        problems += [f"{prefix}{e['loc'][0]} is {e['input']!r}: {e['msg']}" for e in error.errors()]
        return section


def _is_float(section: Section, name: str, text: str) -> bool:
    """YAML reads 2e-4 as a text; a field of numbers takes it all the same."""
    if type(section).model_fields[name].annotation is not float:
        return False
    try:
        float(text)
    except ValueError:
        return False
    return True
