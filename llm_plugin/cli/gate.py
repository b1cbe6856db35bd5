"""`lean-llm gate show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from llm_plugin.cli.console import emit, key_values, out, table

if TYPE_CHECKING:
    from llm_plugin.gate import Check, GateDecision

__all__ = ["register"]

STORE_HELP = "Database URL, SQLite file or a run's folder; default: learning.store_url, else the service's store."
MARKS = {True: "[green]passed[/]", False: "[bold red]FAILED[/]", None: "–"}

gate_app = typer.Typer(no_args_is_help=True, help="What the gate decided about challengers.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(gate_app, name="gate")


@gate_app.command("show")
def show(
    name: str | None = typer.Argument(
        None, help="A gate id or a challenger's version, or the beginning of one; default: the newest decision."
    ),
    window: str | None = typer.Option(None, help="Show the account of this holdout window instead."),
    store: str | None = typer.Option(None, help=STORE_HELP),
    config: Path | None = typer.Option(None, help="The configuration that names the store; default: the defaults."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Print a gate decision with all its numbers, or the account of a window: who was tried on it, at which level."""
    from llm_plugin.errors import ConfigError
    from llm_plugin.gate.stored import find_decision, window_decisions
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.stores import open_known_store
    from llm_plugin.settings import resolve

    if name is not None and window is not None:
        raise ConfigError(f"give either a decision ({name}) or a --window ({window}), not both")
    with open_known_store(store, resolve(config).settings) as opened, LearningDatabase(opened.url) as database:
        if window is not None:
            account = window_decisions(database, window)
            emit([item.to_json() for item in account], as_json=as_json, show=lambda _: _show_account(account))
        else:
            decision = find_decision(database, name)
            emit(decision.to_json(), as_json=as_json, show=lambda _: _show(decision))


def _show(decision: GateDecision) -> None:
    low, high = _number(decision.gain_low, "+.3f"), _number(decision.gain_high, "+.3f")
    first, last = decision.from_utc, decision.to_utc
    key_values(
        f"{decision.challenger} against {decision.champion}: {decision.verdict.replace('_', ' ')}",
        {
            "gate": f"{decision.gate_id}, judged {decision.judged_utc:%Y-%m-%d %H:%M} UTC",
            "window": f"{decision.window_id}: {decision.outcomes} outcomes on {decision.days} days"
            + (f", {first:%Y-%m-%d} to {last:%Y-%m-%d}" if first and last else ""),
            "account": f"{decision.tried} tried on it before, so tested at level {decision.level:.3g}",
            "left out": ", ".join(f"{count} {cause}" for cause, count in decision.left_out.items()) or "none",
            "gain": f"{_number(decision.gain, '+.3f')} R a decision ({low} to {high}), "
            f"p = {_number(decision.p_value, '.4f')}",
            "mean": f"champion {_number(decision.champion_mean, '+.3f')} R, "
            f"challenger {_number(decision.challenger_mean, '+.3f')} R",
            "signals taken": f"champion {_number(decision.champion_approval, '.0%')}, "
            f"challenger {_number(decision.challenger_approval, '.0%')}; "
            f"they differ on {_number(decision.disagreement, '.0%')}",
        },
    )
    table("checks", ("check", "", "what"), [(row.name, _mark(row), _plain(row.text)) for row in decision.checks])
    if decision.slices:
        rows = [
            (row.name, row.count, row.days, f"{row.gain:+.3f}", _number(row.high, "+.3f")) for row in decision.slices
        ]
        table("slices", ("slice", "decisions", "days", "gain in R", "upper bound"), rows, right=(1, 2, 3, 4))
    if decision.portfolios:
        runs = [
            (
                run.version,
                run.trades,
                run.blocked,
                f"{run.net_return:+.2%}",
                _number(run.sharpe, ".2f"),
                f"{run.max_drawdown:.2%}",
            )
            for run in decision.portfolios
        ]
        columns = ("account of", "trades", "blocked", "net return", "Sharpe", "drawdown")
        table("one position per symbol, 1 % risk a trade (no bar)", columns, runs, right=(1, 2, 3, 4, 5))


def _show_account(account: list[GateDecision]) -> None:
    rows = [
        (
            item.tried + 1,
            item.challenger,
            item.champion,
            item.verdict.replace("_", " "),
            _number(item.gain, "+.3f"),
            _number(item.p_value, ".4f"),
            f"{item.level:.3g}",
            item.gate_id,
        )
        for item in account
    ]
    columns = ("", "challenger", "champion", "verdict", "gain in R", "p", "level", "gate")
    table(f"window {account[0].window_id}", columns, rows, right=(0, 4, 5, 6))
    level = account[-1].level / 2
    out.print(f"{len(account)} tried; the next challenger on this window is tested at level {level:.3g} or below")


def _mark(check: Check) -> str:
    return "[yellow]too few[/]" if check.needed and check.passed is False else MARKS[check.passed]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
