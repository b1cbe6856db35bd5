"""Outcomes in random order: what a loop must not learn from."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore

__all__ = ["ShuffledOutcomes"]


class ShuffledOutcomes:
    """Gives a cycle a copy of a store in which the results of entry questions have changed places.

    Each result stays what it was, its question is another one: the same payoffs, the same prompts, nothing to learn.
    Which question gets which result depends on the seed and on what is stored, so that a run repeats.

    Args:
        store: The true store of the run; flushed, never changed.
        run_id: The run.
        folder: Where copies lie; the newest only.
        seed: Of the permutation.
    """

    def __init__(self, store: OutcomeStore, run_id: str, folder: Path, seed: int) -> None:
        self._store, self._run_id, self._folder, self._seed = store, run_id, folder, seed
        self._opened: OutcomeStore | None = None
        self._rows = -1

    def stores(self) -> Sequence[OutcomeStore]:
        """Return the copy of what is stored now."""
        from sqlalchemy import func, select

        from llm_plugin.outcomes import schema
        from llm_plugin.outcomes.store import OutcomeStore

        self._store.flush()
        rows = int(self._store.select(select(func.count()).select_from(schema.outcomes))[0][0])
        if self._opened is None or rows != self._rows:
            self.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            path = self._folder / f"after-{rows}.sqlite"
            _copy(Path(self._store.url.removeprefix("sqlite:///")), path)
            _permute(path, self._run_id, self._seed)
            self._opened, self._rows = OutcomeStore(f"sqlite:///{path.resolve()}", "group"), rows
        return [self._opened]

    def close(self) -> None:
        """Close the copy; idempotent."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def _copy(source: Path, target: Path) -> None:
    import sqlite3

    with sqlite3.connect(source) as original, sqlite3.connect(target) as copy:
        original.backup(copy)
    original.close()
    copy.close()


def _permute(path: Path, run_id: str, seed: int) -> None:
    """Let the results of all questions change places; every row of a question gets the same new result."""
    import sqlite3

    connection = sqlite3.connect(path)
    try:
        query = (
            "SELECT d.decision_id, max(o.r_multiple) FROM decisions d JOIN outcomes o ON o.decision_id = d.decision_id "
            "WHERE d.run_id = ? AND o.action = d.signal_action AND o.kind != 'realised' AND o.r_multiple IS NOT NULL "
            "GROUP BY d.decision_id ORDER BY d.time_us, d.decision_id"
        )
        rows = connection.execute(query, (run_id,)).fetchall()
        order = np.random.default_rng([seed, len(rows)]).permutation(len(rows))
        changes = [(rows[int(other)][1], rows[place][0]) for place, other in enumerate(order)]
        connection.executemany("UPDATE outcomes SET r_multiple = ? WHERE decision_id = ? AND action != 'HOLD'", changes)
        connection.commit()
    finally:
        connection.close()
