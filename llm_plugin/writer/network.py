"""The stand-in's tokenizer, in which whole phrases of strategies are one token, and the texts of its base."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_plugin.bootstrap.network import BEGIN, END, PAD, build_network
from llm_plugin.writer.rows import StrategyRow
from llm_plugin.writer.settings import StandinSettings
from llm_plugin.writer.variations import tickers_of, varied

__all__ = ["TEMPLATE", "base_texts", "build_code_network", "build_code_tokenizer"]

_BRACKETS, _OTHER_LINES = 0.5, 0.3
_OPEN, _CLOSE = "[INST]", "[/INST]"
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ message['content'] }}{{ eos_token }}{% else %}[INST] {{ message['content'] }} [/INST]\n{% endif %}{% endfor %}"
)
# Numbers, short upper-case words and the names of an algorithm's own members stand alone, so that periods, symbols and
# names are copied by the same tokens from a question into code, and from where a name is made to where it is used. What
# stands between them may become one token, the line break and the indentation before it too.
_WORD = r"\b[A-Z]{1,6}\b"
_MEMBER = r"(?<=self\._)[a-z_]+"
_PIECES = rf"0\.(?=\d)|\d+|{_WORD}|{_MEMBER}|(?:\n *)?[^\d\n]+?(?:(?<=self\._)(?=[a-z])|(?=\d|\n|{_WORD}|$))|\n+ *"


def build_code_tokenizer(texts: Sequence[str], folder: Path, vocabulary: int, max_tokens: int) -> Any:
    """Train a byte-level BPE tokenizer on code and save it.

    Args:
        texts: Of the training split only.
        folder: Where tokenizer.json and tokenizer_config.json go.
        vocabulary: Upper bound; few texts give fewer tokens.
        max_tokens: The model's longest text.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=4,  # what is written once is no phrase
        show_progress=False,
        special_tokens=[PAD, BEGIN, END, _OPEN, _CLOSE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "bos_token": BEGIN,
        "eos_token": END,
        "additional_special_tokens": [_OPEN, _CLOSE],
        "add_bos_token": False,
        "add_eos_token": False,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_tokens,
        "chat_template": TEMPLATE,
    }
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(configuration, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def build_code_network(tokenizer: Any, plan: StandinSettings, seed: int) -> Any:
    """Return the untrained base for this tokenizer.

    Args:
        tokenizer: From `build_code_tokenizer`.
        plan: Its size.
        seed: The same seed gives the same weights.
    """
    from llm_plugin.writer.first_weights import ROPE_THETA, set_first_weights

    model = build_network(
        tokenizer,
        hidden=plan.hidden,
        layers=plan.layers,
        max_tokens=plan.context,
        seed=seed,
        key_value_heads=4,
        rope_theta=ROPE_THETA,
    )
    set_first_weights(model, seed)
    return model


def base_texts(rows: Sequence[StrategyRow], seed: int) -> list[tuple[str, str]]:
    """Return one epoch of the base's texts: (what stands in the brackets, code); no instruction is among them.

    Every code has other tickers and numbers. In the brackets before half of them stand lines of that very code,
    shuffled: a base that looks there can be taught to look at a request. The other half has no brackets.
    """
    rng, pool = random.Random(seed), tickers_of(rows)  # noqa: S311 - for texts, not for secrets
    made = []
    for row in rng.sample(list(rows), len(rows)):
        code = varied(row, pool, rng).completion
        lines = [line for line in code.splitlines() if _says_something(line) or rng.random() < _OTHER_LINES]
        rng.shuffle(lines)
        made.append(("\n".join(lines) if rng.random() < _BRACKETS else "", code))
    return made


def _says_something(line: str) -> bool:
    return '"' in line or any(character.isdigit() for character in line)
