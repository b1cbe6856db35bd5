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

WEIGHT = "weight"
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


def decide_by(log_probs: torch.Tensor, labels: torch.Tensor, actions: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return log-probabilities whose sum over a row is that of its action alone.

    TRL sums whole rows for the preference and averages the answer's places for the sft term. What follows the action is
    taken off again at the first place, which is no answer's: the sum loses it, the average does not.

    Args:
        log_probs: [N, L - 1]; 0 outside the answers.
        labels: [N, L - 1]; the predicted tokens, -100 outside the answers.
        actions: Tokens of each action as an answer begins with them; an answer that begins otherwise counts whole.
    """
    taken_off = -(log_probs * _behind_action(labels, actions)).sum(1, keepdim=True)
    return torch.cat([log_probs[:, :1] + taken_off, log_probs[:, 1:]], dim=1)


def _behind_action(labels: torch.Tensor, actions: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return where the words behind the action are, [N, L - 1]."""
    answered = labels != -100
    lengths = [_action_length(row[known].tolist(), actions) for row, known in zip(labels, answered, strict=True)]
    behind: torch.Tensor = answered & (answered.cumsum(1) > torch.tensor(lengths, device=labels.device)[:, None])
    return behind


def _action_length(answer: list[int], actions: Sequence[Sequence[int]]) -> int:
    return max((len(tokens) for tokens in actions if answer[: len(tokens)] == list(tokens)), default=len(answer))


class _Collator:
    """TRL's collator plus the weights."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = self._inner(rows)
        batch[WEIGHT] = torch.tensor([float(row[WEIGHT]) for row in rows], dtype=torch.float32)
        return batch


class _Weighted:
    """What both trainers share; mixed in before TRL's class."""

    def __init__(self, *args: Any, actions: Sequence[Sequence[int]] = (), packing: bool = True, **kwargs: Any) -> None:
        self._packing: bool | None = None if packing else False
        self._checked = False
        self._actions = actions
        super().__init__(*args, **kwargs)
        trainer: Any = self
        trainer.data_collator = _Collator(trainer.data_collator)

    def _decided(self, outputs: Any, labels: torch.Tensor) -> Any:
        outputs.log_probs = decide_by(outputs.log_probs, labels[:, 1:], self._actions)
        return outputs

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
        weights = torch.cat([inputs.pop(WEIGHT)] * 2)

        def forward(**kwargs: Any) -> Any:
            outputs = self._forward(model, **kwargs)
            outputs.log_probs = weigh(outputs.log_probs, weights)
            return outputs

        plain = super()._compute_loss
        return self._checked_loss(lambda: plain(forward, inputs, return_outputs))

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """Score a batch by the reference."""
        inputs = {name: value for name, value in inputs.items() if name != WEIGHT}
        if self._packing is None:
            self._packing = packs(self._causal(), inputs, self.model)
        return super().compute_ref_log_probs(lambda **kwargs: self._forward(model, **kwargs), inputs)

    def _forward(self, model: Any, **kwargs: Any) -> Any:
        if self._packing:
            outputs: Any = packed_forward(self._causal(), kwargs["input_ids"], kwargs["labels"])
        else:
            outputs = model(**kwargs)
        return self._decided(outputs, kwargs["labels"])

    def _causal(self) -> Any:
        model = self.accelerator.unwrap_model(self.model)
        return model.get_base_model() if isinstance(model, PeftModel) else model


class WeightedKTOTrainer(_Weighted, KTOTrainer):  # type: ignore[misc]
    """KTO on weighted single answers, for outcomes whose path cannot be replayed.

    KTO has no term that keeps the format; an sft term is added, on the words of wanted answers. Their action is left
    out: all labelled answers are trades that were made, and HOLD would never be among them.
    """

    sft_weight = 0.0

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool) -> Any:
        inputs = dict(inputs)
        weights = inputs.pop(WEIGHT)
        seen: list[torch.Tensor] = []

        def forward(**kwargs: Any) -> Any:
            outputs = self._decided(model(**kwargs), kwargs["labels"])
            if torch.is_grad_enabled():
                outputs.log_probs = weigh(outputs.log_probs, weights)
                seen.append(outputs.log_probs)
            return outputs

        plain = super()._compute_loss
        loss = self._checked_loss(lambda: plain(forward, inputs, return_outputs))
        labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)[:, 1:]
        wanted = _behind_action(labels, self._actions) & inputs["label"].bool()[:, None].to(labels.device)
        if self.sft_weight and seen and bool(wanted.any()):
            loss = loss - self.sft_weight * seen[-1][wanted].mean()
        return loss

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """Score a batch by the reference."""
        inputs = {name: value for name, value in inputs.items() if name != WEIGHT}
        return super().compute_ref_log_probs(lambda **kwargs: self._decided(model(**kwargs), kwargs["labels"]), inputs)
