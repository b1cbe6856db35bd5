"""`up`, `down` and `status` on small stand-in programs: order, health, failures by name, nothing twice."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError
from llm_plugin.stack import control, parts, process
from llm_plugin.stack.parts import Plan, Program

WEB = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'true')
    def log_message(self, *_): pass
print('listening', flush=True)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Answer).serve_forever()
"""
BROKEN = "import sys; print('reading settings'); sys.exit('no such table: flows')"
MUTE = "import time; time.sleep(60)"


def program(name: str, text: str, seconds: float = 20.0) -> Program:
    """A stand-in for a part."""
    return Program(
        name, 1, seconds, lambda plan, port: [sys.executable, "-c", text, str(port)], parts._answers("/health")
    )


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Program]]:
    programs = {name: program(name, WEB) for name in ("mlflow", "prefect", "service")}
    monkeypatch.setattr(parts, "PROGRAMS", programs)
    yield programs
    for name in programs:
        process.stop(name, seconds=1)


ANY = Plan(ports={"mlflow": 0, "prefect": 0, "service": 0})


def states(rows: list[control.PartState]) -> dict[str, str]:
    """Part -> state."""
    return {row.part: row.state for row in rows}


def test_parts_start_answer_and_stop() -> None:
    rows = control.up(("mlflow", "prefect"), ANY)
    assert states(rows) == {"mlflow": "running", "prefect": "running"}
    assert all(row.url.startswith("http://127.0.0.1:") and row.pid for row in rows)
    assert states(control.status())["service"] == "stopped"
    assert states(control.down(("mlflow", "prefect"))) == {"prefect": "stopped", "mlflow": "stopped"}
    assert states(control.status()) | {"weaviate": "", "flows": ""} == {
        **dict.fromkeys(("mlflow", "prefect", "service"), "stopped"),
        "weaviate": "",
        "flows": "",
    } | {"worker": "stopped"}


def test_a_second_up_changes_nothing() -> None:
    first = control.up(("mlflow",), ANY)
    second = control.up(("mlflow",), ANY)
    assert [(row.pid, row.url) for row in first] == [(row.pid, row.url) for row in second]
    assert process.last_lines("mlflow").count("listening") == 1


def test_two_ups_at_once_start_it_once() -> None:
    found: list[int | None] = []
    threads = [threading.Thread(target=lambda: found.append(control.up(("mlflow",), ANY)[0].pid)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("text", "seconds", "words"),
    [(BROKEN, 20.0, "it ended while starting"), (MUTE, 0.6, "it did not answer within 0.6 s")],
    ids=["ends", "mute"],
)
def test_a_part_that_fails_is_named_with_its_log_and_the_others_run(
    stand_ins: dict[str, Program], text: str, seconds: float, words: str
) -> None:
    stand_ins["prefect"] = program("prefect", text, seconds)
    rows = {row.part: row for row in control.up(("mlflow", "prefect", "service"), ANY)}
    assert states(list(rows.values())) == {"mlflow": "running", "prefect": "failed", "service": "running"}
    assert words in rows["prefect"].detail
    assert ("no such table: flows" in rows["prefect"].detail) is (text is BROKEN)
    assert str(process.log_file("prefect")) in rows["prefect"].detail
    assert process.read("prefect") is None


def test_what_needs_a_failed_part_is_not_started(stand_ins: dict[str, Program]) -> None:
    stand_ins["prefect"] = program("prefect", BROKEN)
    rows = {row.part: row for row in control.up(("worker",), ANY)}
    assert states(list(rows.values())) == dict.fromkeys(("prefect", "flows", "worker"), "failed")
    assert rows["flows"].detail == "not started: it needs prefect"
    assert rows["worker"].detail == "not started: it needs prefect, flows"


def test_a_part_whose_library_is_missing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(parts.EXTRAS, "mlflow", ("no_such_module", "learn"))
    (row,) = control.up(("mlflow",), ANY)
    assert row.state == "failed"
    assert row.detail == "mlflow needs 'no_such_module': pip install 'lean-llm-plugin[learn]'"


def test_needs_come_first_and_nothing_named_is_all() -> None:
    assert parts.with_needs(("worker",)) == ["prefect", "flows", "worker"]
    assert parts.with_needs(()) == list(parts.PARTS)


def test_a_port_for_a_part_without_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="--port flows=1: flows listens to no port"):
        control.up(("mlflow",), Plan(ports={"flows": 1}))
    with pytest.raises(ConfigError, match="no part 'mlflw' \\(did you mean 'mlflow'\\?\\)"):
        control.up(("mlflow",), Plan(ports={"mlflw": 1}))


def test_a_home_of_its_own_never_reaches_the_users_prefect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "example.org")
    environment = parts.child_environment() | parts.prefect_environment(4200)
    assert environment["PREFECT_HOME"].startswith(environment["LEAN_LLM_HOME"])
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert environment["LEAN_LLM_HOME"] in environment["PREFECT_API_DATABASE_CONNECTION_URL"]
    assert environment["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert environment["NO_PROXY"] == "example.org,127.0.0.1,localhost"


def test_the_parts_know_each_other() -> None:
    control.up(("mlflow", "prefect"), ANY)
    environment = parts.child_environment()
    assert environment["PREFECT_API_URL"] == f"{process.read('prefect').url}/api"  # type: ignore[union-attr]
    assert environment["LEAN_LLM__REGISTRY__MLFLOW_URI"] == process.read("mlflow").url  # type: ignore[union-attr]


def test_an_address_of_the_environment_is_named_before_the_own_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parts.prefect_url() is None
    control.up(("prefect",), ANY)
    own = parts.prefect_url()
    assert own is not None
    assert own == parts.own_prefect_url()
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example/api")
    assert parts.prefect_url() == "http://prefect.example/api"
    assert parts.own_prefect_url() == own


def test_the_command_line_speaks_json_and_its_exit_code_tells_a_failure(stand_ins: dict[str, Program]) -> None:
    good = CliRunner().invoke(app, ["up", "mlflow", "--port", "mlflow=0", "--json"])
    assert good.exit_code == 0, good.output
    assert json.loads(good.stdout)[0]["state"] == "running"
    shown = json.loads(CliRunner().invoke(app, ["status", "--json"]).stdout)
    assert {row["part"]: row["state"] for row in shown}["mlflow"] == "running"
    stand_ins["prefect"] = program("prefect", BROKEN)
    bad = CliRunner().invoke(app, ["up", "prefect", "--port", "prefect=0"])
    assert bad.exit_code == 6
    assert "no such table: flows" in bad.stdout
    assert CliRunner().invoke(app, ["down", "mlflow"]).exit_code == 0


@pytest.mark.parametrize("pair", ["prefect", "prefect=x", "prefect=70000", "prefect=-1"])
def test_a_port_that_is_none_is_refused(pair: str) -> None:
    result = CliRunner().invoke(app, ["up", "prefect", "--port", pair])
    assert isinstance(result.exception, ConfigError)
    assert f"--port {pair}: say PART=N" in str(result.exception)


def test_the_folder_of_flows_must_hold_deployments(tmp_path: Path) -> None:
    from llm_plugin.stack import flows_folder, write_flows

    with pytest.raises(ConfigError, match=r"holds no prefect\.yaml"):
        flows_folder(tmp_path)
    written = write_flows(tmp_path / "mine")
    assert {path.name for path in written} >= {"prefect.yaml", "__init__.py", "train_models.py"}
    assert flows_folder(tmp_path / "mine") == (tmp_path / "mine").resolve()
    with pytest.raises(ConfigError, match=r"holds prefect.yaml, .* pass --force"):
        write_flows(tmp_path / "mine")
    (tmp_path / "mine" / "prefect.yaml").write_text("mine")
    write_flows(tmp_path / "mine", replace=True)
    assert "deployments" in (tmp_path / "mine" / "prefect.yaml").read_text()
