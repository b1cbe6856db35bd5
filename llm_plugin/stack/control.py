"""`lean-llm up`, `down` and `status`: start what is asked for, wait until it answers, name what does not."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from llm_plugin.errors import BackendUnavailable, ConfigError, LeanLlmError
from llm_plugin.stack import parts, process
from llm_plugin.stack.dead_runs import mark_dead_runs
from llm_plugin.stack.flows_folder import flows_folder
from llm_plugin.stack.prefect_api import PrefectApi

__all__ = ["PartState", "down", "status", "up"]

State = Literal["running", "starting", "stopped", "failed", "deployed", "none"]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PartState:
    """One part as it stands; `detail` holds the reason where it failed, with the last lines of its log."""

    part: str
    state: State
    url: str = ""
    pid: int | None = None
    log: str = ""
    detail: str = ""

    @property
    def good(self) -> bool:
        """True where it does its work."""
        return self.state in ("running", "deployed")


def up(names: Sequence[str] = (), plan: parts.Plan | None = None, say: Say | None = None) -> list[PartState]:
    """Start parts and what they need; what runs already stays as it is.

    One that fails does not keep the others from starting: look at `PartState.good` of each.

    Raises:
        ConfigError: A part, a port or a folder is named that does not exist.
    """
    wanted, plan, tell = parts.with_needs(tuple(names)), plan or parts.Plan(), say or (lambda _: None)
    for name, port in plan.ports.items():
        if parts.known_part(name) not in parts.PROGRAMS or not parts.PROGRAMS[name].port:
            raise ConfigError(f"--port {name}={port}: {name} listens to no port that can be chosen")
    states: dict[str, PartState] = {}
    with _lock():
        started: dict[str, float] = {}
        for name in wanted:
            if name in ("flows", "worker"):
                _settle(states, started, tell, only="prefect")
            if name == "worker" and "mlflow" in started:
                _settle(states, started, tell, only="mlflow")
            try:
                states[name] = _start(name, plan, states, started, tell)
            except LeanLlmError as error:
                states[name] = PartState(name, "failed", log=_log(name), detail=str(error))
        _settle(states, started, tell)
    return [states[name] for name in wanted]


def down(names: Sequence[str] = ()) -> list[PartState]:
    """Stop parts, in the reverse order; their data stays."""
    wanted = [parts.known_part(name) for name in names] or list(parts.PARTS)
    states = []
    with _lock():
        for name in reversed(parts.PARTS):
            if name not in wanted or name == "flows":
                continue
            stopped = _stop(name)
            states.append(PartState(name, "stopped", detail="" if stopped else "was not running"))
    return states


def status() -> list[PartState]:
    """Say of each part whether it runs, where, and where its log is."""
    return [_state(name) for name in parts.PARTS]


def _start(
    name: str, plan: parts.Plan, states: dict[str, PartState], started: dict[str, float], tell: Say
) -> PartState:
    broken = [need for need in parts.NEEDS.get(name, ()) if not states[need].good]
    if broken:
        raise BackendUnavailable(f"not started: it needs {', '.join(broken)}")
    parts.installed(name)
    if name == "weaviate":
        return _start_weaviate(tell)
    if name == "flows":
        return _deploy(plan, tell)
    if process.read(name) is None:
        tell(f"{name}: starting")
        _launch(parts.PROGRAMS[name], plan, tell)
    started[name] = time.monotonic()
    return _state(name)


def _launch(program: parts.Program, plan: parts.Plan, tell: Say) -> None:
    port = process.claim_port(plan.ports.get(program.name, program.port), program.name) if program.port else 0
    environment = parts.child_environment(plan)
    facts: dict[str, str] = {}
    if program.name == "prefect":
        environment |= parts.prefect_environment(port)
    if program.name == "worker":
        parts.ensure_pool(environment)
        facts["prefect_url"] = environment["PREFECT_API_URL"]
        for name in mark_dead_runs(PrefectApi(facts["prefect_url"]), parts.POOL):
            tell(f"worker: flow run '{name}' had lost its process and is marked as crashed")
    process.start(program.name, program.command(plan, port), port=port, environment=environment, facts=facts)


def _settle(states: dict[str, PartState], started: dict[str, float], tell: Say, only: str | None = None) -> None:
    """Wait until what was started answers; what does not in its time, or ends, is marked as failed."""
    for name in [only] if only else list(started):
        if name not in started:
            continue
        program, since = parts.PROGRAMS[name], started.pop(name)
        failure = _wait(program, since)
        if failure:
            process.stop(name)
            detail = f"{failure}; the last lines of {process.log_file(name)}:\n{process.last_lines(name)}"
            states[name] = PartState(name, "failed", log=_log(name), detail=detail)
        else:
            states[name] = _state(name)
            tell(f"{name}: ready {states[name].url} ({time.monotonic() - since:.1f} s)")


def _wait(program: parts.Program, since: float) -> str:
    while time.monotonic() - since < program.ready_seconds:
        running = process.read(program.name)
        if running is None:
            return "it ended while starting"
        if program.healthy(running):
            return ""
        time.sleep(0.25)
    return f"it did not answer within {program.ready_seconds:g} s"


def _start_weaviate(tell: Say) -> PartState:
    from llm_plugin.memory.server import start

    tell("weaviate: starting")
    start(lambda line: tell(f"weaviate: {line}"))
    return _state("weaviate")


def _deploy(plan: parts.Plan, tell: Say) -> PartState:
    where = flows_folder(plan.flows)
    environment = parts.child_environment(plan)
    tell(f"flows: deploying from {where}")
    parts.ensure_pool(environment)
    done = parts.run_prefect(["--no-prompt", "deploy", "--all"], environment, cwd=where)
    process.log_file("flows").write_text(done.stdout + done.stderr, encoding="utf-8")
    return _state("flows")


def _stop(name: str) -> bool:
    if name == "weaviate":
        from llm_plugin.memory.server import stop

        return stop()
    return process.stop(name)


def _state(name: str) -> PartState:
    if name == "weaviate":
        return _weaviate_state()
    if name == "flows":
        return _flows_state()
    running = process.read(name)
    if running is None:
        return PartState(name, "stopped", log=_log(name))
    good = parts.PROGRAMS[name].healthy(running)
    return PartState(name, "running" if good else "starting", running.url, running.pid, _log(name))


def _weaviate_state() -> PartState:
    from llm_plugin.memory.server import status as weaviate_status

    told = weaviate_status()
    state: State = "running" if told["state"] == "running" else "starting" if told["state"] == "starting" else "stopped"
    pid = told.get("pid")
    return PartState(
        "weaviate", state, str(told.get("url", "")), pid if isinstance(pid, int) else None, str(told.get("log", ""))
    )


def _flows_state() -> PartState:
    url = parts.own_prefect_url()
    if url is None:
        return PartState("flows", "none", detail="no Prefect server")
    try:
        names = sorted(PrefectApi(url, timeout_seconds=5).deployments())
    except BackendUnavailable:
        return PartState("flows", "none", url, detail="Prefect does not answer")
    state: State = "deployed" if names else "none"
    return PartState("flows", state, url, log=_log("flows"), detail=", ".join(names))


def _log(name: str) -> str:
    path = process.log_file(name)
    return str(path) if path.exists() else ""


@contextmanager
def _lock() -> Iterator[None]:
    """Let one `up` or `down` of this home run at a time."""
    root: Path = process.folder()
    root.mkdir(parents=True, exist_ok=True)
    with (root / "stack.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
