"""Ollama: decisions scored over `/api/generate`, adapters uploaded as blobs, one runner at a time per base.

Measured: a runner is keyed by the base's blob, so another adapter on the same base has to wait until nothing is in
flight, for ever under steady load. Hence the drained swap: hold new requests, wait, load, go on. Or give each
generation a blob of its own (adapter merged into the base): then both are loaded side by side and nothing waits.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ModelError
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText, make_scores
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.generations import Promises
from llm_plugin.reasoning.model_folder import MANIFEST_NAME, ModelManifest, file_sha256
from llm_plugin.serving.adapters import AdapterFolder, LocalBase, Users, calibrator_of
from llm_plugin.serving.gguf import Heads, write_lora_gguf
from llm_plugin.serving.http import JsonClient, ServerRefused
from llm_plugin.serving.listing import listed_actions
from llm_plugin.serving.model import ServerModel

__all__ = ["OllamaModel", "OllamaSwapper", "upload_model"]

TOP = 20  # the most that the server lists
LOAD_SECONDS = 300.0
_NOTES = (
    "one runner per base: a swap holds new requests, waits for those in flight and loads the new generation",
    "the canary runs within that pause, and the previous generation cannot answer in shadow",
    "the base is converted to 16 bits: log-probabilities differ in the third decimal",
    "a tokenizer whose rule of splitting llama.cpp does not know reads other tokens: recorded canary answers show it",
    "llama.cpp puts a BOS token before the prompt unless tokenizer_config.json says add_bos_token: false",
)
_MERGED_NOTES = (
    "each generation is a whole model on the server (adapter merged into the base): it costs the base's memory again",
    "the server must allow two loaded models (OLLAMA_MAX_LOADED_MODELS)",
    *_NOTES[2:],
)
Merge = Callable[[Path, Path, Path], None]


class OllamaModel(ServerModel):
    """One model of an Ollama server."""

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score one question after the other; the server keeps the shared prefix in its cache.

        Raises:
            BackendUnavailable: No answer, or none of the legal actions is among the likeliest tokens.
        """
        return [self._score(prompt, actions) for prompt, actions in zip(prompts, legal, strict=True)]

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue texts freely, up to the first line break.

        Raises:
            BackendUnavailable: No answer.
        """
        options = {"temperature": 0, **self._options, "num_predict": max_new_tokens}
        answers = [str(self._generate(text, options).get("response", "")) for text in texts]
        return [answer.strip("\n").split("\n", 1)[0] for answer in answers]

    def load(self) -> None:
        """Have the server load it and keep it.

        Raises:
            BackendUnavailable: It could not in time.
        """
        body = {"model": self.name, "prompt": "", "stream": False, "keep_alive": -1}
        self._client.post("/api/generate", body, timeout_seconds=LOAD_SECONDS)

    def unload(self) -> None:
        """Have the server drop it from memory.

        Raises:
            BackendUnavailable: No answer.
        """
        self._client.post("/api/generate", {"model": self.name, "prompt": "", "stream": False, "keep_alive": 0})

    def _score(self, prompt: PromptText, legal: tuple[Action, ...]) -> ActionScores:
        options = {"temperature": 0, "num_predict": 1, "seed": 0}
        answer = self._generate(prompt.prefix + prompt.suffix, options, logprobs=True, top_logprobs=TOP)
        try:
            first = answer["logprobs"][0]
            listed = [(row["token"], row["logprob"]) for row in first["top_logprobs"]]
        except (KeyError, IndexError, TypeError) as error:
            raise BackendUnavailable(
                f"{self.version} listed no tokens: its likeliest one is no whole text, or Ollama is older than 0.12.11"
            ) from error
        return make_scores(listed_actions(listed, legal, self.version), self.version, self.calibrator)

    def _generate(self, text: str, options: dict[str, Any], **fields: Any) -> dict[str, Any]:
        body = {
            "model": self.name,
            "prompt": text,
            "raw": True,  # no chat template: the prompt is the whole text
            "stream": False,
            "truncate": False,  # a cut prompt would be answered as if it were whole
            "keep_alive": -1,
            "options": options,
            **fields,
        }
        try:
            answer = self._client.post("/api/generate", body)
        except ServerRefused as error:
            raise BackendUnavailable(f"{self.version}: {error}") from error
        if not isinstance(answer, dict) or answer.get("model") != self.name:
            raise BackendUnavailable(f"{self.version}: the server answered for another model: {str(answer)[:200]}")
        return answer


class OllamaSwapper:
    """Makes Ollama models of adapter folders."""

    def __init__(
        self,
        client: JsonClient,
        base: str,
        *,
        local: LocalBase | None = None,
        merge: Merge | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        """Look the base up.

        Args:
            client: The server.
            base: The base's name there.
            local: The same base here, for checks.
            merge: Writes base and adapter merged into a folder: one blob per generation, no pause. None = drained swap.
            options: See `OllamaModel`.

        Raises:
            ModelError: The server does not have the base, or merging is asked for without a local base.
            BackendUnavailable: No answer.
        """
        self.base = base
        self._client = client
        self._local = local or LocalBase()
        self._merge = merge
        self._options = options or {}
        self._users = Users()
        if merge is not None and self._local.folder is None:
            raise ModelError("llm_model.server.swap = merge needs the base's folder here; set llm_model.name to it")
        self._base_version = f"ollama:{base}@{self._digest(base)[:12]}"

    @property
    def promises(self) -> Promises:
        """Drained or merged."""
        if self._merge is not None:
            return Promises(notes=_MERGED_NOTES)
        return Promises(no_pause=False, shadow=False, canary_before_swap=False, notes=_NOTES)

    def build(self, adapter: Path | None, label: str) -> OllamaModel:
        """Upload an adapter and make a model of it; nothing is loaded yet unless it has a blob of its own.

        Raises:
            ModelError: The adapter does not fit, or the server refuses it.
            BackendUnavailable: No answer.
        """
        if adapter is None:
            manifest = self._local.manifest()
            return self._model(self.base, self._base_version, calibrator_of(manifest), manifest)
        checked = self._local.check(adapter)
        name = checked.server_name(self.base, label)
        if self._merge is None:
            self._create_adapted(name, checked)
        else:
            self._create_merged(name, checked)
        self._users.add(name)
        version = f"{self._base_version}+{checked.version}"
        model = self._model(name, version, calibrator_of(checked.manifest), checked.manifest)
        if self._merge is not None:
            model.load()
        return model

    def activate(self, new: LanguageModel, old: LanguageModel | None) -> None:
        """Drained: drop the old runner, load the new one. Nothing is in flight.

        Raises:
            BackendUnavailable: The server did not load it in time.
        """
        if self._merge is None and isinstance(old, OllamaModel):
            old.unload()
        if isinstance(new, OllamaModel):
            new.load()

    def retire(self, model: LanguageModel) -> None:
        """Delete the model from the server; the base stays.

        Raises:
            BackendUnavailable: No answer.
        """
        if not isinstance(model, OllamaModel) or model.name == self.base or not self._users.drop(model.name):
            return
        if self._merge is not None:
            model.unload()
        try:
            self._client.request("DELETE", "/api/delete", json.dumps({"model": model.name}).encode())
        except ServerRefused as error:
            if error.status != 404:
                raise

    def _model(
        self, name: str, version: str, calibrator: Calibrator | None, manifest: ModelManifest | None
    ) -> OllamaModel:
        return OllamaModel(
            self._client, name, version=version, calibrator=calibrator, manifest=manifest, options=self._options
        )

    def _create_adapted(self, name: str, checked: AdapterFolder) -> None:
        with tempfile.TemporaryDirectory(prefix="lean-llm-adapter-") as place:
            file = Path(place) / "adapter.gguf"
            write_lora_gguf(checked.folder, file, self._heads())
            adapters = _upload(self._client, {file.name: file})
            _create(self._client, name, {"from": self.base, "adapters": adapters})

    def _heads(self) -> Heads:
        facts = self._client.post("/api/show", {"model": self.base}).get("model_info", {})
        kind = facts.get("general.architecture")
        try:
            query = int(facts["llama.attention.head_count"])
            return Heads(query, int(facts.get("llama.attention.head_count_kv") or query))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"{self.base} is of architecture {kind}; adapters are converted for llama only (Llama, CodeLlama, "
                "Mistral); set llm_model.server.swap to merge"
            ) from error

    def _create_merged(self, name: str, checked: AdapterFolder) -> None:
        if self._merge is None or self._local.folder is None:
            raise ModelError("there is no local base to merge into")
        with tempfile.TemporaryDirectory(prefix="lean-llm-merge-") as place:
            self._merge(self._local.folder, checked.folder, Path(place))
            upload_model(self._client, Path(place), name)

    def _digest(self, name: str) -> str:
        wanted = name if ":" in name else f"{name}:latest"
        models = self._client.get("/api/tags").get("models", [])
        for model in models:
            if model.get("name") == wanted or model.get("model") == wanted:
                return str(model["digest"]).removeprefix("sha256:")
        known = ", ".join(sorted(str(model.get("name")) for model in models)) or "none"
        raise ModelError(f"{self._client.url} has no model {name!r}; it has: {known}; make it with `ollama create`")


def upload_model(client: JsonClient, folder: Path, name: str) -> None:
    """Make a model on the server from a local folder of safetensors: a base, or one merged with an adapter.

    Raises:
        ModelError: The server cannot convert it.
        BackendUnavailable: No answer.
    """
    paths = [path for path in sorted(folder.iterdir()) if path.suffix in (".json", ".safetensors")]
    files = {path.name: path for path in paths if path.name != MANIFEST_NAME}
    _create(client, name, {"files": _upload(client, files)})


def _upload(client: JsonClient, files: dict[str, Path]) -> dict[str, str]:
    digests = {}
    for name, path in files.items():
        digest = f"sha256:{file_sha256(path)}"
        if not client.exists(f"/api/blobs/{digest}"):
            client.post_file(f"/api/blobs/{digest}", path)
        digests[name] = digest
    return digests


def _create(client: JsonClient, name: str, source: dict[str, Any]) -> None:
    answer = client.post("/api/create", {"model": name, "stream": False, **source}, timeout_seconds=LOAD_SECONDS)
    if not isinstance(answer, dict) or answer.get("status") != "success":
        raise ModelError(f"{client.url} did not make {name}: {str(answer)[:300]}")
