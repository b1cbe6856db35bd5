"""What a hot swap is made of: a generation, what a back end does for it, what it can promise. Standard library only."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from weakref import finalize

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText

if TYPE_CHECKING:
    from llm_plugin.reasoning.calibrator import Calibrator
    from llm_plugin.reasoning.canary import CanaryReport

__all__ = ["Generation", "Owner", "Promises", "SwapReport", "Swapper"]


class Owner(Protocol):
    """Who counts what is in flight."""

    recent: deque[tuple[PromptText, tuple[Action, ...]]]

    def pin(self, generation: Generation | None = None) -> AbstractContextManager[Generation]:
        """Hold a generation while it is asked."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What a back end can keep of the hot swap, said plainly.

    Attributes:
        no_pause: A swap holds no request back.
        shadow: The previous generation can go on answering beside the new one.
        canary_before_swap: The new generation is asked before it serves; else within the pause.
        notes: What a person should know.
    """

    no_pause: bool = True
    shadow: bool = True
    canary_before_swap: bool = True
    notes: tuple[str, ...] = ()


class Swapper(Protocol):
    """A back end's part of a swap."""

    @property
    def promises(self) -> Promises:
        """What it can keep."""

    def build(self, adapter: Path | None, label: str) -> LanguageModel:
        """Make a generation: checked, loaded as far as it can be while another one serves.

        Raises:
            ModelError: The adapter is damaged, foreign or does not fit.
            BackendUnavailable: The server did not answer.
        """

    def activate(self, new: LanguageModel, old: LanguageModel | None) -> None:
        """Do what must happen before `new` serves; without `no_pause` nothing is in flight meanwhile."""

    def retire(self, model: LanguageModel) -> None:
        """Release what a generation holds; nothing of it is in flight any longer."""


class Generation:
    """One immutable generation; a `LanguageModel` of its own, for gates and shadows."""

    def __init__(self, owner: Owner, model: LanguageModel, label: str, adapter: Path | None) -> None:
        self._owner = owner
        self.model = model
        self.label = label
        self.adapter = adapter
        self.canary: CanaryReport | None = None
        self.build_seconds = 0.0
        self.in_flight = 0
        self.retired = False
        self.forgotten: finalize[..., Generation] | None = None

    @property
    def version(self) -> str:
        """Name and content hash of what answers."""
        return self.model.version

    @property
    def calibrator(self) -> Calibrator | None:
        """The calibrator that was fitted with it."""
        return self.model.calibrator

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score with this generation, whoever serves meanwhile.

        Raises:
            BackendUnavailable: It did not answer, or was released already.
        """
        with self._owner.pin(self):
            answers = self.model.score(prompts, legal)
        if prompts:
            self._owner.recent.append((prompts[0], tuple(legal[0])))
        return answers

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Return this generation's reasons."""
        with self._owner.pin(self):
            return self.model.generate_reasons(prompts, actions, max_new_tokens)

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Return one reason."""
        return self.generate_reasons([prompt], [action], max_new_tokens)[0]

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue texts freely; the gate's parse rate uses it.

        Raises:
            BackendUnavailable: The back end cannot, or did not answer.
        """
        complete = getattr(self.model, "complete", None)
        if complete is None:
            raise BackendUnavailable(f"{self.version}: this back end does not continue free text")
        with self._owner.pin(self):
            return list(complete(texts, max_new_tokens))

    def __repr__(self) -> str:
        return f"Generation({self.label!r}, {self.version!r}, in_flight={self.in_flight}, retired={self.retired})"


@dataclass(frozen=True, slots=True)
class SwapReport:
    """One swap as it went.

    Attributes:
        label: Who serves now.
        version: The same, as answers say it.
        previous: Who served before; empty for the first.
        seconds: From the call to the new reference.
        held_seconds: How long new requests had to wait; 0 where the back end needs no pause.
        waited_for: Requests in flight when the pause began.
        at_utc_seconds: Unix time at which the new generation began to serve.
    """

    label: str
    version: str
    previous: str
    seconds: float
    held_seconds: float
    waited_for: int
    at_utc_seconds: float
