"""The parts of the stack: what starts each, how its health is asked, what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path

from llm_plugin.errors import BackendUnavailable, ConfigError, did_you_mean
from llm_plugin.files import home
from llm_plugin.stack import process
from llm_plugin.stack.prefect_api import PrefectApi

__all__ = [
    "CONFIG_VARIABLE",
    "PARTS",
    "POOL",
    "Plan",
    "Program",
    "child_environment",
    "known_part",
    "own_prefect_url",
    "prefect_url",
    "service_url",
    "with_needs",
]

POOL = "lean-llm"
CONFIG_VARIABLE = "LEAN_LLM_CONFIG"
PREFECT_PORT = 4200
MLFLOW_PORT = 5000
PARTS = ("weaviate", "mlflow", "prefect", "flows", "worker", "service")
NEEDS = {"flows": ("prefect",), "worker": ("prefect", "flows")}
EXTRAS = {
    "mlflow": ("mlflow", "learn"),
    "prefect": ("prefect", "flows"),
    "flows": ("prefect", "flows"),
    "worker": ("prefect", "flows"),
    "service": ("fastapi", "serve"),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What `lean-llm up` was asked for.

    Attributes:
        ports: Part -> port, 0 for any free one; a part that is not named takes its usual one.
        flows: Folder of `prefect.yaml`; None = the checkout's or the shipped one.
        config: `llm_config.yaml` of service and flows; None = the defaults.
        overrides: `section.key=value` for both.
    """

    ports: Mapping[str, int] = field(default_factory=dict)
    flows: Path | None = None
    config: Path | None = None
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A part that is a process: its usual port (0 = it listens to none), its command and its health."""

    name: str
    port: int
    ready_seconds: float
    command: Callable[[Plan, int], list[str]]
    healthy: Callable[[process.Running], bool]


def known_part(name: str) -> str:
    """Return the name, or say which parts there are.

    Raises:
        ConfigError: No such part.
    """
    if name not in PARTS:
        raise ConfigError(f"no part '{name}'{did_you_mean(name, PARTS)}; there are {', '.join(PARTS)}")
    return name


def with_needs(names: tuple[str, ...]) -> list[str]:
    """Return the parts and what they need, in the order of starting; nothing named = all."""
    wanted = {known_part(name) for name in names} or set(PARTS)
    for name in tuple(wanted):
        wanted.update(NEEDS.get(name, ()))
    return [name for name in PARTS if name in wanted]


def installed(name: str) -> None:
    """Check that a part's libraries are here.

    Raises:
        BackendUnavailable: They are not; names the extra.
    """
    module, extra = EXTRAS.get(name, ("", ""))
    if module and util.find_spec(module) is None:
        raise BackendUnavailable(f"{name} needs '{module}': pip install 'lean-llm-plugin[{extra}]'")


def own_prefect_url() -> str | None:
    """Return the API address of this home's own server, None where it does not run."""
    own = process.read("prefect")
    return f"{own.url}/api" if own is not None else None


def prefect_url() -> str | None:
    """Return the API address of Prefect: PREFECT_API_URL, else this home's own server, else None."""
    return os.environ.get("PREFECT_API_URL") or own_prefect_url()


def service_url() -> str | None:
    """Return the address of the validator service: LEAN_LLM_SERVICE_URL, else this home's own, else None."""
    own = process.read("service")
    return os.environ.get("LEAN_LLM_SERVICE_URL") or (own.url if own is not None else None)


def child_environment(plan: Plan | None = None) -> dict[str, str]:
    """Return the environment of the stack's processes: this one's, the configuration, and where the other parts are."""
    environment = dict(os.environ) | _configured(plan or Plan())
    environment |= {
        "LEAN_LLM_HOME": str(home().resolve()),
        # A profile of the user's, a cloud key or a server of another project is not ours.
        "PREFECT_HOME": str((process.folder() / "prefect").resolve()),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # evaluation jobs, which nobody here sends
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
        "NO_PROXY": _with_loopback(os.environ.get("NO_PROXY", "")),
        "no_proxy": _with_loopback(os.environ.get("no_proxy", "")),
    }
    url, mlflow, service = own_prefect_url() or prefect_url(), process.read("mlflow"), process.read("service")
    if url is not None:
        environment["PREFECT_API_URL"] = url
    if mlflow is not None:
        environment["LEAN_LLM__REGISTRY__MLFLOW_URI"] = mlflow.url
    if service is not None:
        environment["LEAN_LLM_SERVICE_URL"] = service.url
    return environment


def prefect_environment(port: int) -> dict[str, str]:
    """Return what the server needs beyond the rest: its own database, its address on loopback."""
    database = process.folder() / "prefect" / "prefect.db"
    database.parent.mkdir(parents=True, exist_ok=True)
    address = f"http://{process.HOST}:{port}/api"
    return {
        "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{database.resolve()}",
        "PREFECT_API_URL": address,
        "PREFECT_UI_API_URL": address,
        "PREFECT_SERVER_API_HOST": process.HOST,
    }


def ensure_pool(environment: Mapping[str, str]) -> None:
    """Create the process work pool where there is none."""
    shown = run_prefect(["work-pool", "inspect", POOL], environment, check=False)
    if shown.returncode:
        run_prefect(["work-pool", "create", POOL, "--type", "process"], environment)


def run_prefect(
    arguments: list[str], environment: Mapping[str, str], *, cwd: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run Prefect's own program.

    Raises:
        BackendUnavailable: It failed; the text holds its last lines.
    """
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(  # noqa: S603
        command, env=dict(environment), cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    if check and done.returncode:
        told = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BackendUnavailable(f"`prefect {' '.join(arguments)}` ended with {done.returncode}:\n{told}")
    return done


def _with_loopback(names: str) -> str:
    kept = [name for name in names.split(",") if name]
    return ",".join([*kept, *(host for host in ("127.0.0.1", "localhost") if host not in kept)])


def _prefect_command(plan: Plan, port: int) -> list[str]:
    return [sys.executable, "-m", "prefect", "server", "start", "--host", process.HOST, "--port", str(port)]


def _worker_command(plan: Plan, port: int) -> list[str]:
    return [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "local"]


def _mlflow_command(plan: Plan, port: int) -> list[str]:
    root = home() / "mlflow"
    root.mkdir(parents=True, exist_ok=True)
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", process.HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{(root / 'mlflow.db').resolve()}"),
        *("--artifacts-destination", str((root / "artifacts").resolve())),
    ]


def _service_command(plan: Plan, port: int) -> list[str]:
    command = [sys.executable, "-c", "from llm_plugin.cli import main; main()", "serve"]
    command += ["--host", process.HOST, "--port", str(port)]
    return command if plan.config is None else [*command, "--config", str(plan.config.resolve())]


def _configured(plan: Plan) -> dict[str, str]:
    """Return the configuration as environment, the same for service and flows.

    Raises:
        ConfigError: An override is none.
    """
    found = {} if plan.config is None else {CONFIG_VARIABLE: str(plan.config.resolve())}
    for override in plan.overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override!r}: write section.key=value, as learning.min_outcomes=300")
        found[f"LEAN_LLM__{key.strip().replace('.', '__').upper()}"] = value
    return found


def _answers(path: str) -> Callable[[process.Running], bool]:
    def ask(running: process.Running) -> bool:
        import httpx

        try:
            with httpx.Client(timeout=3, trust_env=False) as client:
                return bool(client.get(running.url + path).status_code == 200)
        except httpx.HTTPError:
            return False

    return ask


def _worker_is_online(running: process.Running) -> bool:
    api = PrefectApi(running.facts["prefect_url"], timeout_seconds=3)
    return any(worker.get("status") == "ONLINE" for worker in api.workers(POOL))


PROGRAMS = {
    program.name: program
    for program in (
        Program("mlflow", MLFLOW_PORT, 180, _mlflow_command, _answers("/health")),
        Program("prefect", PREFECT_PORT, 120, _prefect_command, _answers("/api/health")),
        Program("worker", 0, 180, _worker_command, _worker_is_online),
        Program("service", 8900, 180, _service_command, _answers("/readyz")),
    )
}
