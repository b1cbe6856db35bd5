"""TRL's DPO and KTO trainers with a weight per row, a self-test of the reference, and a faster equal forward pass.

TRL has no weight column. Here the weight scales the gradient that reaches a row's log-probabilities: that is exactly
the gradient of the loss whose terms, the sft term included, are weighted so. The logged loss stays TRL's own.

The preference is about the action, which is all that serving reads; the words behind it are learned by the sft term
only. Left to the whole answer, DPO finds its margin in the words: they carry the old model's belief, which tells
chosen from rejected without the action changing at all.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from peft import PeftModel
from trl import DPOTrainer, KTOTrainer

from llm_plugin.errors import TrainingFailed
from llm_plugin.training.forward import packed_forward, packs

__all__ = ["WeightedDPOTrainer", "WeightedKTOTrainer", "decide_by", "weigh"]

WEIGHT, DECISION = "weight", "decision_tokens"
_EXACT_TOLERANCE = 1e-4
_HALF_TOLERANCE = 0.05


class _Weigh(torch.autograd.Function):  # type: ignore[misc]
    """The identity, whose gradient is scaled row by row."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(weights)
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (weights,) = ctx.saved_tensors
        return gradient * weights[:, None].to(gradient.dtype), None


def weigh(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return `values` [N, ...] unchanged, with the gradient of row n scaled by `weights[n]`."""
    weighed: torch.Tensor = _Weigh.apply(values, weights)
    return weighed


def decide_by(log_probs: torch.Tensor, answered: torch.Tensor, decisions: torch.Tensor) -> torch.Tensor:
    """Return log-probabilities whose sum over a row is that of its action alone.

    TRL sums whole rows for the preference and averages the answer's places for the sft term. What follows the action is
    taken off again at the first place, which is no answer's: the sum loses it, the average does not.

    Args:
        log_probs: [N, L - 1]; 0 outside the answers.
        answered: [N, L - 1]; true at the answer's places.
        decisions: [N]; how many of them are the action.
    """
    behind = answered & (answered.cumsum(1) > decisions[:, None].to(answered.device))
    taken_off = -(log_probs * behind).sum(1, keepdim=True)
    return torch.cat([log_probs[:, :1] + taken_off, log_probs[:, 1:]], dim=1)


class _Collator:
    """TRL's collator plus weights, and how many tokens of each answer are the action."""

    def __init__(self, inner: Any, actions: Sequence[Sequence[int]]) -> None:
        self._inner = inner
        self._actions = [list(tokens) for tokens in actions]

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self._inner(rows)
        batch[WEIGHT] = torch.tensor([float(row[WEIGHT]) for row in rows], dtype=torch.float32)
        answers = [
            row[name] for name in ("chosen_ids", "rejected_ids", "completion_ids") if name in rows[0] for row in rows
        ]
        batch[DECISION] = torch.tensor([self._length(answer) for answer in answers])
        return batch

    def _length(self, answer: list[int]) -> int:
        known = [len(tokens) for tokens in self._actions if answer[: len(tokens)] == tokens]
        return max(known, default=len(answer))


class _Weighted:
    """What both trainers share; mixed in before TRL's class."""

    def __init__(self, *args: Any, actions: Sequence[Sequence[int]] = (), packing: bool = True, **kwargs: Any) -> None:
        self._packing: bool | None = None if packing else False
        self._checked = False
        self._actions = actions
        super().__init__(*args, **kwargs)

    def _precompute_ref_logps(self, *args: Any, **kwargs: Any) -> Any:
        self._wrap_collator()  # TRL scores the reference while it is being made
        trainer: Any = super()
        return trainer._precompute_ref_logps(*args, **kwargs)

    def _wrap_collator(self) -> None:
        trainer: Any = self
        if not isinstance(trainer.data_collator, _Collator):
            trainer.data_collator = _Collator(trainer.data_collator, self._actions)

    def _set_signature_columns_if_needed(self) -> None:
        trainer: Any = super()
        trainer._set_signature_columns_if_needed()
        own: Any = self
        if WEIGHT not in own._signature_columns:
            own._signature_columns = [*own._signature_columns, WEIGHT]

    @property
    def packed(self) -> bool:
        """Whether the faster forward pass is in use."""
        return bool(self._packing)

    def _checked_loss(self, loss_of: Callable[[], Any]) -> Any:
        """Compute a loss; at the first step policy and reference are the same, or the reference is wrong.

        Raises:
            TrainingFailed: They are not; names the figures.
        """
        trainer: Any = self
        if self._checked or trainer.state.global_step > 0 or not trainer.model.training:
            return loss_of()
        self._checked = True
        if not trainer.args.disable_dropout:  # dropout hides what is looked for: look without it
            trainer.model.eval()
            with torch.no_grad():
                loss_of()
            trainer.model.train()
            _refuse_rewards(trainer._metrics.pop("eval"), _tolerance(trainer))
            trainer._metrics["eval"] = defaultdict(list)
            return loss_of()
        loss = loss_of()
        if math.isfinite(float(loss.detach())):  # the guard of every step speaks of NaN
            _refuse_rewards(trainer._metrics["train"], _tolerance(trainer))
        return loss


def _tolerance(trainer: Any) -> float:
    exact = all(p.dtype == torch.float32 for p in trainer.model.parameters() if p.requires_grad)
    return _EXACT_TOLERANCE if exact and not trainer.args.bf16 else _HALF_TOLERANCE


def _refuse_rewards(metrics: dict[str, list[float]], tolerance: float) -> None:
    names = ("rewards/margins", "rewards/chosen", "rewards/rejected")
    found = {name: metrics[name][-1] for name in names if metrics.get(name)}
    if not found or any(not abs(value) <= tolerance for value in found.values()):
        shown = ", ".join(f"{name} {value:.4g}" for name, value in found.items()) or "none were computed"
        raise TrainingFailed(
            f"the first step's rewards are not zero ({shown}): the reference is not the model that training starts "
            "from; training was stopped and the champion stays"
        )


class WeightedDPOTrainer(_Weighted, DPOTrainer):  # type: ignore[misc]
    """DPO on weighted pairs."""

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        inputs = dict(inputs)
        weights, decisions = torch.cat([inputs.pop(WEIGHT)] * 2), inputs.pop(DECISION)

        def forward(**kwargs: Any) -> Any:
            outputs = self._forward(model, decisions, **kwargs)
            outputs.log_probs = weigh(outputs.log_probs, weights)
            return outputs

        plain = super()._compute_loss
        return self._checked_loss(lambda: plain(forward, inputs, return_outputs))

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """Score a batch by the reference."""
        inputs = dict(inputs)
        del inputs[WEIGHT]
        decisions = inputs.pop(DECISION)
        if self._packing is None:
            self._packing = packs(self._causal(), inputs, self.model)
        return super().compute_ref_log_probs(lambda **kwargs: self._forward(model, decisions, **kwargs), inputs)

    def _forward(self, model: Any, decisions: torch.Tensor, **kwargs: Any) -> Any:
        if self._packing:
            outputs: Any = packed_forward(self._causal(), kwargs["input_ids"], kwargs["labels"])
        else:
            outputs = model(**kwargs)
        outputs.log_probs = decide_by(outputs.log_probs, kwargs["labels"][:, 1:] != -100, decisions)
        return outputs

    def _causal(self) -> Any:
        model = self.accelerator.unwrap_model(self.model)
        return model.get_base_model() if isinstance(model, PeftModel) else model


class WeightedKTOTrainer(_Weighted, KTOTrainer):  # type: ignore[misc]
    """KTO on weighted single answers, for outcomes whose path cannot be replayed.

    KTO has no term that keeps the format; the sft term of DPO, on wanted answers only, is added.
    """

    sft_weight = 0.0

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        inputs = dict(inputs)
        weights, decisions = inputs.pop(WEIGHT), inputs.pop(DECISION)
        seen: list[torch.Tensor] = []

        def forward(**kwargs: Any) -> Any:
            outputs = _decided(model, decisions, kwargs)
            if torch.is_grad_enabled():
                outputs.log_probs = weigh(outputs.log_probs, weights)
                seen.append(outputs.log_probs)
            return outputs

        plain = super()._compute_loss
        loss = self._checked_loss(lambda: plain(forward, inputs, return_outputs))
        wanted = inputs["completion_mask"][:, 1:].bool() & inputs["label"].bool()[:, None]
        if self.sft_weight and seen and bool(wanted.any()):
            loss = loss - self.sft_weight * seen[-1][wanted].mean()
        return loss

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """Score a batch by the reference."""
        inputs = dict(inputs)
        del inputs[WEIGHT]
        decisions = inputs.pop(DECISION)
        return super().compute_ref_log_probs(lambda **kwargs: _decided(model, decisions, kwargs), inputs)


def _decided(model: Any, decisions: torch.Tensor, kwargs: dict[str, Any]) -> Any:
    """Score the action of each row; KTO's mismatched answers are those of the row before, in the same batch."""
    outputs = model(**kwargs)
    outputs.log_probs = decide_by(outputs.log_probs, kwargs["labels"][:, 1:] != -100, decisions)
    return outputs
