"""Generations in process: each is a structural clone of the base that shares its weights, with an adapter of its own.

PEFT's own switches (`set_adapter`, `hotswap_adapter`) change modules that are in use: answers under load then come
half from one adapter, half from the other. Here nothing that serves is ever changed.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from llm_plugin.reasoning.base import LanguageModel
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.generations import Promises
from llm_plugin.reasoning.loading import Base, load_base
from llm_plugin.reasoning.transformers_model import TransformersModel

__all__ = ["TransformersSwapper", "clone_sharing_weights"]


class TransformersSwapper:
    """Builds generations on one base that is loaded once."""

    promises = Promises()

    def __init__(self, base: Base, **options: Any) -> None:
        """Take a loaded base.

        Args:
            base: What all generations share; never served or changed itself.
            options: What `TransformersModel` takes beside the model: `max_batch`, `temperature`, `top_p`, `seed`.
        """
        self.base = base
        self._options = options
        self._building = threading.Lock()
        base.model.eval().requires_grad_(False)

    @classmethod
    def load(
        cls,
        folder_or_name: str | Path,
        *,
        quantization: str = "none",
        device: str = "auto",
        max_memory: Mapping[int | str, str] | None = None,
        threads: int | None = None,
        prompt_version: str | None = None,
        **options: Any,
    ) -> TransformersSwapper:
        """Load the base with all checks of `TransformersModel.load`.

        Raises:
            ModelError: Nothing usable there; names what is wrong and the remedy.
        """
        base = load_base(
            folder_or_name,
            quantization=quantization,
            device=device,
            max_memory=max_memory,
            threads=threads,
            prompt_version=prompt_version,
        )
        return cls(base, **options)

    def build(self, adapter: Path | None, label: str) -> TransformersModel:
        """Clone the base's structure, put the adapter on it, wrap it with its own tokenizer settings and calibrator.

        Raises:
            ModelError: The adapter is damaged, foreign or does not fit.
        """
        base, manifest = self.base, self.base.manifest
        with self._building:
            own = None if adapter is None else base.check_adapter(adapter)
            model, version = clone_sharing_weights(base.model), base.version
            if adapter is not None:
                model, version = base.with_adapter(model, adapter, own)
                manifest = own or manifest
        calibration = manifest.calibrator if manifest is not None else None
        return TransformersModel(
            model,
            base.tokenizer,
            version=version,
            calibrator=Calibrator.from_json(calibration) if calibration else None,
            manifest=manifest,
            **self._options,
        )

    def activate(self, new: LanguageModel, old: LanguageModel | None) -> None:
        """Nothing: a built generation is ready."""

    def retire(self, model: LanguageModel) -> None:
        """Nothing: the last reference frees it."""


def clone_sharing_weights(model: Any) -> Any:
    """Return a model of new modules over the same tensors: parameters, buffers, and what quantised layers keep beside.

    Args:
        model: A loaded causal language model; it is only read.
    """
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers(), *_kept_tensors(model))}
    return copy.deepcopy(model, memo=shared)


def _kept_tensors(model: Any) -> Iterator[torch.Tensor]:
    """Tensors in plain attributes: the int8 rows of bitsandbytes' matmul state, the scales of its 4-bit state."""
    for module in model.modules():
        for value in vars(module).values():
            yield from _tensors_in(value, depth=3)


def _tensors_in(value: Any, depth: int) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth and type(value).__module__.startswith("bitsandbytes") and hasattr(value, "__dict__"):
        if not isinstance(value, torch.nn.Module):
            for inner in vars(value).values():
                yield from _tensors_in(inner, depth - 1)
