"""Chat over HTTP: OpenAI-compatible servers, Anthropic, Ollama. Streams, times out, counts tokens and their cost."""

from __future__ import annotations

import json
import os
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError
from llm_plugin.serving.http import ServerRefused
from llm_plugin.strategies.models import AnswerCut, Completion, Message, ModelOptions, OnText, RateLimited
from llm_plugin.strategies.streaming import StreamingClient

__all__ = ["AnthropicModel", "OllamaModel", "OpenAIModel"]

CHARACTERS_PER_TOKEN = 4
BUSY_WAIT_SECONDS = 1.0


@dataclass(slots=True)
class _Answer:
    """What has arrived so far."""

    text: str = ""
    model: str = ""
    stop_reason: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost_usd: float | None = None
    ended: bool = False


class HostedModel(ABC):
    """One model of one server; safe to ask from several threads."""

    kind: ClassVar[str]
    path: ClassVar[str]
    default_url: ClassVar[str]
    key_name: ClassVar[str | None] = None

    def __init__(self, model: str, *, url: str | None = None, options: ModelOptions | None = None) -> None:
        """Name the model; nothing is asked yet.

        Args:
            model: Its name on the server.
            url: Address of the server; None takes the provider's own.
            options: Time-outs, key, price.

        Raises:
            ConfigError: No address, or the provider's own server and no key.
        """
        self.model = model
        self.options = options or ModelOptions()
        self.url = self._whole_url(url or self.default_url)
        self.name = f"{self.kind}:{model}" + (f"@{self.url}" if url else "")
        self._client = StreamingClient(self.url, timeout_seconds=self.options.first_word_seconds)
        self._client.add_headers(self._own_headers(self._key(url)))
        self._refused: dict[str, str] = {}

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        on_text: OnText | None = None,
    ) -> Completion:
        """Ask; a busy or unreachable server is asked again, a cut answer is not: its text has been shown already.

        Raises:
            AnswerCut: The connection ended midway.
            RateLimited: The server is busy for longer than there is time.
            BackendUnavailable: No answer in time.
            ModelError: The server refuses the request or the key.
        """
        start = time.monotonic()
        tried = 0
        while True:
            left = self.options.answer_seconds - (time.monotonic() - start)
            body = self._body(messages, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
            try:
                answer = self._ask(self._without_refused(body), left, on_text)
                return self._completion(answer, messages, time.monotonic() - start)
            except AnswerCut:
                raise
            except ServerRefused as error:
                if not self._learn_refusal(error, body):
                    raise _refusal(self.name, error, self.key_name) from error
            except BackendUnavailable as error:
                tried += 1
                self._wait_or_raise(error, tried, self.options.answer_seconds - (time.monotonic() - start))

    def _wait_or_raise(self, error: BackendUnavailable, tried: int, left: float) -> None:
        wait = BUSY_WAIT_SECONDS * 2 ** (tried - 1)
        if isinstance(error, RateLimited) and error.retry_after_seconds is not None:
            wait = error.retry_after_seconds
        if tried > self.options.retries or wait >= left:
            raise error
        time.sleep(wait)

    def _ask(self, body: Mapping[str, Any], left: float, on_text: OnText | None) -> _Answer:
        answer = _Answer()
        limits = {"piece_seconds": min(self.options.first_word_seconds, left), "answer_seconds": left}
        try:
            with self._client.stream(self.path, body, **limits) as (kind, lines):
                for event in _events(lines, self.name, whole=kind == "application/json"):
                    before = len(answer.text)
                    self._read(event, answer)
                    if on_text is not None and len(answer.text) > before:
                        on_text(answer.text[before:])
                    if answer.ended:
                        break
        except BackendUnavailable as error:
            if answer.text:
                raise AnswerCut(
                    f"{self.name}: cut after {len(answer.text)} characters: {error}", answer.text
                ) from error
            raise
        if not answer.ended and not answer.stop_reason:
            raise AnswerCut(
                f"{self.name}: the server closed the connection after {len(answer.text)} characters, "
                "before the answer's end",
                answer.text,
            )
        return answer

    def _completion(self, answer: _Answer, messages: Sequence[Message], seconds: float) -> Completion:
        counted = answer.tokens_in is not None and answer.tokens_out is not None
        asked = sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN
        tokens_in = answer.tokens_in if answer.tokens_in is not None else asked
        tokens_out = answer.tokens_out
        if tokens_out is None:
            tokens_out = len(answer.text) // CHARACTERS_PER_TOKEN
        return Completion(
            text=answer.text,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            seconds=seconds,
            cost_usd=self._cost(answer.cost_usd, tokens_in, tokens_out),
            stop_reason=_plain_reason(answer.stop_reason),
            model=answer.model or self.model,
            tokens_counted=counted,
            notes=tuple(f"{name}: {why}" for name, why in self._refused.items()),
        )

    def _cost(self, told: float | None, tokens_in: int, tokens_out: int) -> float | None:
        if self.options.price is not None:
            return self.options.price.of(tokens_in, tokens_out)
        return told

    def _key(self, url: str | None) -> str | None:
        found = self.options.api_key
        if found is None and self.key_name is not None:
            found = os.environ.get(self.key_name) or None
        if found is None and self.key_name is not None and url is None:
            raise ConfigError(
                f"{self.name} needs a key: set the environment variable {self.key_name}, "
                f"or name a server of your own: {self.kind}:{self.model}@http://host:port"
            )
        return found

    def _whole_url(self, url: str) -> str:
        return url.rstrip("/")

    def _own_headers(self, key: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _without_refused(self, body: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in body.items() if name not in self._refused}

    def _learn_refusal(self, error: ServerRefused, body: Mapping[str, Any]) -> bool:
        """Whether the server refuses an optional field that can be left out; it is then left out from now on."""
        if error.status not in (400, 422):
            return False
        for name in ("stream_options", "seed", "temperature"):
            if name in body and name not in self._refused and re.search(rf"\b{name}\b", str(error)):
                self._refused[name] = "left out, the server refuses it"
                return True
        return False

    @abstractmethod
    def _body(
        self, messages: Sequence[Message], *, max_new_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        """The request."""

    @abstractmethod
    def _read(self, event: Mapping[str, Any], answer: _Answer) -> None:
        """Take one event into the answer."""


class OpenAIModel(HostedModel):
    """Any server that speaks OpenAI's chat completions: OpenAI, vLLM, llama.cpp, transformers serve, OpenRouter."""

    kind = "openai"
    path = "/chat/completions"
    default_url = "https://api.openai.com/v1"
    key_name = "OPENAI_API_KEY"

    def _whole_url(self, url: str) -> str:
        whole = url.rstrip("/")
        return whole if whole.count("/") > 2 else f"{whole}/v1"

    def _body(
        self, messages: Sequence[Message], *, max_new_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        limit = "max_completion_tokens" if "max_tokens" in self._refused else "max_tokens"
        return {
            "model": self.model,
            "messages": [message.to_json() for message in messages],
            limit: max_new_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _learn_refusal(self, error: ServerRefused, body: Mapping[str, Any]) -> bool:
        if error.status in (400, 422) and "max_tokens" not in self._refused and "max_completion_tokens" in str(error):
            self._refused["max_tokens"] = "sent as max_completion_tokens"
            return True
        return super()._learn_refusal(error, body)

    def _read(self, event: Mapping[str, Any], answer: _Answer) -> None:
        if event.get("error"):
            raise BackendUnavailable(f"{self.name}: {_words(event['error'])}")
        answer.model = str(event.get("model") or answer.model)
        usage = event.get("usage")
        if isinstance(usage, Mapping):
            answer.tokens_in, answer.tokens_out = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
            cost = usage.get("cost")
            answer.cost_usd = float(cost) if isinstance(cost, int | float) else answer.cost_usd
        for choice in event.get("choices") or []:
            part = choice.get("delta") or choice.get("message") or {}
            answer.text += str(part.get("content") or "")
            answer.stop_reason = str(choice.get("finish_reason") or answer.stop_reason)
        # The figures come after the reason: the mark at the very end is what ends it.
        whole = event.get("object") == "chat.completion"
        answer.ended = bool(event.get(_DONE)) or (whole and bool(answer.stop_reason))


class AnthropicModel(HostedModel):
    """Anthropic's messages."""

    kind = "anthropic"
    path = "/v1/messages"
    default_url = "https://api.anthropic.com"
    key_name = "ANTHROPIC_API_KEY"
    version = "2023-06-01"

    def _whole_url(self, url: str) -> str:
        return url.rstrip("/").removesuffix("/v1")

    def _own_headers(self, key: str | None) -> dict[str, str]:
        return {"anthropic-version": self.version, **({"x-api-key": key} if key else {})}

    def _body(
        self, messages: Sequence[Message], *, max_new_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        return {
            "model": self.model,
            "messages": [message.to_json() for message in messages if message.role != "system"],
            "max_tokens": max_new_tokens,
            "temperature": min(1.0, temperature),
            "stream": True,
            **({"system": system} if system else {}),
        }

    def _read(self, event: Mapping[str, Any], answer: _Answer) -> None:
        kind = event.get("type")
        if kind == "error":
            raise BackendUnavailable(f"{self.name}: {_words(event.get('error'))}")
        if kind in ("message", "message_start"):
            message = event.get("message", event)
            answer.model = str(message.get("model") or "")
            answer.tokens_in = _count(message.get("usage") or {}, "input_tokens")
            answer.tokens_out = _count(message.get("usage") or {}, "output_tokens")
            answer.text += "".join(str(part.get("text") or "") for part in message.get("content") or [])
            answer.stop_reason = str(message.get("stop_reason") or "")
        elif kind == "content_block_delta":
            answer.text += str((event.get("delta") or {}).get("text") or "")
        elif kind == "message_delta":
            answer.stop_reason = str((event.get("delta") or {}).get("stop_reason") or answer.stop_reason)
            answer.tokens_out = _count(event.get("usage") or {}, "output_tokens") or answer.tokens_out
        answer.ended = kind == "message_stop" or (kind == "message" and bool(answer.stop_reason))


class OllamaModel(HostedModel):
    """A model of an Ollama server; its tokens cost nothing."""

    kind = "ollama"
    path = "/api/chat"
    default_url = "http://127.0.0.1:11434"

    def _whole_url(self, url: str) -> str:
        own = os.environ.get("OLLAMA_HOST") if url == self.default_url else None
        if own:
            url = own if "://" in own else f"http://{own}"
        return url.rstrip("/")

    def _body(
        self, messages: Sequence[Message], *, max_new_tokens: int, temperature: float, seed: int
    ) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [message.to_json() for message in messages],
            "stream": True,
            "options": {"temperature": temperature, "seed": seed, "num_predict": max_new_tokens},
        }

    def _read(self, event: Mapping[str, Any], answer: _Answer) -> None:
        if event.get("error"):
            raise BackendUnavailable(f"{self.name}: {_words(event['error'])}")
        answer.model = str(event.get("model") or answer.model)
        answer.text += str((event.get("message") or {}).get("content") or "")
        if event.get("done"):
            answer.stop_reason = str(event.get("done_reason") or "stop")
            answer.tokens_in, answer.tokens_out = _count(event, "prompt_eval_count"), _count(event, "eval_count")
            answer.ended = True

    def _cost(self, told: float | None, tokens_in: int, tokens_out: int) -> float | None:
        found = super()._cost(told, tokens_in, tokens_out)
        return 0.0 if found is None else found


_DONE = "\0done"


def _events(lines: Iterator[str], name: str, *, whole: bool) -> Iterator[dict[str, Any]]:
    """Events of a stream: server-sent ones, JSON lines, or one JSON document of a server that does not stream."""
    if whole:
        yield _parsed("\n".join(lines), name)
        return
    for line in lines:
        data = line.removeprefix("data:").strip() if line.startswith("data:") else line.strip()
        if line.startswith(("event:", "id:", "retry:", ":")) or not data:
            continue
        yield {_DONE: True} if data == "[DONE]" else _parsed(data, name)


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BackendUnavailable(f"{name}: the answer is no JSON: {text[:120]!r}") from error
    if not isinstance(found, dict):
        raise BackendUnavailable(f"{name}: the answer is no object: {text[:120]!r}")
    return found


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return int(value) if isinstance(value, int | float) and value >= 0 else None


def _plain_reason(reason: str) -> str:
    return {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length"}.get(reason, reason or "stop")


def _words(error: Any) -> str:
    return str(error.get("message") or error)[:500] if isinstance(error, Mapping) else str(error)[:500]


def _refusal(name: str, error: ServerRefused, key_name: str | None) -> ModelError:
    remedy = {
        401: f"the key is missing or wrong: set {key_name or 'its key'}",
        403: f"the key may not use this model: set another {key_name or 'key'}",
        404: "no such model or path there: look at the server's list of models and at the address",
    }.get(error.status, "change the request or the model")
    return ServerRefused(f"{name}: {error}; {remedy}", error.status)
