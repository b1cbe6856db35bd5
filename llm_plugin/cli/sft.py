"""`lean-llm sft`: fine-tune a base to write strategies, after saying what it will take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, err, key_values

if TYPE_CHECKING:
    from llm_plugin.training.job import TrainingStep
    from llm_plugin.writer.prepare import Prepared

__all__ = ["register"]

_DOING = {
    "load": "loading",
    "tokenizer": "training the tokenizer",
    "base": "training the base on code",
    "prepare": "encoding the rows",
    "train": "training on the pairs",
    "save": "saving the adapter",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sft")(sft)


def sft(
    preset: str = typer.Option("standin", help="standin (a small model trained here) or 7b (needs --base)."),
    base: str | None = typer.Option(None, help="The base: a folder, or a name in the local Hugging Face cache."),
    dataset: Path | None = typer.Option(
        None, help="Rows: a file or folder of *.jsonl(.gz); default: datasets/strategies."
    ),
    out: Path | None = typer.Option(None, help="The adapter's folder; default: under models/writer in the home."),
    values: list[str] = typer.Option(
        [], "--set", help="Another value: rank=8, quantization=nf4, standin.steps=300; may be repeated."
    ),
    device: str = typer.Option("auto", help="auto, cpu or cuda."),
    mlflow: str | None = typer.Option(None, help="MLflow that gets a copy of the figures."),
    estimate_only: bool = typer.Option(False, "--estimate", help="Say what it will take, and stop."),
    into_registry: bool = typer.Option(
        False, "--register", help="Put the adapter into the registry 'strategy-writer'."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Fine-tune a base by LoRA to write LEAN strategies; the same command goes on where a killed one was.

    Memory, disk and time are estimated first; what cannot fit is refused before anything is loaded.
    """
    from llm_plugin.cli.console import parameter_pairs
    from llm_plugin.writer.prepare import prepare, run_prepared
    from llm_plugin.writer.settings import preset_named, with_values

    chosen = with_values(preset_named(preset), parameter_pairs(values))
    prepared = prepare(
        chosen,
        base=None if base is None else _path_or_name(base),
        dataset=dataset,
        out=out,
        device=device,
        mlflow_uri=mlflow,
    )
    if estimate_only:
        emit(_estimated(prepared), as_json=as_json, show=lambda data: key_values("", data))
        return
    if not as_json:
        key_values("", _estimated(prepared))
    with _progress() as on_step:
        result, version = run_prepared(prepared, on_step, register=into_registry)
    facts = result.facts
    shown: dict[str, Any] = {
        "adapter": str(result.adapter),
        "base": str(result.base),
        "version": result.version,
        "registered as": version or "–",
        "steps": result.steps,
        "loss": f"{facts['first_loss']:.3f} -> {facts['last_loss']:.3f}",
        "evaluations": facts["evaluations"],
        "seconds": round(result.seconds, 1),
    }
    emit({**shown, "training": facts}, as_json=as_json, show=lambda _: key_values("trained", shown))


def _path_or_name(text: str) -> Path | str:
    path = Path(text).expanduser()
    return path if path.exists() or text.startswith((".", "/", "~")) or text.count("/") != 1 else text


def _estimated(prepared: Prepared) -> dict[str, Any]:
    gib, found = 1 << 30, prepared.sft
    seconds = prepared.seconds
    parts = ", ".join(f"{name} {size / gib:.1f}" for name, size in found.parts.items())
    return {
        "base": str(prepared.job.base),
        "rows": ", ".join(f"{count} {name}" for name, count in prepared.rows.items()),
        "dataset": prepared.job.dataset_sha256[:12],
        "trained parameters": f"{found.trainable:,}",
        "steps": found.steps if prepared.base is None else f"{prepared.base.steps} of the base, {found.steps} of LoRA",
        "tokens": f"{found.tokens:,}" + ("" if prepared.tokens_counted else " (from characters)"),
        "memory": f"about {found.memory_bytes / gib:.1f} GiB on {prepared.machine.kind} ({parts}); "
        f"{prepared.machine.memory_bytes / gib:.1f} GiB are free",
        "disk": f"about {found.disk_bytes / gib:.2f} GiB",
        "time": "not known" if seconds is None else f"about {_told(seconds)} if this machine does nothing else",
    }


def _told(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{max(1, round(seconds / 60))} minutes"


@contextmanager
def _progress() -> Iterator[Callable[[TrainingStep], None]]:
    """One bar over the whole training with its loss; without a terminal a line per stage."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[told]}"),
    )
    said: set[str] = set()
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("starting", total=1.0, told="")

        def on_step(step: TrainingStep) -> None:
            words = _DOING.get(step.stage, step.stage)
            told = "" if step.loss is None else f"step {step.step} of {step.steps}, loss {step.loss:.3f}"
            if step.seconds_left:
                told += f", {_told(step.seconds_left)} left"
            bar.update(task, description=words, completed=step.fraction, told=told)
            if not err.is_terminal and step.stage not in said:
                said.add(step.stage)
                err.print(words)

        yield on_step
