"""Keeps the outbox empty while a service runs: what it tells reaches Prefect without waiting for the next flow."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llm_plugin.errors import LeanLlmError
from llm_plugin.stack.events import deliver_events
from llm_plugin.stack.parts import prefect_url

if TYPE_CHECKING:
    from llm_plugin.settings import Settings

__all__ = ["EVERY_SECONDS", "delivering"]

_LOG = logging.getLogger("llm_plugin.stack")
EVERY_SECONDS = 15.0


@contextmanager
def delivering(settings: Settings, every_seconds: float = EVERY_SECONDS) -> Iterator[None]:
    """Deliver events beside whatever runs inside, in a thread of its own; an outage is told once and waited out.

    Args:
        settings: The configuration of the service, whose database holds the outbox.
        every_seconds: Between two looks.
    """
    stop = threading.Event()
    thread = threading.Thread(target=_work, args=(settings, stop, every_seconds), name="events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=every_seconds + 15)


def _work(settings: Settings, stop: threading.Event, every_seconds: float) -> None:
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.stores import learning_url

    told = ""
    while not stop.wait(every_seconds):
        url = prefect_url()
        if url is None:
            continue
        try:
            with LearningDatabase(learning_url(settings)) as database:
                deliver_events(database, url)
            told = ""
        except LeanLlmError as error:
            if str(error) != told:
                _LOG.warning("events wait: %s", error)
            told = str(error)
