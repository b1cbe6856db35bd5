"""The local Weaviate server: obtained, shared, stopped, killed and started again; and the fall-back without it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from remembered import make_record, moment, random_vectors

from llm_plugin.errors import ConfigError, MemoryUnavailable
from llm_plugin.memory import LocalMemory, open_memory
from llm_plugin.memory import server as server_module
from llm_plugin.memory.binary import GO_MODULE, cached_binary, find_binary, obtain_binary
from llm_plugin.memory.server import start, status, stop

ROOT = Path(__file__).resolve().parents[2]


def options(**changes: Any) -> SimpleNamespace:
    """The settings of the memory section."""
    values = {"backend": "weaviate", "url": None, "grpc_port": 50051, "api_key": None, "timeout_seconds": 5.0}
    return SimpleNamespace(**(values | changes))


def program(path: Path, text: str) -> Path:
    """Write a script that can be run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def no_binary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with neither Weaviate nor Go, whose downloads fail; returns its empty program folder."""
    monkeypatch.delenv("WEAVIATE_BINARY", raising=False)
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr("urllib.request.urlretrieve", refuse)
    return folder


def test_named_binary_must_be_a_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEAVIATE_BINARY", str(tmp_path / "nothing"))
    with pytest.raises(ConfigError, match="nothing', which is no program"):
        find_binary()
    named = program(tmp_path / "weaviate", "#!/bin/sh\n")
    monkeypatch.setenv("WEAVIATE_BINARY", str(named))
    assert obtain_binary() == named


def test_cached_binary_is_used_before_anything_is_fetched(no_binary: Path) -> None:
    assert find_binary() is None
    cached = program(cached_binary(), "#!/bin/sh\n")
    assert obtain_binary() == cached


def test_without_any_way_the_error_says_what_was_tried_and_what_to_do(no_binary: Path) -> None:
    said: list[str] = []
    with pytest.raises(MemoryUnavailable, match=r"network is unreachable.*Go is not installed.*WEAVIATE_BINARY"):
        obtain_binary(said.append)
    assert len(said) == 4


def test_go_builds_the_pinned_version_into_the_cache(no_binary: Path) -> None:
    log = no_binary / "log"
    script = f'#!/bin/sh\necho "$CGO_ENABLED $*" > {log}\nprintf "#!/bin/sh\\n" > "$GOBIN/weaviate-server"\n'
    program(no_binary / "go", script + '/bin/chmod 755 "$GOBIN/weaviate-server"\n')
    assert obtain_binary() == cached_binary()
    words = log.read_text().split()
    assert words[0] == "0"
    assert words[-1] == GO_MODULE
    assert find_binary() == cached_binary()


def test_build_that_fails_says_why(no_binary: Path) -> None:
    program(no_binary / "go", "#!/bin/sh\necho 'no space left on device'\nexit 1\n")
    with pytest.raises(MemoryUnavailable, match="go install failed: no space left on device"):
        obtain_binary()
    assert find_binary() is None


def test_without_weaviate_the_memory_is_local_and_one_line_says_so(
    no_binary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    memory = open_memory(options(), "run", tell=said.append)
    assert isinstance(memory, LocalMemory)
    assert said[-1].startswith("memory: Weaviate cannot be had, going on with the exact local index")
    assert "\n" not in said[-1]
    assert "WEAVIATE_BINARY" in said[-1]
    with caplog.at_level(logging.WARNING):
        open_memory(options(), "run")
    assert "Weaviate cannot be had" in caplog.text


def test_local_is_not_a_fall_back_where_it_was_asked_for() -> None:
    said: list[str] = []
    assert isinstance(open_memory(options(backend="local"), "run", tell=said.append), LocalMemory)
    assert said == []


def test_remote_server_that_does_not_answer_falls_back_too() -> None:
    said: list[str] = []
    remote = options(url="http://127.0.0.1:9", grpc_port=9, timeout_seconds=1.0)
    assert isinstance(open_memory(remote, "run", tell=said.append), LocalMemory)
    assert "http://127.0.0.1:9" in said[-1]


def test_server_that_dies_while_starting_is_reported_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = program(tmp_path / "weaviate", "#!/bin/sh\necho 'panic: bad data folder' >&2\nexit 3\n")
    monkeypatch.setenv("WEAVIATE_BINARY", str(broken))
    with pytest.raises(MemoryUnavailable, match=r"panic: bad data folder.*server\.log"):
        start()
    assert status()["state"] == "stopped"
    assert not stop()


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home of its own with a real binary; whatever was started is stopped."""
    from weaviate_here import weaviate_binary

    monkeypatch.setenv("WEAVIATE_BINARY", weaviate_binary())
    yield
    stop()


@pytest.mark.integration
@pytest.mark.slow
def test_server_is_shared_survives_kill_nine_and_stops(own_server: None, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "from llm_plugin.memory.server import start; print(start().pid)"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(2)]
    pids = {child.communicate(timeout=120)[0].strip() for child in children}
    assert len(pids) == 1, "two processes that start at once get one server"
    info = start()
    assert str(info.pid) in pids
    assert status()["state"] == "running"

    memory = open_memory(options(), "live-run", live=True)
    record = make_record(1, random_vectors(1)[0])
    memory.add(record)
    memory.close()
    os.kill(info.pid, signal.SIGKILL)
    again = start()
    assert again.pid != info.pid
    assert again.http_port != info.http_port
    healed = open_memory(options(), "live-run", live=True)
    healed.add(record)  # what a killed server had not flushed comes from the outcome store
    assert healed.count() == 1
    healed.close()
    assert stop()
    start()
    kept = open_memory(options(), "live-run", live=True)
    assert [hit.record for hit in kept.search(record.vector, 3, moment(10))] == [record]
    kept.close()
    fresh = open_memory(options(), "live-run", live=True, fresh=True)
    assert fresh.count() == 0, "a backtest starts empty"
    fresh.close()

    assert stop()
    assert status()["state"] == "stopped"
    assert not stop()


def test_number_of_another_process_is_not_taken_for_the_server(own_home: Path) -> None:
    folder = server_module.folder()
    folder.mkdir(parents=True)
    info = server_module.ServerInfo(os.getpid(), 1, 1, "weaviate", str(folder))
    (folder / "server.json").write_text(server_module.json.dumps(server_module.asdict(info)))
    assert status()["state"] == "stopped"
    assert not stop(), "this very process would have been stopped"
