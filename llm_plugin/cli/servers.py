"""`lean-llm up|down weaviate`."""

from __future__ import annotations

import typer

from llm_plugin.cli.console import err, out

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up")(up)
    app.command("down")(down)


def up(
    server: str = typer.Argument(..., help="weaviate"),
    install_only: bool = typer.Option(False, "--install-only", help="Obtain the program, start nothing."),
) -> None:
    """Start a local server that the plugin obtains itself; a running one is left as it is."""
    _known(server)
    from llm_plugin.memory.binary import obtain_binary
    from llm_plugin.memory.server import start

    def say(text: str) -> None:
        err.print(text, markup=False)

    if install_only:
        out.print(f"Weaviate: {obtain_binary(say)}", markup=False, soft_wrap=True)
        return
    info = start(say)
    out.print(f"Weaviate runs at {info.url} (gRPC {info.grpc_port}, process {info.pid})", markup=False)


def down(server: str = typer.Argument(..., help="weaviate")) -> None:
    """Stop a local server; its data stays."""
    _known(server)
    from llm_plugin.memory.server import stop

    out.print("Weaviate is stopped" if stop() else "no Weaviate of this home was running", markup=False)


def _known(server: str) -> None:
    from llm_plugin.errors import ConfigError, did_you_mean

    if server != "weaviate":
        raise ConfigError(f"no server '{server}'{did_you_mean(server, ['weaviate'])}: this version runs weaviate")
