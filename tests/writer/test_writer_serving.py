"""The adapter in service: generation, batches, forced beginnings, streams, refusals."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_strategies import toy_pairs, toy_rows, write_rows
from writer_world import make_job

from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.strategies.models import Message, StrategyModel, open_model
from llm_plugin.writer import open_writer
from llm_plugin.writer.job import SftJob, SftResult, new_standin_folders, use_standin
from llm_plugin.writer.serving import SKELETON, WriterModel

Trained = tuple[SftJob, SftResult]
ASKED = [[Message("user", prompt)] for prompt, _ in toy_pairs(3, seed=9)]


@pytest.fixture(scope="module")
def writer(trained: Trained) -> WriterModel:
    found: WriterModel = open_writer(trained[0].base, trained[0].out, device="cpu")
    return found


def complete(writer: WriterModel, number: int = 0, **values: Any) -> Any:
    return writer.complete(ASKED[number], **{"max_new_tokens": 24, "temperature": 0.0, "seed": 0, **values})


def test_greedy_answer_is_that_of_transformers(writer: WriterModel) -> None:
    ids = torch.tensor([writer.chat.prompt_ids([ASKED[0][0].to_json()])])
    expected = writer.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=24,
        do_sample=False,
        eos_token_id=writer.chat.stop_ids,
    )[0, ids.shape[1] :]
    found = complete(writer)
    assert found.text == writer.chat.tokenizer.decode(expected, skip_special_tokens=True)
    assert found.tokens_out == len(expected)
    assert found.tokens_in == ids.shape[1]
    assert isinstance(writer, StrategyModel)
    assert found.cost_usd == 0.0


def test_batch_gives_each_the_answer_that_it_has_alone(writer: WriterModel) -> None:
    together = writer.complete_many(ASKED, max_new_tokens=24, temperature=0.7, seeds=[4, 5, 6])
    alone = [complete(writer, number, temperature=0.7, seed=4 + number) for number in range(3)]
    assert [answer.text for answer in together] == [answer.text for answer in alone]


def test_seed_decides_what_is_drawn(writer: WriterModel) -> None:
    texts = [complete(writer, temperature=1.5, seed=seed).text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_stop_reason_tells_an_end_from_a_limit(writer: WriterModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complete(writer, max_new_tokens=3).stop_reason == "length"
    first = complete(writer, max_new_tokens=1)
    token = writer.chat.tokenizer(first.text, add_special_tokens=False)["input_ids"][0]
    monkeypatch.setattr(type(writer.chat), "stop_ids", property(lambda chat: [token]))
    ended = complete(writer)
    assert (ended.stop_reason, ended.text, ended.tokens_out) == ("stop", "", 1)


def test_stream_is_the_answer_piece_by_piece(writer: WriterModel) -> None:
    pieces: list[str] = []
    found = complete(writer, max_new_tokens=40, on_text=pieces.append)
    assert len(pieces) > 1
    assert "".join(pieces) == found.text.rstrip("\ufffd")

    def leave(text: str) -> None:
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        complete(writer, max_new_tokens=40, on_text=leave)


def test_constrained_answer_begins_with_imports_and_class(trained: Trained) -> None:
    forced = open_writer(trained[0].base, trained[0].out, device="cpu", constrained=True)
    assert complete(forced, max_new_tokens=60).text.startswith(SKELETON)
    ast.parse(SKELETON + "A(QCAlgorithm):\n    pass\n")


def test_only_the_first_question_reaches_a_writer_of_single_turns(writer: WriterModel) -> None:
    talk = [Message("system", "You write."), *ASKED[0], Message("assistant", "x"), Message("user", "It failed.")]
    options: dict[str, Any] = {"max_new_tokens": 12, "temperature": 0.0, "seed": 0}
    assert writer.complete(talk, **options).text == writer.complete(ASKED[0], **options).text
    with pytest.raises(ConfigError, match="holds no message of the user"):
        writer.complete([Message("system", "You write.")], **options)


def test_question_without_room_for_an_answer_is_refused(writer: WriterModel) -> None:
    long = [Message("user", "Buy SPY and 7 more. " * 400)]
    with pytest.raises(ModelError, match=r"leaves no room for an answer in a context of 1024 tokens"):
        writer.complete(long, max_new_tokens=10, temperature=0.0, seed=0)
    with pytest.raises(ConfigError, match="max_new_tokens is 0"):
        complete(writer, max_new_tokens=0)


def test_stand_in_is_opened_by_its_name(trained: Trained, own_home: Path) -> None:
    with pytest.raises(ModelError, match=r"the stand-in is not trained yet .*lean-llm sft --preset standin"):
        open_model("standin")
    base, adapter = new_standin_folders("mine")
    base.parent.mkdir(parents=True)
    base.symlink_to(trained[0].base)
    adapter.symlink_to(trained[0].out)
    use_standin("mine")
    tuned, plain = open_model("standin"), open_model("standin:base")
    assert tuned.name.startswith(plain.name + "+strategy-writer@")
    same = open_model(f"path:{trained[0].base}+{trained[0].out}")
    assert same.name == tuned.name


def test_version_of_the_registry_is_opened_by_its_name(trained: Trained, own_home: Path) -> None:
    from llm_plugin.registry.store import Registry

    version = Registry(name="strategy-writer").register(trained[0].out, parent=None, base=Path(trained[0].base))
    found = open_writer(trained[0].base, f"strategy-writer@{version.id}", device="cpu")
    assert found.name == open_writer(trained[0].base, trained[0].out, device="cpu").name


def test_adapter_of_another_base_is_refused(trained: Trained, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    other = shutil.copytree(trained[0].base, tmp_path / "other")
    (other / "manifest.json").unlink()
    tensors = load_file(other / "model.safetensors")
    tensors["lm_head.weight"][0, 0] += 1
    save_file(tensors, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="was trained on base tensors"):
        open_writer(other, trained[0].out, device="cpu")


def test_unknown_rows_do_not_stop_a_job_from_being_made(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "r.jsonl.gz", toy_rows(10, seed=3))
    assert make_job(rows, tmp_path).sha256 != make_job(rows, tmp_path, seed="1").sha256
    assert make_job(rows, tmp_path).base_sha256 == make_job(rows, tmp_path, rank="8").base_sha256
