"""Who serves: follows the registry's pointer. Build, canary, swap; what is refused is told and whoever serves stays."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import LeanLlmError, ModelError, RetryableError
from llm_plugin.registry.words import BASE

if TYPE_CHECKING:
    from llm_plugin.reasoning.generations import Generation, Generations
    from llm_plugin.registry.store import Registry
    from llm_plugin.registry.words import Pointer
    from llm_plugin.service.metrics import Metrics

__all__ = ["REFUSED", "Champion", "first_version"]

_LOG = logging.getLogger("llm_plugin.service")
REFUSED = "lean-llm.champion.not-served"
Emit = Callable[[str, str, Mapping[str, Any]], None]


class Champion:
    """Keeps the serving generation what the registry says.

    Attributes:
        refused: Versions that were not let in, and why.
    """

    def __init__(
        self,
        registry: Registry,
        generations: Generations,
        metrics: Metrics,
        emit: Emit,
        *,
        prompt_version: str | None,
    ) -> None:
        """Take what is followed and what follows.

        Args:
            registry: Holds the pointer and the versions.
            generations: Serve.
            metrics: Counters.
            emit: Takes an event, its resource and its payload.
            prompt_version: The prompt templates in use, which adapters must have been trained on.
        """
        self.refused: dict[str, str] = {}
        self._registry = registry
        self._generations = generations
        self._metrics = metrics
        self._emit = emit
        self._prompt_version = prompt_version
        self._shadow: Generation | None = None
        self._sequence = -1
        self._lock = threading.Lock()
        self._show()

    @property
    def serving(self) -> str:
        """The version that answers now."""
        return self._generations.current.label

    @property
    def model_version(self) -> str:
        """What its decisions call it."""
        return self._generations.current.version

    @property
    def shadow(self) -> Generation | None:
        """The previous version's generation, to answer beside the serving one; None where there is none."""
        return self._shadow

    def follow(self) -> bool:
        """Read the pointer and do what it says; True where somebody else serves now.

        Raises:
            RetryableError: The back end does not answer just now; try again later.
        """
        with self._lock:
            pointer = self._registry.pointer()
            if pointer.sequence == self._sequence:
                return False
            changed = self._serve(pointer)
            self._keep_shadow(pointer)
            self._sequence = pointer.sequence
            return changed

    def _serve(self, pointer: Pointer) -> bool:
        wanted = pointer.champion
        if wanted == self.serving:
            return False
        try:
            generation = self._generation(wanted)
            report = self._generations.swap(generation)
        except RetryableError:
            raise
        except ModelError as error:
            self._refuse(wanted, error, pointer)
            return False
        self.refused.pop(wanted, None)
        self._metrics.swaps.inc()
        self._show()
        _LOG.info("%s serves in place of %s (held %.3f s)", wanted, report.previous, report.held_seconds)
        return True

    def _generation(self, version: str) -> Generation:
        living = self._generations.get(version)
        if living is not None:
            return living
        # Whether it fits the base is found out by `build`, which has the base's hashes at hand.
        found = self._registry.verify(version, prompt_version=self._prompt_version)
        generation = self._generations.build(found.folder, version)
        self._metrics.build_seconds.observe(generation.build_seconds)
        return generation

    def _keep_shadow(self, pointer: Pointer) -> None:
        """The version before the champion answers in shadow, also after a restart; without it there is no watch."""
        self._shadow = None
        wanted = pointer.previous
        if wanted is None or wanted == self.serving or not self._generations.promises.shadow:
            return
        try:
            self._shadow = self._generation(wanted)
        except LeanLlmError as error:
            _LOG.warning("%s cannot answer in shadow: %s", wanted, error)

    def _refuse(self, version: str, error: ModelError, pointer: Pointer) -> None:
        self.refused[version] = str(error)
        self._metrics.swaps_refused.inc()
        _LOG.error("%s is not let in, %s goes on serving: %s", version, self.serving, error)
        facts = {"reason": str(error), "serving": self.serving, "sequence": pointer.sequence}
        self._emit(REFUSED, version, facts)

    def _show(self) -> None:
        self._metrics.serving.clear()
        self._metrics.serving.labels(self.serving).set(1)


def first_version(registry: Registry, base: Path | None, prompt_version: str | None) -> tuple[str, Path | None, str]:
    """Return whom to serve at the start: champion, else the version before, else base; and why not the champion.

    Args:
        registry: Holds the pointer.
        base: The base model's folder, which adapters must fit; None where it has none.
        prompt_version: The prompt templates in use.
    """
    reason = ""
    try:
        pointer = registry.pointer()
        candidates = list(dict.fromkeys([pointer.champion, pointer.previous or BASE, BASE]))
    except ModelError as error:
        reason, candidates = str(error), [BASE]
    for version in candidates:
        try:
            return version, registry.verify(version, base=base, prompt_version=prompt_version).folder, reason
        except ModelError as error:
            reason = reason or str(error)
            _LOG.error("%s cannot serve: %s", version, error)
    return BASE, None, reason
