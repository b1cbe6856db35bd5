"""The configuration of a LEAN Launcher for one run, and the file that gives an algorithm another period."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError

__all__ = ["algorithm_class", "launcher_config", "period_source", "read_commented_json"]

BACKTESTING = {
    "live-mode": False,
    "setup-handler": "QuantConnect.Lean.Engine.Setup.BacktestingSetupHandler",
    "result-handler": "QuantConnect.Lean.Engine.Results.BacktestingResultHandler",
    "data-feed-handler": "QuantConnect.Lean.Engine.DataFeeds.FileSystemDataFeed",
    "real-time-handler": "QuantConnect.Lean.Engine.RealTime.BacktestingRealTimeHandler",
    "history-provider": ["QuantConnect.Lean.Engine.HistoricalData.SubscriptionDataReaderHistoryProvider"],
    "transaction-handler": "QuantConnect.Lean.Engine.TransactionHandlers.BacktestingTransactionHandler",
}
"""LEAN's environment of that name, for a Launcher whose own configuration has lost it."""

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_LAST_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')


def read_commented_json(path: Path) -> dict[str, Any]:
    """Read JSON as LEAN writes it: with comments, and commas after the last member.

    Raises:
        ConfigError: It is missing, or no JSON object even so.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    for pattern in (_COMMENT, _LAST_COMMA):
        text = pattern.sub(lambda found: found.group(1) or "", text)
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is no JSON: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds a {type(data).__name__}, not an object")
    return data


def launcher_config(
    base: Mapping[str, Any],
    *,
    algorithm: Path,
    class_name: str,
    data_folder: Path,
    results_folder: Path,
    parameters: Mapping[str, str],
    virtual_environment: Path | None,
) -> dict[str, Any]:
    """Return a Launcher's whole configuration: `--config` replaces its own file, so that is the base.

    Args:
        base: The Launcher's own configuration.
        algorithm: The Python file to run.
        class_name: Its class; also names the result files, as in the embedded engine.
        data_folder: LEAN-format data.
        results_folder: Where results and log go.
        parameters: Algorithm parameters.
        virtual_environment: Whose packages the algorithm may import.
    """
    environments = dict(base.get("environments") or {})
    environments.setdefault("backtesting", BACKTESTING)
    return {
        **base,
        "environments": environments,
        "environment": "backtesting",
        "algorithm-language": "Python",
        "algorithm-type-name": class_name,
        "algorithm-id": class_name,
        "algorithm-location": str(algorithm),
        "data-folder": f"{data_folder}/",
        "results-destination-folder": str(results_folder),
        "object-store-root": str(results_folder / "storage"),
        "parameters": dict(parameters),
        "python-venv": "" if virtual_environment is None else str(virtual_environment),
        "debugging": False,
        "close-automatically": True,
    }


def algorithm_class(main: Path) -> tuple[str, str]:
    """Return the name of the algorithm's class and of its initialise method, in its own spelling.

    Raises:
        ConfigError: The file cannot be parsed, or has no class that derives from QCAlgorithm.
    """
    try:
        tree = ast.parse(main.read_text(encoding="utf-8"), str(main))
    except SyntaxError as error:
        raise ConfigError(f"{main}, line {error.lineno}: {error.msg}") from error
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any("QCAlgorithm" in ast.unparse(base) for base in node.bases):
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            return node.name, "Initialize" if "Initialize" in methods else "initialize"
    raise ConfigError(f"{main} has no class that derives from QCAlgorithm")


def period_source(main: Path, project_as_lean_sees_it: str, start: str, end: str) -> str:
    """Return the source of an algorithm that is the one of main.py in another period.

    Raises:
        ConfigError: A date is no date, or main.py has no algorithm.
    """
    name, initialize = algorithm_class(main)
    calls = []
    for method, text in (("set_start_date", start), ("set_end_date", end)):
        if text:
            try:
                day = date.fromisoformat(text)
            except ValueError as error:
                raise ConfigError(f"{text!r} is no date: write YYYY-MM-DD") from error
            calls.append(f"        self.{method}({day.year}, {day.month}, {day.day})")
    return "\n".join(
        [
            f'"""Written by lean-llm: {name} of main.py, in the period of the command line."""',
            "",
            "import sys",
            "",
            f"sys.path.insert(0, {project_as_lean_sees_it!r})",
            "",
            f"import {main.stem} as _project",
            "",
            "",
            f"class {name}(_project.{name}):",
            f"    def {initialize}(self):",
            f"        super().{initialize}()",
            *calls,
            "",
        ]
    )
