"""The command `lean-llm`."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; a missing extra or an error of the package ends with one plain message."""
    try:
        from llm_plugin.cli.app import run
    except ModuleNotFoundError as error:
        raise SystemExit(f"lean-llm needs '{error.name}': pip install 'lean-llm-plugin[cli]'") from error
    run()
