"""The watch in simulated time: both generations answer what has matured since the swap, the e-process decides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import to_jsonable
from llm_plugin.walkforward.loop import WatchReport

if TYPE_CHECKING:
    from llm_plugin.learning.types import MaturedDecision
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.settings import Settings
    from llm_plugin.watch.watch import Watch

__all__ = ["SimulatedWatch"]

STEP = 10
"""Newly asked questions between two looks: an outcome waits days for its turn anyway."""


class SimulatedWatch:
    """Watches the version that a swap made the champion.

    The previous generation answers a question when its outcome has matured, from the prompt that was stored: the answer
    is the one that it would have given live, for a generation never changes.

    Args:
        settings: Fusion, sizing and the section `watch`.
        store: Outcome store of the run.
        run_id: The run.
        model_of: Gives a generation by its registry version.
        prefix: System prefix of the prompts in use.
        read: Reads the matured decisions between two times; None takes `learning.read`.
    """

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        run_id: str,
        model_of: Callable[[str], LanguageModel],
        *,
        prefix: str | None = None,
        read: Callable[[datetime, datetime], Sequence[MaturedDecision]] | None = None,
    ) -> None:
        self._settings = settings
        self._store, self._run_id, self._prefix = store, run_id, prefix
        self._model_of = model_of
        self._read = read or self._matured
        self._watch: Watch | None = None
        self._since: datetime | None = None
        self._looks = 0

    def begin(self, now: datetime, champion: str, previous: str) -> None:
        """Start watching a swap; a watch that still runs ends with it."""
        from llm_plugin.watch.watch import Watch

        if not self._settings.watch.enabled:
            return
        self._watch, self._since, self._looks = Watch(champion, previous, self._settings.watch), now, 0

    def end(self) -> None:
        """Stop watching."""
        self._watch = None

    def look(self, now: datetime) -> WatchReport | None:
        """Feed what has matured since the last look; None where nothing is watched or it is not yet time to look."""
        watch, since = self._watch, self._since
        self._looks += 1
        if watch is None or since is None or self._looks % STEP:
            return None
        from llm_plugin.gate.policy import answer_policy
        from llm_plugin.watch.run import run_watch

        fresh = [row for row in self._read(since, now) if row.prompt is not None and row.net_r is not None]
        if not fresh:
            return None
        ours, theirs = (
            answer_policy(self._model_of(name), fresh, self._settings, version=name)
            for name in (watch.champion, watch.previous)
        )
        verdict = run_watch(watch, fresh, ours, theirs, as_of_utc=now)
        self._since = max(row.time_utc for row in fresh)
        state = {"roll_back": "rollback", "kept": "ended"}.get(verdict.status, "watching")
        figures: dict[str, Any] = to_jsonable(asdict(verdict))
        return WatchReport(state, verdict.reason, {"watch": figures})

    def _matured(self, since: datetime, now: datetime) -> Sequence[MaturedDecision]:
        from llm_plugin.learning.read import matured_decisions

        return matured_decisions(
            self._store, as_of_utc=now, run_ids=[self._run_id], since_utc=since, prefix=self._prefix
        )
