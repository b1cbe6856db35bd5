"""Keeps a cycle's lease alive while it works, and tells it when it has lost it."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from llm_plugin.errors import LeanLlmError, LeaseLost

if TYPE_CHECKING:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.leases import Lease

__all__ = ["Heartbeat"]


class Heartbeat:
    """A context in which a lease is renewed three times a life by a thread; at its end the lease is given back.

    Args:
        database: Where the lease is.
        lease: What was acquired.
    """

    def __init__(self, database: LearningDatabase, lease: Lease) -> None:
        self.lease = lease
        self._database = database
        self._stop = threading.Event()
        self._lost: LeaseLost | None = None
        self._thread = threading.Thread(target=self._beat, name=f"lease-{lease.name}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(LeanLlmError):  # a lease that cannot be given back ends by itself
            self._database.release(self.lease)

    def check(self) -> None:
        """Do nothing while the lease is held.

        Raises:
            LeaseLost: Another one has it; stop at once.
        """
        if self._lost is not None:
            raise self._lost

    def _beat(self) -> None:
        while not self._stop.wait(self.lease.life_seconds / 3):
            try:
                self._database.renew(self.lease)
            except LeaseLost as error:
                self._lost = error
                return
            except LeanLlmError:
                continue  # a database that does not answer now may do so before the lease ends
