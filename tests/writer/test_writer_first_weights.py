"""The stand-in's first weights: an untrained network that can repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_plugin.bootstrap.network import build_network
from llm_plugin.writer.first_weights import ROPE_THETA, set_first_weights
from llm_plugin.writer.network import build_code_tokenizer


def network(folder: Path, hidden: int, layers: int, theta: float = ROPE_THETA, heads: int = 4) -> Any:
    tokenizer = build_code_tokenizer(["x = 1\n"] * 9, folder, 300, 512)
    return build_network(
        tokenizer,
        hidden=hidden,
        layers=layers,
        max_tokens=512,
        seed=0,
        key_value_heads=heads,
        rope_theta=theta,
    )


def repeated(model: Any) -> float:
    """Return how often the likeliest token is the one that came the first time."""
    import torch

    once = torch.randint(5, model.config.vocab_size, (4, 60), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scores = model(input_ids=torch.cat([once, once], 1)).logits[:, 60:-1]
    return float((scores.argmax(-1) == once[:, 1:]).float().mean())


def test_untrained_network_continues_what_it_has_seen_once(tmp_path: Path) -> None:
    model = network(tmp_path, 192, 5)
    assert repeated(model) < 0.02
    set_first_weights(model, 0)
    assert repeated(model) > 0.2
    other = network(tmp_path, 192, 5)
    set_first_weights(other, 0)
    assert all((a == b).all() for a, b in zip(model.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(("hidden", "layers", "heads"), [(8, 2, 4), (32, 1, 4), (64, 3, 2)])
def test_small_and_shallow_networks_get_weights_too(tmp_path: Path, hidden: int, layers: int, heads: int) -> None:
    model = network(tmp_path, hidden, layers, heads=heads)
    up = model.model.layers[0].mlp.up_proj.weight
    before = float(up.detach().std())
    set_first_weights(model, 0)
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    assert float(up.detach().std()) > 2 * before


def test_speed_of_positions_is_kept_by_a_saved_network(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    from llm_plugin.bootstrap.network import save_network

    model = network(tmp_path / "t", 64, 2)
    save_network(model, tmp_path / "m")
    read = AutoModelForCausalLM.from_pretrained(tmp_path / "m")
    assert (read.model.rotary_emb.inv_freq == model.model.rotary_emb.inv_freq).all()
    assert float(model.model.rotary_emb.inv_freq[1]) == pytest.approx(ROPE_THETA ** (-1 / 8))
