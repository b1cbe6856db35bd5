"""What a training will take, and the refusal of what cannot fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_strategies import toy_rows, write_rows
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.writer.estimate import (
    GIB,
    Machine,
    estimate,
    machine_here,
    refuse_what_cannot_fit,
    shape_of,
    standin_shape,
)
from llm_plugin.writer.prepare import prepare
from llm_plugin.writer.settings import PRESETS, SftSettings, StandinSettings, with_values

LLAMA_7B = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "vocab_size": 32016,
    "max_position_embeddings": 16384,
    "tie_word_embeddings": False,
}
GPU = Machine("cuda", 24 * GIB, 500 * GIB, 300e12)


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    folder = tmp_path / "codellama-shaped"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_7B), encoding="utf-8")
    return folder


def of(folder: Path, machine: Machine = GPU, **values: Any) -> Any:
    return estimate(
        shape_of(folder), SftSettings(**values), rows=1500, tokens=1500 * 700, longest=1800, machine=machine
    )


def test_7b_base_is_counted_from_its_configuration_alone(seven: Path) -> None:
    shape = shape_of(seven)
    assert shape.parameters == pytest.approx(6.74e9, rel=0.01)
    found = of(seven)
    assert found.trainable == 32 * 4 * 16 * 2 * 4096  # rank 16 on q, k, v, o of 32 blocks
    assert found.steps == 141
    assert found.tokens == pytest.approx(3 * 1500 * 700, rel=0.01)
    assert found.parts["weights"] == pytest.approx(13.5e9, rel=0.01)
    assert found.checkpointing
    assert 13 < found.memory_bytes / GIB < 24


def test_four_bits_and_checkpointing_save_what_they_should(seven: Path) -> None:
    full, small = of(seven), of(seven, quantization="nf4")
    assert small.parts["weights"] == pytest.approx(3.3e9 + 2 * 2 * 32016 * 4096, rel=0.1)
    assert small.memory_bytes < full.memory_bytes - 8 * GIB
    assert of(seven, checkpointing=False).parts["activations"] > 5 * full.parts["activations"]
    assert of(seven, checkpointing=False).seconds < full.seconds
    assert of(seven, micro_batch=1, accumulation=32).parts["activations"] < full.parts["activations"] / 2


def test_what_cannot_fit_is_refused_with_both_figures_and_a_remedy(seven: Path) -> None:
    small = Machine("cuda", 8 * GIB, 500 * GIB, 0.0)
    with pytest.raises(
        ConfigError, match=r"needs about .* GiB .*8\.0 GiB are free: it cannot fit; take quantization=nf4"
    ):
        refuse_what_cannot_fit(of(seven, small), small, SftSettings())
    enough = Machine("cuda", 80 * GIB, 500 * GIB, 0.0)
    refuse_what_cannot_fit(of(seven, enough), enough, SftSettings())
    full_disk = Machine("cuda", 80 * GIB, GIB // 100, 0.0)
    with pytest.raises(ConfigError, match=r"checkpoints need about 0\.\d GiB of disk, 0\.0 GiB are free"):
        refuse_what_cannot_fit(of(seven, full_disk), full_disk, SftSettings())
    assert of(seven, small).seconds is None


def test_shape_of_the_stand_in_is_the_one_that_is_built(tmp_path: Path) -> None:
    from llm_plugin.writer.network import build_code_network, build_code_tokenizer

    tokenizer = build_code_tokenizer(["x = 1\n"] * 9, tmp_path, 300, 128)
    plan = StandinSettings(
        hidden=64, layers=3, vocabulary=len(tokenizer) if len(tokenizer) >= 300 else 300, context=128
    )
    network = build_code_network(tokenizer, plan, 0)
    missing = 2 * 64 * (plan.vocabulary - len(tokenizer))
    assert standin_shape(plan).parameters == sum(p.numel() for p in network.parameters()) + missing


def test_other_architecture_and_missing_configuration_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no causal language model that transformers knows"):
        shape_of(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    with pytest.raises(ModelError, match="is no causal language model that transformers knows"):
        shape_of(tmp_path)


def test_this_machine_is_measured(tmp_path: Path) -> None:
    found = machine_here("cpu", tmp_path / "not" / "there", SftSettings())
    assert found.kind == "cpu"
    assert found.memory_bytes > GIB // 8
    assert found.operations_per_second > 1e8
    assert machine_here("cpu", tmp_path, SftSettings(), measure=False).operations_per_second == 0.0


def test_command_estimates_without_training(tmp_path: Path, own_home: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl.gz", toy_rows(40))
    told = CliRunner().invoke(app, ["sft", "--dataset", str(rows), "--estimate", "--json"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.output)
    assert found["rows"] == "32 train, 4 validation, 4 test"
    assert "GiB are free" in found["memory"]
    assert "of the base" in found["steps"]
    assert not own_home.joinpath("models").exists()


def test_command_refuses_a_7b_base_that_this_machine_cannot_hold(
    seven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl.gz", toy_rows(40))
    monkeypatch.setattr("llm_plugin.writer.estimate._free_memory", lambda: 6 * GIB)
    arguments = ["sft", "--preset", "7b", "--base", str(seven), "--dataset", str(rows), "--device", "cpu"]
    told = CliRunner().invoke(app, arguments)
    assert isinstance(told.exception, ConfigError)
    assert "6.0 GiB are free: it cannot fit" in str(told.exception)
    told = CliRunner().invoke(app, ["sft", "--preset", "7b", "--dataset", str(rows)])
    assert isinstance(told.exception, ConfigError)
    assert "codellama/CodeLlama-7b-hf" in str(told.exception)


def test_places_follow_the_preset(tmp_path: Path, own_home: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl.gz", toy_rows(40))
    own = prepare(PRESETS["standin"], dataset=rows, device="cpu", measure=False)
    assert own.job.base == own_home / "models" / "writer" / "standin" / own.job.sha256[:12] / "base"
    again = prepare(with_values(PRESETS["standin"], {"seed": "1"}), dataset=rows, device="cpu", measure=False)
    assert again.job.out != own.job.out  # a new training never touches the one in use
    assert own.seconds is None
    assert own.base is not None
    assert not own.tokens_counted
    smaller = with_values(PRESETS["standin"], {"max_steps": "5"})
    elsewhere = prepare(smaller, base=tmp_path / "mine" / "base", dataset=rows, device="cpu", measure=False)
    assert elsewhere.job.out == tmp_path / "mine" / "adapter"
    assert elsewhere.sft.steps == 5


def test_stand_in_is_in_use_once_its_training_is_whole(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from llm_plugin.writer.job import standin_folders
    from llm_plugin.writer.prepare import run_prepared

    rows = write_rows(tmp_path / "rows.jsonl.gz", toy_rows(40))
    own = prepare(PRESETS["standin"], dataset=rows, device="cpu", measure=False)
    own.job.out.parent.mkdir(parents=True)
    assert standin_folders() != (own.job.base, own.job.out)
    monkeypatch.setattr("llm_plugin.writer.prepare.train_writer", lambda job, on_step: SimpleNamespace(adapter=job.out))
    run_prepared(own)
    assert standin_folders() == (own.job.base, own.job.out)
