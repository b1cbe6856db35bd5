"""Starts a cycle in a process of its own, so that serving keeps its cores; one at a time, and never on too little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.files import home

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from llm_plugin.cycle.rule import Due
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import Settings

__all__ = ["Retraining", "lease_in_force", "plain_settings"]


@dataclass(frozen=True, slots=True)
class HeldLease:
    """Who runs a cycle, and until when the lease is theirs."""

    holder: str
    until_utc: datetime


class Retraining:
    """One cycle at a time, started by this service; others are seen by their lease."""

    def __init__(
        self,
        settings: Settings,
        store: OutcomeStore,
        rule: Callable[[], Due],
        launch: Callable[[dict[str, Any], Path], subprocess.Popen[bytes]] | None = None,
    ) -> None:
        """Take what a cycle needs.

        Args:
            settings: The configuration, handed to the cycle's process as it is.
            store: The outcome store; the leases lie in the same database.
            rule: The retrain rule as of now.
            launch: Starts the process; None starts `service.cycle_worker`.
        """
        self._settings = settings
        self._store = store
        self._rule = rule
        self._launch = launch or start_worker
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._task = ""

    @property
    def running(self) -> str | None:
        """Task id of the cycle that this service started and that still runs."""
        return self._task if self._process is not None and self._process.poll() is None else None

    def trigger(self, *, force: bool, reason: str) -> dict[str, Any]:
        """Start a cycle, or say why not.

        Args:
            force: An operator's will: also before the usual number of outcomes and in busy hours.
            reason: Kept with the task.
        """
        with self._lock:
            rule = self._rule()
            facts: dict[str, Any] = {"count": rule.count, "needed": rule.needed}
            if self.running is not None:
                text = f"task {self.running} of this service runs"
                return {"status": "refused", "holder": f"http task {self.running}", "message": text, **facts}
            held = lease_in_force(self._store, self._settings.learning.model)
            if held is not None:
                text = f"{held.holder} runs a cycle until {held.until_utc.isoformat()}"
                until = held.until_utc.isoformat()
                return {"status": "refused", "holder": held.holder, "until_utc": until, "message": text, **facts}
            if not force and rule.why_not == "count":
                return {"status": "insufficient_data", "message": rule.reason, **facts}
            if not force and rule.why_not == "busy":
                return {"status": "refused", "holder": "busy hours", "message": rule.reason, **facts}
            self._task = uuid.uuid4().hex[:12]
            folder = home() / "service" / "tasks" / self._task
            spec = {"settings": plain_settings(self._settings), "store_url": self._store.url, "reason": reason}
            self._process = self._launch(spec, folder)
            text = f"the cycle's log is {folder / 'cycle.log'}"
            return {"status": "started", "task_id": self._task, "message": text, **facts}

    def close(self, timeout_seconds: float = 10.0) -> None:
        """Stop the cycle that this service started; its journal lets the next one go on where it was."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def start_worker(spec: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:
    """Start the cycle's process; keys reach it by its input only, never by a file."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    command: Sequence[str] = (sys.executable, "-m", "llm_plugin.service.cycle_worker")
    with (folder / "cycle.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
        )
    if process.stdin is not None:
        process.stdin.write(json.dumps(spec).encode())
        process.stdin.close()
    return process


def lease_in_force(store: OutcomeStore, model: str) -> HeldLease | None:
    """Return who runs a cycle of a model now, None where nobody does."""
    import sqlalchemy as sa

    from llm_plugin.cycle.run import lease_name
    from llm_plugin.learning import schema
    from llm_plugin.learning.leases import holder_is_dead

    table = schema.leases
    rows = store.select(sa.select(table.c.holder, table.c.until_us).where(table.c.name == lease_name(model)))
    for holder, until_us in rows:
        until = datetime.fromtimestamp(until_us / 1e6, UTC)
        if until > datetime.now(UTC) and not holder_is_dead(holder):
            return HeldLease(holder, until)
    return None


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Return settings as JSON types with their keys in the clear: for the input of a process of our own."""
    from pydantic import SecretStr

    def plain(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [plain(item) for item in value]
        return value

    found: dict[str, Any] = plain(settings.model_dump(mode="python"))
    return found
