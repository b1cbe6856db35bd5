"""Which outcome store is learned from, by URL, file or run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llm_plugin.errors import DataError
from llm_plugin.files import home

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import Settings

__all__ = ["learning_url", "open_known_store"]

STORE_NAME = "store.sqlite"


def learning_url(settings: Settings) -> str:
    """Return the one database of service and loop: `learning.store_url`, else the one in the plugin's home."""
    return settings.learning.store_url or f"sqlite:///{(home() / 'service' / STORE_NAME).resolve()}"


def open_known_store(given: str | None, settings: Settings) -> OutcomeStore:
    """Open an outcome store that exists; none is created by looking.

    Args:
        given: A database URL, an SQLite file, or a run's folder; None = `learning_url`.
        settings: The configuration.

    Raises:
        DataError: There is no such store; names it and the remedy.
        StoreUnavailable: It does not answer.
    """
    from llm_plugin.outcomes.store import OutcomeStore

    url = given or learning_url(settings)
    head = "sqlite:///"
    if "://" not in url or url.startswith(head):
        path = Path(url.removeprefix(head)).expanduser()
        path = path / STORE_NAME if path.is_dir() else path
        if not path.is_file():
            raise DataError(
                f"no outcome store at {path}: start `lean-llm serve`, or name a run's folder or a database "
                "with --store, or set learning.store_url"
            )
        url = f"{head}{path.resolve()}"
    return OutcomeStore(url)
