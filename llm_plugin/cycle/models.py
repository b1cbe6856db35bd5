"""Which model a version is: the configured base, with the version's adapter on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_plugin.errors import ModelError

if TYPE_CHECKING:
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["base_folder", "open_configured"]


def base_folder(settings: Settings) -> Path | None:
    """Return the base model's folder, None where it comes by name from elsewhere."""
    from llm_plugin.validator.build import model_folder

    return model_folder(settings.llm_model.name)


def open_configured(settings: Settings, adapter: Path | None) -> LanguageModel:
    """Load `llm_model` of the settings with an adapter of the registry instead of its own.

    Raises:
        ModelError: It cannot be loaded, or the adapter does not fit; names what.
    """
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.reasoning import create_model

    wanted = settings.llm_model
    folder = base_folder(settings)
    if folder is None and wanted.name == "bootstrap":
        raise ModelError("no bootstrap model is here; make one with `lean-llm model bootstrap`")
    return create_model(
        wanted.provider,
        name=str(folder) if folder is not None else wanted.name,
        adapter=str(adapter) if adapter is not None else None,
        quantization=wanted.quantization,
        device=wanted.device,
        max_memory=wanted.max_memory,
        threads=settings.reasoning.threads,
        prompt_version=PromptRenderer(settings.prompts, settings.features.user).version,
        max_batch=settings.reasoning.batch_size,
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        seed=settings.validator.seed,
        server=wanted.server,
    )
