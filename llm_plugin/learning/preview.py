"""What a cycle would train on, for people to look at: counts, examples, what is left out and why; no training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import InsufficientData
from llm_plugin.learning.answers import ModelAnswers
from llm_plugin.learning.pairs import Pairs, PreferenceRow, build_pairs, training_rows
from llm_plugin.learning.read import matured_rows
from llm_plugin.learning.split import Split, read_window

if TYPE_CHECKING:
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["PairsPreview", "preview_pairs"]


@dataclass(frozen=True)
class PairsPreview:
    """Counts and examples; `missing` says what is still needed where a window cannot be split yet.

    Attributes:
        as_of_utc: Nothing later is known.
        matured: Matured decisions of the store, with or without a prompt.
        counts: Decisions per side, pairs by kind.
        left_out: By stage and reason.
        missing: Why there is no window yet, None where there is one.
        window_id: Of the holdout.
        ranges: First and last decision time of each side.
        mean_net_r: Mean replayed result per side.
        examples: Some pairs, the heaviest first.
        written: Folder of the dataset, None where none was written.
    """

    as_of_utc: datetime
    matured: int
    counts: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    missing: InsufficientData | None = None
    window_id: str | None = None
    ranges: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    mean_net_r: dict[str, float] = field(default_factory=dict)
    examples: list[PreferenceRow] = field(default_factory=list)
    written: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        values = {name: to_jsonable(value) for name, value in vars(self).items() if name not in ("missing", "examples")}
        missing = None if self.missing is None else str(self.missing)
        return values | {"missing": missing, "examples": [to_jsonable(asdict(row)) for row in self.examples]}


def preview_pairs(
    store: OutcomeStore,
    settings: Settings,
    *,
    as_of_utc: datetime | None = None,
    since_utc: datetime | None = None,
    out: Path | None = None,
    examples: int = 3,
    data_folder: Path | None = None,
    model: Callable[[], LanguageModel] | None = None,
) -> PairsPreview:
    """Read, split and pair as a cycle would.

    Args:
        store: The outcome store.
        settings: The configuration that its runs were made with.
        as_of_utc: Nothing later is known; None = now.
        since_utc: Change point at which the window begins.
        out: Write the dataset there.
        examples: How many pairs to show.
        data_folder: LEAN's data folder; None leaves out the bars without a signal.
        model: Opens the model that writes the answers; None takes stored confidences and no words.
    """
    from llm_plugin.learning.dataset import write_dataset

    moment = as_of_utc or datetime.now(UTC) + timedelta(microseconds=1)
    known = matured_rows(store, as_of_utc=moment)
    try:
        split = read_window(store, settings.learning, as_of_utc=moment, since_utc=since_utc, prefix=_prefix(settings))
    except InsufficientData as missing:
        left_out = Counter(known.left_out)
        left_out["no_prompt"] = sum(not row.has_prompt for row in known.rows)
        return PairsPreview(
            moment, len(known.rows), left_out={"window": dict(sorted((+left_out).items()))}, missing=missing
        )
    pairs = _pairs(split, store, settings, data_folder, model)
    if out is not None:
        write_dataset(out, split, pairs, {"made_by": "lean-llm pairs"})
    sides = {name: getattr(split, name) for name in ("older", "train", "calibration", "embargo", "holdout")}
    filled = {name: rows for name, rows in sides.items() if rows}
    return PairsPreview(
        as_of_utc=moment,
        matured=len(known.rows),
        counts=_counts(split, pairs),
        left_out={"window": dict(sorted(split.left_out.items())), "pairs": dict(sorted(pairs.left_out.items()))},
        window_id=split.window_id,
        ranges={name: (rows[0].time_utc, rows[-1].time_utc) for name, rows in filled.items()},
        mean_net_r={name: _mean([d.net_r for d in rows if d.net_r is not None]) for name, rows in filled.items()},
        examples=sorted(pairs.rows, key=lambda row: (-row.weight, row.time_utc))[:examples],
        written=out,
    )


def _pairs(
    split: Split,
    store: OutcomeStore,
    settings: Settings,
    data_folder: Path | None,
    model: Callable[[], LanguageModel] | None,
) -> Pairs:
    from llm_plugin.learning.context_rows import MarketContextRows

    context = MarketContextRows(data_folder, settings, store).rows(split) if data_folder is not None else []
    writer = None
    if model is not None:
        writer = ModelAnswers.configured(model(), settings)
    return build_pairs(training_rows(split, settings.learning, context), settings.learning, writer)


def _counts(split: Split, pairs: Pairs) -> dict[str, int]:
    from llm_plugin.learning.dataset import row_counts

    return row_counts(split, pairs)


def _prefix(settings: Settings) -> str:
    from llm_plugin.prompts import PromptRenderer

    return str(PromptRenderer(settings.prompts, settings.features.user).template.system)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
