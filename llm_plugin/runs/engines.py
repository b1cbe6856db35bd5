"""Which LEAN runs a project: the embedded engine here, a built Launcher, or the LEAN CLI with Docker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from llm_plugin.errors import ConfigError
from llm_plugin.runs.backtest import BacktestOptions
from llm_plugin.settings import resolve

__all__ = ["EngineName", "choose_engine", "docker_command", "hand_over", "local_command"]

EngineName = Literal["embedded", "local", "docker"]
RECORD_NAME = "llm_decisions.jsonl"


def choose_engine(wanted: str) -> EngineName:
    """Return the engine to use; `auto` is the embedded one, which needs nothing.

    Raises:
        ConfigError: An unknown name, or an engine that is not here.
    """
    if wanted in ("auto", "embedded"):
        return "embedded"
    if wanted == "local":
        launcher = os.environ.get("LEAN_LAUNCHER", "")
        if not Path(launcher).is_file():
            raise ConfigError(
                f"--engine local: LEAN_LAUNCHER is '{launcher}', set it to QuantConnect.Lean.Launcher.dll"
            )
        return "local"
    if wanted == "docker":
        if shutil.which("lean") is None:
            raise ConfigError("--engine docker: the LEAN CLI is not here, `pip install lean` brings it")
        return "docker"
    raise ConfigError(f"--engine {wanted}: choose auto, embedded, local or docker")


def hand_over(engine: str, options: BacktestOptions) -> int:
    """Vendor the plugin into the project, run a real LEAN on it and return LEAN's exit code.

    Inside LEAN nothing of torch is installed: the project runs against a service or a recorded run.

    Raises:
        ConfigError: The configuration would need a model inside LEAN.
    """
    from llm_plugin.lean.vendor import vendor

    vendor(options.project)
    resolved = resolve(options.project / "llm_config.yaml", options.overrides)
    mode = resolved.settings.validator.mode
    if options.decisions_from is None and mode == "in_process":
        raise ConfigError(
            f"--engine {engine} runs in LEAN's own image, which has no language model: "
            "add --decisions-from RUN, or --set validator.mode=none or service"
        )
    resolved.write_json(options.project / "llm_config.resolved.json")
    parameters = dict(options.parameters)
    if options.decisions_from is not None:
        parameters["llm-decisions-from"] = _bring_record(options)
    command, folder = (local_command if engine == "local" else docker_command)(options, parameters)
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603 - LEAN itself, arguments as a list


def docker_command(options: BacktestOptions, parameters: dict[str, str]) -> tuple[list[str], Path]:
    """Return `lean backtest` with its arguments and the LEAN CLI's workspace to run it in."""
    workspace = next((p for p in options.project.parents if (p / "lean.json").is_file()), None)
    if workspace is None:
        raise ConfigError(f"no lean.json above {options.project}: `lean init` in a folder above it makes a workspace")
    command = ["lean", "backtest", str(options.project), "--output", str(options.output)]
    for name, value in parameters.items():
        command += ["--parameter", name, value]
    return command, workspace


def local_command(options: BacktestOptions, parameters: dict[str, str]) -> tuple[list[str], Path]:
    """Write the Launcher's configuration into the run folder and return its command and working folder."""
    launcher = Path(os.environ["LEAN_LAUNCHER"])
    config = {
        "environment": "backtesting",
        "algorithm-language": "Python",
        "algorithm-location": str(options.project / "main.py"),
        "algorithm-type-name": _class_name(options.project / "main.py"),
        "data-folder": str(options.data_folder),
        "results-destination-folder": str(options.output),
        "close-automatically": True,
        "parameters": parameters,
    }
    path = options.output / "launcher.json"
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return ["dotnet", launcher.name, "--config", str(path)], launcher.parent


def _bring_record(options: BacktestOptions) -> str:
    """Copy the record into the project, the only folder that LEAN's container sees, and return its name there."""
    source = options.decisions_from or Path()
    source = source / "decisions.jsonl" if source.is_dir() else source
    if not source.is_file():
        raise ConfigError(f"--decisions-from {options.decisions_from}: no decisions.jsonl there")
    shutil.copyfile(source, options.project / RECORD_NAME)
    return RECORD_NAME


def _class_name(main: Path) -> str:
    import ast

    for node in ast.parse(main.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and any("QCAlgorithm" in ast.unparse(base) for base in node.bases):
            return node.name
    raise ConfigError(f"{main} has no class that derives from QCAlgorithm")
