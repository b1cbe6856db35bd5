"""The tabular arm: boosted trees on the prompt's own fields, fitted again at the learning arm's cycles on its rows.

What a quant would do instead of the loop: no gate and no watch, the newest fit decides. Its approval share is kept by
the same lower bound that the gate puts on a challenger, so that "veto everything" is no answer on a losing signal.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.bootstrap.metalabel import MANIFEST_NAME, MetaLabel, save_meta_label
from llm_plugin.errors import InsufficientData, LookaheadError
from llm_plugin.files import write_whole

if TYPE_CHECKING:
    from llm_plugin.domain import DecisionRequest
    from llm_plugin.settings import Settings
    from llm_plugin.walkforward.backend import ArmSpec, LoopBackend

__all__ = ["TIMED", "ScheduledMetaLabel", "TabularRow", "Timed", "fit_meta_label", "schedule_of", "tabular_backend"]

MIN_ROWS = 40
TIMED = "meta_label"
"""Key of a cycle's figures under which the folder of its fit stands."""


@dataclass(frozen=True, slots=True)
class TabularRow:
    """One question with what the prompt showed beside it, and what it led to."""

    request: DecisionRequest
    statistics: Any
    hits: Sequence[Any]
    net_r: float


@dataclass(frozen=True)
class Timed:
    """A fit and the moment from which it decides."""

    from_utc: datetime
    model: Any


class ScheduledMetaLabel:
    """A `validator.MetaLabel` whose fit depends on the question's time.

    Args:
        first: Decides until the first fit.
        later: Fits in the order of time.

    Raises:
        LookaheadError: A fit would decide before the end of the data that it was made from.
    """

    def __init__(self, first: Any, later: Sequence[Timed]) -> None:
        self._first = first
        self._later = sorted(later, key=lambda item: item.from_utc)
        self._starts = [item.from_utc for item in self._later]
        self._now: Any = first
        for item in self._later:
            cutoff = datetime.fromisoformat(item.model.manifest["data_cutoff_utc"])
            if cutoff > item.from_utc:
                raise LookaheadError(
                    f"{item.model.version} was fitted on data up to {cutoff.isoformat()}, but shall decide from "
                    f"{item.from_utc.isoformat()} on"
                )

    @property
    def version(self) -> str:
        """That of the fit that answered last."""
        return str(self._now.version)

    def at(self, moment: datetime) -> Any:
        """Return the fit of a moment."""
        place = bisect_right(self._starts, moment)
        return self._later[place - 1].model if place else self._first

    def probability(self, request: DecisionRequest, statistics: Any = None, hits: Sequence[Any] = ()) -> float:
        """Return P(net R > 0) by the fit of the question's time."""
        self._now = self.at(request.market.time_utc)
        return float(self._now.probability(request, statistics, hits))

    def approve(self, request: DecisionRequest, statistics: Any = None, hits: Sequence[Any] = ()) -> bool:
        """Whether the fit of the question's time takes the signal."""
        self._now = self.at(request.market.time_utc)
        return bool(self._now.approve(request, statistics, hits))


def fit_meta_label(
    folder: Path, rows: Sequence[TabularRow], before: MetaLabel, settings: Settings, *, cutoff_utc: datetime
) -> MetaLabel:
    """Fit the meta-label on rows and store it.

    Args:
        folder: Where it is stored.
        rows: The learning arm's training rows.
        before: The fit that decided so far; its encoder is used again.
        settings: Clip, seed and the lower bound of the approval share.
        cutoff_utc: Nothing in the rows was known later.

    Raises:
        InsufficientData: Too few rows.
    """
    if len(rows) < MIN_ROWS:
        raise InsufficientData(len(rows), MIN_ROWS, "training rows of the tabular arm")
    table = np.array([before.encoder.encode(row.request, row.statistics, row.hits) for row in rows])
    net = np.array([row.net_r for row in rows])
    fitted = save_meta_label(
        folder,
        table,
        net,
        np.ones(len(rows)),
        before.encoder,
        threshold=0.5,
        clip_r=settings.learning.clip_r,
        seed=settings.learning.training.seed,
        facts={"data_cutoff_utc": cutoff_utc.isoformat()},
    )
    edges = np.array([fitted.score(row.request, row.statistics, row.hits).edge for row in rows])
    taken = float(np.mean([before.approve(row.request, row.statistics, row.hits) for row in rows]))
    floor = settings.gate.approval_low * taken
    if (edges > 0.5).mean() < floor:
        path = folder / MANIFEST_NAME
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["threshold"] = float(np.quantile(edges, 1 - floor)) - 1e-9
        write_whole(path, json.dumps(manifest, indent=2, sort_keys=True) + "\n")
    return MetaLabel.load(folder)


def schedule_of(events: Iterable[Any], root: Path) -> list[tuple[datetime, Path]]:
    """Return when which fit begins to decide, from the learning arm's time axis.

    Args:
        events: `timeline.Event`s.
        root: What the folders on the time axis are relative to.
    """
    found = []
    for event in events:
        name = event.figures.get(TIMED) if isinstance(event.figures, Mapping) else None
        if name:
            found.append((event.time_utc, root / str(name)))
    return found


def tabular_backend(spec: ArmSpec, settings: Settings, run_id: str, run_folder: Path) -> LoopBackend:
    """Make the tabular arm's back end: a validator whose meta-label changes with simulated time."""
    from llm_plugin.validator import Validator
    from llm_plugin.walkforward.backend import LoopBackend
    from llm_plugin.walkforward.timeline import read_timeline

    schedule = schedule_of(read_timeline(Path(spec.learning_folder)), Path(spec.cycles_folder))
    later = [Timed(moment, MetaLabel.load(folder)) for moment, folder in schedule]
    scheduled = ScheduledMetaLabel(first_meta_label(settings), later)
    return LoopBackend(Validator.from_settings(settings, run_id, run_folder=run_folder, meta_label=scheduled))


def first_meta_label(settings: Settings) -> MetaLabel:
    """Return the meta-label beside the base model, which decides until the first cycle.

    Raises:
        ModelError: There is none.
    """
    from llm_plugin.bootstrap.build import META_LABEL_FOLDER
    from llm_plugin.errors import ModelError
    from llm_plugin.validator.build import model_folder

    folder = model_folder(settings.llm_model.name)
    if folder is None or not (folder / META_LABEL_FOLDER).is_dir():
        raise ModelError(
            f"model {settings.llm_model.name!r} has no tabular model beside it, which the tabular arm starts with: "
            "`lean-llm model bootstrap` makes both"
        )
    return MetaLabel.load(folder / META_LABEL_FOLDER)
