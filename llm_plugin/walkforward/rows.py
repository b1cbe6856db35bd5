"""What a cycle trained on, kept for the tabular arm: the same decisions, the same bars without a signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.bootstrap.metalabel import MANIFEST_NAME, MetaLabel
from llm_plugin.errors import InsufficientData
from llm_plugin.walkforward.plan import content_key
from llm_plugin.walkforward.tabular import TIMED, TabularRow, fit_meta_label

if TYPE_CHECKING:
    from llm_plugin.cycle.words import CycleResult
    from llm_plugin.learning.split import Split
    from llm_plugin.learning.types import MaturedDecision
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.settings import Settings
    from llm_plugin.walkforward.cycles import SimulatedCycles

__all__ = ["ContextKeeper", "TabularFits", "tabular_rows"]


class ContextKeeper:
    """Gives a cycle its bars without a signal and remembers them.

    Args:
        make: Makes the rows of a split; None gives none.
    """

    def __init__(self, make: Any = None) -> None:
        self._make = make
        self.last: tuple[str, list[MaturedDecision]] = ("", [])

    @classmethod
    def open(cls, settings: Settings, data_folder: Path, store: OutcomeStore, run_id: str) -> ContextKeeper:
        """Take them from LEAN's data, as the live cycle does."""
        from llm_plugin.learning.context_rows import MarketContextRows

        if not settings.learning.context_rows:
            return cls()
        return cls(MarketContextRows(data_folder, settings, store, run_ids=[run_id]).rows)

    def __call__(self, split: Split) -> Sequence[MaturedDecision]:
        """Return the rows of a split."""
        rows = list(self._make(split)) if self._make is not None else []
        self.last = (split.window_id, rows)
        return rows

    def of(self, split: Split) -> list[MaturedDecision]:
        """Return the rows of the split that was asked last; made again for another one."""
        window, rows = self.last
        return rows if window == split.window_id else list(self(split))


class TabularFits:
    """Fits the tabular model after each cycle that had data, on the cycle's own training rows.

    Args:
        settings: The configuration.
        folder: Where fits are kept, by the hash of what went into them.
        context: The bars without a signal of the cycle.
        first: The fit that decides until then.
    """

    def __init__(self, settings: Settings, folder: Path, context: ContextKeeper, first: MetaLabel) -> None:
        self._settings, self._folder, self._context = settings, folder, context
        self._before = first

    def __call__(self, cycles: SimulatedCycles, now: datetime, result: CycleResult) -> Mapping[str, Any]:
        """Fit, and return where the fit lies for the time axis."""
        from llm_plugin.learning.pairs import training_rows
        from llm_plugin.learning.split import read_window

        learning = self._settings.learning
        since = result.facts.get("since_utc")
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        stores = cycles.stores
        split = read_window(stores, learning, as_of_utc=now, run_ids=[cycles.run_id], since_utc=moment)
        rows = training_rows(split, learning, self._context.of(split))
        used = [row for row in rows if row.net_r is not None and row.prompt is not None]
        known = [[row.decision_id, row.net_r] for row in used]
        name = f"meta_label-{content_key(known, self._before.version, learning.training.seed)[:20]}"
        folder = self._folder / name
        try:
            if not (folder / MANIFEST_NAME).is_file():
                made = tabular_rows(used, cycles.store, cycles.run_id, self._settings)
                cutoff = max(row.closed_utc for row in used)
                fit_meta_label(folder, made, self._before, self._settings, cutoff_utc=cutoff)
        except InsufficientData as error:
            return {"tabular": str(error)}
        self._before = MetaLabel.load(folder)
        return {TIMED: name}


def tabular_rows(
    rows: Sequence[MaturedDecision], store: OutcomeStore, run_id: str, settings: Settings
) -> list[TabularRow]:
    """Return rows with the session and the similar trades that the run had at their time.

    Args:
        rows: Replayed training rows.
        store: What session and memory are made from.
        run_id: The run.
        settings: Session and memory.
    """
    from llm_plugin.gate.policy import session_statistics
    from llm_plugin.memory.local import LocalMemory
    from llm_plugin.memory.rebuild import stored_records
    from llm_plugin.memory.vector import VectorTransform

    statistics, transform, memory = session_statistics(store, settings), VectorTransform(), LocalMemory()
    wanted = settings.memory
    if wanted.backend != "none":
        memory.add_many(list(stored_records(store, run_id, transform, wanted.shadow)))
    made = []
    for row in rows:
        request = replace(row.request, run_id=run_id)
        symbol = request.market.symbol_id if wanted.same_symbol_first else None
        hits = memory.search(transform(request), wanted.k, row.time_utc, symbol) if memory.count() else ()
        shown = statistics(request) if settings.session.enabled else None
        made.append(TabularRow(row.request, shown, hits, float(row.net_r or 0.0)))
    return made
