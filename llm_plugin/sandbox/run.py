"""Run one project in a sandbox: the way to score algorithms that nobody has read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.sandbox.policy import SandboxLimits, SandboxPolicy, python_paths
from llm_plugin.sandbox.process import ChildProcess, OnEvent

__all__ = ["SandboxResult", "make_policy", "run_sandboxed"]


@dataclass(frozen=True)
class SandboxResult:
    """What a sandboxed run gave. It comes out of the process in which the algorithm ran: it is data, not a proof.

    Attributes:
        status: `Completed`, `Stopped` (by Ctrl-C, with partial results) or `RuntimeError`.
        statistics: LEAN's statistics, as far as the run came.
        orders_hash: Order list hash.
        orders: How many orders there were.
        bars: Data points seen.
        seconds: How long it took.
        days: Days of the equity curve.
        equity: Its value at the end of each day.
        files: LEAN's result files by kind.
        error: What went wrong, with the user's file and line; empty where nothing did.
        kind: Class of the error.
        exit_code: What the command line ends with.
        refusals: Everything that the sandbox refused, with the user's file and line.
        layers: What was in force.
        notes: Market data that was skipped or is missing.
    """

    status: str
    statistics: dict[str, str] = field(default_factory=dict)
    orders_hash: str = ""
    orders: int = 0
    bars: int = 0
    seconds: float = 0.0
    days: tuple[str, ...] = ()
    equity: tuple[float, ...] = ()
    files: dict[str, Path] = field(default_factory=dict)
    error: str = ""
    kind: str = ""
    exit_code: int = 0
    refusals: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def make_policy(
    project: Path,
    data_folder: Path,
    scratch: Path,
    results_folder: Path | None,
    limits: SandboxLimits | None = None,
    **switches: bool,
) -> SandboxPolicy:
    """Return a policy: Python, project and data can be read; the scratch and the results folder can be written.

    Args:
        project: The user's files.
        data_folder: LEAN-format data.
        scratch: Home and temporary folder of the child.
        results_folder: Where result files go.
        limits: What may be used.
        **switches: `use_namespaces` and `use_audit`.
    """
    root = scratch / "root"
    root.mkdir(exist_ok=True)
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    writable = [home, *([results_folder] if results_folder is not None else [])]
    named = [*python_paths(), str(project.resolve()), str(data_folder.resolve())]
    return SandboxPolicy(
        tuple(dict.fromkeys(named)),
        tuple(str(path.resolve()) for path in writable),
        str(root),
        limits or SandboxLimits(),
        **switches,
    )


def run_sandboxed(
    project: Path,
    *,
    data_folder: Path,
    results_folder: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    start: date | None = None,
    end: date | None = None,
    algorithm_class: str | None = None,
    limits: SandboxLimits | None = None,
    bad_data: str = "stop",
    missing_data: str = "tell",
    on_event: OnEvent | None = None,
    **switches: bool,
) -> SandboxResult:
    """Run a project in a child process that reaches nothing but its own folder, the data and Python.

    Args:
        project: LEAN CLI project folder or a Python file in a folder of its own.
        data_folder: LEAN-format data.
        results_folder: Where LEAN's result files go; None writes nothing.
        parameters: Override those of config.json.
        start: Replaces the start date of the algorithm.
        end: Replaces its end date.
        algorithm_class: Name of the class, where the file has several.
        limits: What may be used.
        bad_data: What a damaged row of market data does: `stop` or `skip`.
        missing_data: What a missing file does: `tell` or `stop`.
        on_event: Called with progress and refusals.
        **switches: `use_namespaces` and `use_audit`: False proves the layers below alone.

    Raises:
        SandboxUnavailable: This machine lacks a layer that the sandbox needs; nothing was run.
    """
    found = Path(project).resolve()
    folder = found if found.is_dir() else found.parent
    given = limits or SandboxLimits()
    if results_folder is not None:
        results_folder = Path(results_folder).resolve()
        results_folder.mkdir(parents=True, exist_ok=True)
    scratch = ChildProcess.scratch_folder()
    try:
        policy = make_policy(folder, Path(data_folder), scratch, results_folder, given, **switches)
        with ChildProcess(folder, policy, scratch) as child:
            request = {
                "project": str(found),
                "data_folder": str(Path(data_folder).resolve()),
                "results_folder": str(results_folder) if results_folder is not None else None,
                "parameters": {str(key): str(value) for key, value in (parameters or {}).items()},
                "start": start.isoformat() if start else "",
                "end": end.isoformat() if end else "",
                "algorithm_class": algorithm_class,
                "step_seconds": given.step_seconds,
                "run_seconds": given.run_seconds,
                "bad_data": bad_data,
                "missing_data": missing_data,
                "object_store_folder": policy.writable[0] + "/storage",
            }
            return _result(child.run(request, on_event), child.layers)
    finally:
        ChildProcess.remove(scratch)


def _result(answer: Mapping[str, Any], layers: list[str]) -> SandboxResult:
    return SandboxResult(
        status=str(answer.get("status", "")),
        statistics=dict(answer.get("statistics") or {}),
        orders_hash=str(answer.get("orders_hash", "")),
        orders=int(answer.get("orders", 0)),
        bars=int(answer.get("bars", 0)),
        seconds=float(answer.get("seconds", 0.0)),
        days=tuple(answer.get("days") or ()),
        equity=tuple(float(value) for value in answer.get("equity") or ()),
        files={str(name): Path(path) for name, path in (answer.get("files") or {}).items()},
        error=str(answer.get("error") or ""),
        kind=str(answer.get("kind") or ""),
        exit_code=int(answer.get("exit_code", 0)),
        refusals=tuple(answer.get("refusals") or ()),
        layers=tuple(layers),
        notes=tuple(answer.get("notes") or ()),
    )
