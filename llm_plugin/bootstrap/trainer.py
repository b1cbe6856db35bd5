"""The training loop: completion-only loss, soft first-token targets, one prefix pass per step, averaged weights.

Plain torch: every question shares its prefix, so the prefix is computed once per step with gradients and its keys and
values are expanded over the batch; the language-model head runs on answer places only. Both are exact.
Shapes: B questions, P prefix tokens, L suffix and answer tokens (right-padded), V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from llm_plugin.domain import Action

__all__ = ["Example", "TrainingPlan", "TrainingReport", "train_network"]


@dataclass(frozen=True, slots=True)
class Example:
    """One question with its soft label.

    Attributes:
        suffixes: The same question in each rendering (with and without memory and session).
        action: The alternative to HOLD.
        target: Wanted probability of `action` against HOLD, in [0, 1].
        weight: Weight of the first-token loss.
        answers: Rest of the answer after the action token: for `action`, for HOLD.
    """

    suffixes: tuple[str, ...]
    action: Action
    target: float
    weight: float
    answers: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How long and how fast; everything is counted in tokens and steps, never in seconds, so that runs repeat."""

    steps: int
    batch: int = 64
    learning_rate: float = 3e-3
    warmup_steps: int = 20
    weight_decay: float = 0.05
    text_weight: float = 0.1
    average_from: float = 0.6
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What the loop did."""

    steps: int
    tokens: int
    first_loss: float
    last_loss: float


@dataclass(frozen=True, slots=True)
class _Encoded:
    suffixes: tuple[list[int], ...]
    action: int
    target: float
    weight: float
    answers: tuple[list[int], list[int]]


def train_network(
    model: Any,
    tokenizer: Any,
    prefix: str,
    examples: Sequence[Example],
    plan: TrainingPlan,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> TrainingReport:
    """Train in place; the model ends with the average of its later weights.

    Args:
        model: From `build_network`.
        tokenizer: Its tokenizer.
        prefix: The text that all questions share.
        examples: The training slice.
        plan: Steps and rates.
        on_progress: Called with the fraction done.

    Raises:
        ValueError: No examples, or the loss became NaN.
    """
    if not examples:
        raise ValueError("there are no training examples")
    rows = _encode(tokenizer, examples)
    hold = tokenizer(f" {Action.HOLD.value}", add_special_tokens=False)["input_ids"][0]
    prefix_ids = tokenizer(prefix, add_special_tokens=False)["input_ids"] if prefix else []
    rng = np.random.default_rng(plan.seed)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=plan.learning_rate, betas=(0.9, 0.98), weight_decay=plan.weight_decay
    )
    average: dict[str, torch.Tensor] = {}
    averaged = tokens = 0
    losses: list[float] = []
    model.train()
    for step, batch in enumerate(_batches(rows, plan, rng)):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * _schedule(step, plan)
        loss, seen = _loss(model, prefix_ids, batch, hold, tokenizer.pad_token_id, plan.text_weight)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise ValueError(f"the loss became {losses[-1]} at step {step}; lower the learning rate")
        tokens += seen
        if step >= plan.average_from * plan.steps:
            averaged += 1
            _accumulate(average, model, averaged)
        on_progress((step + 1) / plan.steps)
    if average:
        model.load_state_dict({**model.state_dict(), **average})
    model.eval()
    edge = max(1, len(losses) // 10)
    return TrainingReport(len(losses), tokens, float(np.mean(losses[:edge])), float(np.mean(losses[-edge:])))


def _encode(tokenizer: Any, examples: Sequence[Example]) -> list[_Encoded]:
    texts = [text for example in examples for text in (*example.suffixes, *example.answers)]
    ids = iter(tokenizer(texts, add_special_tokens=False)["input_ids"])
    actions = {a: tokenizer(f" {a.value}", add_special_tokens=False)["input_ids"][0] for a in Action}
    end = tokenizer.eos_token_id
    rows = []
    for example in examples:
        suffixes = tuple(list(next(ids)) for _ in example.suffixes)
        answers = [[*next(ids), end] for _ in example.answers]
        rows.append(
            _Encoded(suffixes, actions[example.action], example.target, example.weight, (answers[0], answers[1]))
        )
    return rows


def _batches(rows: list[_Encoded], plan: TrainingPlan, rng: np.random.Generator) -> Any:
    """Yield `plan.steps` batches of (suffix, row, answer index): epochs without replacement, alike lengths together."""
    queue: list[list[tuple[list[int], _Encoded, int]]] = []
    for _ in range(plan.steps):
        if not queue:
            queue = _epoch(rows, plan.batch, rng)
        yield queue.pop()


def _epoch(rows: list[_Encoded], size: int, rng: np.random.Generator) -> list[list[tuple[list[int], _Encoded, int]]]:
    items = []
    for place in rng.permutation(len(rows)):
        row = rows[int(place)]
        suffix = row.suffixes[int(rng.integers(len(row.suffixes)))]
        items.append((suffix, row, int(rng.random() >= row.target)))
    batches = []
    for start in range(0, len(items), size * 16):  # sorting whole epochs would make every epoch the same batches
        chunk = sorted(items[start : start + size * 16], key=lambda item: len(item[0]))
        batches += [chunk[i : i + size] for i in range(0, len(chunk), size)]
    order = rng.permutation(len(batches))
    return [batches[int(i)] for i in order]


def _schedule(step: int, plan: TrainingPlan) -> float:
    if step < plan.warmup_steps:
        return (step + 1) / plan.warmup_steps
    done = (step - plan.warmup_steps) / max(1, plan.steps - plan.warmup_steps)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))


def _accumulate(average: dict[str, torch.Tensor], model: Any, count: int) -> None:
    for name, parameter in model.named_parameters():
        if name not in average:
            average[name] = parameter.detach().clone()
        else:
            average[name] += (parameter.detach() - average[name]) / count


def _loss(
    model: Any,
    prefix_ids: list[int],
    batch: list[tuple[list[int], _Encoded, int]],
    hold: int,
    pad: int,
    text_weight: float,
) -> tuple[torch.Tensor, int]:
    sequences = [s + [row.action if pick == 0 else hold] + row.answers[pick] for s, row, pick in batch]
    longest = max(len(sequence) for sequence in sequences) - 1
    ids = torch.tensor([(seq[:-1] + [pad] * longest)[:longest] for seq in sequences])
    hidden = _hidden(model, prefix_ids, ids)  # [B, L, hidden]
    firsts = torch.tensor([len(s) - 1 for s, _, _ in batch])
    rows = torch.arange(len(batch))
    logs = model.lm_head(hidden[rows, firsts]).log_softmax(-1)
    target = torch.tensor([row.target for _, row, _ in batch])
    weight = torch.tensor([row.weight for _, row, _ in batch])
    actions = torch.tensor([row.action for _, row, _ in batch])
    decision = -(target * logs[rows, actions] + (1 - target) * logs[:, hold])
    loss = (weight * decision).sum() / weight.sum().clamp(min=1e-6)
    where = [(b, t) for b, (s, _, _) in enumerate(batch) for t in range(len(s), len(sequences[b]) - 1)]
    if where and text_weight:
        places = torch.tensor(where)
        wanted = torch.tensor([sequences[b][t + 1] for b, t in where])
        logits = model.lm_head(hidden[places[:, 0], places[:, 1]])
        loss = loss + text_weight * torch.nn.functional.cross_entropy(logits, wanted)
    return loss, sum(len(sequence) for sequence in sequences)


def _hidden(model: Any, prefix_ids: list[int], ids: torch.Tensor) -> torch.Tensor:
    inner = model.model
    if not prefix_ids:
        output: torch.Tensor = inner(input_ids=ids, use_cache=False).last_hidden_state
        return output
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    inner(input_ids=torch.tensor([prefix_ids]), past_key_values=cache, use_cache=True)
    size, known = ids.shape[0], len(prefix_ids)
    for layer in cache.layers:
        layer.keys = layer.keys.expand(size, -1, -1, -1)
        layer.values = layer.values.expand(size, -1, -1, -1)
    positions = known + torch.arange(ids.shape[1])[None, :].expand(size, -1)
    result: torch.Tensor = inner(
        input_ids=ids, position_ids=positions, past_key_values=cache, use_cache=True
    ).last_hidden_state
    return result
