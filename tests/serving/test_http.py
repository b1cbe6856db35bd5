"""Every kind of trouble with a server is one of two errors, and names the address."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from llm_plugin.errors import BackendUnavailable, ConfigError
from llm_plugin.serving.http import JsonClient, ServerRefused

from .standin import OllamaStandIn, VllmStandIn, running


def test_address_must_be_one() -> None:
    with pytest.raises(ConfigError, match=r"'localhost:11434' is no address; write http://host:port"):
        JsonClient("localhost:11434")


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(BackendUnavailable, match=rf"GET http://127.0.0.1:{port}/x: .*is the server running"):
        JsonClient(f"http://127.0.0.1:{port}").get("/x")


def test_server_that_hangs_costs_one_timeout(vllm: VllmStandIn) -> None:
    vllm.delay_seconds = 1.0
    body = {"model": "lean", "prompt": ["x"], "stream": False, "max_tokens": 1, "temperature": 0}
    with pytest.raises(BackendUnavailable, match="no answer in time"):
        JsonClient(vllm.url, timeout_seconds=0.1).post("/v1/completions", body)


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (500, b'{"error": "boom"}', BackendUnavailable, "500 boom"),
        (503, b"busy", BackendUnavailable, "503 busy"),
        (429, b'{"error": {"message": "slow down"}}', BackendUnavailable, "429 slow down"),
        (400, b'{"object": "error", "message": "bad"}', ServerRefused, "400 bad"),
        (200, b"{half", BackendUnavailable, "the answer is no JSON"),
    ],
    ids=["failing", "busy", "limited", "refused", "garbled"],
)
def test_statuses(vllm: VllmStandIn, status: int, body: bytes, error: type[Exception], message: str) -> None:
    vllm.broken["/v1/models"] = (status, body)
    with pytest.raises(error, match=message):
        JsonClient(vllm.url).get("/v1/models")


def test_key_is_sent_and_a_wrong_one_is_refused() -> None:
    with running(VllmStandIn(api_key="secret")) as server:
        assert JsonClient(server.url, api_key="secret").get("/v1/models")["data"]
        with pytest.raises(ServerRefused, match="401 unauthorized"):
            JsonClient(server.url, api_key="wrong").get("/v1/models")


def test_connection_that_the_server_closed_meanwhile_is_opened_again(ollama: OllamaStandIn) -> None:
    client = JsonClient(ollama.url)
    client.get("/api/tags")
    client._idle[0].sock.shutdown(socket.SHUT_RDWR)
    assert client.get("/api/tags")["models"]


def test_connections_are_kept_and_closed(ollama: OllamaStandIn) -> None:
    client = JsonClient(ollama.url)
    client.get("/api/tags")
    client.get("/api/tags")
    assert len(client._idle) == 1
    kept = client._idle[0]
    client.close()
    assert kept.sock is None
    assert client.get("/api/tags")["models"]


def test_servers_need_no_model_library() -> None:
    code = "import sys, llm_plugin.serving; sys.exit(any(m in sys.modules for m in ('torch', 'numpy', 'transformers')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
