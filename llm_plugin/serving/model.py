"""What every model on a server has in common: its name there, its version here, and reasons by free completion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.reasoning.base import PromptText
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.model_folder import ModelManifest
from llm_plugin.serving.http import JsonClient
from llm_plugin.serving.listing import forced_text, reason_of

__all__ = ["ServerModel"]


class ServerModel(ABC):
    """One model of a server; a subclass scores and completes."""

    def __init__(
        self,
        client: JsonClient,
        name: str,
        *,
        version: str,
        calibrator: Calibrator | None = None,
        manifest: ModelManifest | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Name what is asked.

        Args:
            client: The server.
            name: The model's (or adapter's) name there.
            version: What answers call themselves.
            calibrator: Fitted with this generation.
            manifest: Of its adapter.
            options: Sampling of reasons: `temperature`, `top_p`, `seed`.
        """
        self.name = name
        self.version = version
        self.calibrator = calibrator
        self.manifest = manifest
        self._client = client
        self._options = options or {}

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Let the model write the reason under each forced action."""
        texts = [forced_text(prompt, action) for prompt, action in zip(prompts, actions, strict=True)]
        return [reason_of(text) for text in self.complete(texts, max_new_tokens)]

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Return one reason."""
        return self.generate_reasons([prompt], [action], max_new_tokens)[0]

    @abstractmethod
    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue texts freely, up to the first line break.

        Raises:
            BackendUnavailable: No answer.
        """
