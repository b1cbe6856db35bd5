"""Decision scoring with torch: log-probabilities of the actions from one forward pass over a shared-prefix KV cache.

Shapes: B questions, P prefix tokens, L suffix tokens (left-padded), V vocabulary, K tokens of the longest candidate.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from llm_plugin.domain import Action

__all__ = ["PrefixCache", "action_token_ids", "distinct_first_tokens", "score_rows", "shared_length"]


class PrefixCache:
    """KV caches of the shared prefixes of one model generation.

    A cache computed under another adapter gives wrong scores, so each generation owns one of these and drops it with
    itself; nothing is keyed by name.
    """

    def __init__(self, model: Any, capacity: int = 4) -> None:
        """Bind to one immutable model.

        Args:
            model: A causal language model, PEFT-wrapped or not.
            capacity: How many prefixes are kept.
        """
        self._model = model
        self._capacity = capacity
        self._caches: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        self._lock = threading.Lock()

    def expanded(self, prefix: tuple[int, ...], batch: int) -> Any:
        """Return a cache of one's own for `batch` rows; the kept one is never written to."""
        with self._lock:
            kept = self._caches.get(prefix)
            if kept is None:
                kept = self._compute(prefix)
                self._caches[prefix] = kept
                while len(self._caches) > self._capacity:
                    self._caches.popitem(last=False)
            self._caches.move_to_end(prefix)
        # Appending to a layer makes new tensors, so views of the kept ones are safe and nothing is copied here.
        own = copy.copy(kept)
        own.layers = [copy.copy(layer) for layer in kept.layers]
        for layer in own.layers:
            layer.keys = layer.keys.expand(batch, -1, -1, -1)
            layer.values = layer.values.expand(batch, -1, -1, -1)
        return own

    def _compute(self, prefix: tuple[int, ...]) -> Any:
        from transformers import DynamicCache

        cache = DynamicCache(config=self._model.config)
        ids = torch.tensor([prefix], device=self._model.device)
        with torch.inference_mode():
            self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return cache


def action_token_ids(tokenizer: Any, actions: Sequence[Action], separator: str = " |") -> dict[Action, tuple[int, ...]]:
    """Return the tokens of ` ACTION` as they stand after a prompt.

    The terminator is part of a candidate only where one candidate would begin another one.
    """
    bare = {action: _continuation(tokenizer, f" {action.value}") for action in actions}
    nested = any(
        a != b and len(bare[a]) <= len(bare[b]) and bare[b][: len(bare[a])] == bare[a] for a in bare for b in bare
    )
    if not nested:
        return bare
    return {action: _continuation(tokenizer, f" {action.value}{separator}") for action in actions}


def distinct_first_tokens(candidates: Mapping[Action, tuple[int, ...]], legal: Sequence[Action]) -> bool:
    """Whether the first token alone tells the legal actions apart."""
    return len({candidates[action][0] for action in legal}) == len(set(legal))


def shared_length(rows: Sequence[Sequence[int]], limit: int) -> int:
    """Return how many leading tokens all rows share, at most `limit`, and leave each row at least one token."""
    bound = min(limit, min(len(row) for row in rows) - 1)
    first = rows[0]
    for row in rows[1:]:
        while bound and list(row[:bound]) != list(first[:bound]):
            bound -= 1
    return max(bound, 0)


def score_rows(
    model: Any,
    cache: PrefixCache,
    rows: Sequence[Sequence[int]],
    prefix_length: int,
    candidates: Mapping[Action, tuple[int, ...]],
    legal: Sequence[tuple[Action, ...]],
    pad_id: int,
) -> list[dict[Action, float]]:
    """Score questions that share a prefix.

    Rows whose legal actions differ in their first token cost one forward pass over the suffix; the others are scored by
    the sum over all tokens of each candidate, whatever its length.

    Args:
        model: The model that `cache` belongs to.
        cache: Its prefix caches.
        rows: Token ids of the whole prompts.
        prefix_length: How many leading tokens they share.
        candidates: Tokens per action.
        legal: The actions to score, per row.
        pad_id: Any token id; padded places are masked.

    Returns:
        Per row, the log-probability of each legal action in the given order.
    """
    prefix = tuple(rows[0][:prefix_length])
    suffixes = [list(row[prefix_length:]) for row in rows]
    result: list[dict[Action, float]] = [{} for _ in rows]
    easy = [i for i, actions in enumerate(legal) if distinct_first_tokens(candidates, actions)]
    hard = [i for i in range(len(rows)) if i not in set(easy)]
    with torch.inference_mode():
        if easy:
            logs = _last_log_probabilities(model, cache, prefix, [suffixes[i] for i in easy], 1, pad_id)[:, -1]
            for place, i in enumerate(easy):
                result[i] = {action: float(logs[place, candidates[action][0]]) for action in legal[i]}
        for i in hard:
            result[i] = _score_by_sums(model, cache, prefix, suffixes[i], candidates, legal[i], pad_id)
    return result


def _score_by_sums(
    model: Any,
    cache: PrefixCache,
    prefix: tuple[int, ...],
    suffix: list[int],
    candidates: Mapping[Action, tuple[int, ...]],
    legal: tuple[Action, ...],
    pad_id: int,
) -> dict[Action, float]:
    longest = max(len(candidates[action]) for action in legal)
    rows = [suffix + list(candidates[action][:-1]) for action in legal]
    logs = _last_log_probabilities(model, cache, prefix, rows, longest, pad_id)  # [len(legal), K, V]
    sums = {}
    for place, action in enumerate(legal):
        tokens = candidates[action]
        own = logs[place, longest - len(tokens) :]
        sums[action] = float(sum(own[step, token] for step, token in enumerate(tokens)))
    return sums


def _last_log_probabilities(
    model: Any, cache: PrefixCache, prefix: tuple[int, ...], suffixes: list[list[int]], keep: int, pad_id: int
) -> torch.Tensor:
    """Return log-probabilities at the last `keep` places of left-padded suffixes: [B, keep, V], on the CPU."""
    device, batch, known = model.device, len(suffixes), len(prefix)
    longest = max(max(len(suffix) for suffix in suffixes), keep)
    ids = torch.tensor([[pad_id] * (longest - len(s)) + s for s in suffixes], device=device)
    lengths = torch.tensor([len(s) for s in suffixes], device=device)
    positions = (known + torch.arange(longest, device=device)[None, :] - (longest - lengths)[:, None]).clamp(min=0)
    arguments: dict[str, Any] = {"input_ids": ids, "position_ids": positions, "logits_to_keep": keep}
    if int(lengths.min()) < longest:
        places = torch.arange(longest, device=device)[None, :]
        mask = (places >= (longest - lengths)[:, None]).long()
        arguments["attention_mask"] = torch.cat([mask.new_ones(batch, known), mask], dim=1)
    if known:
        arguments |= {"past_key_values": cache.expanded(prefix, batch), "use_cache": True}
    else:
        arguments["use_cache"] = False
    logits = model(**arguments).logits
    if logits.shape[:2] != (batch, keep):  # an architecture that ignores logits_to_keep returns all places
        logits = logits[:, -keep:]
    return logits.float().log_softmax(-1).cpu()


def _continuation(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Token ids of `text` after a colon, free of the tokens that a tokenizer adds at the ends of a whole text."""
    probe = "Answer:"
    head = tokenizer(probe, add_special_tokens=False)["input_ids"]
    whole = tokenizer(probe + text, add_special_tokens=False)["input_ids"]
    if list(whole[: len(head)]) == list(head):
        return tuple(whole[len(head) :])
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
