"""A chat server over real HTTP whose answers are written beforehand: a process of its own, or a thread of the test.

Speaks OpenAI's, Anthropic's and Ollama's protocol. `python scripted_chat.py SCRIPT.json LOG.jsonl` serves in a process
and prints its address. A step of the script: {"text", "pieces", "status", "headers", "body", "hang", "drop_after",
"drip_seconds", "whole", "usage", "no_end", "no_done", "finish", "error_after"}.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Chat", "chat_server"]


@dataclass
class Chat:
    """A running server: what it will answer, what it was asked."""

    steps: list[dict[str, Any]]
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    log: Path | None = None

    def next_step(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> dict[str, Any]:
        """Write the question down and return the answer to it; the last step answers all that follow."""
        self.asked.append({"path": path, "headers": headers, "body": body})
        if self.log is not None:
            with self.log.open("a") as stream:
                stream.write(json.dumps(self.asked[-1]) + "\n")
        return self.steps[min(len(self.asked), len(self.steps)) - 1]


@contextmanager
def chat_server(steps: Sequence[dict[str, Any]], log: Path | None = None) -> Iterator[Chat]:
    """Serve in a thread until the end of the block."""
    chat = Chat(list(steps), log=log)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(chat))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    chat.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield chat
    finally:
        chat.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _handler(chat: Chat) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            step = chat.next_step(self.path, dict(self.headers), body)
            if step.get("hang") == "before":
                chat.released.wait(30)
                return
            if step.get("status", 200) != 200:
                self._refuse(step)
                return
            try:
                self._answer(step, body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def _refuse(self, step: dict[str, Any]) -> None:
            content = json.dumps(step.get("body", {"error": {"message": "refused"}})).encode()
            self.send_response(step["status"])
            for name, value in step.get("headers", {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, step: dict[str, Any], body: dict[str, Any]) -> None:
            events = list(_events(self.path, step, body))
            if step.get("whole"):
                content = json.dumps(_whole(step)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
            self.send_response(200)
            kind = "application/x-ndjson" if self.path == "/api/chat" else "text/event-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for number, event in enumerate(events):
                if step.get("drop_after") == number:
                    self.close_connection = True
                    self.connection.close()
                    return
                if step.get("hang") == number:
                    chat.released.wait(30)
                    return
                time.sleep(step.get("drip_seconds", 0))
                data = event.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

    return Handler


def _pieces(step: dict[str, Any]) -> list[str]:
    text = str(step.get("text", ""))
    size = max(1, -(-len(text) // int(step.get("pieces", 5))))
    return [text[start : start + size] for start in range(0, len(text), size)]


def _whole(step: dict[str, Any]) -> dict[str, Any]:
    return {
        "object": "chat.completion",
        "model": "scripted",
        "choices": [{"message": {"content": step.get("text", "")}, "finish_reason": "stop"}],
        "usage": step.get("usage"),
    }


def _events(path: str, step: dict[str, Any], body: dict[str, Any]) -> Iterator[str]:
    usage = step.get("usage", {"prompt_tokens": 10, "completion_tokens": 20})
    model = str(body.get("model"))
    if path == "/api/chat":
        for piece in _pieces(step):
            yield json.dumps({"model": model, "message": {"content": piece}, "done": False}) + "\n"
        end = {"prompt_eval_count": 10, "eval_count": 20, "done_reason": "stop"}
        yield json.dumps({"model": model, "message": {"content": ""}, "done": True, **end}) + "\n"
    elif path.endswith("/v1/messages"):
        start = {"type": "message_start", "message": {"model": model, "usage": {"input_tokens": 10}}}
        yield f"event: message_start\ndata: {json.dumps(start)}\n\n"
        for piece in _pieces(step):
            delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}}
            yield f"event: content_block_delta\ndata: {json.dumps(delta)}\n\n"
        end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 20}}
        yield f"event: message_delta\ndata: {json.dumps(end)}\n\n"
        yield 'event: message_stop\ndata: {"type": "message_stop"}\n\n'
    else:
        for number, piece in enumerate(_pieces(step)):
            if step.get("error_after") == number:
                yield f"data: {json.dumps({'error': {'message': 'out of memory'}})}\n\n"
            yield f"data: {json.dumps({'model': model, 'choices': [{'delta': {'content': piece}}]})}\n\n"
        if step.get("no_end"):
            return
        end = {"model": model, "choices": [{"delta": {}, "finish_reason": step.get("finish", "stop")}]}
        if step.get("no_done"):  # as `transformers serve` ends: figures in the last event, no mark behind it
            yield f"data: {json.dumps({**end, 'usage': usage})}\n\n"
            return
        yield f"data: {json.dumps(end)}\n\n"
        if usage is not None:
            yield f"data: {json.dumps({'model': model, 'choices': [], 'usage': usage})}\n\n"
        yield "data: [DONE]\n\n"


def main(script: str, log: str) -> None:
    """Serve a script file until killed; print the address first."""
    with chat_server(json.loads(Path(script).read_text()), Path(log)) as chat:
        print(chat.url, flush=True)
        while True:
            time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
