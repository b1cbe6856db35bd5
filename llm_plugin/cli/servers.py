"""`lean-llm up|down|status`: the local parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, err, out, table

__all__ = ["register"]

PARTS_HELP = "weaviate, mlflow, prefect, flows, worker, service; none named = all."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("down")(down)
    app.command("status")(status)


def up(
    names: list[str] = typer.Argument(None, metavar="[PART]...", help=PARTS_HELP),
    ports: list[str] = typer.Option([], "--port", metavar="PART=N", help="A part's port, 0 = any free one."),
    flows: Path | None = typer.Option(None, help="Folder of prefect.yaml to deploy from. Default: the shipped one."),
    config: Path | None = typer.Option(None, help="llm_config.yaml of service and flows."),
    overrides: list[str] = typer.Option([], "--set", help="Override a value for both: section.key=value."),
    install_only: bool = typer.Option(False, "--install-only", help="Obtain Weaviate's program, start nothing."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Start local parts in the background, on loopback; one that runs already is left as it is."""
    if install_only:
        _install(names or ["weaviate"])
        return
    from llm_plugin.stack.control import up as start
    from llm_plugin.stack.parts import Plan

    plan = Plan(_ports(ports), flows, config, tuple(overrides))
    states = start(names or (), plan, lambda text: err.print(text, markup=False, soft_wrap=True))
    emit(states, as_json=as_json, show=_show)
    if not all(state.good for state in states):
        raise typer.Exit(6)


def down(
    names: list[str] = typer.Argument(None, metavar="[PART]...", help=PARTS_HELP),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Stop local parts; their data stays."""
    from llm_plugin.stack.control import down as stop

    emit(stop(names or ()), as_json=as_json, show=_show)


def status(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Say of each local part whether it runs, where, and where its log is."""
    from llm_plugin.stack.control import status as look

    emit(look(), as_json=as_json, show=_show)


def _install(names: Sequence[str]) -> None:
    from llm_plugin.errors import ConfigError
    from llm_plugin.memory.binary import obtain_binary

    if list(names) != ["weaviate"]:
        raise ConfigError(f"--install-only obtains weaviate; {', '.join(names)} come with pip")
    binary = obtain_binary(lambda text: err.print(text, markup=False))
    out.print(f"Weaviate: {binary}", markup=False, soft_wrap=True)


def _ports(pairs: Sequence[str]) -> dict[str, int]:
    from llm_plugin.errors import ConfigError

    ports = {}
    for pair in pairs:
        name, _, number = pair.partition("=")
        if not number.isdigit() or int(number) > 65_535:
            raise ConfigError(f"--port {pair}: say PART=N, N from 0 to 65535")
        ports[name] = int(number)
    return ports


def _show(states: Sequence[Any]) -> None:
    table(
        "",
        ("part", "state", "address", "process", "log"),
        [(state.part, state.state, state.url, state.pid or "", state.log) for state in states],
    )
    for state in states:
        if state.detail:
            out.print(f"{state.part}: {state.detail}", markup=False, soft_wrap=True)
