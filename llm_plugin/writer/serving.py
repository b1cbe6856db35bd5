"""The tuned model as one that answers: generation with a key-value cache, until the answer ends. Imports torch lazily.

The protocol is that of `llm_plugin.strategies.models`; the same adapter is served by vLLM and Ollama too, see
`docs/how-to/train-the-strategy-writer.md`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError
from llm_plugin.strategies.models import Completion, Message
from llm_plugin.writer.job import standin_folders

if TYPE_CHECKING:
    from llm_plugin.writer.chat import ChatFormat

__all__ = ["SKELETON", "WriterModel", "open_writer"]

SKELETON = "from AlgorithmImports import *\n\n\nclass "
STANDIN, TUNED = "standin", "tuned"
_EVERY = 16  # tokens between two pieces of streamed text
OnText = Callable[[str], None]


class WriterModel:
    """A causal language model with an optional adapter, answering one conversation at a time.

    Args:
        model: In evaluation mode.
        chat: Its question format.
        name: Name and content hash of what answers.
        single_turn: Trained on one question and one answer: it is given the first question alone.
        prefix: What every answer must begin with; empty leaves the model free.
    """

    def __init__(self, model: Any, chat: ChatFormat, *, name: str, single_turn: bool = True, prefix: str = "") -> None:
        self.model = model.eval().requires_grad_(False)
        self.model.config.use_cache = True  # trainers switch it off and save it so
        self.chat = chat
        self.name = name
        self.single_turn = single_turn
        self.prefix = prefix
        self._pad = next(i for i in (chat.tokenizer.pad_token_id, chat.tokenizer.eos_token_id, 0) if i is not None)
        self._context = int(getattr(model.config, "max_position_embeddings", 0) or 1 << 20)
        self._lock = threading.Lock()

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        on_text: OnText | None = None,
    ) -> Completion:
        """Answer; the same messages and seed give the same answer.

        Raises:
            ModelError: The question leaves no room for an answer in this model's context.
            BackendUnavailable: The forward pass failed.
        """
        return self.complete_many(
            [messages], max_new_tokens=max_new_tokens, temperature=temperature, seeds=[seed], on_text=on_text
        )[0]

    def complete_many(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        temperature: float,
        seeds: Sequence[int],
        on_text: OnText | None = None,
    ) -> list[Completion]:
        """Answer several conversations in one batch; each has the answer that it has alone, but for rounding.

        Args:
            conversations: Their messages.
            max_new_tokens: Limit of each answer.
            temperature: 0 is greedy.
            seeds: Of the sampling, one each.
            on_text: Called with pieces of the first answer as it grows.

        Raises:
            ModelError: A question leaves no room for an answer.
            BackendUnavailable: The forward pass failed.
        """
        if max_new_tokens < 1 or temperature < 0:
            raise ConfigError(
                f"max_new_tokens is {max_new_tokens} and temperature {temperature}: give 1 or more, 0 or more"
            )
        begun = time.monotonic()
        forced = self.chat.encoded(self.prefix) if self.prefix else []
        prompts = [[*self.chat.prompt_ids(self._turns(messages)), *forced] for messages in conversations]
        longest = max(len(prompt) for prompt in prompts)
        room = min(max_new_tokens - len(forced), self._context - longest)
        if room < 1:
            raise ModelError(
                f"{self.name}: a question of {longest} tokens leaves no room for an answer in a context of "
                f"{self._context} tokens (limit {max_new_tokens}): shorten it, or take a model of longer context"
            )
        with self._lock:
            answers = self._generate(prompts, room, temperature, seeds, on_text)
        seconds = (time.monotonic() - begun) / len(prompts)
        return [
            Completion(
                text=self.prefix + text,
                tokens_in=len(prompt) - len(forced),
                tokens_out=count + len(forced),
                seconds=seconds,
                cost_usd=0.0,
                stop_reason="stop" if ended else "length",
                model=self.name,
            )
            for prompt, (text, count, ended) in zip(prompts, answers, strict=True)
        ]

    def _turns(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        asked = [message.to_json() for message in messages]
        if not any(turn["role"] == "user" for turn in asked):
            raise ConfigError(f"{self.name}: the conversation holds no message of the user")
        if self.single_turn:
            return [next(turn for turn in asked if turn["role"] == "user")]
        return asked

    def _generate(
        self, prompts: list[list[int]], room: int, temperature: float, seeds: Sequence[int], on_text: OnText | None
    ) -> list[tuple[str, int, bool]]:
        import torch

        try:
            with torch.inference_mode():
                rows = self._decode(prompts, room, temperature, seeds, on_text)
        except RuntimeError as error:
            first = (str(error).strip().splitlines() or ["no message"])[0][:300]
            raise BackendUnavailable(f"{self.name} failed while writing: {first}") from error
        stops = set(self.chat.stop_ids)
        answers = []
        for row in rows:
            ended = bool(row) and row[-1] in stops
            kept = row[:-1] if ended else row
            answers.append((self._text(kept), len(row), ended))
        return answers

    def _decode(
        self, prompts: list[list[int]], room: int, temperature: float, seeds: Sequence[int], on_text: OnText | None
    ) -> list[list[int]]:
        """Write token after token with a cache; left-padded, each row until its end token."""
        import torch

        device, stops = self.model.device, torch.tensor(self.chat.stop_ids, device=self.model.device)
        longest = max(len(prompt) for prompt in prompts)
        ids = torch.tensor([[self._pad] * (longest - len(p)) + p for p in prompts], device=device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=device)
        sources = [torch.Generator(device="cpu").manual_seed(seed) for seed in seeds]
        rows: list[list[int]] = [[] for _ in prompts]
        active = torch.ones(len(prompts), dtype=torch.bool, device=device)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cache, told = None, 0
        for _ in range(room):
            output = self.model(
                input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
            )
            cache = output.past_key_values
            chosen = _choose(output.logits[:, -1].float(), temperature, sources).to(device)
            for number in active.nonzero()[:, 0].tolist():
                rows[number].append(int(chosen[number]))
            active &= ~torch.isin(chosen, stops)
            if on_text is not None and (len(rows[0]) % _EVERY == 0 or not bool(active[0])):
                told = self._tell(rows[0], told, on_text)
            if not bool(active.any()):
                break
            ids = chosen[:, None]
            mask = torch.cat([mask, mask.new_ones(len(prompts), 1)], dim=1)
            positions = positions[:, -1:] + 1
        if on_text is not None:
            self._tell(rows[0], told, on_text)
        return rows

    def _tell(self, row: list[int], told: int, on_text: OnText) -> int:
        """Pass on what is new and whole: the last bytes of a character that is not complete yet wait."""
        stops = set(self.chat.stop_ids)
        text = self.prefix + self._text([token for token in row if token not in stops])
        whole = text.rstrip("\ufffd")
        if len(whole) > told:
            on_text(whole[told:])
            return len(whole)
        return told

    def _text(self, tokens: list[int]) -> str:
        return str(self.chat.tokenizer.decode(tokens, skip_special_tokens=True))


def _choose(logits: Any, temperature: float, sources: Sequence[Any]) -> Any:
    """Take the likeliest token of each row, or draw one with the row's own source of chance."""
    import torch

    if temperature == 0:
        return logits.argmax(-1)
    chances = (logits / temperature).softmax(-1).cpu()
    drawn = [torch.multinomial(row, 1, generator=source) for row, source in zip(chances, sources, strict=True)]
    return torch.cat(drawn)


def open_writer(
    base: str | Path,
    adapter: str | Path | None = None,
    *,
    quantization: str | None = None,
    device: str = "auto",
    constrained: bool = False,
    threads: int | None = None,
) -> WriterModel:
    """Open a base, tuned or not, as a model that writes strategies.

    Args:
        base: A folder, a name in the local Hugging Face cache, or `standin`.
        adapter: A LoRA folder, a version of the registry (`strategy-writer@v0001`), or `tuned` for the stand-in's own;
            None answers with the bare base.
        quantization: `none`, `int8` or `int4`; None takes what the adapter was trained on.
        device: `auto`, `cpu` or `cuda`.
        constrained: Force the imports and the beginning of the class on every answer.
        threads: Torch's threads in this process; None leaves them.

    Raises:
        ModelError: Damaged, not trained yet, of another architecture, or an adapter of another base; says which.
    """
    from llm_plugin.reasoning.loading import load_base
    from llm_plugin.reasoning.model_folder import read_manifest
    from llm_plugin.writer.chat import ChatFormat

    folder, tuned = _located(base, adapter)
    manifest = read_manifest(tuned) if tuned is not None and tuned.is_dir() else None
    found = load_base(
        folder,
        quantization=quantization or (manifest.quantization if manifest else "none"),
        device=device,
        threads=threads,
    )
    model, name, choice, single = found.model, found.version, "auto", True
    if tuned is not None:
        own = found.check_adapter(tuned)
        model, name = found.with_adapter(model, tuned, own)
        choice = _format_of(own, "auto")
    chat = ChatFormat(found.tokenizer, choice)
    if manifest is not None and manifest.prompt_version != chat.version:
        raise ModelError(
            f"adapter {tuned} was trained on questions in the form {manifest.prompt_version}, this base's are "
            f"{chat.version}: its chat template was changed; restore it, or train again"
        )
    if manifest is None and (found.manifest is None or found.manifest.kind != "standin-llm"):
        single = False  # a foreign chat model reads whole conversations
    return WriterModel(model, chat, name=name, single_turn=single, prefix=SKELETON if constrained else "")


def _format_of(manifest: Any, default: str) -> str:
    if manifest is None:
        return default
    return "inst" if str(manifest.prompt_version).startswith("writer-inst") else "chat"


def _located(base: str | Path, adapter: str | Path | None) -> tuple[str | Path, Path | None]:
    own_base, own_adapter = standin_folders()
    folder: str | Path = own_base if str(base) == STANDIN else base
    tuned: Path | None = None if adapter is None else Path(adapter)
    if str(adapter) == TUNED and str(base) == STANDIN:
        tuned = own_adapter
    if str(base) == STANDIN:
        for path in (own_base, tuned):
            if path is not None and not path.is_dir():
                raise ModelError(
                    f"the stand-in is not trained yet ({path} is missing): `lean-llm sft --preset standin`"
                )
    if adapter is not None and "@" in str(adapter) and not Path(adapter).exists():
        from llm_plugin.registry.store import Registry

        name, _, version = str(adapter).partition("@")
        tuned = Registry(name=name).verify(version).folder
    return folder, tuned
