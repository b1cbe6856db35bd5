"""The runs that the service answers: one validator each, over one store and one model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llm_plugin.validator import Parts, Validator, build_parts

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning import LanguageModel
    from llm_plugin.service.reports import ReportBook
    from llm_plugin.settings import Settings
    from llm_plugin.validator import SignalSource

__all__ = ["Run", "Runs"]


@dataclass
class Run:
    """One run's validator; used under its lock only, for its session is made for one caller at a time."""

    validator: Validator
    parts: Parts
    reported_to: str = ""


@dataclass
class _Slot:
    lock: threading.Lock = field(default_factory=threading.Lock)
    run: Run | None = None
    dropped: bool = False
    used: float = 0.0


class Runs:
    """Makes validators when a run's first question comes, from the store where the run is known already."""

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        model: LanguageModel | None,
        signals: SignalSource | None,
        reports: ReportBook,
        most: int = 256,
    ) -> None:
        """Take what all runs share.

        Args:
            settings: The configuration; `validator.mode` is in_process here.
            store: The one outcome store.
            model: The one model, None in the arms that ask none.
            signals: The one signal source.
            reports: Outcomes without a decision, which session and memory know too.
            most: Runs held at once; the one unused for longest makes room, and is made again from the store.
        """
        self._settings = settings
        self._store = store
        self._model = model
        self._signals = signals
        self._reports = reports
        self._most = most
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}

    @contextmanager
    def use(self, run_id: str) -> Iterator[Run]:
        """Hold a run: nobody else asks it meanwhile.

        Raises:
            ConfigError: Its validator cannot be made as configured.
            ModelError: A model cannot be loaded.
            StoreUnavailable: The store does not answer.
        """
        while True:
            with self._lock:
                slot = self._slots.setdefault(run_id, _Slot())
            with slot.lock:
                if slot.dropped:
                    continue
                slot.used = time.monotonic()
                if slot.run is None:
                    slot.run = self._make(run_id)
                    self._make_room()
                yield slot.run
                return

    def known(self) -> list[str]:
        """Return the runs that are held now."""
        with self._lock:
            return [run_id for run_id, slot in self._slots.items() if slot.run is not None]

    def health(self) -> dict[str, Any]:
        """Return the runs' counters, added up."""
        total: dict[str, Any] = {"runs": 0, "store_backlog": 0, "memory_failures": 0, "sources": {}, "failures": {}}
        with self._lock:
            runs = [slot.run for slot in self._slots.values() if slot.run is not None]
        for run in runs:
            health = run.validator.health()
            total["runs"] += 1
            for name in ("store_backlog", "memory_failures"):
                total[name] += health[name]
            for name in ("sources", "failures"):
                for key, number in health[name].items():
                    total[name][key] = total[name].get(key, 0) + number
        return total

    def close(self) -> None:
        """Wait for each run's question in progress, write what waits, release everything; idempotent.

        Raises:
            StoreUnavailable: Something could not be written; all other runs are closed all the same.
        """
        with self._lock:
            slots, self._slots = list(self._slots.values()), {}
        failed: Exception | None = None
        for slot in slots:
            with slot.lock:
                slot.dropped = True
                try:
                    if slot.run is not None:
                        slot.run.validator.close()
                except Exception as error:
                    failed = failed or error
        if failed is not None:
            raise failed

    def _make(self, run_id: str) -> Run:
        parts = build_parts(
            self._settings,
            run_id,
            store=self._store,
            model=self._model,
            signal_source=self._signals,
            live=True,
        )
        run = Run(Validator(self._settings, run_id, parts), parts)
        self._reports.recall(run_id, run)
        return run

    def _make_room(self) -> None:
        with self._lock:
            held = [(slot.used, run_id, slot) for run_id, slot in self._slots.items() if slot.run is not None]
            for _, run_id, slot in sorted(held, key=lambda item: item[0])[: max(0, len(held) - self._most)]:
                if not slot.lock.acquire(blocking=False):
                    continue
                try:
                    if slot.run is not None and slot.run.parts.ledger.backlog == 0:
                        slot.run.validator.close()
                        slot.dropped = True
                        del self._slots[run_id]
                finally:
                    slot.lock.release()
