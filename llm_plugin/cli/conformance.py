"""`lean-llm conformance`."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, err, out, table

if TYPE_CHECKING:
    from llm_plugin.conformance.judge import Verdict

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("conformance")(conformance)


def conformance(
    lean_repo: Path = typer.Argument(..., help="Root of a LEAN checkout."),
    only: list[str] = typer.Option([], "--only", help="Run this algorithm; may be repeated. Default: all in scope."),
    trace: bool = typer.Option(False, "--trace", help="Show the first statistic, order and order event that differ."),
    against: Path | None = typer.Option(None, help="With --trace: result folder of a real LEAN run to compare with."),
    data: Path | None = typer.Option(None, help="LEAN's data folder; default: LEAN_REPO/Data."),
    jobs: int = typer.Option(2, "--jobs", "-j", min=1, help="Algorithms that run at the same time."),
    csv: Path | None = typer.Option(None, "--csv", help="CSV with columns algorithm and tier, instead of the rules."),
    listing: Path | None = typer.Option(
        None, help="Paths that the checkout should have, one a line; default: git's. A file it lacks is no difference."
    ),
    write: Path | None = typer.Option(None, "--write", help="Write the table into this page."),
    figures: Path | None = typer.Option(None, "--figures", help="Merge the counts into this file of figures."),
    work: Path | None = typer.Option(None, help="Keep the run folders here; default: a temporary folder."),
    seconds: float = typer.Option(600.0, min=1.0, help="Time limit of one algorithm."),
    memory_mib: int = typer.Option(6144, min=512, help="Address space of one algorithm."),
    as_json: bool = typer.Option(False, "--json", help="Print the verdicts as JSON instead of the table."),
) -> None:
    """Run LEAN's own algorithms on the embedded engine and compare with LEAN's published results.

    Exit code 1 when an algorithm differs or ends in an error.
    """
    from llm_plugin.conformance.catalogue import absent_files, lean_parameters, read_tiers, survey
    from llm_plugin.conformance.execute import Conditions, execute
    from llm_plugin.conformance.judge import Kind
    from llm_plugin.conformance.report import figures as count
    from llm_plugin.conformance.report import merge_figures
    from llm_plugin.errors import ConfigError

    if against is not None and (len(only) != 1 or not trace):
        raise ConfigError("--against compares one algorithm: give it with --only NAME --trace")
    folder = data or lean_repo / "Data"
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist: give LEAN's data folder with --data")
    candidates = survey(lean_repo, only, read_tiers(csv) if csv is not None else None)
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        place = work or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        known = listing or _listing(lean_repo, Path(temporary))
        absent = absent_files(known, lean_repo) if known is not None else []
        conditions = Conditions(folder, place, jobs, seconds, memory_mib, absent, lean_parameters(lean_repo))
        verdicts = execute(candidates, conditions, _Told(len(candidates)))
        emit([asdict(item) for item in verdicts], as_json=as_json, show=lambda _: _show(verdicts))
        if trace:
            _trace(candidates, place, against)
    if write is not None:
        _write(write, verdicts, _revision(lean_repo))
    if figures is not None:
        merge_figures(figures, count(verdicts))
    if any(item.kind in (Kind.DIFFERS, Kind.ERROR) for item in verdicts):
        raise typer.Exit(1)


class _Told:
    """Says each verdict as it comes."""

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0

    def __call__(self, verdict: Verdict) -> None:
        self._done += 1
        text = f"{self._done}/{self._total} {verdict.kind}: {verdict.name} ({verdict.seconds:.1f} s) {verdict.reason}"
        err.print(text.rstrip(), markup=False, soft_wrap=True)


def _show(verdicts: list[Verdict]) -> None:
    from llm_plugin.conformance.report import summary_lines

    table("", ("algorithm", "tier", "result", "why"), [(v.name, v.tier, v.kind, v.reason) for v in verdicts])
    for line in summary_lines(verdicts):
        out.print(line, markup=False)


def _trace(candidates: list[Any], place: Path, against: Path | None) -> None:
    import json

    from llm_plugin.conformance.judge import differences
    from llm_plugin.conformance.trace import trace_lines

    for candidate in candidates:
        written = place / candidate.name / "outcome.json"
        out.print(f"{candidate.name}:", markup=False)
        if not written.is_file():
            out.print("it ended before it wrote anything", markup=False)
            continue
        outcome = json.loads(written.read_text(encoding="utf-8"))
        found = differences(candidate, outcome) if "status" in outcome else ()
        for line in trace_lines(found, outcome, against):
            out.print(line, markup=False, soft_wrap=True)


def _write(page: Path, verdicts: list[Verdict], revision: str) -> None:
    from llm_plugin.conformance.report import render_page

    before = page.read_text(encoding="utf-8") if page.is_file() else "# Conformance with LEAN\n"
    page.write_text(render_page(before, verdicts, revision), encoding="utf-8")


def _git(lean_repo: Path, *arguments: str) -> str | None:
    if not (lean_repo / ".git").exists():
        return None
    try:
        done = subprocess.run(  # noqa: S603 - reads the checkout's history
            ["git", "-C", str(lean_repo), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _listing(lean_repo: Path, folder: Path) -> Path | None:
    names = _git(lean_repo, "ls-files", "Data", "Tests/TestData")
    if names is None:
        return None
    path = folder / "listing.txt"
    path.write_text(names, encoding="utf-8")
    return path


def _revision(lean_repo: Path) -> str:
    return (_git(lean_repo, "rev-parse", "--short", "HEAD") or "checkout without a git folder").strip()
