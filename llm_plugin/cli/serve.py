"""`lean-llm serve`: the validator as a service."""

from __future__ import annotations

from pathlib import Path

import typer

from llm_plugin.cli.console import err

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    config: Path | None = typer.Option(None, "--config", "-c", help="llm_config.yaml; default: the built-in values."),
    overrides: list[str] = typer.Option([], "--set", help="KEY=VALUE of the configuration, as service.port=8901."),
    host: str | None = typer.Option(None, help="Address to bind (service.host)."),
    port: int | None = typer.Option(None, help="Port (service.port); 0 = any free one."),
    for_docker: bool = typer.Option(
        False, "--for-docker", help="Also listen on the Docker bridge, for LEAN in a container; needs a key."
    ),
    mcp_stdio: bool = typer.Option(False, "--mcp-stdio", help="Speak MCP on standard input and output instead."),
) -> None:
    """Answer questions, record outcomes, follow the registry's champion: HTTP, MCP under /mcp, Prometheus figures.

    Stops on Ctrl-C or SIGTERM once every request in progress is answered.
    """
    import logging

    from llm_plugin.service.bind import addresses, open_sockets
    from llm_plugin.service.build import open_service
    from llm_plugin.settings import resolve

    given = [f"service.host={host}"] if host is not None else []
    given += [f"service.port={port}"] if port is not None else []
    settings = resolve(config, overrides=[*overrides, *given]).settings
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if mcp_stdio:
        from llm_plugin.service.mcp import run_stdio

        run_stdio(settings)
        return
    from llm_plugin.service.server import run_server
    from llm_plugin.stack.delivery import delivering

    sockets = open_sockets(addresses(settings.service, for_docker=for_docker), settings.service.port)
    service = open_service(settings)
    with delivering(settings):
        run_server(service, sockets, _tell)


def _tell(urls: list[str]) -> None:
    err.print(f"lean-llm serves {', '.join(urls)} (docs under /docs, MCP under /mcp)", markup=False, soft_wrap=True)
