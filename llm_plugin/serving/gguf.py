"""A PEFT adapter as llama.cpp's own file format. numpy and safetensors only.

Ollama converts PEFT folders itself, but turns the wrong factor of `q_proj` and `k_proj` (measured on its August 2026
source: log-probabilities off by 1.1, where the others agree to 0.007). So the file is written here.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[np.float32]]

__all__ = ["Heads", "write_lora_gguf"]

ALIGNMENT = 32
FLOAT32_TENSOR, FLOAT32_VALUE, STRING_VALUE = 0, 6, 8
PREFIX = "base_model.model.model.layers."
PLACES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_UNSUPPORTED = ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "lora_bias", "layer_replication")


@dataclass(frozen=True, slots=True)
class Heads:
    """Attention heads of the base: llama.cpp keeps the rows of q and k in another order than transformers."""

    query: int
    key: int


def write_lora_gguf(adapter: Path, out: Path, heads: Heads) -> None:
    """Convert an adapter of the Llama family (Llama, CodeLlama, Mistral).

    Args:
        adapter: A PEFT folder.
        out: The file to write.
        heads: Of the base.

    Raises:
        ModelError: The adapter has what the format cannot say; names it.
    """
    from safetensors.numpy import load_file

    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    found = [name for name in _UNSUPPORTED if config.get(name)]
    if found or config.get("bias", "none") != "none":
        raise ModelError(f"adapter {adapter} uses {', '.join(found) or 'bias'}, which a GGUF adapter cannot hold")
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, values in load_file(str(adapter / "adapter_model.safetensors")).items():
        place = _place(name, adapter)
        rows = values.astype("<f4")
        if place.endswith("attn_q.weight.lora_b"):
            rows = _reordered(rows, heads.query)
        elif place.endswith("attn_k.weight.lora_b"):
            rows = _reordered(rows, heads.key)
        tensors[place] = rows
    facts: dict[str, str | float] = {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": adapter.name,
        "adapter.type": "lora",
        "adapter.lora.alpha": scale * rank,
    }
    out.write_bytes(_encoded(facts, tensors))


def _place(name: str, adapter: Path) -> str:
    layer, _, rest = name.removeprefix(PREFIX).partition(".")
    module, _, factor = rest.partition(".lora_")
    if name.startswith(PREFIX) and module in PLACES and factor in ("A.weight", "B.weight"):
        return f"blk.{layer}.{PLACES[module]}.weight.lora_{factor[0].lower()}"
    raise ModelError(f"adapter {adapter} changes {name}, which a GGUF adapter of a Llama cannot hold; use swap: merge")


def _reordered(rows: Any, heads: int) -> Any:
    """Rows of one head: first and second half become even and odd ones."""
    import numpy as np

    if rows.shape[0] % (2 * heads):
        raise ModelError(f"{rows.shape[0]} rows are not those of {heads} heads: the adapter is of another base")
    halves = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows.shape))


def _encoded(facts: Mapping[str, str | float], tensors: Tensors) -> bytes:
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts)))
    for key, value in facts.items():
        head += _text(key)
        if isinstance(value, str):
            head += struct.pack("<I", STRING_VALUE) + _text(value)
        else:
            head += struct.pack("<If", FLOAT32_VALUE, value)
    body = bytearray()
    for name, values in tensors.items():
        body += bytes(-len(body) % ALIGNMENT)
        shape = values.shape[::-1]  # innermost first
        head += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, FLOAT32_TENSOR, len(body))
        body += values.tobytes()
    head += bytes(-len(head) % ALIGNMENT)
    return bytes(head + body)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded
