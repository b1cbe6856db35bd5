"""The closed loop's part of the service: who serves, shadows, watch and health, the retrain trigger, the figures."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from llm_plugin.data.locate import known_data_folder
from llm_plugin.domain import Decision, DecisionRequest, Outcome, to_jsonable
from llm_plugin.errors import LeanLlmError, ModelError
from llm_plugin.registry.words import BASE
from llm_plugin.service.errors import Conflict, UnknownVersion
from llm_plugin.service.figures import win_rate_change
from llm_plugin.service.learner import Learner
from llm_plugin.service.retraining import Retraining
from llm_plugin.service.watching import Watchman, roll_back

if TYPE_CHECKING:
    from llm_plugin.cycle.rule import Due
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.registry.store import Registry
    from llm_plugin.service.champion import Champion
    from llm_plugin.service.metrics import Metrics
    from llm_plugin.service.model import BatchedModel
    from llm_plugin.service.reasons import ReasonQueue
    from llm_plugin.service.shadow import Shadow
    from llm_plugin.settings import Settings

__all__ = ["Loop"]

_LOG = logging.getLogger("llm_plugin.service")
RATE_WINDOW = timedelta(days=7)
COST_SHARE = 20.0
"""A count that took so long is not made again before that many times as long has passed."""


class Loop(Learner):
    """Follows the registry, answers in shadow, watches, rolls back, and starts cycles."""

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        database: LearningDatabase,
        registry: Registry,
        metrics: Metrics,
        model: BatchedModel | None,
        *,
        champion: Champion | None = None,
        shadow: Shadow | None = None,
        reasons: ReasonQueue | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        launch: Any = None,
    ) -> None:
        """Take the parts; `service.build` makes them.

        Args:
            settings: The configuration.
            store: Outcome store.
            database: Shadows, watch, events, leases: the store's own database.
            registry: Who shall serve.
            metrics: Counters.
            model: The model in front of the generations, asked for its health.
            champion: Follows the pointer; None where the back end cannot swap.
            shadow: Answers of the previous generation; None without a champion.
            reasons: Writes reasons while nobody asks; None writes none.
            clock: Now.
            launch: Starts a cycle's process; None starts a real one.
        """
        self._settings = settings
        self._store = store
        self._database = database
        self._registry = registry
        self._metrics = metrics
        self._model = model
        self._champion = champion
        self._shadow = shadow
        self._reasons = reasons
        self._clock = clock
        self._data_folder = known_data_folder()
        self._watchman = Watchman(settings.watch, store, database, registry)
        self._retraining = Retraining(settings, store, self.rule, launch)
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._work, name="registry", daemon=True)
        self._caught_up = False
        self._counted: tuple[float, float, int] | None = None
        self._counting = threading.Lock()

    # -- what the service tells it ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()
        if self._shadow is not None:
            self._shadow.start()
        if self._reasons is not None:
            self._reasons.start()

    def answered(self, request: DecisionRequest, decision: Decision) -> None:
        """Let the previous version answer too, later."""
        if self._shadow is not None:
            self._shadow.add(request, decision.prompt_hash)
        if self._reasons is not None:
            self._reasons.add(decision)

    def matured(self, outcome: Outcome) -> None:
        """Look at the watch soon."""
        self._news.set()

    def buffer_size(self) -> int:
        """Return the matured decisions since the last cycle; of a large store it may be some seconds old."""
        with self._counting:
            now = time.monotonic()
            if self._counted is None or now - self._counted[0] > COST_SHARE * self._counted[1]:
                count = self.rule().count
                self._counted = (time.monotonic(), time.monotonic() - now, count)
                self._metrics.buffer_size.set(count)
            return self._counted[2]

    def close(self) -> None:
        """End; idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._shadow is not None:
            self._shadow.close()
        if self._reasons is not None:
            self._reasons.close()
        self._retraining.close()
        self._database.close()

    # -- one turn --------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """Follow the pointer, see to health and watch, once."""
        if self._champion is not None:
            if self._champion.follow() or not self._caught_up:
                self._catch_up(self._champion)
            self._check_health()
        if self._news.is_set():
            self._news.clear()
            self._look()
            self.buffer_size()

    def _catch_up(self, champion: Champion) -> None:
        """Shadow answers that a restart or a full queue cost are asked for again."""
        self._caught_up = True
        if self._shadow is not None:
            self._shadow.catch_up(champion.model_version)

    def rule(self) -> Due:
        """Apply the retrain rule as of now."""
        from llm_plugin.cycle.rule import due

        return due(
            self._settings.learning,
            [self._store],
            self._database,
            as_of_utc=self._clock(),
            data_folder=self._data_folder,
        )

    def _work(self) -> None:
        self._news.set()
        while not self._stop.wait(self._settings.service.poll_seconds):
            try:
                self.turn()
            except LeanLlmError as error:
                _LOG.warning("%s: %s", type(error).__name__, error)
            except Exception:
                _LOG.exception("the loop's turn failed; it goes on")

    def _check_health(self) -> None:
        if self._model is None or self._champion is None:
            return
        failures = self._model.failures_in_a_row
        if failures < self._settings.watch.health_failures or self._champion.serving == BASE:
            return
        serving = self._champion.serving
        reason = f"health: {serving} failed to answer {failures} times in a row"
        pointer = self._registry.pointer()
        to = None if pointer.previous is not None else BASE
        self._go_back(serving, reason, "health", to)
        self._model.failures_in_a_row = 0

    def _look(self) -> None:
        if self._champion is None or self._model is None:
            return
        if self._shadow is not None:
            self._shadow.flush()
        pointer = self._registry.pointer()
        if pointer.champion != self._champion.serving:
            return
        verdict = self._watchman.look(pointer, self._champion.model_version, self._clock())
        if verdict is not None and verdict.rolled_back:
            self._go_back(verdict.champion, f"watch: {verdict.reason}", "watch", None)

    def _go_back(self, champion: str, reason: str, cause: str, to: str | None) -> None:
        try:
            roll_back(self._registry, self._database, champion, reason, to)
        except ModelError as error:
            _LOG.error("%s, but there is no way back: %s", reason, error)
            return
        self._metrics.rollbacks.labels(cause).inc()
        if self._champion is not None:
            self._champion.follow()

    # -- operations ------------------------------------------------------------------------------------------------

    def trigger_retrain(self, *, force: bool, reason: str) -> dict[str, Any]:
        """Start a cycle, or say why not."""
        answer = self._retraining.trigger(force=force, reason=reason)
        self._metrics.retrains.labels(answer["status"]).inc()
        return answer

    def rollback(self, version: str | None, reason: str) -> dict[str, Any]:
        """Let an earlier version serve again; it serves when this returns.

        Raises:
            UnknownVersion: The registry does not have it.
            Conflict: There is nothing to go back to, or it cannot serve.
        """
        before = self._registry.pointer().champion
        if version is not None and version not in {known.id for known in self._registry.versions()}:
            raise UnknownVersion(f"version: the registry has no {version!r}; see /v1/versions", "version")
        if version == before:
            return {"status": "serving", "version": before, "replaced": before, "reason": "it serves already"}
        try:
            pointer = roll_back(self._registry, self._database, before, reason or "asked by an operator", version)
        except ModelError as error:
            raise Conflict(f"version: {error}", "version") from error
        self._metrics.rollbacks.labels("operator").inc()
        if self._champion is not None:
            self._champion.follow()
            if self._champion.serving != pointer.champion:
                refused = self._champion.refused.get(pointer.champion, "the back end did not go along")
                raise Conflict(f"version: {pointer.champion} cannot serve: {refused}", "version")
        return {"status": "rolled_back", "version": pointer.champion, "replaced": before, "reason": pointer.reason}

    def versions(self) -> dict[str, Any]:
        """Return every version with stage and lineage."""
        pointer = self._registry.pointer()
        serving = self._champion.serving if self._champion is not None else pointer.champion
        rows = [
            {
                "version": known.id,
                "stage": known.stage,
                "parent": known.parent,
                "created_utc": None if known.folder is None else to_jsonable(known.created_utc),
                "serving": known.id == serving,
                "gate": None if known.gate is None else str(known.gate.get("verdict")),
            }
            for known in self._registry.versions()
        ]
        return {
            "champion": pointer.champion,
            "previous": pointer.previous,
            "challenger": pointer.challenger,
            "versions": rows,
        }

    def stats(self) -> dict[str, Any]:
        """Return how the tuning stands."""
        rule, pointer = self.rule(), self._registry.pointer()
        serving = self._champion.serving if self._champion is not None else pointer.champion
        version = "" if self._model is None else self._model.version
        verdict = self._watchman.verdict
        return {
            "current_version": serving,
            "model_version": version,
            "buffer_size": rule.count,
            "needed": rule.needed,
            "last_retrain": self._last_cycle(),
            "win_rate_improvement": win_rate_change(self._store, version),
            **self._next(rule),
            "previous_version": pointer.previous,
            "watch": None if verdict is None else to_jsonable(verdict),
            "refused_versions": {} if self._champion is None else dict(self._champion.refused),
            "retrain_running": self._retraining.running,
        }

    def _next(self, rule: Due) -> dict[str, Any]:
        if rule.start:
            return {"next_retrain_utc": to_jsonable(self._clock()), "next_retrain": f"due now: {rule.reason}"}
        when = rule.wait_until_utc
        if rule.why_not == "count":
            rate = self._arrivals_per_hour()
            missing = rule.needed - rule.count
            when = self._clock() + timedelta(hours=missing / rate) if rate > 0 else None
            text = f"{rule.reason}; {f'at {rate:.1f} an hour' if rate > 0 else 'none matured in the last week'}"
            return {"next_retrain_utc": None if when is None else to_jsonable(when), "next_retrain": text}
        return {"next_retrain_utc": None if when is None else to_jsonable(when), "next_retrain": rule.reason}

    def _arrivals_per_hour(self) -> float:
        """How fast decisions mature, by the last week."""
        from llm_plugin.learning.read import matured_rows

        now = self._clock()
        rows = matured_rows([self._store], as_of_utc=now).rows
        return sum(row.has_prompt and row.matured_utc > now - RATE_WINDOW for row in rows) / (
            RATE_WINDOW / timedelta(hours=1)
        )

    def _last_cycle(self) -> dict[str, Any] | None:
        rows = [row for row in self._database.cycles(self._settings.learning.model) if row.ended_utc is not None]
        if not rows:
            return None
        last = rows[-1]
        return {
            "cycle_id": last.cycle_id,
            "status": last.status,
            "reason": last.reason,
            "ended_utc": to_jsonable(last.ended_utc),
            "challenger": last.facts.get("challenger"),
        }
