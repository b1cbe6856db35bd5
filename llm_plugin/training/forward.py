"""The forward pass of a preference batch, everything shared computed once: exact, and checked against the plain one.

All questions share a prefix, and both answers of a pair share the whole prompt. TRL gives [chosen, rejected] rows that
repeat both. Here the prefix is one row; each pair is one more row `prompt | chosen | rejected` behind it, in which
neither answer sees the other. The head runs on answer places only. Gradients flow through all of it.
Shapes: B pairs, N = 2B rows, L tokens of a row, P prefix tokens, T tokens of a packed row, V vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["Outputs", "packed_forward", "packs"]

_LOG_PROBABILITY_TOLERANCE = 1e-3


@dataclass
class Outputs:
    """What TRL's losses and metrics read of a forward pass, per predicted token, [N, L - 1] each."""

    log_probs: torch.Tensor
    entropy: torch.Tensor
    mean_logits: torch.Tensor
    is_top1: torch.Tensor
    log_sum_sq_probs: torch.Tensor | None = None
    aux_loss: torch.Tensor | None = None


def packed_forward(model: Any, input_ids: torch.Tensor, labels: torch.Tensor) -> Outputs:
    """Score the answers of a preference batch.

    Args:
        model: The causal language model below PEFT's wrapper, LoRA layers in place.
        input_ids: [N, L], chosen rows first; right-padded.
        labels: [N, L]; -100 outside the answers.
    """
    plan = _Plan.of(input_ids.tolist(), (labels != -100).tolist())
    device = input_ids.device
    inner = getattr(model, model.base_model_prefix)
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    count, known = len(plan.rows), len(plan.prefix)
    if known:
        inner(input_ids=torch.tensor([plan.prefix], device=device), past_key_values=cache, use_cache=True)
        for layer in cache.layers:
            layer.keys = layer.keys.expand(count, -1, -1, -1)
            layer.values = layer.values.expand(count, -1, -1, -1)
    hidden = inner(
        input_ids=torch.tensor(plan.rows, device=device),
        attention_mask=plan.mask(device, model.dtype),
        position_ids=torch.tensor(plan.positions, device=device),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    row, column, out_row, out_column, wanted = (
        torch.tensor(part, device=device) for part in zip(*plan.scored, strict=True)
    )
    logits = model.get_output_embeddings()(hidden[row, column]).float()
    logs = logits.log_softmax(-1)
    chosen = logs.gather(-1, wanted[:, None])[:, 0]
    shape = (input_ids.shape[0], input_ids.shape[1] - 1)

    def spread(values: torch.Tensor) -> torch.Tensor:
        return values.new_zeros(shape).index_put((out_row, out_column), values)

    with torch.no_grad():
        entropy = -(logs.exp() * logs).sum(-1)
        mean, top = logits.mean(-1), logits.argmax(-1) == wanted
    return Outputs(spread(chosen), spread(entropy), spread(mean), spread(top))


@dataclass(frozen=True)
class _Plan:
    """Where each token goes.

    Attributes:
        prefix: What all prompts begin with.
        rows: [B, T] rest of the prompt, chosen answer, rejected answer, each answer without its last token.
        positions: [B, T] place of each token in its own text.
        segments: [B, T] 0 prompt, 1 chosen, 2 rejected, 3 padding.
        scored: (row, column) of the state that predicts, (row, column) in TRL's shape, token.
    """

    prefix: list[int]
    rows: list[list[int]]
    positions: list[list[int]]
    segments: list[list[int]]
    scored: list[tuple[int, int, int, int, int]]

    @classmethod
    def of(cls, ids: list[list[int]], answered: list[list[bool]]) -> _Plan:
        pairs = len(ids) // 2
        starts = [flags.index(True) for flags in answered]
        ends = [start + sum(flags) for start, flags in zip(starts, answered, strict=True)]
        for i in range(pairs):
            if ids[i][: starts[i]] != ids[i + pairs][: starts[i + pairs]]:
                raise ValueError(f"pair {i} does not share its prompt")
        known = _shared_length([row[: start - 1] for row, start in zip(ids, starts, strict=True)])
        rows, positions, segments, scored = [], [], [], []
        for i in range(pairs):
            prompt = ids[i][known : starts[i]]
            row, places, marks = list(prompt), list(range(known, starts[i])), [0] * len(prompt)
            for side, j in ((1, i), (2, i + pairs)):
                start, end = starts[j], ends[j]
                scored.append((i, len(prompt) - 1, j, start - 1, ids[j][start]))
                for place in range(start, end - 1):
                    scored.append((i, len(row), j, place, ids[j][place + 1]))
                    row.append(ids[j][place])
                    places.append(place)
                    marks.append(side)
            rows.append(row)
            positions.append(places)
            segments.append(marks)
        longest = max(len(row) for row in rows)
        for row, places, marks in zip(rows, positions, segments, strict=True):
            missing = longest - len(row)
            row += [0] * missing
            places += [0] * missing
            marks += [3] * missing
        return cls(ids[0][:known], rows, positions, segments, scored)

    def mask(self, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
        """Return what is added to attention scores, [B, 1, T, P + T]: a token sees prefix, prompt, its own answer."""
        marks = torch.tensor(self.segments, device=device)
        length = marks.shape[1]
        earlier = torch.ones(length, length, dtype=torch.bool, device=device).tril()
        own = marks[:, :, None] == marks[:, None, :]
        seen = earlier & (own | (marks == 0)[:, None, :])
        blocked = torch.zeros(seen.shape, dtype=dtype, device=device).masked_fill(~seen, torch.finfo(dtype).min)
        return torch.nn.functional.pad(blocked, (len(self.prefix), 0))[:, None]


def _shared_length(rows: list[list[int]]) -> int:
    """Return how many tokens all rows begin with."""
    first, last = min(rows), max(rows)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False)))


def packs(model: Any, inputs: dict[str, torch.Tensor], plain: Callable[..., Any]) -> bool:
    """Find out whether the packed pass gives this architecture's own numbers; anything else trains the plain way.

    Args:
        model: The causal language model below PEFT's wrapper.
        inputs: A real batch.
        plain: TRL's own forward pass.
    """
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    try:
        with torch.no_grad():
            ours = packed_forward(model, inputs["input_ids"], labels).log_probs
            own = plain(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                labels=labels,
                fused_lm_head=True,
                use_cache=False,
            ).log_probs
    except (AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return False
    return bool((ours - own).abs().max() < _LOG_PROBABILITY_TOLERANCE)
