"""Whether the market data still give the labels that are learned from: stored decisions are replayed and compared.

Each chunk (a run, a symbol, a stretch of time) is a piece of work of its own. The store is only read. What decided
about a trade besides prices, such as a signal of the algorithm that ended it, is not in the data: such decisions are
counted by their cause and not compared.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import ConfigError, DataError, InsufficientData, RecordError, did_you_mean
from llm_plugin.stack.replay_again import OTHER_QUOTE, Replayer, read_stored

if TYPE_CHECKING:
    from llm_plugin.stack.loop import Loop

__all__ = [
    "Chunk",
    "Difference",
    "ReplayChecked",
    "Totals",
    "check_chunk",
    "known_folder",
    "largest_differences",
    "plan_chunks",
    "totals",
]

KEPT_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Matured decisions of one run and symbol, in order of time.

    Attributes:
        number: From 1.
        run_id: The run.
        symbol_id: Its symbol.
        decision_ids: The decisions.
        from_utc: Time of the first.
        to_utc: Time of the last.
        plan_id: Of the plan that it belongs to; what is read for one plan is never taken for another.
    """

    number: int
    run_id: str
    symbol_id: str
    decision_ids: tuple[str, ...]
    from_utc: datetime
    to_utc: datetime
    plan_id: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored label that the data do not give: net R as stored, as replayed, and how each trade ended."""

    decision_id: str
    symbol: str
    time_utc: datetime
    stored_r: float
    replayed_r: float
    stored_exit: str
    replayed_exit: str

    @property
    def size_r(self) -> float:
        """How far the two lie apart."""
        return abs(self.stored_r - self.replayed_r)


@dataclass(frozen=True, slots=True)
class ReplayChecked:
    """What became of one chunk.

    Attributes:
        number: Of the chunk.
        run_id: The run.
        symbol: Ticker.
        from_utc: Time of the first decision.
        to_utc: Time of the last.
        equal: Labels that the data give again within the tolerance.
        differing: Labels that they do not.
        left_out: Decisions that cannot be compared, by cause.
        differences: The largest, largest first.
        largest_equal_r: Largest distance among the equal ones.
    """

    number: int
    run_id: str
    symbol: str
    from_utc: datetime
    to_utc: datetime
    equal: int
    differing: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    largest_equal_r: float = 0.0


def plan_chunks(
    loop: Loop, size: int, *, run_ids: Collection[str] | None = None, as_of_utc: datetime | None = None
) -> list[Chunk]:
    """Cut the matured and replayed decisions of a store by run, symbol and time.

    Args:
        loop: Whose store is checked.
        size: Most decisions in a chunk.
        run_ids: Only these runs; None = all.
        as_of_utc: Nothing later is read; None = now.

    Raises:
        ConfigError: Chunks of no decisions.
        RecordError: The store does not know a run.
        InsufficientData: Not one decision has been replayed.
    """
    import sqlalchemy as sa

    from llm_plugin.learning.read import MaturedRow, matured_rows
    from llm_plugin.outcomes import schema

    if size < 1:
        raise ConfigError(f"chunks of {size} decisions: give 1 or more")
    known = loop.store.run_ids()
    for name in run_ids or ():
        if name not in known:
            raise RecordError(f"the store knows no run {name!r}{did_you_mean(name, known)}")
    rows = matured_rows(loop.store, as_of_utc=as_of_utc or datetime.now(UTC), run_ids=run_ids).rows
    table, symbols = schema.decisions, dict[str, str]()
    for run_id in dict.fromkeys(row.run_id for row in rows):
        query = sa.select(table.c.decision_id, table.c.symbol_id).where(table.c.run_id == run_id)
        symbols |= {row.decision_id: row.symbol_id for row in loop.store.select(query)}
    groups: dict[tuple[str, str], list[MaturedRow]] = {}
    for row in rows:
        if row.net_r is not None:
            groups.setdefault((row.run_id, symbols[row.decision_id]), []).append(row)
    if not groups:
        raise InsufficientData(0, 1, "matured decisions with a replay")
    plan_id, parts = uuid.uuid4().hex, list[Chunk]()
    for (run_id, symbol_id), own in groups.items():
        for start in range(0, len(own), size):
            part = own[start : start + size]
            ids = tuple(row.decision_id for row in part)
            span = part[0].time_utc, part[-1].time_utc
            parts.append(Chunk(len(parts) + 1, run_id, symbol_id, ids, *span, plan_id))
    return parts


def check_chunk(
    config: Path | None,
    overrides: Sequence[str],
    data_folder: Path,
    chunk: Chunk,
    *,
    tolerance_r: float = 0.001,
    brokerage: str = "default",
    keep: int = KEPT_DIFFERENCES,
) -> ReplayChecked:
    """Replay a chunk; self-contained, so that it can run in any process that reaches the database and the data.

    Args:
        config: `llm_config.yaml`.
        overrides: `section.key=value`.
        data_folder: LEAN's data, those that the run was made with.
        chunk: From `plan_chunks`.
        tolerance_r: Labels that lie no further apart are equal.
        brokerage: Whose fees the run paid; a store does not tell.
        keep: How many differences to list.

    Raises:
        ConfigError: A tolerance below 0, or a brokerage that is not known.
        DataError: A file of the market data is damaged, or the run's own settings cannot be read.
    """
    from llm_plugin.stack.loop import open_loop

    if not tolerance_r >= 0:
        raise ConfigError(f"tolerance_r is {tolerance_r!r}: give 0 or more")
    with open_loop(config, overrides) as loop:
        stored = read_stored(loop.store, chunk.run_id, chunk.symbol_id, chunk.decision_ids)
        run = loop.store.run(chunk.run_id)
    if run is None:
        raise RecordError(f"run {chunk.run_id} of the plan is no longer in the store")
    replayer = Replayer.open(data_folder, run["config"], stored, brokerage, chunk.plan_id)
    left_out, differences, equal, furthest = Counter[str](), list[Difference](), 0, 0.0
    for item in stored:
        found = replayer.replay(item)
        if isinstance(found, str):
            left_out[found] += 1
            continue
        request, known = item.request, item.outcome
        difference = Difference(
            request.decision_id,
            request.market.ticker,
            request.market.time_utc,
            known.r_multiple,
            found.r_multiple,
            known.exit_reason.value,
            found.exit_reason.value,
        )
        if difference.size_r <= tolerance_r:
            equal, furthest = equal + 1, max(furthest, difference.size_r)
        else:
            differences.append(difference)
    return ReplayChecked(
        number=chunk.number,
        run_id=chunk.run_id,
        symbol=stored[0].request.market.ticker if stored else chunk.symbol_id,
        from_utc=chunk.from_utc,
        to_utc=chunk.to_utc,
        equal=equal,
        differing=len(differences),
        left_out=dict(sorted(left_out.items())),
        differences=tuple(sorted(differences, key=_largest_first)[:keep]),
        largest_equal_r=furthest,
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """All chunks together.

    Attributes:
        decisions: Decisions of all chunks.
        equal: Labels that the data give again.
        differing: Labels that they do not.
        left_out: Not compared, by cause.
    """

    decisions: int
    equal: int
    differing: int
    left_out: Mapping[str, int]

    @property
    def doubtful(self) -> int:
        """Labels that differ, and decisions whose very quote is another one in the data."""
        return self.differing + self.left_out.get(OTHER_QUOTE, 0)

    @property
    def doubtful_fraction(self) -> float | None:
        """Share of doubtful ones among all that could be looked up; None where nothing could."""
        looked_up = self.equal + self.doubtful
        return self.doubtful / looked_up if looked_up else None


def totals(checked: Sequence[ReplayChecked]) -> Totals:
    """Add chunks up."""
    left_out = Counter[str]()
    for item in checked:
        left_out.update(item.left_out)
    equal, differing = sum(item.equal for item in checked), sum(item.differing for item in checked)
    return Totals(equal + differing + left_out.total(), equal, differing, dict(left_out.most_common()))


def largest_differences(checked: Sequence[ReplayChecked], keep: int = KEPT_DIFFERENCES) -> list[Difference]:
    """Return the largest differences of all chunks, largest first."""
    return sorted((one for item in checked for one in item.differences), key=_largest_first)[:keep]


def _largest_first(difference: Difference) -> tuple[Any, ...]:
    return -difference.size_r, difference.time_utc, difference.decision_id


def known_folder(given: Path | None, found: Path | None) -> Path:
    """Return the data folder that was named, or the one that was found.

    Raises:
        DataError: There is neither.
    """
    folder = given or found
    if folder is None:
        raise DataError("no market data: name the LEAN data folder of the runs, or set LEAN_DATA_FOLDER")
    if not (folder / "market-hours" / "market-hours-database.json").is_file():
        raise DataError(f"{folder} is no LEAN data folder: it has no market-hours/market-hours-database.json")
    return folder.resolve()
