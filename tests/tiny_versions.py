"""A small untrained model that answers in actions, and registered versions of it that answer otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from questions import question

from llm_plugin.domain import Action, DecisionRequest

__all__ = ["make_base", "make_versions", "variants"]

LIFT, SPREAD = 60.0, 1.0


def variants(count: int = 64, **fields: Any) -> list[DecisionRequest]:
    """Questions whose prompts differ, an hour apart."""
    rows = []
    for number in range(count):
        features = {"adx_14": 12.0 + number % 40, "rsi_14": 20.0 + (number * 7) % 60, "return_24": (number % 9 - 4) / 3}
        features |= {"trend_direction": float(number % 3 - 1), "volatility_regime": float(number % 3 - 1)}
        rows.append(question(hours=number, features=features, **fields))
    return rows


def prompts_of(requests: list[DecisionRequest]) -> list[Any]:
    """Render questions as a fresh run would."""
    renderer = _renderer()
    return [renderer.render(request) for request in requests]


def make_base(folder: Path, hidden: int = 32, layers: int = 2) -> Path:
    """Write a model whose next word is an action; which one depends on the prompt."""
    import torch

    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network

    prompts = prompts_of(variants())
    texts = [f"{prompt.text} {action.value} | 0.5 | trend up" for prompt in prompts for action in Action]
    tokenizer = build_tokenizer(texts, folder)
    network = build_network(tokenizer, hidden=hidden, layers=layers, max_tokens=1024, seed=0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter *= 4.0
        _lift(network, tokenizer, [prompt.text for prompt in prompts])
    save_network(network, folder)
    return folder


def make_versions(base: Path, folder: Path, count: int) -> list[Path]:
    """Write adapters with manifests; each gives clearly other answers than the ones before."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from llm_plugin.reasoning.model_folder import ModelManifest, base_hashes, write_manifest

    hashes, made = base_hashes(base), []
    for number in range(count):
        network = AutoModelForCausalLM.from_pretrained(str(base), dtype=torch.float32)
        torch.manual_seed(number % 2 + 1)
        config = LoraConfig(
            r=16, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
        )
        out = folder / f"adapter-{number:02d}"
        get_peft_model(network, config).save_pretrained(str(out))
        manifest = ModelManifest(
            kind="lora-adapter",
            name=f"validator-{number}",
            base_tensors_sha256=hashes["base tensors"],
            tokenizer_sha256=hashes["tokenizer"],
            action_token_ids={},
            prompt_version=_renderer().version,
            feature_schema_version="1",
            data_cutoff_utc="2012-12-31T00:00:00+00:00",
            dataset_sha256="0" * 64,
        )
        write_manifest(out, manifest)
        made.append(out)
    return made


def _lift(network: Any, tokenizer: Any, texts: list[str]) -> None:
    """Turn the rows of the first tokens of BUY and HOLD towards what the model is thinking at the arrow."""
    import torch

    ids = [torch.tensor([tokenizer(text)["input_ids"]]) for text in texts[:24]]
    states = torch.stack([network.model(input_ids=row).last_hidden_state[0, -1] for row in ids])
    mean = states.mean(0)
    rows = [tokenizer(f" {action.value}")["input_ids"][0] for action in (Action.BUY, Action.HOLD)]
    directions = torch.linalg.svd(states - mean, full_matrices=False).Vh[: len(rows)]
    network.lm_head.weight.mul_(0.0)  # no other word is ever likely
    for row, direction in zip(rows, directions, strict=True):
        spread = (states @ direction).std().clamp_min(1e-6)
        network.lm_head.weight[row] = LIFT * mean / mean.norm() ** 2 + SPREAD * direction / spread


def _renderer() -> Any:
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.settings import resolve

    settings = resolve(env={}).settings
    return PromptRenderer(settings.prompts, settings.features.user)
