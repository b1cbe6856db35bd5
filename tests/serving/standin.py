"""Local servers that speak Ollama's and vLLM's protocol, check every field, and keep what they did wrong.

Written after Ollama's API at its August 2026 source and vLLM's documented one. What a model answers is a hash of the
model's content and the prompt, so that an answer of another generation is seen.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar

WORDS = (" BUY", " HOLD", " SELL", " MOVE_TO_BE", " ENABLE_TRAIL", " DISABLE_TRAIL", " the", "\n")


def log_probabilities(identity: str, prompt: str) -> dict[str, float]:
    """What a model of that content answers: mostly BUY or HOLD, little of the other words, 2 % for what has no name."""
    digest = hashlib.sha256(f"{identity}|{prompt}".encode()).digest()
    weights = {word: (1.0 + digest[index]) / (1 if index < 2 else 100) for index, word in enumerate(WORDS)}
    total = sum(weights.values()) / 0.98
    return {word: math.log(weight / total) for word, weight in weights.items()}


class Refused(Exception):
    """The stand-in says no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class StandIn:
    """A server in a thread; `problems` must stay empty, `requests` lists what came."""

    routes: ClassVar[dict[tuple[str, str], str]] = {}

    def __init__(self, api_key: str | None = None) -> None:
        self.api_key = api_key
        self.problems: list[str] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.lock = threading.Lock()
        self.delay_seconds = 0.0
        self.broken: dict[str, tuple[int, bytes]] = {}
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                owner.handle(self)

            do_POST = do_HEAD = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        try:
            status, kind, body = self._answer(handler, content)
        except Refused as refusal:
            status, kind, body = refusal.status, "application/json", json.dumps({"error": str(refusal)}).encode()
        except Exception as error:
            self.problems.append(f"{handler.command} {handler.path}: {type(error).__name__}: {error}")
            status, kind, body = 500, "application/json", b'{"error": "the stand-in failed"}'
        with suppress(ConnectionError):  # a client that waited no longer
            self._send(handler, status, kind, body)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def _answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> tuple[int, str, bytes]:
        method, path = handler.command, handler.path
        if self.api_key is not None and handler.headers.get("Authorization") != f"Bearer {self.api_key}":
            raise Refused(401, "unauthorized")
        if path in self.broken:
            return (self.broken[path][0], "application/json", self.broken[path][1])
        is_json = handler.headers.get("Content-Type") == "application/json"
        body = json.loads(content) if is_json and content else content
        with self.lock:
            self.requests.append((method, path, body))
        for (wanted, prefix), name in self.routes.items():
            if method == wanted and (path == prefix or (prefix.endswith("/") and path.startswith(prefix))):
                answer = getattr(self, name)(path.removeprefix(prefix), body)
                if isinstance(answer, str):
                    return 200, "text/plain", answer.encode()
                return 200, "application/json", json.dumps(answer).encode()
        raise Refused(404, f"404 page not found: {method} {path}")

    def check(self, body: Any, required: dict[str, Any], optional: dict[str, Any] | None = None) -> None:
        """Fields must be exactly these, of these types or values."""
        allowed = {**required, **(optional or {})}
        if not isinstance(body, dict) or set(required) - set(body) or set(body) - set(allowed):
            raise AssertionError(f"fields {sorted(body)} are not {sorted(allowed)}")
        for name, value in body.items():
            wanted = allowed[name]
            right = isinstance(value, wanted) if isinstance(wanted, type | UnionType) else value == wanted
            if not right:
                raise AssertionError(f"{name} = {value!r} is not {wanted!r}")


class OllamaStandIn(StandIn):
    """One runner per base blob, as measured: another adapter waits until nothing of that base is in flight."""

    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("GET", "/api/tags"): "tags",
        ("HEAD", "/api/blobs/"): "has_blob",
        ("POST", "/api/blobs/"): "put_blob",
        ("POST", "/api/show"): "show",
        ("POST", "/api/create"): "create",
        ("POST", "/api/generate"): "generate",
        ("DELETE", "/api/delete"): "delete",
    }

    def __init__(self, api_key: str | None = None, wait_seconds: float = 2.0) -> None:
        super().__init__(api_key)
        self.blobs: dict[str, bytes] = {}
        self.models: dict[str, tuple[str, str]] = {"lean:latest": ("base-blob", "")}  # name -> base blob, adapter
        self.runners: dict[str, str] = {}  # base blob -> adapter that is loaded
        self.in_flight: dict[str, int] = {}
        self.idle = threading.Condition(self.lock)
        self.wait_seconds = wait_seconds
        self.architecture = "llama"

    def identity(self, name: str) -> str:
        return "|".join(self.models[name if ":" in name else f"{name}:latest"])

    def tags(self, _: str, __: Any) -> Any:
        return {
            "models": [
                {"name": name, "model": name, "digest": hashlib.sha256("|".join(parts).encode()).hexdigest()}
                for name, parts in self.models.items()
            ]
        }

    def show(self, _: str, body: Any) -> Any:
        self.check(body, {"model": str})
        self._parts(body["model"])
        kind = self.architecture
        return {"model_info": {"general.architecture": kind, f"{kind}.attention.head_count": 1}}

    def has_blob(self, digest: str, _: Any) -> Any:
        if digest not in self.blobs:
            raise Refused(404, "blob not found")
        return {}

    def put_blob(self, digest: str, content: bytes) -> Any:
        if f"sha256:{hashlib.sha256(content).hexdigest()}" != digest:
            raise Refused(400, "digest mismatch")
        self.blobs[digest] = content
        return {}

    def create(self, _: str, body: Any) -> Any:
        self.check(body, {"model": str, "stream": False}, {"from": str, "adapters": dict, "files": dict})
        files = body.get("adapters", body.get("files", {}))
        if not ({"adapter.gguf"} if "from" in body else {"config.json"}) <= set(files):
            raise Refused(400, "no Modelfile or safetensors files found")
        for name, digest in files.items():
            if digest not in self.blobs:
                raise Refused(400, f"blob {digest} not found")
            if name.endswith(".gguf") and not self.blobs[digest].startswith(b"GGUF\x03"):
                raise Refused(400, "supplied file was not in GGUF format")
        content = hashlib.sha256("".join(sorted(files.values())).encode()).hexdigest()
        base = self.models[f"{body['from']}:latest"][0] if "from" in body else content
        self.models[f"{body['model']}:latest"] = (base, content if "from" in body else "")
        return {"status": "success"}

    def delete(self, _: str, body: Any) -> Any:
        self.check(body, {"model": str})
        if self.models.pop(f"{body['model']}:latest", None) is None:
            raise Refused(404, f"model '{body['model']}' not found")
        return {}

    def generate(self, _: str, body: Any) -> Any:
        if body.get("prompt") == "":
            self.check(body, {"model": str, "prompt": "", "stream": False, "keep_alive": int})
            return self._load_or_drop(body)
        options: dict[str, Any] = {"temperature": (int, float), "num_predict": int}
        self.check(
            body,
            {"model": str, "prompt": str, "raw": True, "stream": False, "truncate": False, "keep_alive": -1}
            | {"options": dict},
            {"logprobs": True, "top_logprobs": int},
        )
        if not set(options) <= set(body["options"]) <= {*options, "seed", "top_p"}:
            raise AssertionError(f"options {body['options']}")
        base, adapter = self._parts(body["model"])
        self._enter(base, adapter)
        try:
            time.sleep(self.delay_seconds)
            return self._reply(body, f"{base}|{adapter}")
        finally:
            with self.idle:
                self.in_flight[base] -= 1
                self.idle.notify_all()

    def _reply(self, body: Any, identity: str) -> Any:
        listed = log_probabilities(identity, body["prompt"])
        top = sorted(listed.items(), key=lambda row: -row[1])[: body.get("top_logprobs", 0)]
        answer: dict[str, Any] = {"model": body["model"], "done": True}
        if body.get("logprobs"):
            rows = [{"token": token, "logprob": value} for token, value in top]
            answer |= {"response": top[0][0], "logprobs": [{**rows[0], "top_logprobs": rows}]}
        else:
            answer["response"] = f" 0.7 | because of {identity[-8:]}\nmore"
        return answer

    def _parts(self, name: str) -> tuple[str, str]:
        found = self.models.get(f"{name}:latest")
        if found is None:
            raise Refused(404, f"model '{name}' not found")
        return found

    def _load_or_drop(self, body: Any) -> Any:
        base, adapter = self._parts(body["model"])
        if body["keep_alive"] == 0:
            with self.idle:
                if self.runners.get(base) == adapter:
                    del self.runners[base]
            return {"model": body["model"], "done_reason": "unload"}
        self._enter(base, adapter)
        with self.idle:
            self.in_flight[base] -= 1
            self.idle.notify_all()
        return {"model": body["model"], "done_reason": "load"}

    def _enter(self, base: str, adapter: str) -> None:
        with self.idle:
            if self.runners.get(base, adapter) != adapter:
                free = self.idle.wait_for(lambda: not self.in_flight.get(base), self.wait_seconds)
                if not free:
                    raise Refused(503, "server busy, please try again.  maximum pending requests exceeded")
            self.runners[base] = adapter
            self.in_flight[base] = self.in_flight.get(base, 0) + 1


class VllmStandIn(StandIn):
    """Adapters by name, loaded and unloaded while it runs; unloading one in use is a problem."""

    routes: ClassVar[dict[tuple[str, str], str]] = {
        ("GET", "/v1/models"): "list_models",
        ("POST", "/v1/completions"): "completions",
        ("POST", "/v1/load_lora_adapter"): "load",
        ("POST", "/v1/unload_lora_adapter"): "unload",
    }

    def __init__(self, api_key: str | None = None, max_loras: int = 4, seen_at: tuple[str, Path] | None = None) -> None:
        super().__init__(api_key)
        self.adapters: dict[str, str] = {}
        self.in_flight: dict[str, int] = {}
        self.max_loras = max_loras
        self.seen_at = seen_at

    def here(self, path: str) -> Path:
        if self.seen_at is None:
            return Path(path)
        prefix, folder = self.seen_at
        return folder / Path(path).relative_to(prefix)

    def identity(self, name: str) -> str:
        if name == "lean":
            return "base"
        folder = self.here(self.adapters[name])
        files = (folder / part for part in ("adapter_config.json", "adapter_model.safetensors"))
        return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()

    def list_models(self, _: str, __: Any) -> Any:
        rows = [{"id": "lean", "object": "model", "root": "/models/lean", "parent": None}]
        rows += [{"id": n, "object": "model", "root": path, "parent": "lean"} for n, path in self.adapters.items()]
        return {"object": "list", "data": rows}

    def load(self, _: str, body: Any) -> Any:
        self.check(body, {"lora_name": str, "lora_path": str})
        name, path = body["lora_name"], body["lora_path"]
        if name in self.adapters:
            raise Refused(400, f"The lora adapter '{name}' has already been loaded.")
        if not (self.here(path) / "adapter_config.json").is_file():
            raise Refused(404, f"Loading lora {name} failed: No adapter found for {path}")
        if len(self.adapters) >= self.max_loras:
            raise Refused(400, "max_loras reached")
        self.adapters[name] = path
        return f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, _: str, body: Any) -> Any:
        self.check(body, {"lora_name": str})
        name = body["lora_name"]
        with self.lock:
            if self.in_flight.get(name):
                self.problems.append(f"{name} was unloaded with {self.in_flight[name]} requests in flight")
        if self.adapters.pop(name, None) is None:
            raise Refused(404, f"The lora adapter '{name}' cannot be found.")
        return f"Success: LoRA adapter '{name}' removed successfully."

    def completions(self, _: str, body: Any) -> Any:
        self.check(
            body,
            {"model": str, "prompt": list, "stream": False, "max_tokens": int, "temperature": int | float},
            {"seed": int, "logprobs": int, "top_p": float},
        )
        name = body["model"]
        if name != "lean" and name not in self.adapters:
            raise Refused(404, f"The model `{name}` does not exist.")
        if not 0 <= body.get("logprobs", 0) <= 20:
            raise Refused(400, "Requested sample logprobs of more than 20")
        with self.lock:
            self.in_flight[name] = self.in_flight.get(name, 0) + 1
        try:
            identity = self.identity(name)
            time.sleep(self.delay_seconds)
            choices = [self._choice(index, text, body, identity) for index, text in enumerate(body["prompt"])]
        finally:
            with self.lock:
                self.in_flight[name] -= 1
        return {"object": "text_completion", "model": name, "choices": choices[::-1]}

    def _choice(self, index: int, text: str, body: Any, identity: str) -> Any:
        if "logprobs" not in body:
            return {"index": index, "text": f" 0.7 | because of {identity[:8]}\nmore", "logprobs": None}
        listed = log_probabilities(identity, text)
        top = dict(sorted(listed.items(), key=lambda row: -row[1])[: body["logprobs"]])
        return {"index": index, "text": next(iter(top)), "logprobs": {"top_logprobs": [top]}}


@contextmanager
def running(server: StandIn) -> Iterator[Any]:
    """Close it, and insist that it saw nothing wrong."""
    try:
        yield server
        assert server.problems == []
    finally:
        server.close()
