"""`lean-llm ab`: two writers side by side in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, table

__all__ = ["register"]

ab_app = typer.Typer(no_args_is_help=True, help="Two strategy writers side by side: `lean-llm generate --ab A,B`.")
PAIR_HELP = "Two models as --ab names them: A,B."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(ab_app, name="ab")


@ab_app.command("start")
def start(
    pair: str = typer.Argument(..., help=PAIR_HELP),
    share_b: float = typer.Option(0.5, help="Share of the prompts that B gets, 0.05 to 0.95."),
    level: float = typer.Option(0.95, help="Coverage of the interval over all looks together."),
    least_gain: float = typer.Option(0.0, help="How much more often B must pass, 0 to 1."),
    first_look: int = typer.Option(20, help="Results before the first look; each further look is at twice as many."),
    most: int = typer.Option(2560, help="Results after which A stays if B is not credibly better."),
) -> None:
    """Begin a split with a rule of your own; `generate --ab` begins one with the defaults."""
    from llm_plugin.strategies.generate.split import Rule, Split

    split = Split.open(pair, Rule(share_b, level, least_gain, first_look, most))
    out.print(f'split in {split.folder}; next: lean-llm generate PROMPT --ab "{pair}"', markup=False, soft_wrap=True)


@ab_app.command("status")
def status(
    pair: str = typer.Argument("", help=f"{PAIR_HELP} Default: all splits."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show the arms, their pass rates and what the rule says; changes nothing."""
    from llm_plugin.strategies.generate.split import list_splits

    splits = [_existing(pair)] if pair else list_splits()
    emit([split.status() for split in splits], as_json=as_json, show=_show)


@ab_app.command("decide")
def decide(
    pair: str = typer.Argument(..., help=PAIR_HELP),
    run_a: Path | None = typer.Option(None, help="Folder of A's run of `benchmark strategies`; with --run-b."),
    run_b: Path | None = typer.Option(None, help="Folder of B's run: decide by the same tasks instead of the split."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Apply the rule; a switch (or that A stays) is stored, and from then on `generate --ab` asks the winner only."""
    from llm_plugin.errors import ConfigError

    split = _existing(pair)
    if (run_a is None) != (run_b is None):
        raise ConfigError("--run-a and --run-b belong together: name both runs")
    if run_a is not None and run_b is not None:
        found = split.decide_by_runs(run_a, run_b)
        if found.action == "go on":
            err.print(f"{found.action}: {found.why}", markup=False, soft_wrap=True)
    else:
        split.decide()
    emit([split.status()], as_json=as_json, show=_show)


def _existing(pair: str) -> Any:
    from llm_plugin.errors import ConfigError
    from llm_plugin.strategies.generate.split import Split, list_splits

    known = [f"{split.a},{split.b}" for split in list_splits()]
    if ",".join(part.strip() for part in pair.split(",")) not in known:
        told = ", ".join(known) or "none"
        raise ConfigError(f"no split {pair!r} has begun; known: {told}. `lean-llm ab start A,B` begins one")
    return Split.open(pair)


def _show(splits: list[dict[str, Any]]) -> None:
    if not splits:
        out.print('no split has begun: lean-llm generate PROMPT --ab "A,B"', markup=False)
    for split in splits:
        rows = []
        for arm, found in split["arms"].items():
            rate = "–" if found["rate"] is None else f"{100 * found['rate']:.0f} %"
            rows.append((arm, found["model"], found["results"], found["passed"], rate, found["silent"], found["usd"]))
        table("", ("arm", "model", "results", "passed", "rate", "no answer", "USD"), rows, right=range(2, 7))
        out.print(f"{split['decision']['action']}: {split['decision']['why']}", markup=False, soft_wrap=True)
