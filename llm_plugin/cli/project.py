"""`lean-llm init|vendor|doctor|config`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from llm_plugin.cli.console import emit, out, table

__all__ = ["register"]

config_app = typer.Typer(no_args_is_help=True, help="Show or write the resolved configuration.")
SET_HELP = "Override a value: section.key=value; may be repeated."


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("vendor")(vendor)
    app.command("doctor")(doctor)
    app.add_typer(config_app, name="config")


def init(
    path: Path = typer.Argument(..., help="The new project's folder."),
    template: str = typer.Option("ensemble", help="ensemble, framework or classic."),
    flows: bool = typer.Option(False, "--flows", help="Write prefect.yaml and the Prefect flows instead."),
    force: bool = typer.Option(False, "--force", help="With --flows: write over flows that are there."),
) -> None:
    """Write a LEAN project folder that asks the validator, ready for `lean-llm backtest` and `lean backtest`."""
    from llm_plugin.runs.project import create_project
    from llm_plugin.settings import resolve

    if flows:
        _init_flows(path, force)
        return
    for file in create_project(path, template):
        out.print(f"wrote {file}", markup=False)
    resolve(path / "llm_config.yaml").write_json(path / "llm_config.resolved.json")
    out.print(f"wrote {path / 'llm_config.resolved.json'}\nnext: lean-llm backtest {path}", markup=False)


def _init_flows(path: Path, force: bool) -> None:
    from llm_plugin.stack.flows_folder import write_flows

    for file in write_flows(path, replace=force):
        out.print(f"wrote {file}", markup=False)
    out.print(f"next: lean-llm up --flows {path}   or, on a server of yours: cd {path} && prefect deploy --all")


def vendor(
    path: Path = typer.Argument(..., help="A LEAN project folder."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Copy the LEAN side of the plugin into a project, so that LEAN's container needs nothing installed."""
    from llm_plugin.lean.vendor import vendor as copy_into
    from llm_plugin.runs.locate import project_folder
    from llm_plugin.settings import resolve

    project = project_folder(path)
    report = copy_into(project)
    if (project / "llm_config.yaml").is_file():
        resolve(project / "llm_config.yaml").write_json(project / "llm_config.resolved.json")
    text = f"{len(report.files)} files vendored into {report.target}"
    emit(report, as_json=as_json, show=lambda _: out.print(text, markup=False))


def doctor(
    path: Path = typer.Argument(Path(), help="A project folder to look at too."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Say what is here, what is missing, and what to do about it."""
    from llm_plugin.runs.doctor import examine

    findings = examine(path)
    emit(
        findings,
        as_json=as_json,
        show=lambda rows: table("", ("", "what", "found", "do"), [(f.mark, f.what, f.found, f.remedy) for f in rows]),
    )
    if any(finding.state == "broken" for finding in findings):
        raise typer.Exit(1)


@config_app.command("show")
def show(
    path: Path = typer.Argument(Path("llm_config.yaml"), help="The YAML file, or a project folder."),
    overrides: list[str] = typer.Option([], "--set", help=SET_HELP),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Print each value with its origin: default, file, env or cli."""
    resolved = _resolve(path, overrides)
    emit(
        resolved.as_json(),
        as_json=as_json,
        show=lambda _: table(f"{path}", ("key", "value", "origin"), resolved.rows()),
    )


@config_app.command("resolve")
def resolve_config(
    path: Path = typer.Argument(Path("llm_config.yaml"), help="The YAML file, or a project folder."),
    overrides: list[str] = typer.Option([], "--set", help=SET_HELP),
) -> None:
    """Write the resolved JSON that the LEAN side reads (no YAML inside LEAN)."""
    resolved = _resolve(path, overrides)
    yaml = path / "llm_config.yaml" if path.is_dir() else path
    out.print(f"wrote {resolved.write_json(yaml.with_suffix('.resolved.json'))}", markup=False)


@config_app.command("template")
def template() -> None:
    """Print a complete llm_config.yaml with every key, its default and its meaning."""
    from llm_plugin.settings import default_yaml

    typer.echo(default_yaml())


def _resolve(path: Path, overrides: list[str]) -> Any:
    from llm_plugin.errors import ConfigError
    from llm_plugin.settings import resolve

    yaml = path / "llm_config.yaml" if path.is_dir() else path
    if not yaml.is_file():
        raise ConfigError(f"{yaml} does not exist: `lean-llm config template > {yaml}` writes one")
    return resolve(yaml, overrides)
