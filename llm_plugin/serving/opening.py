"""From the configuration to what serves: `llm_model.provider` decides the back end. Torch only for `transformers`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import ConfigError
from llm_plugin.files import home
from llm_plugin.reasoning.canary import CanaryLimits
from llm_plugin.reasoning.generations import Generations
from llm_plugin.serving.adapters import LocalBase
from llm_plugin.serving.http import JsonClient
from llm_plugin.serving.ollama import OllamaSwapper
from llm_plugin.serving.openai import FixedSwapper, VllmSwapper

if TYPE_CHECKING:
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["PROVIDERS", "open_generations", "open_model"]

PROVIDERS = ("ollama", "openai", "vllm")
PARITY_STATES = 32
SERVER_GAP = 0.1  # 16-bit weights and another program: log-probabilities agree to the first decimal, actions agree


def open_generations(
    settings: Settings, *, adapter: str | Path | None, label: str, prompt_version: str | None = None
) -> Generations:
    """Make the serving model of the configuration, with its first generation in place.

    Args:
        settings: The configuration.
        adapter: LoRA folder of the first generation, None for the base alone.
        label: Its registry version.
        prompt_version: The prompt templates in use.

    Raises:
        ModelError: The base or the adapter cannot be served; says why.
        BackendUnavailable: The server does not answer.
        ConfigError: The provider cannot hot-swap, or `llm_model.server` lacks what it needs.
    """
    wanted = settings.llm_model
    if wanted.provider == "transformers":
        return Generations.load(
            _here(settings) or wanted.name,
            adapter=adapter,
            label=label,
            quantization=wanted.quantization,
            device=wanted.device,
            max_memory=wanted.max_memory,
            threads=settings.reasoning.threads,
            prompt_version=prompt_version,
            max_batch=settings.reasoning.batch_size,
            temperature=wanted.temperature,
            top_p=wanted.top_p,
            seed=settings.validator.seed,
        )
    served = Generations(
        _swapper(settings, prompt_version),
        limits=CanaryLimits(max_log_probability_gap=SERVER_GAP),
        recorded_states=PARITY_STATES,
        hold_seconds=60.0,
    )
    served.swap(served.build(adapter, label))
    return served


def open_model(provider: str, **options: Any) -> LanguageModel:
    """Make one model of a server, as `reasoning.create_model` asks for it.

    Args:
        provider: `ollama`, `vllm` or `openai`.
        options: `name`, `adapter`, `server` (settings `llm_model.server`), `prompt_version`, `temperature`, `top_p`,
            `seed`, `max_batch`; what only an in-process model needs is ignored.

    Raises:
        ModelError: The base or the adapter cannot be served; says why.
        BackendUnavailable: The server does not answer.
        ConfigError: `server` lacks what the provider needs.
    """
    adapter = options.get("adapter")
    swapper = make_swapper(provider, **options)
    model: LanguageModel = swapper.build(None if adapter is None else Path(adapter), "configured")
    swapper.activate(model, None)
    return model


def make_swapper(provider: str, **options: Any) -> Any:
    """Return the swapper of a provider; see `open_model` for the options.

    Raises:
        ConfigError: No such provider, or `server` lacks what it needs.
        ModelError: The server does not have the base.
        BackendUnavailable: It does not answer.
    """
    server = options.get("server")
    if server is None or server.url is None:
        raise ConfigError(f"llm_model.provider {provider!r} needs llm_model.server.url, the address of the server")
    key = server.api_key.get_secret_value() if server.api_key is not None else None
    client = JsonClient(server.url, timeout_seconds=server.timeout_seconds, api_key=key)
    name = str(options["name"])
    folder = Path(name) if Path(name).is_dir() else None
    base = server.model or (folder.name if folder is not None else name)
    local = LocalBase(folder, options.get("prompt_version"))
    sampling = {key: options[key] for key in ("temperature", "top_p", "seed") if options.get(key) is not None}
    if provider == "ollama":
        return OllamaSwapper(client, base, local=local, merge=_merge(server.swap), options=sampling)
    common: dict[str, Any] = {"local": local, "options": sampling, "max_batch": int(options.get("max_batch", 32))}
    if provider == "vllm":
        return VllmSwapper(client, base, adapters_at=server.adapters_at, adapters_here=home() / "registry", **common)
    if provider == "openai":
        return FixedSwapper(client, base, **common)
    raise ConfigError(f"llm_model.provider {provider!r} is no server; known: {', '.join(PROVIDERS)}")


def _swapper(settings: Settings, prompt_version: str | None) -> Any:
    wanted = settings.llm_model
    if wanted.provider not in PROVIDERS:
        known = ", ".join(("transformers", *PROVIDERS))
        raise ConfigError(f"llm_model.provider {wanted.provider!r} cannot swap adapters; those that can: {known}")
    return make_swapper(
        wanted.provider,
        name=str(_here(settings) or wanted.name),
        server=wanted.server,
        prompt_version=prompt_version,
        max_batch=settings.reasoning.batch_size,
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        seed=settings.validator.seed,
    )


def _here(settings: Settings) -> Path | None:
    from llm_plugin.validator.build import model_folder

    return model_folder(settings.llm_model.name)


def _merge(swap: str) -> Callable[[Path, Path, Path], None] | None:
    if swap == "drain":
        return None
    from llm_plugin.serving.merge import merge_adapter

    return merge_adapter
