"""The strategy writer: a causal language model, fine-tuned to write LEAN strategies, and its service.

`train_writer` fine-tunes in a process of its own; `open_writer` answers. Nothing heavy is imported before either is
called.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PRESETS", "SftJob", "open_writer", "train_writer"]

_PLACES = {
    "PRESETS": "llm_plugin.writer.settings",
    "SftJob": "llm_plugin.writer.job",
    "open_writer": "llm_plugin.writer.serving",
    "train_writer": "llm_plugin.writer.process",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
