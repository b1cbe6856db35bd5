"""Can a model still write its answer? A sample is generated freely and parsed strictly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llm_plugin.errors import BackendUnavailable
from llm_plugin.learning.types import MaturedDecision
from llm_plugin.prompts.parser import AnswerParser
from llm_plugin.reasoning.base import Completes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llm_plugin.reasoning.base import LanguageModel

__all__ = ["SAMPLE", "ModelHealth", "measure_health"]

SAMPLE = 40
ANSWER_TOKENS = 60


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """What a sample of freely written answers looked like.

    Attributes:
        sampled: Answers that were generated.
        parsed: Those that parse.
        faults: The others by cause.
        writes: False for a back end that only scores: it has no text that could break.
    """

    sampled: int
    parsed: int
    faults: Mapping[str, int] = field(default_factory=dict)
    writes: bool = True

    @property
    def parse_rate(self) -> float | None:
        """parsed / sampled, None where nothing was sampled."""
        return self.parsed / self.sampled if self.sampled else None


def measure_health(model: LanguageModel, decisions: Iterable[MaturedDecision], *, sample: int = SAMPLE) -> ModelHealth:
    """Generate and parse answers to questions spread evenly over the window.

    Args:
        model: Who answers.
        decisions: The window; questions without a prompt are passed over.
        sample: Most answers to generate.

    Raises:
        BackendUnavailable: The model failed.
    """
    if not isinstance(model, Completes):
        return ModelHealth(0, 0, writes=False)
    asked = [(decision, decision.prompt) for decision in decisions if decision.prompt is not None]
    chosen = [asked[index * len(asked) // sample] for index in range(sample)] if len(asked) > sample else asked
    if not chosen:
        return ModelHealth(0, 0)
    texts = model.complete([prompt.text for _, prompt in chosen], ANSWER_TOKENS)
    if len(texts) != len(chosen):
        raise BackendUnavailable(f"{model.version} wrote {len(texts)} answers to {len(chosen)} questions")
    parser = AnswerParser()
    for text, (decision, _) in zip(texts, chosen, strict=True):
        parser.parse(text, decision.request.legal)
    return ModelHealth(len(chosen), parser.parsed, dict(sorted(parser.faults.items())))
