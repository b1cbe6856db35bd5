"""From a configuration to a service: store, generations, registry, loop."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import ModelError
from llm_plugin.learning.stores import learning_url
from llm_plugin.service.core import ValidatorService
from llm_plugin.service.metrics import Metrics
from llm_plugin.service.model import BatchedModel

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.registry.store import Registry
    from llm_plugin.service.champion import Champion
    from llm_plugin.service.loop import Loop
    from llm_plugin.service.reasons import ReasonQueue
    from llm_plugin.service.shadow import Shadow
    from llm_plugin.settings import Settings

__all__ = ["open_service"]

_LOG = logging.getLogger("llm_plugin.service")
QUIET_SECONDS = 1.0


def open_service(
    settings: Settings,
    *,
    registry: Registry | None = None,
    model: LanguageModel | None = None,
    launch: Any = None,
) -> ValidatorService:
    """Open store, model, registry and loop.

    Args:
        settings: The configuration.
        registry: Who shall serve; None takes the one in the plugin's home.
        model: `Generations`, or any model, which then serves for good; None loads `llm_model`.
        launch: Starts a cycle's process; None starts a real one.

    Raises:
        ConfigError: The configuration asks for what is not here.
        ModelError: No model can be loaded.
        StoreUnavailable: The store cannot be opened.
    """
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.registry.store import Registry as LocalRegistry
    from llm_plugin.service.loop import Loop

    metrics = Metrics()
    followed = registry if registry is not None else LocalRegistry(name=settings.learning.model)
    store = OutcomeStore(learning_url(settings), "each")
    database = LearningDatabase(store.url)
    served = model if model is not None else _load(settings, followed)
    front = None if served is None else BatchedModel(served, settings.reasoning.batch_size, metrics.passed)
    champion, shadow = _followers(settings, store, database, followed, metrics, front)
    reasons = _reasons(settings, store, front)
    loop: Loop = Loop(
        settings,
        store,
        database,
        followed,
        metrics,
        front,
        champion=champion,
        shadow=shadow,
        reasons=reasons,
        launch=launch,
    )
    return ValidatorService(settings, store, front, signals=lambda: _signals(settings), metrics=metrics, learner=loop)


def _followers(
    settings: Settings,
    store: OutcomeStore,
    database: LearningDatabase,
    registry: Registry,
    metrics: Metrics,
    front: BatchedModel | None,
) -> tuple[Champion | None, Shadow | None]:
    from llm_plugin.reasoning.generations import Generations
    from llm_plugin.service.champion import Champion
    from llm_plugin.service.shadow import Shadow

    if front is None or not isinstance(front.model, Generations):
        return None, None
    renderer = _renderer(settings)

    def emit(event: str, version: str, payload: Mapping[str, Any]) -> None:
        database.emit(event, f"lean-llm.model.{registry.name}", {"version": version, **payload})

    champion = Champion(registry, front.model, metrics, emit, prompt_version=renderer.version)
    shadow = Shadow(
        settings,
        store,
        database,
        metrics,
        lambda: champion.shadow,
        lambda: front.idle,
        renderer.template.system,
    )
    return champion, shadow


def _reasons(settings: Settings, store: OutcomeStore, front: BatchedModel | None) -> ReasonQueue | None:
    from llm_plugin.service.reasons import ReasonQueue

    if front is None or settings.reasoning.reasons == "never":
        return None
    prefix = _renderer(settings).template.system
    tokens = settings.llm_model.max_new_tokens
    return ReasonQueue(store, front, lambda: front.quiet_seconds > QUIET_SECONDS, prefix, tokens)


def _load(settings: Settings, registry: Registry) -> LanguageModel | None:
    """Load the champion's generation; a back end without generations serves its one model."""
    if settings.validator.mode == "none" or settings.validator.arm != "llm":
        return None
    from llm_plugin.cycle.models import open_configured
    from llm_plugin.service.champion import first_version
    from llm_plugin.serving import open_generations
    from llm_plugin.serving.opening import PROVIDERS

    wanted = settings.llm_model
    adapter = None if wanted.adapter is None else Path(wanted.adapter)
    if wanted.provider not in ("transformers", *PROVIDERS) or adapter is not None:
        if adapter is not None:
            _LOG.warning("llm_model.adapter is set: it serves for good, and no version of the registry replaces it")
        return open_configured(settings, adapter)
    folder, version = _base_folder(settings), _renderer(settings).version
    if folder is None and wanted.name == "bootstrap":
        raise ModelError("no bootstrap model is here; make one with `lean-llm model bootstrap`")
    label, path, reason = first_version(registry, folder, version)
    if reason:
        _LOG.error("%s serves in place of the champion: %s", label, reason)
    return open_generations(settings, adapter=path, label=label, prompt_version=version)


def _renderer(settings: Settings) -> Any:
    from llm_plugin.prompts import PromptRenderer

    return PromptRenderer(settings.prompts, settings.features.user)


def _base_folder(settings: Settings) -> Path | None:
    from llm_plugin.validator.build import model_folder

    return model_folder(settings.llm_model.name)


def _signals(settings: Settings) -> Any:
    if settings.signals.kind == "none":
        return None
    from llm_plugin.signals import EnsembleSignalSource

    return EnsembleSignalSource.from_settings(settings)
