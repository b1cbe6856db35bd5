"""`lean-llm generate`."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, key_values, out

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("generate")(generate)


def generate(
    prompt: str = typer.Argument(..., help="What to trade, when to enter, when to exit; - reads standard input."),
    output: Path | None = typer.Option(None, "--output", "-o", help="The new project folder; default: by the prompt."),
    models: list[str] = typer.Option(
        [], "--model", "-m", help="standin, path:…, openai:MODEL@URL, anthropic:MODEL, ollama:MODEL; several: a chain."
    ),
    attempts: int | None = typer.Option(None, min=1, max=32, help="Turns of each model; default: 4."),
    config: Path | None = typer.Option(None, "--config", help="YAML with the chain, prices, budgets, period."),
    requirements: Path | None = typer.Option(None, help="Requirements as JSON, instead of what the prompt says."),
    start: str = typer.Option(
        "", help="First day of the gates' run, YYYY-MM-DD; default: the prompt's, or 2014-01-01."
    ),
    end: str = typer.Option("", help="Last day of it; default: the prompt's, or 2015-12-31."),
    seed: int | None = typer.Option(None, min=0, help="Of the sampling; default: 0."),
    data: Path | None = typer.Option(
        None, help="LEAN's data folder; default: LEAN_DATA_FOLDER, lean.json, the sample."
    ),
    ab: str = typer.Option("", "--ab", help="Two models A,B: one is drawn for this prompt, and its result is kept."),
    unsafe: bool = typer.Option(
        False, "--unsafe", help="Judge without a sandbox: the code can then read your files and forge its verdict."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Let a model write a strategy, run it through five gates, and hand over a project folder that was executed.

    The same command goes on where a stopped one was. Exit code 4: nothing passed; the best attempt is marked.
    """
    from llm_plugin.cli.generate_progress import GenerateProgress
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError
    from llm_plugin.strategies.generate.config import load_config, with_models
    from llm_plugin.strategies.generate.prompts import check_prompt
    from llm_plugin.strategies.generate.run import default_folder, partial_folder
    from llm_plugin.strategies.generate.run import generate as run_generate
    from llm_plugin.strategies.judge import JudgePool

    text = sys.stdin.read() if prompt == "-" else prompt
    check_prompt(text)
    if ab and models:
        raise ConfigError(f"--ab {ab} and --model {models[0]} exclude each other: name both models in --ab")
    changes = {"attempts": attempts, "seed": seed, "start": _day("--start", start), "end": _day("--end", end)}
    base = load_config(config)
    chain, drawn = _draw(ab, text, base if config else None) if ab else (models, None)
    chosen = with_models(base, chain, **changes)
    folder = (output or default_folder(text, Path.cwd())).absolute()
    with GenerateProgress() as progress:
        try:
            handed = run_generate(
                text,
                folder,
                chosen,
                find_data_folder(Path.cwd(), data),
                judge=lambda place: JudgePool(place, jobs=1, unsafe=unsafe),
                show=progress,
                requirements=requirements,
                remarks=("judged without a sandbox: the code could have forged its verdict",) if unsafe else (),
            )
        except KeyboardInterrupt:
            progress.end_line()
            err.print(f"stopped; the same command goes on: {partial_folder(folder)}", markup=False, soft_wrap=True)
            raise typer.Exit(130) from None
        except BackendUnavailable as error:
            if drawn is not None:
                drawn.record_silence(str(error))
            raise
    if drawn is not None:
        drawn.record(handed)
    emit(handed.to_json(), as_json=as_json, show=_show)
    if not handed.passed:
        best = handed.outcome.best
        if best is None:
            raise ModelError(f"nothing passed, and no answer held an algorithm; {folder} holds the record")
        told = " ".join(best.what_failed())[:500]
        raise ModelError(f"nothing passed; {folder} holds the best attempt, marked as such: {told}")


def _draw(ab: str, text: str, base: Any) -> tuple[list[str], Any]:
    """Return the chain that begins with the prompt's arm; the other models of a configuration stand behind it."""
    from llm_plugin.strategies.generate.split import Split

    split = Split.open(ab)
    drawn = split.draw(text)
    err.print(f"arm {drawn.arm}: {drawn.model} ({drawn.why})", markup=False)
    behind = [step.model for step in base.models if step.model not in (split.a, split.b)] if base is not None else []
    return [drawn.model, *behind], drawn


def _day(name: str, text: str) -> date | None:
    from llm_plugin.errors import ConfigError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{name} {text}: write a day as YYYY-MM-DD") from None


def _show(result: dict[str, Any]) -> None:
    from llm_plugin.strategies.generate.backtest import SHOWN

    statistics = {name: result["statistics"][name] for name in SHOWN[:6] if name in result["statistics"]}
    gates = {gate["name"]: gate["result"] for gate in result["gates"]}
    key_values("", {**gates, **statistics})
    cost = result["cost"]
    out.print(
        f"{result['attempts']} attempts, {cost['tokens_in'] + cost['tokens_out']:,} tokens, {cost['usd']:.4f} USD"
        f"{' and ' + str(cost['unpriced_answers']) + ' answers of unknown price' if cost['unpriced_answers'] else ''}, "
        f"{cost['seconds']:.0f} s"
    )
    if result["requirements"] is None:
        out.print(
            "the request was not read whole: compare the code with it; research-note.md says what was not checked"
        )
    out.print(f"project: {result['folder']}", markup=False, soft_wrap=True)
