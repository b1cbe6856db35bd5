"""OpenAI-compatible completions with log-probabilities; on vLLM, adapters that come and go while it runs.

Every generation gets a name of its own: the client flips from one name to the other, and the old one is unloaded when
nothing of it is in flight. `load_inplace`, which keeps the name, lets one request be answered by two adapters.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ModelError
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText, make_scores
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.generations import Promises
from llm_plugin.reasoning.model_folder import ModelManifest
from llm_plugin.serving.adapters import LocalBase, Users, calibrator_of
from llm_plugin.serving.http import JsonClient, ServerRefused
from llm_plugin.serving.listing import listed_actions
from llm_plugin.serving.model import ServerModel

__all__ = ["CompletionsModel", "FixedSwapper", "VllmSwapper"]

TOP = 20  # vLLM's own limit (--max-logprobs) unless it is raised
LOAD_SECONDS = 120.0
_VLLM_NOTES = (
    "vLLM must run with VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, --enable-lora, and --max-loras of 2 or more",
    "the adapter's path must be readable where the server runs (llm_model.server.adapters_at)",
    "which base the server runs is known by its name only; recorded canary answers are the check",
)
_FIXED_NOTES = ("this server has no way to change an adapter: it serves what it was started with",)


class CompletionsModel(ServerModel):
    """One model name of a `/v1/completions` server."""

    def __init__(
        self,
        client: JsonClient,
        name: str,
        *,
        version: str,
        calibrator: Calibrator | None = None,
        manifest: ModelManifest | None = None,
        options: dict[str, Any] | None = None,
        max_batch: int = 32,
    ) -> None:
        """Name what is asked.

        Args:
            client: The server.
            name: The model's (or adapter's) name there.
            version: What answers call themselves.
            calibrator: Fitted with this generation.
            manifest: Of its adapter.
            options: Sampling of reasons: `temperature`, `top_p`, `seed`.
            max_batch: Questions per request.
        """
        super().__init__(client, name, version=version, calibrator=calibrator, manifest=manifest, options=options)
        self._max_batch = max_batch

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score in batches; the server shares their prefix.

        Raises:
            BackendUnavailable: No answer, or none of the legal actions is among the likeliest tokens.
        """
        if len(prompts) != len(legal):
            raise ValueError(f"{len(prompts)} prompts but {len(legal)} sets of legal actions")
        options = {"max_tokens": 1, "temperature": 0, "seed": 0, "logprobs": TOP}
        texts = [prompt.prefix + prompt.suffix for prompt in prompts]
        scores: list[ActionScores] = []
        for choice, actions in zip(self._choices(texts, options), legal, strict=True):
            logs = listed_actions(_first_listed(choice, self.version), actions, self.version)
            scores.append(make_scores(logs, self.version, self.calibrator))
        return scores

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue texts freely, up to the first line break.

        Raises:
            BackendUnavailable: No answer.
        """
        options = {"temperature": 0, **self._options, "max_tokens": max_new_tokens}
        answers = [str(choice.get("text", "")) for choice in self._choices(texts, options)]
        return [answer.strip("\n").split("\n", 1)[0] for answer in answers]

    def _choices(self, texts: Sequence[str], options: dict[str, Any]) -> list[dict[str, Any]]:
        choices: list[dict[str, Any]] = []
        for start in range(0, len(texts), self._max_batch):
            part = list(texts[start : start + self._max_batch])
            body = {"model": self.name, "prompt": part, "stream": False, **options}
            try:
                answer = self._client.post("/v1/completions", body)
            except ServerRefused as error:
                raise BackendUnavailable(f"{self.version}: {error}") from error
            choices += self._in_order(answer, len(part))
        return choices

    def _in_order(self, answer: Any, count: int) -> list[dict[str, Any]]:
        if not isinstance(answer, dict) or answer.get("model") != self.name:
            raise BackendUnavailable(f"{self.version}: the server answered for another model: {str(answer)[:200]}")
        rows = answer.get("choices", [])
        by_index = {row.get("index"): row for row in rows}
        if len(rows) != count or set(by_index) != set(range(count)):
            raise BackendUnavailable(f"{self.version}: {count} questions got {len(rows)} answers {sorted(by_index)}")
        return [by_index[index] for index in range(count)]


class VllmSwapper:
    """Loads adapters into a running vLLM under new names."""

    promises = Promises(notes=_VLLM_NOTES)

    def __init__(
        self,
        client: JsonClient,
        base: str,
        *,
        local: LocalBase | None = None,
        adapters_at: str | None = None,
        adapters_here: Path | None = None,
        options: dict[str, Any] | None = None,
        max_batch: int = 32,
    ) -> None:
        """Look the base up.

        Args:
            client: The server.
            base: The base's name there.
            local: The same base here, for checks.
            adapters_at: Where the server sees `adapters_here`; None = under the same path.
            adapters_here: The folder that holds the adapters.
            options: Sampling of reasons.
            max_batch: Questions per request.

        Raises:
            ModelError: The server does not have the base.
            BackendUnavailable: No answer.
        """
        self.base = base
        self._client = client
        self._local = local or LocalBase()
        self._at, self._here = adapters_at, adapters_here
        self._options = options or {}
        self._max_batch = max_batch
        self._users = Users()
        _require_model(client, base)

    def build(self, adapter: Path | None, label: str) -> CompletionsModel:
        """Load an adapter under a name of its own, beside those that serve.

        Raises:
            ModelError: The adapter does not fit, or the server refuses it.
            BackendUnavailable: No answer.
        """
        if adapter is None:
            manifest = self._local.manifest()
            return self._model(self.base, f"vllm:{self.base}", manifest)
        checked = self._local.check(adapter)
        name = checked.server_name(self.base, label)
        path = self._server_path(adapter)
        try:
            self._client.post(
                "/v1/load_lora_adapter", {"lora_name": name, "lora_path": path}, timeout_seconds=LOAD_SECONDS
            )
        except ServerRefused as error:
            if self._served_root(name) != path:
                raise ModelError(f"the server refused adapter {adapter}: {error}") from error
        self._users.add(name)
        return self._model(name, f"vllm:{self.base}+{checked.version}", checked.manifest)

    def activate(self, new: LanguageModel, old: LanguageModel | None) -> None:
        """Nothing: whoever asks names the adapter."""

    def retire(self, model: LanguageModel) -> None:
        """Unload the adapter; nothing of it is in flight.

        Raises:
            BackendUnavailable: No answer.
        """
        if not isinstance(model, CompletionsModel) or model.name == self.base or not self._users.drop(model.name):
            return
        try:
            self._client.post("/v1/unload_lora_adapter", {"lora_name": model.name})
        except ServerRefused as error:
            if error.status != 404:
                raise

    def _model(self, name: str, version: str, manifest: ModelManifest | None) -> CompletionsModel:
        return CompletionsModel(
            self._client,
            name,
            version=version,
            calibrator=calibrator_of(manifest),
            manifest=manifest,
            options=self._options,
            max_batch=self._max_batch,
        )

    def _server_path(self, adapter: Path) -> str:
        path = adapter.resolve()
        if self._at is None:
            return str(path)
        here = (self._here or Path()).resolve()
        if not path.is_relative_to(here):
            raise ModelError(
                f"adapter {path} does not lie in {here}, which the server sees as {self._at}; "
                "register it, or set llm_model.server.adapters_at to null"
            )
        return str(PurePosixPath(self._at, *path.relative_to(here).parts))

    def _served_root(self, name: str) -> str | None:
        """The path of an adapter that the server has already: after a restart of this process it may."""
        for model in self._client.get("/v1/models").get("data", []):
            if model.get("id") == name:
                return str(model.get("root"))
        return None


class FixedSwapper:
    """An OpenAI-compatible server whose model never changes: llama.cpp's server, hosted ones."""

    promises = Promises(notes=_FIXED_NOTES)

    def __init__(
        self,
        client: JsonClient,
        base: str,
        *,
        local: LocalBase | None = None,
        options: dict[str, Any] | None = None,
        max_batch: int = 32,
    ) -> None:
        """Name the server's model; see `VllmSwapper` for the arguments."""
        self.base = base
        self._client = client
        self._local = local or LocalBase()
        self._options = options or {}
        self._max_batch = max_batch

    def build(self, adapter: Path | None, label: str) -> CompletionsModel:
        """Return the server's model.

        Raises:
            ModelError: An adapter is asked for.
        """
        if adapter is not None:
            raise ModelError(
                f"{label}: a server of provider openai cannot load adapters; start it with the adapter, or use "
                "llm_model.provider vllm, ollama or transformers"
            )
        manifest = self._local.manifest()
        return CompletionsModel(
            self._client,
            self.base,
            version=f"openai:{self.base}",
            calibrator=calibrator_of(manifest),
            manifest=manifest,
            options=self._options,
            max_batch=self._max_batch,
        )

    def activate(self, new: LanguageModel, old: LanguageModel | None) -> None:
        """Nothing: there is one model."""

    def retire(self, model: LanguageModel) -> None:
        """Nothing: it is not ours."""


def _require_model(client: JsonClient, name: str) -> None:
    served = [str(model.get("id")) for model in client.get("/v1/models").get("data", [])]
    if name not in served:
        raise ModelError(
            f"{client.url} serves no model {name!r}; it serves: {', '.join(sorted(served)) or 'none'}; "
            "set llm_model.server.model to one of them"
        )


def _first_listed(choice: dict[str, Any], version: str) -> list[tuple[str, float]]:
    try:
        return [(str(token), float(value)) for token, value in choice["logprobs"]["top_logprobs"][0].items()]
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise BackendUnavailable(
            f"{version} gave no log-probabilities of the first token; the server must support logprobs in "
            "/v1/completions"
        ) from error
