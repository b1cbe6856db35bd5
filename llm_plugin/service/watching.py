"""The watch over the serving version: fed with what has matured, it rolls back through the registry."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from llm_plugin.errors import DataError
from llm_plugin.learning.read import load_matured, matured_rows
from llm_plugin.watch import Watch, WatchVerdict, live_answers, run_watch

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.registry.store import Registry
    from llm_plugin.registry.words import Pointer
    from llm_plugin.settings import WatchSettings

__all__ = ["Watchman", "roll_back"]

_LOG = logging.getLogger("llm_plugin.service")


class Watchman:
    """One watch per change of the pointer; its state lies in the database, so that a restart goes on with it."""

    def __init__(
        self, settings: WatchSettings, store: OutcomeStore, database: LearningDatabase, registry: Registry
    ) -> None:
        """Take what is watched with."""
        self._settings = settings
        self._store = store
        self._database = database
        self._registry = registry
        self._sequence = -1
        self._name = ""
        self._watch: Watch | None = None
        self.verdict: WatchVerdict | None = None

    def look(self, pointer: Pointer, model_version: str, as_of_utc: datetime) -> WatchVerdict | None:
        """Feed the watch with what has matured since it last looked.

        Args:
            pointer: Whom to watch, and against whom.
            model_version: What the champion's decisions call it.
            as_of_utc: Nothing that matures later counts.

        Returns:
            How it stands; None where there is nobody to compare with.
        """
        watch = self._of(pointer)
        if watch is None or watch.verdict.ended:
            return self.verdict
        shadows = {answer.decision_id: answer for answer in self._database.shadows(watch.previous)}
        seen = set(watch.state()["seen"])
        rows = [
            row
            for row in matured_rows(self._store, as_of_utc=as_of_utc).rows
            if row.decision_id in shadows and row.decision_id not in seen
        ]
        if not rows:
            return self.verdict
        decisions = load_matured(self._store, rows)
        ours = live_answers(decisions, watch.champion, model_version)
        theirs = [shadows[row.decision_id] for row in rows]
        self.verdict = run_watch(watch, decisions, ours, theirs, as_of_utc=as_of_utc)
        self._database.save_watch(self._name, watch.state())
        return self.verdict

    def _of(self, pointer: Pointer) -> Watch | None:
        if not self._settings.enabled or pointer.previous is None or pointer.previous == pointer.champion:
            self._watch, self.verdict, self._name = None, None, ""
            return None
        if pointer.sequence != self._sequence or self._watch is None:
            name = f"{pointer.champion}|{pointer.previous}|{self._promoted(pointer)}"
            if name != self._name or self._watch is None:
                self._watch = self._restored(name, pointer.champion, pointer.previous)
                self._name, self.verdict = name, self._watch.verdict
            self._sequence = pointer.sequence
        return self._watch

    def _promoted(self, pointer: Pointer) -> int:
        """The change that made this champion: a challenger that comes and goes meanwhile starts no new watch."""
        changes = self._registry.history()
        return max(
            (
                row.sequence
                for row in changes
                if row.champion == pointer.champion and row.version == row.champion and row.what == "promoted"
            ),
            default=0,
        )

    def _restored(self, name: str, champion: str, previous: str) -> Watch:
        state = self._database.watch(name)
        try:
            return Watch(champion, previous, self._settings, state)
        except DataError as error:
            _LOG.error("%s", error)
            return Watch(champion, previous, self._settings)


def roll_back(
    registry: Registry, database: LearningDatabase, champion: str, reason: str, to: str | None = None
) -> Pointer:
    """Take a version out of service through the registry, once, and tell it.

    Raises:
        ModelError: There is nothing to go back to.
    """
    from llm_plugin.cycle.journal import tell_changes

    pointer = registry.rollback(reason, of=champion, to=to)
    tell_changes(registry, database)
    _LOG.warning("rolled back from %s to %s: %s", champion, pointer.champion, reason)
    return pointer
