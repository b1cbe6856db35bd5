"""`lean-llm memory status|search|rebuild`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, key_values, out, table

__all__ = ["register"]

memory_app = typer.Typer(no_args_is_help=True, help="The memory of past trades.")
RUN_HELP = "A run's folder (it holds store.sqlite)."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(memory_app, name="memory")


@memory_app.command("status")
def status(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Say whether Weaviate runs, where, and how many trades each run's tenant holds."""
    from llm_plugin.runs.memories import memory_status

    emit(memory_status(), as_json=as_json, show=_show_status)


@memory_app.command("search")
def search(
    decision_id: str = typer.Argument(..., help="A decision's id, or the beginning of one."),
    run: Path | None = typer.Option(None, help=RUN_HELP + " Default: the newest that knows the decision."),
    k: int = typer.Option(3, min=1, help="How many trades."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Find the trades most similar to a decision's setup, as of its own time."""
    from llm_plugin.runs.memories import similar_trades

    emit(similar_trades(decision_id, run, k), as_json=as_json, show=_show_hits)


@memory_app.command("rebuild")
def rebuild(run: Path = typer.Argument(..., help=RUN_HELP)) -> None:
    """Fill the memory of a run again from its outcome store, which is the truth."""
    from llm_plugin.runs.memories import rebuild_memory

    count = rebuild_memory(run)
    out.print(f"{count:,} trades are in the memory of {run}", markup=False)


def _show_status(state: Mapping[str, Any]) -> None:
    key_values("Weaviate", {key: value for key, value in state.items() if key != "tenants"})
    if state.get("tenants"):
        table("", ("run", "trades"), sorted(state["tenants"].items()), right=(1,))


def _show_hits(hits: Sequence[Mapping[str, Any]]) -> None:
    columns = ("decision", "closed", "action", "setup", "R", "kind", "distance")
    rows = [
        (
            h["decision_id"],
            h["closed_utc"],
            h["action"],
            h["setup"],
            f"{h['r_multiple']:+.2f}",
            h["kind"],
            h["distance"],
        )
        for h in hits
    ]
    table("", columns, rows, right=(4, 6))
    if not hits:
        out.print("nothing similar had closed before this decision")
