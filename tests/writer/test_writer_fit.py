"""Fine-tuning on a base that is there: formats, NaN, architectures, what packing may change."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from llm_plugin.errors import DataError, ModelError, TrainingFailed
from llm_plugin.reasoning.loading import load_base, local_base
from llm_plugin.writer.chat import ChatFormat
from llm_plugin.writer.examples import encode_rows
from llm_plugin.writer.fit import plan_of, rows_of, tune
from llm_plugin.writer.job import SftJob, SftResult
from llm_plugin.writer.rows import read_rows
from llm_plugin.writer.settings import SftSettings
from llm_plugin.writer.trainer import lora_config, packs_exactly, precision_of

Trained = tuple[SftJob, SftResult]


@pytest.fixture(autouse=True)
def quiet_libraries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.fixture
def base(trained: Trained, tmp_path: Path) -> Path:
    """The tiny base as a foreign model: no manifest, and weights that a test may damage."""
    folder = shutil.copytree(trained[0].base, tmp_path / "foreign")
    (folder / "manifest.json").unlink()
    return folder


def foreign_job(trained: Trained, base: Path, out: Path, **values: Any) -> SftJob:
    settings = SftSettings(
        rank=2, max_steps=2, micro_batch=2, accumulation=1, eval_steps=2, save_steps=2, log_steps=1, **values
    )
    return replace(trained[0], base=base, standin=None, settings=settings, out=out)


def told(stage: str, **facts: Any) -> None:
    """Take progress and do nothing with it."""


def test_nan_loss_stops_before_anything_is_saved(trained: Trained, base: Path, tmp_path: Path) -> None:
    tensors = load_file(base / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"][0, 0] = float("nan")
    save_file(tensors, base / "model.safetensors", {"format": "pt"})
    job = foreign_job(trained, base, tmp_path / "adapter")
    with pytest.raises(
        TrainingFailed, match=r"became nan at step 1 of 2: .* nothing of it is kept; lower learning_rate"
    ):
        tune(job, base, told)
    assert not job.out.exists()
    assert not (tmp_path / "adapter.part").exists()
    assert not list((tmp_path / "adapter.run" / "checkpoints").glob("checkpoint-*"))


def test_s1_s_lora_stands_on_q_k_v_o_of_the_base(trained: Trained, base: Path, tmp_path: Path) -> None:
    job = foreign_job(trained, base, tmp_path / "adapter", checkpointing=True, prompt_format="inst")
    tuned = tune(job, base, told)
    assert tuned.plan.targets == ("k_proj", "o_proj", "q_proj", "v_proj")
    assert tuned.plan.checkpointing
    assert tuned.plan.prompt_format == "inst"
    saved = json.loads((tuned.draft / "adapter_config.json").read_text(encoding="utf-8"))
    assert (saved["bias"], saved["lora_alpha"], saved["lora_dropout"]) == ("none", 32, 0.05)
    assert str(tmp_path) not in json.dumps(saved)
    assert not any("embed" in name for name in load_file(tuned.draft / "adapter_model.safetensors"))


def test_model_that_is_no_causal_language_model_is_refused(trained: Trained, tmp_path: Path, base: Path) -> None:
    (base / "config.json").write_text(json.dumps({"model_type": "t5", "d_model": 32}), encoding="utf-8")
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
        tune(foreign_job(trained, base, tmp_path / "adapter"), base, told)


def test_base_by_a_name_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(ModelError, match=r"base nobody/no-such-model is not in the local cache: .*hf download"):
        local_base("nobody/no-such-model")


def test_rows_that_were_changed_meanwhile_are_refused(trained: Trained) -> None:
    with pytest.raises(DataError, match="was changed meanwhile"):
        rows_of(replace(trained[0], dataset_sha256="0" * 64))


def test_packed_rows_have_the_numbers_that_they_have_alone(trained: Trained, rows_file: Path) -> None:
    base = load_base(Path(trained[0].base), device="cpu")
    examples = encode_rows(read_rows(rows_file)[:4], ChatFormat(base.tokenizer), 1024)
    assert packs_exactly(base.model, examples)
    assert not plan_of(SftSettings(), base.model, ChatFormat(base.tokenizer), examples).packing  # no GPU, no gain

    class LooksBack:
        """A planted offender: the same weights, positions not read."""

        device, parameters = base.model.device, base.model.parameters

        def __call__(self, input_ids: Any, position_ids: Any = None, use_cache: bool = False) -> Any:
            return base.model(input_ids=input_ids, use_cache=use_cache)

    assert not packs_exactly(LooksBack(), examples)


@pytest.mark.parametrize("lora", [False, True], ids=["whole", "lora"])
def test_light_head_gives_trl_s_own_loss_and_gradients(
    trained: Trained, rows_file: Path, tmp_path: Path, lora: bool
) -> None:
    from trl import SFTTrainer

    from llm_plugin.writer.light_head import LightHeadTrainer
    from llm_plugin.writer.trainer import Plan, make_trainer

    base = load_base(Path(trained[0].base), device="cpu")
    base.model.requires_grad_(True)
    examples = encode_rows(read_rows(rows_file)[:6], ChatFormat(base.tokenizer), 1024)
    settings = SftSettings(micro_batch=6, precision="float32", dropout=0.0)
    plan = Plan(6, 0, 0, 0, ("q_proj",) if lora else (), 6, False, False, "float32", "chat")
    trainer = make_trainer(base.model, base.tokenizer, settings, plan, examples, None, tmp_path / "run")
    assert isinstance(trainer, LightHeadTrainer)
    batch = next(iter(trainer.get_train_dataloader()))
    found = []
    for loss_of in (trainer.compute_loss, lambda *a, **k: SFTTrainer.compute_loss(trainer, *a, **k)):
        for items in (None, torch.tensor(1000)):
            trainer.model.zero_grad()
            loss = loss_of(trainer.model, dict(batch), num_items_in_batch=items)
            loss.backward()
            gradients = [float(p.grad.norm()) for p in trainer.model.parameters() if p.grad is not None]
            found.append((float(loss.detach()), sum(gradients)))
    assert found[0] == pytest.approx(found[2], rel=1e-4)
    assert found[1] == pytest.approx(found[3], rel=1e-4)
    assert found[0][1] > 0


def test_precision_is_what_was_asked_for() -> None:
    assert precision_of(SftSettings(precision="float32"), cuda=True) == "float32"
    assert precision_of(SftSettings(), cuda=True) == "bfloat16"
    assert precision_of(SftSettings(), cuda=False) in ("float32", "bfloat16")


def test_all_linear_layers_and_embeddings_where_asked(trained: Trained) -> None:
    base = load_base(Path(trained[0].base), device="cpu")
    config = lora_config(SftSettings(targets="all-linear", train_embeddings=True), base.model)
    assert (config.target_modules, config.modules_to_save) == ("all-linear", ["embed_tokens"])


def wide_base(trained: Trained, folder: Path) -> Path:
    """Four bits need layers of 64 and more."""
    from transformers import AutoTokenizer

    from llm_plugin.bootstrap.network import build_network, save_network

    tokenizer = AutoTokenizer.from_pretrained(str(trained[0].base))
    tokenizer.save_pretrained(str(folder))
    save_network(build_network(tokenizer, hidden=128, layers=2, max_tokens=512, seed=0), folder)
    return folder


@pytest.mark.slow
def test_gradients_reach_the_layers_below_four_bit_ones(trained: Trained, tmp_path: Path) -> None:
    from peft import get_peft_model

    from llm_plugin.training.quantized import trained_through

    folder = wide_base(trained, tmp_path / "wide")
    ids = torch.arange(5, 25)[None]

    def gradients(through: bool, quantization: str = "int4") -> list[torch.Tensor]:
        model = load_base(folder, quantization=quantization, device="cpu").model
        model = trained_through(model) if through else model
        torch.manual_seed(0)
        tuned = get_peft_model(model, lora_config(SftSettings(dropout=0.0), model)).train()
        tuned(input_ids=ids, labels=ids).loss.backward()
        return [p.grad.float() for name, p in tuned.named_parameters() if "layers.0" in name and "lora_B" in name]

    if (
        load_base(folder, quantization="int4", device="cpu")
        .model.model.layers[0]
        .mlp.up_proj.support_avx512bf16_for_cpu
    ):
        assert float(gradients(False)[0].norm()) == 0  # the planted offender, where the processor has the fast path
    exact, found = gradients(False, "none"), gradients(True)
    for dense, four_bit in zip(exact, found, strict=True):
        alike = torch.nn.functional.cosine_similarity(dense.flatten(), four_bit.flatten(), dim=0)
        assert alike > 0.9, float(alike)


@pytest.mark.slow
def test_base_in_four_bits_trains_and_serves_its_adapter(trained: Trained, tmp_path: Path) -> None:
    from llm_plugin.strategies.models import Message
    from llm_plugin.writer import open_writer
    from llm_plugin.writer.finish import finish

    folder = wide_base(trained, tmp_path / "wide")
    job = foreign_job(trained, folder, tmp_path / "adapter", quantization="nf4", prompt_format="inst")
    tuned = tune(job, folder, told)
    manifest = finish(job, tuned, folder)
    assert manifest.quantization == "int4"
    assert (job.out / "chat_template.jinja").is_file()
    writer = open_writer(folder, job.out, device="cpu")
    assert "+int4+" in writer.name
    assert writer.chat.kind == "inst"
    answer = writer.complete([Message("user", "Buy SPY.")], max_new_tokens=4, temperature=0.0, seed=0)
    assert answer.tokens_out >= 1


@pytest.mark.slow
def test_mlflow_gets_settings_recipe_and_figures(trained: Trained, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    from llm_plugin.reasoning.model_folder import read_manifest
    from llm_plugin.training.tracking import EXPERIMENT, log_run

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    manifest = read_manifest(trained[0].out)
    assert manifest is not None
    assert log_run(uri, manifest, [{"step": 1, "loss": 2.0}, {"step": 2, "eval_loss": 1.5}], seconds=3.0)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params["settings.rank"] == "4"
    assert run.data.params["recipe.rows"] == "100"
    assert run.data.metrics["eval_loss"] == 1.5
