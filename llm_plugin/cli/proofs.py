"""`lean-llm prove planted-rule`."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, table

__all__ = ["register"]

prove_app = typer.Typer(no_args_is_help=True, help="Proofs on markets whose truth is known; they take long.")
REPORT_SECONDS = 30.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(prove_app, name="prove")


@prove_app.command("planted-rule")
def planted_rule(
    market: list[str] = typer.Option([], help="Only this market; may be repeated. Default: all four."),
    seed: list[int] = typer.Option([], help="Only this seed; may be repeated. Default: 1 to 5."),
    bars: int = typer.Option(40_000, help="Bars of a market; the first half trains."),
    tokens: int = typer.Option(3_000_000, help="Training effort of the bootstrap model, in tokens."),
    threads: int = typer.Option(1, min=1, help="Threads of a cell; part of what makes it repeatable."),
    jobs: int | None = typer.Option(None, min=1, help="Cells at a time; default: as many as the cores carry."),
    folder: Path | None = typer.Option(None, help="Where results lie; default: proofs/planted-rule in the home."),
    set_: list[str] = typer.Option([], "--set", help="A setting, as section.key=value; may be repeated."),
    show_only: bool = typer.Option(False, "--show-only", help="Run nothing, show what is complete."),
    write: Path | None = typer.Option(None, help="Put the tables into this page, e.g. docs/experiments.md."),
    as_json: bool = typer.Option(False, "--json", help="Print all figures as JSON."),
) -> None:
    """Show what the validator adds on markets with a planted rule, and that it adds nothing without one.

    Each cell trains the bootstrap model on the first half of a synthetic market and lets the validator decide every
    signal of the second half. A cell that is complete is not run again. Exit code 1 if a market is not as expected.
    """
    from llm_plugin.proofs.planted_config import SEEDS, ProofConfig, chosen_variants
    from llm_plugin.proofs.planted_report import markdown, summarise, write_section
    from llm_plugin.proofs.planted_run import CellSpec, load_cells, run_cells
    from llm_plugin.runs.locate import home

    config = ProofConfig(bars=bars, training_tokens=tokens, threads=threads, overrides=tuple(set_))
    cells = [CellSpec(variant, number) for number in (seed or SEEDS) for variant in chosen_variants(market)]
    place = folder or home() / "proofs" / "planted-rule"
    if show_only:
        results = load_cells(place, config, cells)
    else:
        results = run_cells(place, config, cells, jobs=jobs or _jobs(threads), on_cell=ProofLines(len(cells)))
    summary = summarise(results)
    if write is not None:
        write_section(write, markdown(summary, datetime.now(UTC).date()))
    emit(summary, as_json=as_json, show=_show)
    if any(found["as_expected"] is False for found in summary["markets"].values()):
        raise typer.Exit(1)


def _jobs(threads: int) -> int:
    import os

    return max(1, (os.cpu_count() or 1) // threads)


class ProofLines:
    """Progress as lines: at a cell's begin, and every half minute."""

    def __init__(self, cells: int) -> None:
        self._lock = threading.Lock()
        self._cells, self._begun = cells, time.monotonic()
        self._seen: dict[str, float] = {}

    def __call__(self, cell: Any, stage: str, fraction: float) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._seen.get(cell.name, -REPORT_SECONDS) < REPORT_SECONDS:
                return
            self._seen[cell.name] = now
            number = len(self._seen)
        minutes = (now - self._begun) / 60
        err.print(f"{minutes:6.1f} min  {number} of {self._cells} begun  {cell.name}: {stage} {fraction:.0%}")


def _show(summary: dict[str, Any]) -> None:
    from llm_plugin.proofs.planted_report import COLUMNS, WORDS, terminal_rows

    table("planted rule", COLUMNS, terminal_rows(summary), right=range(2, len(COLUMNS)))
    for name, found in summary["markets"].items():
        out.print(f"{name}: {WORDS[found['as_expected']]}")
    if summary["missing"]:
        out.print(f"missing: {', '.join(summary['missing'])}")
