"""`lean-llm retrain`: one cycle of the loop, with progress and what came of it in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from llm_plugin.cli.console import emit, err, key_values, out

if TYPE_CHECKING:
    from llm_plugin.cycle.words import CycleResult, OnStage

__all__ = ["register"]

SHARES = {"pairs": 0.15, "trained": 0.6, "registered": 0.02, "judged": 0.21, "decided": 0.02}
DOING = {
    "pairs": "reading outcomes, writing pairs",
    "trained": "training the challenger",
    "registered": "registering it",
    "judged": "both answer the holdout, the gate judges",
    "decided": "moving the pointer",
}
SAID = {
    "promoted": "The challenger serves now.",
    "refused": "The gate refused the challenger; the champion stays.",
    "cannot_judge": "The gate could not judge, which is not a pass; the champion stays.",
    "insufficient_data": "Too few outcomes yet; nothing was trained, the champion stays.",
    "failed": "The cycle failed; the champion stays.",
    "not_due": "No cycle was begun.",
    "waiting": "The cycle stopped where it was asked to.",
}
EXIT_CODES = {"insufficient_data": 9, "failed": 4}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retrain")(retrain)


def retrain(
    force: bool = typer.Option(False, "--force", help="Start whatever count, interval and busy hours say."),
    store: str | None = typer.Option(None, help="Database URL, SQLite file or a run's folder to learn from."),
    data: Path | None = typer.Option(None, help="LEAN's data folder: market calendar, and bars without a signal."),
    config: Path | None = typer.Option(None, help="The YAML that the runs were made with; default: the defaults."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Retrain the validator if enough has matured: pairs, training, gate, promotion; an interrupted cycle goes on."""
    from llm_plugin.cycle.run import run_cycle
    from llm_plugin.cycle.words import CycleParts, CycleRequest
    from llm_plugin.data.locate import known_data_folder
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.stores import learning_url, open_known_store
    from llm_plugin.registry.mirror import mirror_of
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import resolve

    settings = resolve(config).settings
    with open_known_store(store, settings) as opened, LearningDatabase(learning_url(settings)) as database:
        registry = Registry(name=settings.learning.model)
        with _progress() as on_stage:
            result = run_cycle(
                CycleRequest(trigger="operator" if force else "schedule", holder="cli"),
                CycleParts(
                    settings=settings,
                    stores=[opened],
                    registry=registry,
                    database=database,
                    data_folder=known_data_folder(data),
                    mirror=mirror_of(settings, registry),
                    on_stage=on_stage,
                ),
            )
    emit(vars(result), as_json=as_json, show=lambda _: _show(result))
    if result.status in EXIT_CODES:
        raise typer.Exit(EXIT_CODES[result.status])


def _show(result: CycleResult) -> None:
    out.print(f"[bold]{SAID[result.status]}[/] {_escaped(result.reason)}")
    facts: dict[str, Any] = {"cycle": result.cycle_id or "–", "champion": result.champion}
    if result.resumed:
        facts["went on"] = "an interrupted cycle"
    if result.challenger is not None:
        facts["challenger"] = result.challenger
    facts |= {name: result.facts[name] for name in ("new_decisions", "context") if name in result.facts}
    facts |= {f"{name}": value for name, value in (result.facts.get("counts") or {}).items()}
    facts |= {f"gate: {name}": value for name, value in (result.facts.get("figures") or {}).items()}
    facts |= {f"seconds: {name}": value for name, value in (result.facts.get("seconds") or {}).items()}
    key_values("", facts)


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


@contextmanager
def _progress() -> Iterator[OnStage]:
    """One bar over the whole cycle with the time that is left; without a terminal a line per stage."""
    columns = (
        TextColumn("{task.description:<42}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    told: set[str] = set()
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("looking at the outcomes", total=1.0)

        def on_stage(stage: str, fraction: float) -> None:
            before = sum(
                share for name, share in SHARES.items() if list(SHARES).index(name) < list(SHARES).index(stage)
            )
            bar.update(task, description=DOING[stage], completed=before + fraction * SHARES[stage])
            if not err.is_terminal and stage not in told:
                told.add(stage)
                err.print(DOING[stage])

        yield on_stage
