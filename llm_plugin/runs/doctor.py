"""What is here, what is missing, what to do."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Literal

from llm_plugin.data.locate import find_data_folder
from llm_plugin.errors import ConfigError, DataError, LeanLlmError
from llm_plugin.runs.locate import home

__all__ = ["Finding", "examine"]

State = Literal["ok", "missing", "broken"]
EXTRAS = {
    "store": ("sqlalchemy",),
    "memory": ("weaviate",),
    "signals": ("sklearn", "xgboost", "lightgbm", "onnxruntime", "skl2onnx"),
    "llm": ("torch", "transformers", "peft", "bitsandbytes"),
    "report": ("jinja2", "arch", "plotly"),
    "lean": ("lean",),
}
FREE_GIB = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `missing` is optional, `broken` stops something that was asked for."""

    what: str
    state: State
    found: str
    remedy: str = ""

    @property
    def mark(self) -> str:
        """A sign for the table."""
        return {"ok": "✓", "missing": "–", "broken": "✗"}[self.state]


def examine(project: Path) -> list[Finding]:
    """Look at the installation, the home, the servers and, where `project` is one, at a LEAN project."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _extras,
        _home,
        _weaviate,
        _models,
        _accelerator,
        _lean,
        lambda: _project(project),
    )
    findings: list[Finding] = []
    for look in looks:
        try:
            findings += look()
        except LeanLlmError as error:
            findings.append(Finding(look.__name__.strip("_"), "broken", str(error)))
    return findings


def _python() -> Iterator[Finding]:
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield Finding("Python", "ok" if fits else "broken", platform.python_version(), "" if fits else "use 3.11 to 3.13")


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        absent = [name for name in modules if util.find_spec(name) is None]
        if absent:
            yield Finding(
                f"extra {extra}", "missing", f"no {', '.join(absent)}", f"pip install 'lean-llm-plugin[{extra}]'"
            )
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(modules))


def _home() -> Iterator[Finding]:
    folder = home()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if not os.access(existing, os.W_OK):
        yield Finding("home", "broken", f"{folder} cannot be written", "set LEAN_LLM_HOME to a folder of yours")
    elif free < FREE_GIB:
        yield Finding("home", "broken", f"{folder}: {free:.1f} GiB free", "free some space or set LEAN_LLM_HOME")
    else:
        yield Finding("home", "ok", f"{folder}, {free:.0f} GiB free")


def _weaviate() -> Iterator[Finding]:
    from llm_plugin.memory.binary import find_binary
    from llm_plugin.memory.server import status

    binary = find_binary()
    if binary is None:
        how = "`lean-llm up weaviate` obtains it" if shutil.which("go") else "install Go, or set WEAVIATE_BINARY"
        yield Finding("Weaviate", "missing", "no program", f"{how}; without it the memory is `local`")
        return
    state = status()
    yield Finding("Weaviate", "ok", f"{binary.name[:24]}…, {state['state']} {state.get('url', '')}".strip())


def _models() -> Iterator[Finding]:
    for kind, command in (("ensemble", "lean-llm train ensemble"), ("llm", "lean-llm model bootstrap")):
        folders = sorted((home() / "models" / kind).glob("*/manifest.json"))
        names = ", ".join(path.parent.name for path in folders)
        missing = f"`{command}`, or the first backtest makes it"
        yield Finding(f"models, {kind}", "ok" if names else "missing", names or "none", "" if names else missing)


def _accelerator() -> Iterator[Finding]:
    cards = shutil.which("nvidia-smi")
    cores = os.cpu_count() or 1
    yield Finding("accelerator", "ok", f"{'NVIDIA' if cards else 'none, CPU only'}; {cores} cores")


def _lean() -> Iterator[Finding]:
    yield Finding("embedded engine", "ok", "always here (--engine embedded)")
    docker, cli = shutil.which("docker"), shutil.which("lean")
    ready = bool(docker and cli)
    have = ", ".join(name for name, path in (("docker", docker), ("lean", cli)) if path) or "neither docker nor lean"
    remedy = "" if ready else "install Docker and `pip install lean` for --engine docker"
    yield Finding("LEAN by Docker", "ok" if ready else "missing", have, remedy)
    launcher = os.environ.get("LEAN_LAUNCHER", "")
    found = bool(launcher) and Path(launcher).is_file()
    state: State = "ok" if found else ("broken" if launcher else "missing")
    yield Finding(
        "LEAN Launcher", state, launcher or "LEAN_LAUNCHER is not set", "" if found else "name the built .dll"
    )


def _project(project: Path) -> Iterator[Finding]:
    if not (project / "main.py").is_file():
        return
    folder = project.resolve()
    try:
        yield Finding("market data", "ok", str(find_data_folder(folder)))
    except DataError as error:
        yield Finding("market data", "broken", str(error), "name a LEAN data folder with LEAN_DATA_FOLDER")
    yield _configuration(folder)
    yield from _service(folder)
    from llm_plugin.lean.vendor import check_vendored

    problems = check_vendored(folder)
    for problem in problems:
        yield Finding("vendored copy", "broken", problem, f"lean-llm vendor {project}")
    if not problems:
        there = (folder / "llm_plugin").exists()
        yield Finding("vendored copy", "ok", "up to date" if there else "none (only real LEAN needs one)")


def _service(folder: Path) -> Iterator[Finding]:
    """A project whose validator is a service has one to reach."""
    from llm_plugin.settings import resolve

    yaml = folder / "llm_config.yaml"
    settings = resolve(yaml).settings if yaml.is_file() else None
    if settings is None or settings.validator.mode != "service":
        return
    from llm_plugin.service.probe import probe

    try:
        yield Finding("service", "ok", probe(settings))
    except ConfigError as error:
        yield Finding("service", "broken", str(error), "start `lean-llm serve`, or set validator.url")


def _configuration(folder: Path) -> Finding:
    import hashlib

    from llm_plugin.settings import resolve

    yaml, resolved = folder / "llm_config.yaml", folder / "llm_config.resolved.json"
    if not yaml.is_file():
        return Finding("configuration", "broken", "no llm_config.yaml", f"lean-llm config template > {yaml}")
    resolve(yaml)
    if not resolved.is_file():
        return Finding("configuration", "ok", "valid; no resolved JSON yet (`lean-llm backtest` writes its own)")
    digest = json.loads(resolved.read_text(encoding="utf-8")).get("source_sha256")
    if digest != hashlib.sha256(yaml.read_bytes()).hexdigest():
        remedy = f"lean-llm config resolve {folder.name}"
        return Finding("configuration", "broken", "the resolved JSON is older than the YAML", remedy)
    return Finding("configuration", "ok", "valid and resolved")
