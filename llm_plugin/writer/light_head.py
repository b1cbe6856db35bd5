"""TRL's SFT loss on one processor: the same number, with the head on the places that are learned only. Imports TRL.

TRL's head works in slices of float32 and once more in the backward pass, which saves memory where the vocabulary is
large. A small model on a processor spends most of its time there.
"""

from __future__ import annotations

from typing import Any

import torch
from peft import PeftModel
from trl import SFTTrainer

from llm_plugin.writer.examples import IGNORED

__all__ = ["LightHeadTrainer"]


class LightHeadTrainer(SFTTrainer):  # type: ignore[misc]
    """SFT on one processor; several processes or a GPU take TRL's own."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean negative log-likelihood of the labelled tokens.

        Args:
            model: The causal language model, in PEFT's wrapper or bare.
            inputs: `input_ids`, `attention_mask` and `labels`, each [N, L].
            return_outputs: Not supported; evaluation asks for losses only.
            num_items_in_batch: Labelled tokens of the whole optimiser step; None = of this batch.

        Raises:
            ValueError: Outputs are asked for.
        """
        if return_outputs:
            raise ValueError("the light head gives losses only: set prediction_loss_only")
        causal = self.accelerator.unwrap_model(model)
        causal = causal.get_base_model() if isinstance(causal, PeftModel) else causal
        inner = getattr(causal, causal.base_model_prefix)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bool(self.args.bf16)):
            hidden = inner(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], use_cache=False
            ).last_hidden_state
            wanted = inputs["labels"][:, 1:]
            learned = wanted != IGNORED
            logits = causal.get_output_embeddings()(hidden[:, :-1][learned])  # [learned tokens, V]
        tokens = wanted[learned]
        total = torch.nn.functional.cross_entropy(logits.float(), tokens, reduction="sum")
        count = learned.sum() if num_items_in_batch is None else num_items_in_batch
        self._note(inputs, logits, tokens)
        return total / torch.as_tensor(count).clamp(min=1)

    def _note(self, inputs: dict[str, Any], logits: torch.Tensor, tokens: torch.Tensor) -> None:
        mode = "train" if self.model.training else "eval"
        with torch.no_grad():
            right = (logits.argmax(-1) == tokens).float().mean().item() if len(tokens) else 0.0
        self._metrics[mode]["mean_token_accuracy"].append(right)
        if mode == "train":
            self._total_train_tokens += int(inputs["attention_mask"].sum())
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]
