"""The adapter file for llama.cpp: read back by hand, tensor by tensor."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_plugin.errors import ModelError
from llm_plugin.serving.gguf import Heads, write_lora_gguf

LAYER = "base_model.model.model.layers.0."


def write(folder: Path, tensors: dict[str, Any], **config: Any) -> Path:
    from safetensors.numpy import save_file

    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4, **config}))
    save_file(
        {name: np.asarray(v, dtype=np.float32) for name, v in tensors.items()}, folder / "adapter_model.safetensors"
    )
    return folder


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    data, at = path.read_bytes(), 24
    magic, version, count, facts_count = struct.unpack_from("<4sIQQ", data)
    assert (magic, version) == (b"GGUF", 3)

    def text() -> str:
        nonlocal at
        (length,) = struct.unpack_from("<Q", data, at)
        at += 8 + length
        return data[at - length : at].decode()

    facts: dict[str, Any] = {}
    for _ in range(facts_count):
        key = text()
        (kind,) = struct.unpack_from("<I", data, at)
        at += 4
        if kind == 8:
            facts[key] = text()
        else:
            (facts[key],) = struct.unpack_from("<f", data, at)
            at += 4
    infos = []
    for _ in range(count):
        name = text()
        (dimensions,) = struct.unpack_from("<I", data, at)
        shape = struct.unpack_from(f"<{dimensions}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * dimensions)
        assert (kind, offset % 32) == (0, 0)
        at += 16 + 8 * dimensions
        infos.append((name, shape[::-1], offset))
    start = at + -at % 32
    return facts, {
        name: np.frombuffer(data, "<f4", int(np.prod(shape)), start + offset).reshape(shape)
        for name, shape, offset in infos
    }


def test_every_tensor_is_at_its_place(tmp_path: Path) -> None:
    down = {"mlp.down_proj.lora_A.weight": np.arange(6).reshape(2, 3), "mlp.down_proj.lora_B.weight": np.ones((5, 2))}
    adapter = write(tmp_path / "a", {LAYER + name: value for name, value in down.items()})
    write_lora_gguf(adapter, tmp_path / "a.gguf", Heads(1, 1))
    facts, tensors = read(tmp_path / "a.gguf")
    assert facts["general.type"] == "adapter"
    assert (facts["adapter.type"], facts["adapter.lora.alpha"]) == ("lora", 4.0)
    assert set(tensors) == {"blk.0.ffn_down.weight.lora_a", "blk.0.ffn_down.weight.lora_b"}
    assert np.array_equal(tensors["blk.0.ffn_down.weight.lora_a"], np.arange(6).reshape(2, 3))


def test_rows_of_query_and_key_alternate_between_the_halves_of_a_head(tmp_path: Path) -> None:
    rows = np.repeat(np.arange(8), 2).reshape(8, 2)
    names = [LAYER + f"self_attn.{module}_proj.lora_B.weight" for module in "qkv"]
    adapter = write(tmp_path / "a", {name: rows for name in names})
    write_lora_gguf(adapter, tmp_path / "a.gguf", Heads(2, 1))
    _, tensors = read(tmp_path / "a.gguf")
    assert tensors["blk.0.attn_q.weight.lora_b"][:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert tensors["blk.0.attn_k.weight.lora_b"][:, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]
    assert tensors["blk.0.attn_v.weight.lora_b"][:, 0].tolist() == list(range(8))


def test_rank_stabilised_scale_is_kept(tmp_path: Path) -> None:
    adapter = write(tmp_path / "a", {LAYER + "mlp.up_proj.lora_A.weight": np.ones((2, 2))}, use_rslora=True)
    write_lora_gguf(adapter, tmp_path / "a.gguf", Heads(1, 1))
    assert read(tmp_path / "a.gguf")[0]["adapter.lora.alpha"] / 2 == pytest.approx(4 / 2**0.5)


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("mlp.up_proj.lora_A.weight", {"use_dora": True}, "uses use_dora, which a GGUF adapter cannot hold"),
        ("mlp.up_proj.lora_A.weight", {"bias": "all"}, "uses bias"),
        ("mlp.experts.lora_A.weight", {}, r"changes .*mlp\.experts.*use swap: merge"),
        ("self_attn.q_proj.lora_B.weight", {}, "3 rows are not those of 2 heads"),
    ],
    ids=["dora", "bias", "module", "heads"],
)
def test_what_the_format_cannot_hold_is_refused(
    tmp_path: Path, name: str, config: dict[str, Any], message: str
) -> None:
    adapter = write(tmp_path / "a", {LAYER + name: np.ones((3, 2))}, **config)
    with pytest.raises(ModelError, match=message):
        write_lora_gguf(adapter, tmp_path / "a.gguf", Heads(2, 2))
