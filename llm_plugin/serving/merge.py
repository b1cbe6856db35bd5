"""A base and an adapter merged into one model folder, for servers that run whole models. Imports torch when used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from llm_plugin.errors import ModelError

__all__ = ["merge_adapter"]

_TOKENIZER = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "vocab.json")


def merge_adapter(base: Path, adapter: Path, out: Path) -> None:
    """Write `base` with `adapter` added to its weights.

    Args:
        base: An unquantised model folder.
        adapter: A LoRA folder that was trained on it.
        out: An existing folder.

    Raises:
        ModelError: The adapter does not fit.
    """
    from llm_plugin.reasoning.loading import load_base

    loaded = load_base(base, device="cpu")
    wrapped, _ = loaded.with_adapter(loaded.model, adapter, loaded.check_adapter(adapter))
    merged = wrapped.merge_and_unload(safe_merge=True)
    merged.save_pretrained(str(out))
    for name in _TOKENIZER:
        if (base / name).is_file():
            shutil.copyfile(base / name, out / name)
    path = out / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    original = json.loads((base / "config.json").read_text(encoding="utf-8"))
    for key in ("rope_theta", "rope_parameters", "rope_scaling"):
        if key in original:
            config[key] = original[key]
    if config.get("vocab_size") != original.get("vocab_size"):
        raise ModelError(f"merging {adapter} changed the vocabulary of {base}")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
