"""Models in process: a whole one answers, streamed; others are refused by name before anybody waits for them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.errors import ModelError
from llm_plugin.strategies.models import Message, open_model

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of one layer with random weights, made here."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(["buy"], trainers.BpeTrainer(special_tokens=["<s>", "</s>"], initial_alphabet=alphabet))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>")
    folder = tmp_path_factory.mktemp("models") / "tiny"
    LlamaForCausalLM(llama(len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def llama(vocabulary: int, **changes: Any) -> Any:
    from transformers import LlamaConfig

    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaConfig(vocab_size=vocabulary, max_position_embeddings=256, **{**size, **changes})


def copied(tiny: Path, name: str, **config: Any) -> Path:
    folder = tiny.parent / name
    shutil.copytree(tiny, folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**values, **config}))
    return folder


def test_a_folder_answers_and_streams_the_same_text(tiny: Path) -> None:
    model = open_model(f"path:{tiny}")
    pieces: list[str] = []
    asked: dict[str, Any] = {"max_new_tokens": 40, "temperature": 0.7, "seed": 3}
    answer = model.complete([Message("user", "buy")], **asked, on_text=pieces.append)
    again = model.complete([Message("user", "buy")], **asked)
    assert answer.text == "".join(pieces) == again.text
    assert (answer.cost_usd, answer.tokens_counted) == (0.0, True)


def test_a_checkpoint_of_another_architecture_is_named(tiny: Path) -> None:
    martian = copied(tiny, "martian", model_type="martian", architectures=["MartianForCausalLM"])
    with pytest.raises(ModelError, match=r"cannot be loaded as a causal language model: .*martian"):
        open_model(f"path:{martian}")
    encoder = copied(tiny, "encoder", model_type="bert", architectures=["BertModel"])
    with pytest.raises(ModelError, match=r"no whole checkpoint of a causal language model: .*BertModel"):
        open_model(f"path:{encoder}")


def test_a_checkpoint_that_lacks_weights_is_named_instead_of_filled_at_random(tiny: Path) -> None:
    deeper = copied(tiny, "deeper", num_hidden_layers=2)
    with pytest.raises(ModelError, match=r"9 tensors are missing \(model\.layers\.1\."):
        open_model(f"path:{deeper}")


def test_an_adapter_of_another_base_is_named(tiny: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaForCausalLM

    other = LlamaForCausalLM(llama(300, hidden_size=32, num_hidden_layers=2))
    adapter = tiny.parent / "adapter"
    get_peft_model(other, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(str(adapter))
    with pytest.raises(ModelError, match=r"does not fit this base: .*load the base that it was trained on"):
        open_model(f"path:{tiny}+{adapter}")
    with pytest.raises(ModelError, match=r"nothing is no adapter: adapter_config\.json is missing"):
        open_model(f"path:{tiny}+{tiny.parent / 'nothing'}")
