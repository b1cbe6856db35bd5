"""Which LEAN runs a project: the embedded engine here, a built Launcher, or the LEAN CLI with Docker."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_plugin.errors import ConfigError, RecordError, did_you_mean
from llm_plugin.files import write_whole
from llm_plugin.runs.launcher_config import algorithm_class, launcher_config, period_source, read_commented_json
from llm_plugin.runs.worker import WorkerSpec

__all__ = ["EngineName", "LeanCommand", "choose_engine", "find_launcher", "lean_command", "ready_project"]

EngineName = Literal["embedded", "local", "docker"]
ENGINES = ("auto", "embedded", "local", "docker")
LAUNCHER = "QuantConnect.Lean.Launcher.dll"
IMAGE_VARIABLE = "LEAN_LLM_LEAN_IMAGE"
RECORD_NAME = "recorded-decisions.jsonl"
PERIOD_NAME = "lean_llm_period.py"
CONTAINER_PROJECT, CONTAINER_RESULTS = "/LeanCLI", "/Results"


@dataclass(frozen=True, slots=True)
class LeanCommand:
    """A program to run, where, and with which environment beside this process's own."""

    arguments: list[str]
    folder: Path
    environment: dict[str, str]


def choose_engine(wanted: str) -> EngineName:
    """Return the engine to use; `auto` is the embedded one, which needs nothing.

    Raises:
        ConfigError: An unknown name, or an engine that is not here.
    """
    if wanted in ("auto", "embedded"):
        return "embedded"
    if wanted == "local":
        find_launcher()
        if shutil.which("dotnet") is None:
            raise ConfigError(
                "--engine local: `dotnet` is not on PATH: install the .NET runtime that LEAN was built for"
            )
        return "local"
    if wanted == "docker":
        if shutil.which("lean") is None:
            raise ConfigError("--engine docker: the LEAN CLI is not here, `pip install lean` brings it")
        return "docker"
    raise ConfigError(f"--engine {wanted}: choose {', '.join(ENGINES)}{did_you_mean(wanted, ENGINES)}")


def find_launcher() -> Path:
    """Return the Launcher that LEAN_LAUNCHER names: its DLL, or the folder that holds it.

    Raises:
        ConfigError: The variable is not set, or there is no Launcher.
    """
    named = os.environ.get("LEAN_LAUNCHER", "")
    if not named:
        raise ConfigError(f"--engine local: set LEAN_LAUNCHER to the folder that holds {LAUNCHER}")
    path = Path(named).expanduser()
    found = path / LAUNCHER if path.is_dir() else path
    if found.name != LAUNCHER or not found.is_file():
        raise ConfigError(
            f"--engine local: LEAN_LAUNCHER is '{named}', and {found} does not exist: build LEAN "
            f"(`dotnet build QuantConnect.Lean.sln`) and name its Launcher/bin/Debug"
        )
    return found.resolve()


def ready_project(engine: str, project: Path, mode: str, recorded: bool) -> None:
    """Check that a project can run on a real LEAN, and bring the LEAN side of the plugin to where LEAN finds it.

    Args:
        engine: `local` or `docker`.
        project: The project.
        mode: `validator.mode`.
        recorded: Whether signals and verdicts come from a recorded run.

    Raises:
        ConfigError: The configuration would need a model where there is none.
    """
    from llm_plugin.lean.vendor import MANIFEST, vendor

    inside = mode == "in_process" and not recorded
    if inside and (engine == "docker" or virtual_environment() is None):
        where = "LEAN's image" if engine == "docker" else "LEAN's Python, outside of a virtual environment,"
        raise ConfigError(
            f"--engine {engine}: {where} has no language model: "
            "add --decisions-from RUN, or --set validator.mode=none or service"
        )
    copied = (project / "llm_plugin" / MANIFEST).is_file()
    if inside and copied:
        raise ConfigError(
            f"{project / 'llm_plugin'} is a vendored copy without the validator, and hides the installed package: "
            "remove it to run the validator inside LEAN"
        )
    needs_copy = not os.environ.get(IMAGE_VARIABLE) if engine == "docker" else virtual_environment() is None
    if needs_copy or copied:
        vendor(project)


def virtual_environment() -> Path | None:
    """Return this interpreter's virtual environment, None where it has none."""
    return Path(sys.prefix) if sys.prefix != sys.base_prefix else None


def lean_command(spec: WorkerSpec) -> LeanCommand:
    """Write what a run needs into its folder and return the command.

    Raises:
        ConfigError: LEAN, its workspace or the data are not where they must be.
        RecordError: The recorded run has no decisions.
    """
    return _local(spec) if spec.engine == "local" else _docker(spec)


def _local(spec: WorkerSpec) -> LeanCommand:
    launcher, folder, project = find_launcher(), Path(spec.run_folder), Path(spec.project)
    main = project / "main.py"
    algorithm = main
    if spec.start or spec.end:
        algorithm = folder / PERIOD_NAME
        write_whole(algorithm, period_source(main, str(project), spec.start, spec.end))
    own = launcher.parent / "config.json"
    config = launcher_config(
        read_commented_json(own) if own.is_file() else {},
        algorithm=algorithm,
        class_name=algorithm_class(main)[0],
        data_folder=Path(spec.data_folder),
        results_folder=folder,
        parameters=_parameters(spec, str(folder), spec.config),
        virtual_environment=virtual_environment(),
    )
    path = folder / "launcher.json"
    write_whole(path, json.dumps(config, indent=1) + "\n")
    return LeanCommand(["dotnet", launcher.name, "--config", str(path)], launcher.parent, {"PYTHONUNBUFFERED": "1"})


def _docker(spec: WorkerSpec) -> LeanCommand:
    project, folder = Path(spec.project), Path(spec.run_folder)
    workspace = next((p for p in project.parents if (p / "lean.json").is_file()), None)
    if workspace is None:
        raise ConfigError(f"no lean.json above {project}: `lean init` in a folder above it makes a workspace")
    if not folder.is_relative_to(workspace):
        raise ConfigError(
            f"--engine docker: {folder} is outside of the LEAN CLI's workspace {workspace}: leave out --output"
        )
    mounted = workspace / str(read_commented_json(workspace / "lean.json").get("data-folder", "data"))
    if mounted.resolve() != Path(spec.data_folder).resolve():
        raise ConfigError(
            f"--engine docker mounts the data folder of {workspace / 'lean.json'} ({mounted}), not {spec.data_folder}: "
            "change data-folder there, or leave out --data"
        )
    algorithm = project
    if spec.start or spec.end:
        algorithm = project / PERIOD_NAME
        write_whole(algorithm, period_source(project / "main.py", CONTAINER_PROJECT, spec.start, spec.end))
    config = f"{CONTAINER_RESULTS}/{Path(spec.config).name}" if spec.config else ""
    arguments = ["lean", "backtest", str(algorithm), "--output", str(folder)]
    image = os.environ.get(IMAGE_VARIABLE)
    if image:
        arguments += ["--image", image, "--no-update"]
    for name, value in _parameters(spec, CONTAINER_RESULTS, config).items():
        arguments += ["--parameter", name, value]
    return LeanCommand(arguments, workspace, {})


def _parameters(spec: WorkerSpec, results: str, config: str) -> dict[str, str]:
    """Return all parameters of a run: LEAN takes those of the command line instead of the project's own."""
    from llm_plugin.engine.lean_project import read_project

    parameters = {**read_project(Path(spec.project)).parameters, **spec.parameters, "llm-run-dir": results}
    if config:
        parameters["llm-config"] = config
    recorded = parameters.get("llm-decisions-from")
    if recorded:
        parameters["llm-decisions-from"] = f"{results}/{_bring_record(Path(recorded), Path(spec.run_folder))}"
    return parameters


def _bring_record(source: Path, folder: Path) -> str:
    """Copy a record into the run folder, which LEAN's container sees, and return its name there."""
    file = source / "decisions.jsonl" if source.is_dir() else source
    if not file.is_file():
        raise RecordError(f"--decisions-from {source}: no decisions.jsonl there")
    shutil.copyfile(file, folder / RECORD_NAME)
    return RECORD_NAME
