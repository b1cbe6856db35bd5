"""Any causal language model that transformers loads, scored in process: the bootstrap model, CodeLlama, Mistral, Phi-3.

Runs on transformers 4.57 with peft 0.18 (LEAN's image) and on transformers 5 with peft 0.21.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ModelError
from llm_plugin.reasoning.base import ActionScores, PromptText, make_scores
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.loading import load_base
from llm_plugin.reasoning.model_folder import ModelManifest
from llm_plugin.reasoning.scoring import PrefixCache, action_token_ids, score_rows, shared_length

__all__ = ["TransformersModel"]

_ANSWER_HEAD = re.compile(r"^\s*(?:[01](?:\.\d*)?|\.\d+)\s*\|\s*")


class TransformersModel:
    """One immutable model generation: base, optional adapter, tokenizer, calibrator."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        version: str,
        calibrator: Calibrator | None = None,
        manifest: ModelManifest | None = None,
        max_batch: int = 32,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> None:
        """Wrap a loaded model; most callers want `load`.

        Args:
            model: A causal language model in evaluation mode.
            tokenizer: Its tokenizer.
            version: What answers call themselves.
            calibrator: Fitted with this generation, None where there is none.
            manifest: The manifest that was checked.
            max_batch: Questions per forward pass.
            temperature: Of generated reasons; 0 is greedy. Scores are never sampled.
            top_p: Of generated reasons.
            seed: Of generated reasons.

        Raises:
            ModelError: The tokenizer does not fit the model or the manifest.
        """
        self.model = model.eval().requires_grad_(False)
        self.model.config.use_cache = True  # trainers switch it off and save it so
        self.tokenizer = tokenizer
        self.calibrator = calibrator
        self.manifest = manifest
        self._version = version
        self._max_batch = max_batch
        self._sampling = (temperature, top_p, seed)
        self._pad_id = next(i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if i is not None)
        self._candidates = action_token_ids(tokenizer, tuple(Action))
        self._prefixes = PrefixCache(self.model)
        self._check_tokens()

    @property
    def version(self) -> str:
        """Name and content hash of what answers."""
        return self._version

    @property
    def candidates(self) -> Mapping[Action, tuple[int, ...]]:
        """Token ids of each action as it stands in an answer."""
        return self._candidates

    @classmethod
    def load(
        cls,
        folder_or_name: str | Path,
        *,
        quantization: str = "none",
        device: str = "auto",
        max_memory: Mapping[int | str, str] | None = None,
        threads: int | None = None,
        adapter: str | Path | None = None,
        prompt_version: str | None = None,
        max_batch: int = 32,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> TransformersModel:
        """Load a model folder, or a model by name from the local Hugging Face cache or hub.

        Args:
            folder_or_name: A folder with config.json, *.safetensors and a tokenizer; or a hub name.
            quantization: `none`, or `int8` / `int4` by bitsandbytes.
            device: `auto` takes CUDA where there is one.
            max_memory: Bytes per device as accelerate takes them (`{0: "6GiB", "cpu": "16GiB"}`).
            threads: Torch's threads in this process; None leaves them.
            adapter: A LoRA folder on top.
            prompt_version: The prompt templates in use; a model trained on others is refused. None skips the check.
            max_batch: Questions per forward pass.
            temperature: Of generated reasons.
            top_p: Of generated reasons.
            seed: Of generated reasons.

        Raises:
            ModelError: Nothing usable there; names what is wrong and the remedy.
        """
        base = load_base(
            folder_or_name,
            quantization=quantization,
            device=device,
            max_memory=max_memory,
            threads=threads,
            prompt_version=prompt_version,
        )
        model, version, manifest = base.model, base.version, base.manifest
        if adapter is not None:
            own = base.check_adapter(Path(adapter))
            model, version = base.with_adapter(model, Path(adapter), own)
            manifest = own or manifest
        calibration = manifest.calibrator if manifest is not None else None
        return cls(
            model,
            base.tokenizer,
            version=version,
            calibrator=Calibrator.from_json(calibration) if calibration else None,
            manifest=manifest,
            max_batch=max_batch,
            temperature=temperature,
            top_p=top_p,
            seed=seed,
        )

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score each prompt's legal actions in batches over the shared prefix.

        Raises:
            BackendUnavailable: The forward pass failed or gave no finite number.
        """
        if len(prompts) != len(legal):
            raise ValueError(f"{len(prompts)} prompts but {len(legal)} sets of legal actions")
        groups: dict[str, list[int]] = {}
        for index, prompt in enumerate(prompts):
            groups.setdefault(prompt.prefix, []).append(index)
        results: list[ActionScores | None] = [None] * len(prompts)
        for prefix, members in groups.items():
            known = len(self._encode([prefix])[0]) if prefix else 0
            for start in range(0, len(members), self._max_batch):
                part = members[start : start + self._max_batch]
                rows = self._encode([prompts[i].prefix + prompts[i].suffix for i in part])
                scored = self._forward(rows, known, [legal[i] for i in part])
                for i, logs in zip(part, scored, strict=True):
                    results[i] = make_scores(logs, self._version, self.calibrator)
        return [scores for scores in results if scores is not None]

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Let the model write the reason under each forced action; one line each, in batches."""
        texts = [
            f"{prompt.prefix}{prompt.suffix} {action.value} |" for prompt, action in zip(prompts, actions, strict=True)
        ]
        return [_ANSWER_HEAD.sub("", text, count=1).strip() for text in self.complete(texts, max_new_tokens)]

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Return one reason."""
        return self.generate_reasons([prompt], [action], max_new_tokens)[0]

    def complete(self, texts: Sequence[str], max_new_tokens: int = 50) -> list[str]:
        """Continue texts freely, up to the first line break; a health check of the answer format uses it.

        Raises:
            BackendUnavailable: Generation failed.
        """
        answers: list[str] = []
        for start in range(0, len(texts), self._max_batch):
            rows = self._encode(texts[start : start + self._max_batch])
            longest = max(len(row) for row in rows)
            ids = torch.tensor([[self._pad_id] * (longest - len(r)) + r for r in rows], device=self.model.device)
            mask = torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rows], device=self.model.device)
            produced = self._generate(ids, mask, max_new_tokens)
            decoded = self.tokenizer.batch_decode(produced[:, longest:], skip_special_tokens=True)
            answers += [text.strip("\n").split("\n", 1)[0] for text in decoded]
        return answers

    def _generate(self, ids: torch.Tensor, mask: torch.Tensor, max_new_tokens: int) -> torch.Tensor:
        temperature, top_p, seed = self._sampling
        options: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if temperature > 0:
            options = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
        try:
            with torch.inference_mode(), torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                output: torch.Tensor = self.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    max_new_tokens=max_new_tokens,
                    pad_token_id=self._pad_id,
                    **options,
                )
        except RuntimeError as error:
            raise BackendUnavailable(f"{self._version} failed while writing a reason: {error}") from error
        return output

    def _forward(self, rows: list[list[int]], known: int, legal: list[tuple[Action, ...]]) -> list[dict[Action, float]]:
        prefix_length = shared_length(rows, known)
        try:
            scored = score_rows(self.model, self._prefixes, rows, prefix_length, self._candidates, legal, self._pad_id)
        except RuntimeError as error:
            raise BackendUnavailable(f"{self._version} failed while scoring: {error}") from error
        for logs in scored:
            if any(value != value or value == float("-inf") for value in logs.values()):
                raise BackendUnavailable(f"{self._version} gave no finite score: {logs}")
        return scored

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = [list(row) for row in self.tokenizer(list(texts))["input_ids"]]
        end = self.tokenizer.eos_token_id
        return [row[:-1] if row and row[-1] == end else row for row in rows]

    def _check_tokens(self) -> None:
        size = self.model.get_input_embeddings().weight.shape[0]
        highest = max(max(tokens) for tokens in self._candidates.values())
        if max(highest, len(self.tokenizer) - 1) >= size:
            raise ModelError(
                f"the tokenizer has {len(self.tokenizer)} tokens, the model {size}: they do not belong together"
            )
        if self.manifest is None or not self.manifest.action_token_ids:
            return
        for action, tokens in self._candidates.items():
            wanted = self.manifest.action_token_ids.get(action.value)
            if wanted is not None and list(wanted) != list(tokens):
                raise ModelError(
                    f"{action.value} has token ids {list(tokens)}, the manifest says {list(wanted)}: "
                    "the tokenizer is not the one that the model was trained with"
                )
