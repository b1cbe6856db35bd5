"""The command tree. Each command's work lives elsewhere; here stand its options and its help."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from llm_plugin import __version__
from llm_plugin.cli import (
    ab,
    alphas,
    backtest,
    benchmark,
    compare,
    conformance,
    curate,
    data,
    drift,
    explain,
    gate,
    generate,
    judge,
    loop,
    memory,
    models,
    optimize,
    pairs,
    paper,
    project,
    proofs,
    retrain,
    serve,
    servers,
    sft,
    versions,
    walkforward,
)
from llm_plugin.cli.console import err
from llm_plugin.errors import LeanLlmError, RetryableError

__all__ = ["app", "run"]

app = typer.Typer(
    name="lean-llm",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="An LLM validator with memory for LEAN algorithms.",
    epilog="Exit codes: 0 done, 1 failed, 2 configuration, 3 data, 4 model, 5 record, 6 try again, "
    "7 API of LEAN that the embedded engine lacks, 8 the algorithm raised, 9 too few outcomes yet, "
    "130 stopped by Ctrl-C.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"lean-llm {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Options of the program itself."""


for _module in (
    backtest,
    compare,
    paper,
    project,
    optimize,
    models,
    data,
    alphas,
    memory,
    servers,
    explain,
    proofs,
    loop,
    walkforward,
    pairs,
    drift,
    serve,
    gate,
    generate,
    judge,
    benchmark,
    ab,
    versions,
    retrain,
    conformance,
    sft,
    curate,
):
    _module.register(app)


def run() -> None:
    """Run the program; an error of the package prints its message and ends with its exit code."""
    if not sys.warnoptions:
        warnings.showwarning = _show_warning
    try:
        code = app(standalone_mode=False)  # the code of a `typer.Exit` is returned, not raised
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        sys.exit(130)
    except KeyboardInterrupt:
        err.print("stopped")
        sys.exit(130)
    except LeanLlmError as error:
        _say(error, str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        _say(error, _told(error))
        sys.exit(RetryableError.exit_code)
    except Exception as error:
        if type(error).__module__.startswith(("click", "typer")) and hasattr(error, "show"):
            error.show()
            sys.exit(getattr(error, "exit_code", 2))
        raise
    sys.exit(code if isinstance(code, int) else 0)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """Show a warning that is meant for the user.

    Remarks of libraries about each other are for their developers, and servers outlive this process on purpose. A
    filter would not do: libraries set filters of their own when they are imported.
    """
    if not issubclass(category, DeprecationWarning | ResourceWarning):
        text = warnings.formatwarning(message, category, filename, lineno, line)
        print(text, end="", file=file or sys.stderr)


def _say(error: Exception, text: str) -> None:
    """Print an error; lines are not broken, so that a path in it stays whole."""
    err.print(f"[bold red]{type(error).__name__}[/]: {_plain(text)}", soft_wrap=True)


def _told(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}; see to the disk or the permissions and run again"


def _plain(text: str) -> str:
    return text.replace("[", "\\[")
