"""`lean-llm curate`, `lean-llm curate add`, `lean-llm curate check`."""

from __future__ import annotations

import json
import time
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from llm_plugin.cli.console import emit, err, out, table

if TYPE_CHECKING:
    from llm_plugin.strategies.curate.check import DatasetCheck
    from llm_plugin.strategies.curate.report import Curation

__all__ = ["register"]

DATASET = Path("datasets/strategies")
FOLDER = typer.Option(DATASET, "--dataset", help="Folder of the dataset.")
DATA = typer.Option(None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample.")
BENCHMARK = typer.Option(None, help="Benchmark tasks that no row may resemble; default: the shipped tasks.")
UNSAFE = typer.Option(
    False, "--unsafe", help="Judge without a sandbox: code can then read your files and forge verdicts."
)
AS_JSON = typer.Option(False, "--json", help="Print JSON.")
_SHOWN = 100

curate_app = typer.Typer(help="The dataset of strategies: make it, add to it, check it.", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(curate_app, name="curate")


@curate_app.callback()
def curate(
    context: typer.Context,
    dataset: Path = FOLDER,
    per_family: int = typer.Option(110, min=1, help="Rows of each family of the grammar."),
    family: list[str] = typer.Option([], help="Only this family; may be repeated. Default: all."),
    alphas: bool = typer.Option(True, help="The 101 formulaic alphas, too."),
    lean_repo: Path | None = typer.Option(None, help="A LEAN checkout: its examples, too; they stay on this machine."),
    jobs: int | None = typer.Option(None, "-j", "--jobs", min=1, help="Judges beside each other; default: the cores."),
    fresh: bool = typer.Option(False, "--fresh", help="Execute again what was executed before."),
    data: Path | None = DATA,
    benchmark: Path | None = BENCHMARK,
    unsafe: bool = UNSAFE,
    as_json: bool = AS_JSON,
) -> None:
    """Draw strategies, execute each, drop near-duplicates, write the rows; the same command goes on after a stop."""
    if context.invoked_subcommand is not None:
        return
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.strategies.curate.run import CurateOptions
    from llm_plugin.strategies.curate.run import curate as run_curate

    options = CurateOptions(
        out=dataset,
        data_folder=find_data_folder(Path.cwd(), data),
        per_family=per_family,
        families=tuple(family),
        alphas=alphas,
        lean_repo=lean_repo,
        benchmark=_benchmark(benchmark),
        jobs=jobs,
        fresh=fresh,
        unsafe=unsafe,
    )
    with _Meter() as meter:
        try:
            made = run_curate(options, meter)
        except KeyboardInterrupt:
            err.print("stopped; what was judged is kept: the same command goes on here")
            raise typer.Exit(130) from None
    emit({**made.to_json(), "local_files": dict(made.local_files)}, as_json=as_json, show=lambda _: _show(made))


@curate_app.command("add")
def add(
    project: Path = typer.Argument(..., help="A LEAN project folder, or its main.py."),
    prompt: str = typer.Option(..., "--prompt", help="What the project does, as somebody would ask for it."),
    family: str = typer.Option("added", help="Kind of strategy."),
    requirements: Path | None = typer.Option(None, help="Requirements as JSON: then gate 4 is judged, too."),
    start: str = typer.Option("", help="First day to run on, YYYY-MM-DD; default: the code's."),
    end: str = typer.Option("", help="Last day."),
    dataset: Path = FOLDER,
    data: Path | None = DATA,
    benchmark: Path | None = BENCHMARK,
    unsafe: bool = UNSAFE,
    as_json: bool = AS_JSON,
) -> None:
    """Put a project through the same admission and append it as a row: your own, or one that did well live."""
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.strategies.curate.add import ADDED, add_project

    row = add_project(
        project,
        prompt,
        dataset,
        find_data_folder(Path.cwd(), data),
        family=family,
        requirements=_object(requirements),
        start=_day("--start", start),
        end=_day("--end", end),
        benchmark=_benchmark(benchmark),
        unsafe=unsafe,
    )
    where = dataset / ADDED
    emit(row.to_json(), as_json=as_json, show=lambda _: out.print(f"{row.id}: {row.orders} orders; added to {where}"))


@curate_app.command("check")
def check(dataset: Path = FOLDER, benchmark: Path | None = BENCHMARK, as_json: bool = AS_JSON) -> None:
    """Check that all rows were executed, that splits share no near-duplicates, and that no benchmark task is inside."""
    from llm_plugin.errors import DataError
    from llm_plugin.strategies.curate.check import check_dataset

    found = check_dataset(dataset, _benchmark(benchmark))
    emit(found.to_json(), as_json=as_json, show=lambda _: _checked(found))
    if found.problems:
        raise DataError("; ".join(found.problems))


def _benchmark(given: Path | None) -> Path | None:
    from llm_plugin.data.shipped import shipped_dataset

    return given if given is not None else shipped_dataset("strategy_tasks", "tasks.jsonl")


def _object(path: Path | None) -> Any:
    from llm_plugin.errors import DataError

    if path is None:
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read the requirements {path}: {error}") from error


def _day(name: str, text: str) -> date | None:
    from llm_plugin.errors import ConfigError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{name} {text}: write a day as YYYY-MM-DD") from None


def _show(made: Curation) -> None:
    rows = [
        *made.by_family(),
        ("all", len(made.rows), *(_split(made, name) for name in ("train", "validation", "test"))),
    ]
    table("", ("family", "rows", "train", "validation", "test"), rows, right=range(1, 5))
    if made.left_out:
        reasons = [(reason, count, words[:_SHOWN]) for reason, count, words in made.reasons()]
        table("left out", ("because", "examples", "such as"), reasons, right=(1,))
    for name, digest in {**made.files, **made.local_files}.items():
        out.print(f"{name}  sha256 {digest}", markup=False, soft_wrap=True)


def _split(made: Curation, name: str) -> int:
    return sum(row.split == name for row in made.rows)


def _checked(found: DatasetCheck) -> None:
    across = f"{100 * found.near_duplicate_fraction:.2f} % of the rows have a near-duplicate in another split"
    out.print(f"{found.rows} rows: {', '.join(f'{count} {name}' for name, count in sorted(found.splits.items()))}")
    out.print(f"{across} (Jaccard >= {found.threshold}); {len(found.not_executed)} rows were not executed")
    out.print(
        f"{len(found.contaminated)} rows resemble benchmark tasks; {len(found.split_cores)} compositions are torn"
    )


class _Meter:
    """Shows a curation: a bar in a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._live = err.is_terminal
        self._told = 0.0
        self._bar = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total} {task.fields[note]}"),
            TimeElapsedColumn(),
            console=err,
        )
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> _Meter:
        if self._live:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._bar.stop()

    def __call__(self, progress: Any) -> None:
        """Take how far it is."""
        eta = "" if progress.eta_seconds is None else f", {_span(progress.eta_seconds)} to go"
        note = f"admitted, {progress.left_out} left out{eta}"
        if self._live:
            task = self._tasks.get(progress.stage)
            if task is None:
                task = self._tasks[progress.stage] = self._bar.add_task(progress.stage, total=progress.total, note="")
            self._bar.update(task, completed=progress.admitted, note=note)
        elif time.monotonic() - self._told > 10 or progress.admitted == progress.total:
            self._told = time.monotonic()
            err.print(f"{progress.stage}: {progress.admitted} of {progress.total} {note}", markup=False)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
