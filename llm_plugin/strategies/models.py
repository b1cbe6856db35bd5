"""Models that write strategies behind one protocol: in process, on servers, hosted. Standard library only.

`open_model` takes the short text that a user writes on the command line or in a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from llm_plugin.errors import BackendUnavailable, ConfigError, did_you_mean

if TYPE_CHECKING:
    from llm_plugin.strategies.tasks import Task

__all__ = [
    "FORMS",
    "AnswerCut",
    "Completion",
    "Message",
    "ModelOptions",
    "Price",
    "RateLimited",
    "ReferenceModel",
    "StrategyModel",
    "check_model",
    "open_model",
]

ROLES = ("system", "user", "assistant")
FORMS = (
    "standin",
    "standin:base",
    "path:BASE",
    "path:BASE+ADAPTER",
    "openai:MODEL@URL",
    "anthropic:MODEL",
    "ollama:MODEL",
    "references",
)
_SERVERS = ("openai", "anthropic", "ollama")
_URL = re.compile(r"@(https?://\S+)$")
OnText = Callable[[str], None]


class AnswerCut(BackendUnavailable):
    """The connection ended midway; `partial` is the text that had arrived."""

    def __init__(self, message: str, partial: str = "") -> None:
        self.partial = partial
        super().__init__(message)


class RateLimited(BackendUnavailable):
    """The server asks to wait; `retry_after_seconds` is None where it does not say how long."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"message role {self.role!r} is unknown; known: {', '.join(ROLES)}")

    def to_json(self) -> dict[str, str]:
        """Return it as every chat server takes it."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        text: What the model wrote.
        tokens_in: Tokens of the question.
        tokens_out: Tokens of the answer.
        seconds: From the request to the last word.
        cost_usd: 0 for a model of one's own; None where the price is not known.
        stop_reason: `stop`, `length` (the limit of tokens was reached) or the server's own word.
        model: Who answered, in its own words.
        tokens_counted: False where the server told no figures and they are a fourth of the characters.
        notes: What was left out of the request because the server refuses it.
    """

    text: str
    tokens_in: int
    tokens_out: int
    seconds: float
    cost_usd: float | None
    stop_reason: str
    model: str = ""
    tokens_counted: bool = True
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@runtime_checkable
class StrategyModel(Protocol):
    """Whatever continues a conversation."""

    name: str

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        on_text: OnText | None = None,
    ) -> Completion:
        """Answer; the same messages and seed give the same answer where the model allows it.

        Args:
            messages: The conversation so far.
            max_new_tokens: Limit of the answer.
            temperature: 0 is greedy.
            seed: Of the sampling.
            on_text: Called with each piece of text as it comes; what it raises ends the answer and passes on.

        Raises:
            BackendUnavailable: No answer in time, or it was cut off; nothing is guessed in its place.
            ModelError: The model or the server cannot do what is asked.
        """


@dataclass(frozen=True, slots=True)
class Price:
    """What a hosted model costs, in USD for a million tokens."""

    usd_per_million_in: float
    usd_per_million_out: float

    def __post_init__(self) -> None:
        for name in ("usd_per_million_in", "usd_per_million_out"):
            if not 0 <= getattr(self, name) < 1e6:
                raise ConfigError(f"price {name} = {getattr(self, name)} must be 0 or more, in USD")

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return the price of one answer.

        >>> Price(3, 15).of(1000, 2000)
        0.033
        """
        return (tokens_in * self.usd_per_million_in + tokens_out * self.usd_per_million_out) / 1e6


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """How a server is asked.

    Attributes:
        first_word_seconds: Longest wait for the connection, and between two pieces of the answer.
        answer_seconds: Longest time of a whole answer, waiting for a busy server included.
        api_key: Key of the server; None takes that of the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY).
        price: What its tokens cost; None where that is not known.
        retries: How often a busy or unreachable server is asked again.
    """

    first_word_seconds: float = 60.0
    answer_seconds: float = 300.0
    api_key: str | None = field(default=None, repr=False)
    price: Price | None = None
    retries: int = 2

    def __post_init__(self) -> None:
        for name in ("first_word_seconds", "answer_seconds"):
            if not 0 < getattr(self, name) <= 86_400:
                raise ConfigError(f"{name} = {getattr(self, name)} must be above 0 and at most a day")
        if not 0 <= self.retries <= 10:
            raise ConfigError(f"retries = {self.retries} must be 0 to 10")


def open_model(text: str, *, options: ModelOptions | None = None) -> StrategyModel:
    """Open a model by its short text; one of `FORMS`.

    Args:
        text: Say `standin`, `path:/models/codellama+/adapters/mine`, `openai:qwen@http://127.0.0.1:8000/v1`.
        options: Time-outs, key and price of a server.

    Raises:
        ConfigError: No such form.
        ModelError: The folder or the adapter is damaged, of another architecture or of another base.
    """
    kind, rest, url = check_model(text)
    if kind in _SERVERS:
        from llm_plugin.strategies.hosted import AnthropicModel, OllamaModel, OpenAIModel

        makers: dict[str, Callable[..., StrategyModel]] = {
            "openai": OpenAIModel,
            "anthropic": AnthropicModel,
            "ollama": OllamaModel,
        }
        return makers[kind](rest, url=url, options=options)
    if kind == "references":
        return _open_references(rest)
    return _open_local(kind, rest, text)


def check_model(text: str) -> tuple[str, str, str | None]:
    """Return kind, name and address of a model's short text; nothing is opened.

    Raises:
        ConfigError: No such form.
    """
    kind, _, rest = text.strip().partition(":")
    if kind in _SERVERS:
        url = _URL.search(rest)
        name = rest[: url.start()] if url else rest
        if not name:
            raise ConfigError(f"model {text!r} names no model; write {kind}:MODEL or {kind}:MODEL@http://host:port")
        if url and urlsplit(url.group(1)).username is not None:
            raise ConfigError(
                f"the address of model {kind}:{name} holds a user or password, which would be written into records: "
                "give the key by the environment or api_key_env"
            )
        return kind, name, url.group(1) if url else None
    if kind == "standin" and rest not in ("", "base", "tuned"):
        raise ConfigError(f"model {text!r} is unknown{did_you_mean(rest, ('base', 'tuned'))}; write standin[:base]")
    if kind == "path":
        split_path(rest, text)
    elif kind not in ("standin", "references"):
        known = [form.partition(":")[0] for form in FORMS]
        raise ConfigError(f"model {text!r} is unknown{did_you_mean(kind, known)}; write one of: {', '.join(FORMS)}")
    return kind, rest, None


def split_path(rest: str, text: str) -> tuple[Path, Path | None]:
    """Return base and adapter of `BASE[+ADAPTER]`; a folder whose own name holds a plus stays whole.

    Raises:
        ConfigError: No path, or one side of the plus is empty.
    """
    if not rest:
        raise ConfigError(f"model {text!r} names no folder; write path:BASE or path:BASE+ADAPTER")
    if Path(rest).is_dir() or "+" not in rest:
        return Path(rest), None
    base, _, adapter = rest.rpartition("+")
    if not base or not adapter:
        raise ConfigError(f"model {text!r}: one side of the + is empty; write path:BASE+ADAPTER")
    return Path(base), Path(adapter)


class ReferenceModel:
    """Replays the reference solution of the task whose prompt stands in the conversation: calibrates the judge."""

    def __init__(self, tasks: Iterable[Task], name: str = "references") -> None:
        """Take the tasks whose solutions are known."""
        self.name = name
        self.single_turn = True
        self._sources = {task.prompt.strip(): task.reference for task in tasks if task.reference}
        if not self._sources:
            raise ConfigError("no task has a reference solution: nothing to replay")

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        on_text: OnText | None = None,
    ) -> Completion:
        """Return the reference solution as a block of code.

        Raises:
            BackendUnavailable: No task has such a prompt.
        """
        asked = [message.content for message in messages if message.role == "user"]
        found = next((self._sources[words.strip()] for words in asked if words.strip() in self._sources), None)
        if found is None:
            longest = sorted(self._sources, key=len, reverse=True)
            found = next((self._sources[p] for p in longest for words in asked if p in words), None)
        if found is None:
            raise BackendUnavailable(
                f"{self.name}: no task has the prompt {(asked or [''])[-1][:120]!r}; "
                "reference solutions answer only the benchmark's own prompts"
            )
        text = f"```python\n{found.strip()}\n```\n"
        if on_text is not None:
            on_text(text)
        return Completion(text, 0, 0, 0.0, 0.0, "stop", self.name)


def _open_local(kind: str, rest: str, text: str) -> StrategyModel:
    try:
        from llm_plugin.writer.serving import open_writer
    except ModuleNotFoundError as error:
        raise ConfigError(f"model {text!r} needs '{error.name}': pip install 'lean-llm-plugin[llm]'") from error
    if kind == "path":
        base, adapter = split_path(rest, text)
        return open_writer(base, adapter)
    return open_writer("standin", None if rest == "base" else "tuned")


def _open_references(rest: str) -> StrategyModel:
    from llm_plugin.strategies.benchmark.places import shipped_tasks
    from llm_plugin.strategies.tasks import load_tasks

    place = Path(rest) if rest else shipped_tasks()
    return ReferenceModel(load_tasks(place), f"references:{rest}" if rest else "references")
