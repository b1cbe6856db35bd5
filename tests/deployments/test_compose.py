"""The compose file says what Docker needs: its documented keys and cross-references are checked, without Docker."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "deployments"
TOP = {"name", "services", "volumes", "networks", "secrets", "configs"}
SERVICE = {
    *("image", "build", "command", "entrypoint", "environment", "env_file", "volumes", "ports", "expose", "depends_on"),
    *("healthcheck", "restart", "user", "working_dir", "secrets", "configs", "networks", "deploy", "profiles", "init"),
}
HEALTH = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
RESTART = {"no", "always", "on-failure", "unless-stopped"}
DURATION = re.compile(r"^\d+(ms|s|m|h)$")
PORT = re.compile(r"^127\.0\.0\.1:\d{2,5}:\d{2,5}$")
SECRET_WORDS = ("PASSWORD", "API_KEY", "SECRET", "TOKEN")


def problems(compose: dict[str, Any]) -> Iterator[str]:
    """Yield everything that Docker would refuse, or that would be open to the world."""
    services = compose.get("services", {})
    yield from (f"unknown top-level key {key}" for key in compose if key not in TOP and not key.startswith("x-"))
    for name, service in services.items():
        yield from (f"{name}: unknown key {key}" for key in set(service) - SERVICE)
        yield from _image(name, service)
        yield from _health(name, service.get("healthcheck"))
        yield from (
            f"{name}: port {port} is not on loopback" for port in service.get("ports", ()) if not PORT.match(port)
        )
        yield from _needs(name, service, services)
        yield from _mounts(name, service, compose)
        yield from _environment(name, service.get("environment", {}))
        if service.get("restart", "no") not in RESTART:
            yield f"{name}: restart {service['restart']!r}"


def _image(name: str, service: dict[str, Any]) -> Iterator[str]:
    tag = service.get("image", "").rpartition(":")[2]
    if "image" not in service and "build" not in service:
        yield f"{name}: neither image nor build"
    if "image" in service and (tag in ("", "latest") or ":" not in service["image"]):
        yield f"{name}: image {service['image']} may change under us"


def _health(name: str, health: dict[str, Any] | None) -> Iterator[str]:
    if health is None:
        return
    yield from (f"{name}: unknown healthcheck key {key}" for key in set(health) - HEALTH)
    if not isinstance(health.get("test"), list) or health["test"][0] not in ("CMD", "CMD-SHELL", "NONE"):
        yield f"{name}: healthcheck test {health.get('test')!r}"
    for key in ("interval", "timeout", "start_period"):
        if key in health and not DURATION.match(str(health[key])):
            yield f"{name}: healthcheck {key} {health[key]!r}"


def _needs(name: str, service: dict[str, Any], services: dict[str, Any]) -> Iterator[str]:
    for need, how in service.get("depends_on", {}).items():
        if need not in services:
            yield f"{name}: depends on {need}, which is no service"
        elif how["condition"] not in CONDITIONS:
            yield f"{name}: condition {how['condition']!r}"
        elif how["condition"] == "service_healthy" and "healthcheck" not in services[need]:
            yield f"{name}: waits for the health of {need}, which has no healthcheck"


def _mounts(name: str, service: dict[str, Any], compose: dict[str, Any]) -> Iterator[str]:
    for mount in service.get("volumes", ()):
        source = mount.split(":")[0]
        if source.startswith("."):
            if not (FOLDER / source).exists():
                yield f"{name}: {source} does not exist"
        elif source not in compose.get("volumes", {}):
            yield f"{name}: volume {source} is not declared"
    for secret in service.get("secrets", ()):
        if secret not in compose.get("secrets", {}):
            yield f"{name}: secret {secret} is not declared"


def _environment(name: str, environment: dict[str, Any]) -> Iterator[str]:
    for key, value in environment.items():
        if not isinstance(value, str):
            yield f"{name}: {key} = {value!r} is not text"
        elif any(word in key for word in SECRET_WORDS) and not re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value):
            yield f"{name}: {key} is written into the file"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8")))


def test_the_compose_file_has_no_problem(compose: dict[str, Any]) -> None:
    assert list(problems(compose)) == []
    assert set(compose["services"]) == {
        *("postgres", "weaviate", "mlflow", "prefect", "deploy", "worker", "service", "prometheus"),
    }


OFFENDERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "open port": (lambda s: s["service"].update(ports=["8900:8900"]), "port 8900:8900 is not on loopback"),
    "typo": (lambda s: s["service"].update(enviroment={}), "unknown key enviroment"),
    "latest": (lambda s: s["postgres"].update(image="postgres"), "may change under us"),
    "password": (lambda s: s["postgres"]["environment"].update(POSTGRES_PASSWORD="x"), "is written into the file"),
    "number": (lambda s: s["worker"]["environment"].update(X=1), "X = 1 is not text"),
    "no such service": (
        lambda s: s["worker"]["depends_on"].update(redis={"condition": "service_started"}),
        "depends on redis, which is no service",
    ),
    "health of nobody": (lambda s: s["prefect"].pop("healthcheck"), "waits for the health of prefect"),
    "no such volume": (lambda s: s["mlflow"].update(volumes=["data:/data"]), "volume data is not declared"),
    "no such file": (lambda s: s["prometheus"].update(volumes=["./grafana:/x"]), "./grafana does not exist"),
    "no such secret": (lambda s: s["prometheus"].update(secrets=["key"]), "secret key is not declared"),
    "health as text": (lambda s: s["worker"]["healthcheck"].update(test="curl x"), "healthcheck test 'curl x'"),
    "no unit": (lambda s: s["postgres"]["healthcheck"].update(interval=5), "healthcheck interval 5"),
    "restart": (lambda s: s["mlflow"].update(restart="forever"), "restart 'forever'"),
    "condition": (lambda s: s["worker"]["depends_on"]["mlflow"].update(condition="up"), "condition 'up'"),
}


@pytest.mark.parametrize("name", OFFENDERS)
def test_each_problem_is_found(compose: dict[str, Any], name: str) -> None:
    plant, told = OFFENDERS[name]
    broken = copy.deepcopy(compose)
    plant(broken["services"])
    assert any(told in problem for problem in problems(broken)), list(problems(broken))


def test_every_setting_in_the_environment_is_one_of_ours(compose: dict[str, Any]) -> None:
    from llm_plugin.settings import resolve

    env = {
        key: re.sub(r"\$\{([A-Z_]+):\?[^}]+\}", r"\1", value)
        for service in compose["services"].values()
        for key, value in service.get("environment", {}).items()
        if key.startswith("LEAN_LLM__")
    }
    assert len(env) == 5
    resolved = resolve(env=env)
    assert {key for key, origin in resolved.origins.items() if origin == "env"} == {
        *("learning.store_url", "registry.mlflow_uri", "memory.url", "memory.grpc_port", "service.api_key"),
    }


def test_every_variable_that_is_asked_for_stands_in_the_example(compose: dict[str, Any]) -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+)", (FOLDER / "compose.yaml").read_text(encoding="utf-8")))
    example = (FOLDER / ".env.example").read_text(encoding="utf-8")
    assert asked == set(re.findall(r"^([A-Z_]+)=$", example, flags=re.MULTILINE))


def test_the_image_pins_what_the_lock_pins() -> None:
    """The shell line of the Dockerfile, run here: every locked package becomes one constraint without hashes."""
    import subprocess

    text = (FOLDER / "images" / "Dockerfile").read_text(encoding="utf-8")
    line = re.search(r"RUN (grep .*?) > constraints\.txt", text)
    assert line
    root = FOLDER.parent
    found = subprocess.run(["sh", "-c", line[1]], cwd=root, capture_output=True, text=True, check=True).stdout
    pins = found.splitlines()
    assert len(pins) == len(re.findall(r"^\S+==", (root / "requirements/dev.lock").read_text(), flags=re.MULTILINE))
    assert all(re.match(r"^[A-Za-z0-9._-]+==[^\s\\]+( ;.*)?$", pin) for pin in pins)
    copied = re.findall(r"^COPY (.+) \S+$", text, flags=re.MULTILINE)
    assert copied
    assert all((root / name).exists() for names in copied for name in names.split())


def test_the_job_template_declares_every_variable_it_uses() -> None:
    template = json.loads((FOLDER / "kubernetes" / "base-job-template.json").read_text(encoding="utf-8"))
    used = set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(template["job_configuration"])))
    declared = template["variables"]["properties"]
    assert used == set(declared)
    assert all(value.get("description") and value.get("title") for value in declared.values())


def test_the_job_template_takes_what_the_kubernetes_worker_fills_in() -> None:
    import prefect

    shipped = "server/api/collections_data/views/aggregate-worker-metadata.json"
    known = json.loads((Path(prefect.__file__).parent / shipped).read_text(encoding="utf-8"))
    theirs = known["prefect-kubernetes"]["kubernetes"]["default_base_job_configuration"]
    ours = json.loads((FOLDER / "kubernetes" / "base-job-template.json").read_text(encoding="utf-8"))
    assert set(theirs["job_configuration"]) == set(ours["job_configuration"])
    left_out = {"cpu_limit"}  # a trainer may use the cores that are free
    assert set(theirs["variables"]["properties"]) - left_out <= set(ours["variables"]["properties"])


def test_the_worker_manifest_is_complete() -> None:
    documents = list(yaml.safe_load_all((FOLDER / "kubernetes" / "worker.yaml").read_text(encoding="utf-8")))
    kinds = [document["kind"] for document in documents]
    assert kinds == ["PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding", "Deployment"]
    template = json.loads((FOLDER / "kubernetes" / "base-job-template.json").read_text(encoding="utf-8"))
    claim = template["variables"]["properties"]["home_claim"]["default"]
    assert documents[0]["metadata"]["name"] == claim
    assert {document["metadata"]["namespace"] for document in documents} == {"lean-llm"}
