"""Language-model back ends by name: `transformers` in process, servers by URL, and whatever else is registered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.reasoning.base import LanguageModel

__all__ = ["backend_names", "create_model", "register_backend"]

Factory = Callable[..., LanguageModel]


def _transformers(**options: Any) -> LanguageModel:
    from llm_plugin.reasoning.transformers_model import TransformersModel

    options.pop("server", None)
    return TransformersModel.load(options.pop("name"), **options)


def _on_server(provider: str) -> Factory:
    def make(**options: Any) -> LanguageModel:
        from llm_plugin.serving.opening import open_model

        return open_model(provider, **options)

    return make


def _fake(**options: Any) -> LanguageModel:
    from llm_plugin.reasoning.fake import FakeModel

    return FakeModel(version=f"fake:{options.get('name', '')}@1")


_BACKENDS: dict[str, Factory] = {
    "fake": _fake,
    "ollama": _on_server("ollama"),
    "openai": _on_server("openai"),
    "transformers": _transformers,
    "vllm": _on_server("vllm"),
}


def register_backend(key: str, factory: Factory) -> None:
    """Add a back end under a new name.

    Args:
        key: The value of `llm_model.provider` that selects it.
        factory: Called with `name` and the other options of the configuration.

    Raises:
        ConfigError: The name is taken.
    """
    if key in _BACKENDS:
        raise ConfigError(f"a language-model back end named {key!r} exists already; choose another name")
    _BACKENDS[key] = factory


def backend_names() -> list[str]:
    """Return the registered names, sorted."""
    return sorted(_BACKENDS)


def create_model(key: str, **options: Any) -> LanguageModel:
    """Build a language model.

    Args:
        key: A registered name.
        options: `name` (folder or model name) and what that back end takes.

    Raises:
        ConfigError: No such back end.
        ModelError: The model cannot be loaded.
    """
    if key not in _BACKENDS:
        raise ConfigError(
            f"llm_model.provider {key!r} is unknown{did_you_mean(key, _BACKENDS)}; known: {', '.join(backend_names())}"
        )
    return _BACKENDS[key](**options)
