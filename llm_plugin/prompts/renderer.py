"""From a question to the text that a language model reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llm_plugin.domain import DecisionRequest
from llm_plugin.prompts.fields import PromptContext, field_values
from llm_plugin.prompts.templates import TEMPLATE_VERSION, Template

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryHit
    from llm_plugin.session import SessionStatistics
    from llm_plugin.settings import PromptsSettings

__all__ = ["Prompt", "PromptRenderer"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered prompt.

    Attributes:
        prefix: The part that all questions of a run share, so that a model computes it once.
        suffix: The part of this question; it ends with `->`, and the answer starts with a space.
        hash: SHA-256 of both and of the template version, in hex.
    """

    prefix: str
    suffix: str
    hash: str

    @property
    def text(self) -> str:
        """The whole text."""
        return self.prefix + self.suffix


class PromptRenderer:
    """Renders questions by the templates of the configuration."""

    def __init__(self, settings: PromptsSettings, user_features: Iterable[str] = ()) -> None:
        """Check the templates.

        Args:
            settings: `prompts` of the configuration.
            user_features: `features.user` of the configuration.

        Raises:
            TemplateError: With every unknown field.
        """
        self.template = Template.from_settings(settings, user_features)
        parts = repr((TEMPLATE_VERSION, self.template.system, self.template.parts))
        self.version = f"{TEMPLATE_VERSION}-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"

    def render(
        self,
        request: DecisionRequest,
        statistics: SessionStatistics | None = None,
        hits: Sequence[MemoryHit] = (),
        session_text: str = "none",
    ) -> Prompt:
        """Render one question.

        Args:
            request: The question.
            statistics: The session as of the question.
            hits: Similar trades as of the question, nearest first.
            session_text: The session line, that of `SessionTracker.section`.
        """
        context = PromptContext(request, statistics, hits, session_text)
        suffix = self.template.render(field_values(self.template.fields, context))
        prefix = self.template.system
        digest = hashlib.sha256(f"{TEMPLATE_VERSION}\0{prefix}\0{suffix}".encode()).hexdigest()
        return Prompt(prefix, suffix, digest)
