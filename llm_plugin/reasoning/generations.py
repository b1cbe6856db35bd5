"""Immutable model generations behind one reference: the hot swap. Imports no model library.

A `Swapper` knows how a back end makes a generation and makes it the serving one; `Generations` knows who serves, who
served before, what is in flight, and that a request is answered by exactly one of them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary, finalize

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ConfigError, LeanLlmError, ModelError
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText
from llm_plugin.reasoning.canary import (
    CanaryLimits,
    CanaryReport,
    CanaryState,
    check_generation,
    states_from_json,
)
from llm_plugin.reasoning.generation import Generation, Promises, Swapper, SwapReport

if TYPE_CHECKING:
    from llm_plugin.reasoning.calibrator import Calibrator

__all__ = ["Generation", "Generations", "Promises", "SwapReport", "Swapper"]

BASE = "base"
RECENT_PROMPTS = 8
RECENT_STATES = 4


class Generations:
    """The serving language model: a reference to the current generation, rebound by `swap`."""

    def __init__(
        self,
        swapper: Swapper,
        *,
        states: Sequence[CanaryState] = (),
        limits: CanaryLimits | None = None,
        recorded_states: int = 8,
        hold_seconds: float = 30.0,
    ) -> None:
        """Start with nobody serving; most callers want `load`.

        Args:
            swapper: The back end.
            states: Questions that every generation is asked before it serves; those in its manifest come first.
            limits: When a generation is refused; None = the defaults.
            recorded_states: Most states asked of those in a manifest.
            hold_seconds: Longest pause of a swap that needs one, and longest wait of a request in it.
        """
        self.swapper = swapper
        self.swaps: deque[SwapReport] = deque(maxlen=1000)
        self._states = tuple(states)
        self._limits = limits or CanaryLimits()
        self._recorded_states = recorded_states
        self._hold_seconds = hold_seconds
        self._current: Generation | None = None
        self._previous: Generation | None = None
        self.recent: deque[tuple[PromptText, tuple[Action, ...]]] = deque(maxlen=RECENT_PROMPTS)
        self._held = False
        self._changed = threading.Condition(threading.Lock())
        self._swapping = threading.Lock()
        self._known: WeakValueDictionary[str, Generation] = WeakValueDictionary()

    @classmethod
    def load(
        cls,
        folder_or_name: str | Path,
        *,
        adapter: str | Path | None = None,
        label: str | None = None,
        states: Sequence[CanaryState] = (),
        limits: CanaryLimits | None = None,
        **options: Any,
    ) -> Generations:
        """Load a base once, in process, and let its first generation serve.

        Args:
            folder_or_name: As `TransformersModel.load` takes it.
            adapter: LoRA folder of the first generation, None for the base alone.
            label: Its registry version; None = `base`, or the adapter folder's name.
            states: See the constructor.
            limits: See the constructor.
            options: Everything else that `TransformersModel.load` takes.

        Raises:
            ModelError: Nothing usable there, or the first generation failed its canary.
        """
        from llm_plugin.reasoning.generations_transformers import TransformersSwapper

        served = cls(TransformersSwapper.load(folder_or_name, **options), states=states, limits=limits)
        path = None if adapter is None else Path(adapter)
        served.swap(served.build(path, label or (BASE if path is None else path.name)))
        return served

    # Who serves

    @property
    def current(self) -> Generation:
        """The generation that new requests get.

        Raises:
            BackendUnavailable: None serves yet.
        """
        current = self._current
        if current is None:
            raise BackendUnavailable("no model generation serves yet; swap one in")
        return current

    @property
    def previous(self) -> Generation | None:
        """The generation before, kept for shadow and roll-back; None where there was none."""
        return self._previous

    @property
    def version(self) -> str:
        """Version of the current generation; an answer's own `model_version` is the one that counts."""
        return self.current.version

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions whose answers may still be asked for: current and previous."""
        return tuple(g.version for g in (self._current, self._previous) if g is not None)

    @property
    def calibrator(self) -> Calibrator | None:
        """Calibrator of the current generation."""
        return self.current.calibrator

    @property
    def promises(self) -> Promises:
        """What this back end can keep of a hot swap."""
        return self.swapper.promises

    def get(self, name: str) -> Generation | None:
        """Return a living generation by its label or version; None where it is unknown or gone."""
        for generation in (self._current, self._previous, self._known.get(name)):
            if generation is not None and not generation.retired and name in (generation.label, generation.version):
                return generation
        return None

    # Answers

    @contextmanager
    def pin(self, generation: Generation | None = None) -> Iterator[Generation]:
        """Hold one generation for several calls: it is neither paused nor released meanwhile.

        Args:
            generation: A particular one; None = the current one.

        Raises:
            BackendUnavailable: None serves, a pause lasts too long, or that generation was released.
        """
        with self._changed:
            if generation is None or not generation.in_flight:  # who holds one already must not wait for itself
                self._wait_while_held()
            pinned = generation or self.current
            if pinned.retired and not pinned.in_flight:  # one that is held is whole until its last request ends
                raise BackendUnavailable(f"generation {pinned.label} ({pinned.version}) was released; ask the current")
            if pinned is not self._current and not self.promises.shadow:
                raise BackendUnavailable(f"generation {pinned.label} does not serve, and this back end runs only one")
            pinned.in_flight += 1
        try:
            yield pinned
        finally:
            self._leave(pinned)

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score with the generation that is current when the call begins, to its end.

        Raises:
            BackendUnavailable: It did not answer.
        """
        with self.pin() as generation:
            return generation.score(prompts, legal)

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Return reasons of the generation that is current when the call begins."""
        with self.pin() as generation:
            return generation.model.generate_reasons(prompts, actions, max_new_tokens)

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Return one reason."""
        return self.generate_reasons([prompt], [action], max_new_tokens)[0]

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue texts freely with the current generation."""
        return self.current.complete(texts, max_new_tokens)

    # Swaps

    def build(self, adapter: str | Path | None, label: str) -> Generation:
        """Make a generation beside the serving one; it is asked the canary before it is returned.

        Args:
            adapter: LoRA folder, None for the base alone.
            label: Its registry version.

        Raises:
            ModelError: The adapter does not fit, or the canary failed; whoever serves goes on.
            ConfigError: The label is empty.
        """
        if not label:
            raise ConfigError("a generation needs a label: its registry version")
        start = time.perf_counter()
        path = None if adapter is None else Path(adapter)
        model = self.swapper.build(path, label)
        generation = Generation(self, model, label, path)
        generation.forgotten = finalize(generation, _retire_forgotten, self.swapper, model)
        generation.forgotten.atexit = False
        try:
            if self.promises.canary_before_swap:
                generation.canary = self._ask_canary(generation)
        except LeanLlmError:
            self.discard(generation)
            raise
        generation.build_seconds = time.perf_counter() - start
        self._known[label] = generation
        return generation

    def swap(self, generation: Generation) -> SwapReport:
        """Let a built generation serve. Requests in flight end on the old one; none fails, none mixes.

        Raises:
            ModelError: It is not one of ours or released, or its canary failed in the pause; the old one serves on.
            BackendUnavailable: The back end did not go along, or requests in flight did not end in time.
        """
        start = time.perf_counter()
        with self._swapping:
            if generation.retired or generation._owner is not self:
                raise ModelError(f"generation {generation.label} is released or of another model; build it again")
            old = self._current
            if generation is old:
                return self._report(generation, "", start, 0.0, 0)
            held, waited_for = self._change(generation, old)
            self._keep_as_previous(old, generation)
            return self._report(generation, "" if old is None else old.label, start, held, waited_for)

    def rollback(self) -> SwapReport:
        """Let the previous generation serve again, at once.

        Raises:
            ModelError: There is none.
        """
        if self._previous is None:
            raise ModelError("there is no previous generation to go back to; build one and swap it in")
        return self.swap(self._previous)

    def discard(self, generation: Generation) -> None:
        """Release a generation that does not serve: a refused challenger.

        Raises:
            ModelError: It serves, or is kept for roll-back.
        """
        with self._changed:
            if generation in (self._current, self._previous):
                raise ModelError(f"generation {generation.label} serves or is kept for roll-back; swap first")
            known, generation.retired = generation.retired, True
            idle = generation.in_flight == 0
        if idle and not known:
            self._release(generation)

    def close(self) -> None:
        """Release every generation, when nothing is asked any longer."""
        with self._changed:
            kept = [g for g in (self._previous, self._current) if g is not None]
            self._current = self._previous = None
            for generation in kept:
                generation.retired = True
        for generation in kept:
            if generation.in_flight == 0:
                self._release(generation)

    def _change(self, new: Generation, old: Generation | None) -> tuple[float, int]:
        """Activate and rebind; returns seconds of the pause and how many requests it waited for."""
        if self.promises.no_pause or old is None:
            self._activate(new, old)
            with self._changed:
                self._current = new
            return 0.0, 0
        start = time.perf_counter()
        with self._changed:
            self._held, waited_for = True, old.in_flight
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: self._all_idle(), self._hold_seconds):
                    raise BackendUnavailable(f"{old.in_flight} requests in flight did not end; {old.label} serves on")
            self._activate(new, old)
            with self._changed:
                self._current = new
        finally:
            with self._changed:
                self._held = False
                self._changed.notify_all()
        return time.perf_counter() - start, waited_for

    def _leave(self, generation: Generation) -> None:
        with self._changed:
            generation.in_flight -= 1
            self._changed.notify_all()
            last = generation.retired and generation.in_flight == 0
        if last:  # never on the time of the request that happened to be the last
            threading.Thread(target=self._release, args=(generation,), daemon=True).start()

    def _keep_as_previous(self, old: Generation | None, serving: Generation) -> None:
        with self._changed:
            gone, self._previous = self._previous, old
            if gone is None or gone is serving:
                return
            gone.retired = True
            idle = gone.in_flight == 0
        if idle:
            self._release(gone)

    def _wait_while_held(self) -> None:
        if self._held and not self._changed.wait_for(lambda: not self._held, self._hold_seconds):
            raise BackendUnavailable(f"a swap has held requests for {self._hold_seconds:g} s")

    def _all_idle(self) -> bool:
        return all(g.in_flight == 0 for g in (self._current, self._previous) if g is not None)

    def _activate(self, new: Generation, old: Generation | None) -> None:
        self.swapper.activate(new.model, None if old is None else old.model)
        if new.canary is not None:
            return
        try:
            new.canary = self._ask_canary(new)
        except LeanLlmError:
            if old is not None:
                self.swapper.activate(old.model, new.model)
            self.discard(new)
            raise

    def _ask_canary(self, generation: Generation) -> CanaryReport:
        manifest = getattr(generation.model, "manifest", None)
        training: Mapping[str, Any] = manifest.training if manifest is not None else {}
        states = [*states_from_json(training.get("canary", ()))[: self._recorded_states], *self._states]
        # One question of each prefix that is asked just now fills the prefix cache: nobody waits for it after the swap.
        # More of them would only take the time of those who are being answered.
        recent = [CanaryState(prompt.prefix, prompt.suffix, actions) for prompt, actions in list(self.recent)]
        states = states or recent[-RECENT_STATES:]
        cold = {state.prefix: state for state in recent}
        for state in states:
            cold.pop(state.prefix, None)
        states += cold.values()
        check_mass = generation.adapter is not None
        return check_generation(generation.model, states, self._limits, check_mass=check_mass)

    def _report(self, new: Generation, previous: str, start: float, held: float, waited_for: int) -> SwapReport:
        seconds = time.perf_counter() - start
        report = SwapReport(new.label, new.version, previous, seconds, held, waited_for, time.time())
        self.swaps.append(report)
        return report

    def _release(self, generation: Generation) -> None:
        if generation.forgotten is not None:
            generation.forgotten.detach()
        # A server that does not answer just now must not turn a finished swap into a failed one.
        with suppress(LeanLlmError):
            self.swapper.retire(generation.model)


def _retire_forgotten(swapper: Swapper, model: LanguageModel) -> None:
    """A generation that nobody swapped in or discarded is gone: its adapter must not stay on a server for ever."""

    def retire() -> None:
        with suppress(LeanLlmError):
            swapper.retire(model)

    threading.Thread(target=retire, daemon=True).start()
