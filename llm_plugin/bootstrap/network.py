"""The small model's two parts, made from nothing: a byte-level tokenizer and a Llama of about 0.4 million weights."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action
from llm_plugin.errors import ModelError

__all__ = ["build_network", "build_tokenizer", "save_network"]

PAD, BEGIN, END = "<pad>", "<s>", "</s>"
# One turn in, one answer out: servers that insist on a chat template then see the same text as the in-process model.
CHAT_TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"


def build_tokenizer(texts: Iterable[str], folder: Path, vocabulary_size: int = 1024, max_tokens: int = 1024) -> Any:
    """Train a byte-level BPE tokenizer in which ` ACTION` is one token, and save it.

    Args:
        texts: Prompts and answers as the model will see them.
        folder: Where tokenizer.json and tokenizer_config.json go.
        vocabulary_size: Upper bound; few texts give fewer tokens.
        max_tokens: The model's longest input.

    Returns:
        A fast tokenizer that loads on transformers 4 and 5 alike.

    Raises:
        ModelError: An action is not exactly one token after training.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    # ` ADX=` and ` TREND=-` become one token each, numbers up to two digits another: half the length of common splits.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\d{1,2}| ?[^\s\d]+|\s+"), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - len(Action),
        show_progress=False,
        special_tokens=[PAD, BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(f" {action.value}", normalized=False) for action in Action])
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": BEGIN,
        "eos_token": END,
        "add_bos_token": False,
        "add_eos_token": False,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_tokens,
        "chat_template": CHAT_TEMPLATE,
    }
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    fast = PreTrainedTokenizerFast.from_pretrained(str(folder))
    for action in Action:
        ids = fast(f" {action.value}", add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise ModelError(f"{action.value} became {len(ids)} tokens {ids}; enlarge vocabulary_size")
    return fast


def build_network(
    tokenizer: Any,
    *,
    hidden: int,
    layers: int,
    max_tokens: int,
    seed: int,
    key_value_heads: int = 2,
    rope_theta: float = 10000.0,
) -> Any:
    """Return an untrained Llama for this tokenizer; the same seed gives the same weights.

    Args:
        tokenizer: Its tokenizer.
        hidden: Width; a multiple of 4 heads of even size.
        layers: Depth.
        max_tokens: Longest input.
        seed: Of the initial weights.
        key_value_heads: 4, or a divisor of it.
        rope_theta: Base of the rotary positions.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 3,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=key_value_heads,
        max_position_embeddings=max_tokens,
        rope_theta=rope_theta,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    if getattr(config, "rope_parameters", None):  # transformers 5 reads it here, 4.57 above
        config.rope_parameters["rope_theta"] = rope_theta
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def save_network(model: Any, folder: Path) -> None:
    """Save weights and configuration so that transformers 4.57 and 5 read the same model."""
    from transformers.utils import logging

    model.config.use_cache = True
    logging.disable_progress_bar()
    model.save_pretrained(str(folder))
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    # transformers 5 writes rope_parameters only, 4.57 reads rope_theta only: without this line it takes its default.
    config.setdefault("rope_theta", (config.get("rope_parameters") or {}).get("rope_theta", 10000.0))
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
