"""From examples to a dataset: draw, drop near-duplicates, execute, write. What was judged once is not judged again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.strategies.curate.admissions import FILE, Admissions
from llm_plugin.strategies.curate.admit import Admission, admit, default_cache
from llm_plugin.strategies.curate.contamination import Benchmark
from llm_plugin.strategies.curate.duplicates import THRESHOLD, Index
from llm_plugin.strategies.curate.examples import SEED, Example, alpha_rows, pattern_examples
from llm_plugin.strategies.curate.normalise import shingles
from llm_plugin.strategies.curate.report import Curation, write_curation
from llm_plugin.strategies.curate.rows import Row, write_rows
from llm_plugin.strategies.curate.skeleton import row_shingles
from llm_plugin.strategies.grammar import FAMILIES

__all__ = ["CurateOptions", "CurateProgress", "curate"]

_ROUNDS = 6


@dataclass(frozen=True)
class CurateOptions:
    """What is curated.

    Attributes:
        out: Folder of the dataset.
        data_folder: LEAN-format data to execute on.
        per_family: How many rows each family of the grammar shall give.
        families: Which families; none = all.
        alphas: Whether the 101 formulaic alphas are in.
        lean_repo: A LEAN checkout whose examples are in, too; they stay on this machine.
        benchmark: Tasks that nothing may resemble; None = none.
        jobs: Judges beside each other; None = one for each core.
        cache: Folder of verdicts; None = the plugin's home.
        fresh: Judge again what was judged before.
        seed: Of the grammar.
        draws: At most so many draws for each row that is wanted of a family.
    """

    out: Path
    data_folder: Path
    per_family: int = 120
    families: tuple[str, ...] = ()
    alphas: bool = True
    lean_repo: Path | None = None
    benchmark: Path | None = None
    jobs: int | None = None
    cache: Path | None = None
    seed: str = SEED
    draws: int = 6
    fresh: bool = False
    unsafe: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"family {name!r} does not exist{did_you_mean(name, FAMILIES)}; there are {', '.join(FAMILIES)}"
            for name in self.families
            if name not in FAMILIES
        ]
        problems += [f"{name} is {getattr(self, name)}; give 1 or more" for name in ("per_family", "draws")
                     if getattr(self, name) < 1]  # fmt: skip
        if problems:
            raise ConfigError(problems)


@dataclass(frozen=True, slots=True)
class CurateProgress:
    """How far a curation is."""

    stage: str
    done: int
    total: int
    admitted: int
    left_out: int
    eta_seconds: float | None
    last: Admission | None = None


OnProgress = Callable[[CurateProgress], None]


@dataclass
class _State:
    """What has been seen so far."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[tuple[str, str, str, str]] = field(default_factory=list)
    index: Index = field(default_factory=Index)

    def leave(self, row: Row, reason: str, words: str = "") -> None:
        """Note that an example is not taken, and why."""
        self.left_out.append((row.id, row.family, reason, words))


def curate(options: CurateOptions, on_progress: OnProgress | None = None) -> Curation:
    """Make the dataset; interrupted, the same call goes on where it was.

    Returns:
        What came of it; the folder holds the rows and `curation.json`.

    Raises:
        ConfigError: An option that cannot be.
        DataError: Benchmark or data are damaged.
    """
    from llm_plugin.strategies.judge import JudgePool

    tell = on_progress or (lambda _: None)
    benchmark = Benchmark.read(options.benchmark)
    state = _State()
    cache = options.cache or default_cache()
    if options.fresh:
        (cache / FILE).unlink(missing_ok=True)
    known = Admissions(cache)
    with JudgePool(options.data_folder, options.jobs, unsafe=options.unsafe) as pool:
        if options.alphas:
            _alphas(pool, state, known, benchmark, tell)
        _patterns(pool, options, state, known, benchmark, tell)
    lean: list[Row] = []
    if options.lean_repo is not None:
        lean = _lean(options, state, known, benchmark, tell)
    return _written(options, state, lean, benchmark)


def _written(options: CurateOptions, state: _State, lean: list[Row], benchmark: Benchmark) -> Curation:
    own = {"alphas.jsonl.gz": "alpha", "patterns.jsonl.gz": "pattern"}
    files = {}
    for name, source in own.items():
        rows = [row for row in state.rows if row.source == source]
        if rows:
            files[name] = write_rows(rows, options.out / name)
    local = {"lean.jsonl.gz": write_rows(lean, options.out / "lean.jsonl.gz")} if lean else {}
    made = Curation(
        rows=[*state.rows, *lean],
        left_out=state.left_out,
        files=files,
        local_files=local,
        options={"seed": options.seed, "per_family": options.per_family, "near_duplicate": THRESHOLD},
        benchmark_tasks=benchmark.count,
    )
    write_curation(made, options.out)
    return made


# The sources.
def _alphas(pool: Any, state: _State, known: Admissions, benchmark: Benchmark, tell: OnProgress) -> None:
    examples = _together(list(alpha_rows()))
    meter = _Meter("alphas", len(examples), tell)
    admit(pool, [e for e in examples if _clean(e, None, state, benchmark)], _taking(state, meter), known)


def _together(examples: Sequence[Example]) -> list[Example]:
    """Give formulas of one make the core of the first of them, so that no two of them are in different splits."""
    from llm_plugin.strategies.grammar.draft import split_of

    sets = row_shingles([example.row for example in examples])
    index, made = Index(), []
    cores: dict[str, str] = {}
    for example in examples:
        row = example.row
        near = index.nearest(sets[row.id])
        core = cores[near.id] if near is not None else row.core
        cores[row.id] = core
        index.add(row.id, sets[row.id])
        made.append(replace(example, row=replace(row, core=core, split=split_of(row.family, core))))
    return made


def _patterns(
    pool: Any, options: CurateOptions, state: _State, known: Admissions, benchmark: Benchmark, tell: OnProgress
) -> None:
    families = options.families or FAMILIES
    sources = {family: pattern_examples((family,), options.seed) for family in families}
    drawn: Counter[str] = Counter()
    have: Counter[str] = Counter()
    meter = _Meter("patterns", len(families) * options.per_family, tell)
    most = options.per_family * options.draws

    def wanted(missing: dict[str, int]) -> Iterator[Example]:
        while any(missing.values()):
            for family in [name for name, count in missing.items() if count]:
                if drawn[family] >= most:
                    missing[family] = 0
                    continue
                drawn[family] += 1
                example = next(sources[family])
                items = shingles(example.code)
                if _clean(example, items, state, benchmark):
                    state.index.add(example.row.id, items)
                    missing[family] -= 1
                    yield example

    for _ in range(_ROUNDS):
        missing = {family: options.per_family - have[family] for family in families}
        if not any(count and drawn[family] < most for family, count in missing.items()):
            break
        before = len(state.rows)
        admit(pool, wanted(missing), _taking(state, meter), known)
        have.update(row.family for row in state.rows[before:])


def _lean(
    options: CurateOptions, state: _State, known: Admissions, benchmark: Benchmark, tell: OnProgress
) -> list[Row]:
    from llm_plugin.strategies.curate.lean_examples import lean_examples
    from llm_plugin.strategies.judge import JudgePool

    repo = options.lean_repo or Path()
    examples = lean_examples(repo)
    meter = _Meter("LEAN's examples", len(examples), tell)
    clean = []
    for example in examples:
        items = shingles(example.code)
        if _clean(example, items, state, benchmark):
            state.index.add(example.row.id, items)
            clean.append(example)
    apart = _State(left_out=state.left_out)
    with JudgePool(repo / "Data", options.jobs, unsafe=options.unsafe) as pool:
        admit(pool, clean, _taking(apart, meter), known)
    return apart.rows


def _clean(example: Example, items: frozenset[int] | None, state: _State, benchmark: Benchmark) -> bool:
    """Whether an example resembles neither a row that is there nor a benchmark task; else note why not."""
    row = example.row
    near = state.index.nearest(items) if items is not None else None
    if near is not None:
        state.leave(row, "near-duplicate", f"{near.similarity:.2f} like {near.id}")
        return False
    task = benchmark.code(items if items is not None else shingles(example.code))
    if task is not None:
        state.leave(row, "benchmark code", f"{task.similarity:.2f} like the solution of {task.id}")
        return False
    task = benchmark.prompts((row.instruction, *row.paraphrases))
    if task is not None:
        state.leave(row, "benchmark prompt", f"{task.similarity:.2f} like the prompt of {task.id}")
        return False
    return True


def _taking(state: _State, meter: _Meter) -> Callable[[Admission], None]:
    def take(admission: Admission) -> None:
        if admission.row is not None:
            state.rows.append(admission.row)
        else:
            state.leave(admission.example.row, admission.gate, admission.reason)
        meter.step(admission, state)

    return take


class _Meter:
    """Counts what is done, and says how long the rest may take; cached verdicts do not count as speed."""

    def __init__(self, stage: str, total: int, tell: OnProgress) -> None:
        self._stage, self._total, self._tell = stage, total, tell
        self._done = self._admitted = self._fresh = 0
        self._began = time.monotonic()

    def step(self, admission: Admission, state: _State) -> None:
        """Take one verdict."""
        self._done += 1
        self._fresh += not admission.cached
        self._admitted += admission.row is not None
        each = (time.monotonic() - self._began) / self._fresh if self._fresh else 0.0
        rest = max(0, self._total - self._admitted)
        eta = each * rest if self._fresh >= 5 else None
        self._tell(
            CurateProgress(
                self._stage, self._admitted, self._total, self._admitted, len(state.left_out), eta, admission
            )
        )
