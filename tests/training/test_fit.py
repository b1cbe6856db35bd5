"""One training in this process: TRL's loss on weighted pairs, the packed forward pass, the self-test, NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_world import QUICK, make_dataset, make_job, sample_results

from llm_plugin.errors import ModelError, TrainingFailed
from llm_plugin.learning.dataset import read_dataset
from llm_plugin.reasoning.loading import load_base
from llm_plugin.training import TrainingJob
from llm_plugin.training.fit import fit, make_trainer, trainable, training_rows_of
from llm_plugin.training.forward import packed_forward
from llm_plugin.training.job import run_folder
from llm_plugin.training.recipe import make_recipe
from llm_plugin.training.trainer import decide_by, weigh


def silent(**facts: Any) -> None:
    """Tell nobody."""


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    loaded: dict[str, torch.Tensor] = load_file(str(folder / "adapter_model.safetensors"))
    return loaded


def trainer_of(job: TrainingJob, **changes: Any) -> Any:
    """Return a trainer as `fit` makes it."""
    base = load_base(Path(job.base), device="cpu")
    rows, method, _ = training_rows_of(read_dataset(job.dataset), base, job)
    recipe = make_recipe(job.settings, method=method, rows=len(rows), parameters=1)
    rows = changes.pop("change_rows", lambda given: given)(rows)
    return make_trainer(job, recipe, trainable(job, base), base.tokenizer, rows, run_folder(job.out))


def first_batch(trainer: Any) -> dict[str, Any]:
    batch: dict[str, Any] = next(iter(trainer.get_train_dataloader()))
    return batch


@pytest.fixture
def job(base: Path, dataset: Path, tmp_path: Path) -> TrainingJob:
    return make_job(base, dataset, tmp_path / "adapter")


def randomised(trainer: Any) -> Any:
    """Give the fresh adapter some effect: its second half is zero before the first step."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if "lora_B.default" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.05)
    return trainer


def test_packed_pass_gives_trl_s_own_log_probabilities(job: TrainingJob) -> None:
    trainer = randomised(trainer_of(job))
    assert trainer.packed
    batch = first_batch(trainer)
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    plain = trainer.model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        labels=labels,
        fused_lm_head=True,
        use_cache=False,
    )
    packed = packed_forward(trainer.model.get_base_model(), batch["input_ids"], labels)
    places = labels[:, 1:] != -100
    assert int(places.sum()) > 50
    for name in ("log_probs", "entropy", "mean_logits"):
        assert torch.allclose(getattr(packed, name), getattr(plain, name), atol=2e-5), name
    assert torch.equal(packed.is_top1[places], plain.is_top1[places])


def test_packed_training_equals_plain_training(base: Path, dataset: Path, tmp_path: Path) -> None:
    losses = []
    for packing in (True, False):
        trainer = randomised(trainer_of(make_job(base, dataset, tmp_path / f"packing-{packing}")))
        trainer._packing = packing
        batch = first_batch(trainer)
        trainer.model.train()
        trainer._checked = True  # the reference is the base here, not the changed adapter
        loss = trainer.compute_loss(trainer.model, dict(batch))
        loss.backward()
        gradients = {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.requires_grad}
        losses.append((float(loss), gradients))
    (loss, gradients), (plain_loss, plain_gradients) = losses
    assert loss == pytest.approx(plain_loss, abs=1e-5)
    assert gradients.keys() == plain_gradients.keys()
    assert max(float(g.abs().max()) for g in plain_gradients.values()) > 1e-3
    for name, gradient in gradients.items():
        assert torch.allclose(gradient, plain_gradients[name], atol=1e-5), name


def test_weights_scale_each_pair_s_gradient_and_nothing_else(job: TrainingJob) -> None:
    gradients = []
    for weights in (lambda i: 2.0, lambda i: 4.0 if i % 2 else 0.0, lambda i: 0.0 if i % 2 else 4.0):

        def weighed(rows: list[dict[str, Any]], of: Callable[[int], float] = weights) -> list[dict[str, Any]]:
            return [{**row, "weight": of(i)} for i, row in enumerate(rows)]

        trainer = randomised(trainer_of(job, change_rows=weighed))
        trainer._checked = True
        trainer.model.train()
        loss = trainer.compute_loss(trainer.model, first_batch(trainer))
        loss.backward()
        gradients.append({n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.requires_grad})
    all_pairs, odd, even = gradients
    for name, gradient in all_pairs.items():
        assert torch.allclose(gradient, (odd[name] + even[name]) / 2, atol=1e-5), name
    assert any(not torch.allclose(odd[name], even[name], atol=1e-3) for name in odd)


def test_weighing_leaves_values_as_they_are() -> None:
    values = torch.randn(4, 3, requires_grad=True)
    weighed = weigh(values, torch.tensor([0.0, 1.0, 2.0, 3.0]))
    assert torch.equal(weighed, values)
    weighed.sum().backward()
    assert values.grad is not None
    assert values.grad[:, 0].tolist() == [0.0, 1.0, 2.0, 3.0]


def test_first_step_has_no_margin_and_training_moves_the_weights(job: TrainingJob) -> None:
    told: list[dict[str, Any]] = []
    fitted = fit(job, lambda **facts: told.append(facts))
    assert fitted.facts["first_margin"] == 0.0
    assert fitted.facts["steps"] == job.settings.max_steps
    trained = [facts for facts in told if facts["stage"] == "train"]
    assert [facts["step"] for facts in trained] == [1, 2, 3, 4, 5, 6]
    assert trained[-1]["seconds_left"] == 0.0
    moved = {name: t for name, t in tensors(fitted.draft).items() if "lora_B" in name}
    assert moved
    assert all(float(t.abs().max()) > 0 for t in moved.values())


def test_same_job_gives_the_same_bits(base: Path, dataset: Path, tmp_path: Path) -> None:
    first = tensors(fit(make_job(base, dataset, tmp_path / "a"), silent).draft)
    second = tensors(fit(make_job(base, dataset, tmp_path / "b"), silent).draft)
    other = replace(make_job(base, dataset, tmp_path / "c"), settings=QUICK.model_copy(update={"seed": 1}))
    third = tensors(fit(other, silent).draft)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_wrong_reference_stops_training(job: TrainingJob) -> None:
    trainer = trainer_of(job)
    table = trainer.train_dataset.to_list()
    from datasets import Dataset as Table

    trainer.train_dataset = Table.from_list([{**row, "ref_chosen_logps": row["ref_chosen_logps"] - 1} for row in table])
    with pytest.raises(TrainingFailed, match=r"first step's rewards are not zero \(rewards/margins 0\.1"):
        trainer.train()


def test_wrong_reference_is_found_under_dropout_too(base: Path, dataset: Path, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"dropout": 0.3})
    fitted = fit(make_job(base, dataset, tmp_path / "right", settings), silent)
    assert fitted.recipe.dropout == 0.3
    trainer = trainer_of(make_job(base, dataset, tmp_path / "wrong", settings))
    trainer.train_dataset = trainer.train_dataset.map(lambda row: {"ref_rejected_logps": row["ref_rejected_logps"] - 1})
    with pytest.raises(TrainingFailed, match="rewards are not zero"):
        trainer.train()


def test_loss_that_is_no_number_stops_before_anything_is_saved(
    base: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []

    def broken(*args: Any) -> Any:
        outputs = packed_forward(*args)
        calls.append(torch.is_grad_enabled())
        if sum(calls) == 3:
            outputs.log_probs = outputs.log_probs * float("nan")
        return outputs

    monkeypatch.setattr("llm_plugin.training.trainer.packed_forward", broken)
    job = make_job(base, dataset, tmp_path / "adapter", QUICK.model_copy(update={"save_steps": 10}))
    with pytest.raises(TrainingFailed, match="loss became nan at step 3 of 6: training was stopped"):
        fit(job, silent)
    assert not job.out.with_name("adapter.part").exists()


def test_continued_adapter_keeps_its_rank_and_is_its_own_reference(base: Path, dataset: Path, tmp_path: Path) -> None:
    first = fit(make_job(base, dataset, tmp_path / "first"), silent)
    settings = QUICK.model_copy(update={"rank": 16, "learning_rate": 1e-3})
    second = fit(make_job(base, dataset, tmp_path / "second", settings, parent=first.draft), silent)
    assert second.facts["first_margin"] == 0.0
    before, after = tensors(first.draft), tensors(second.draft)
    assert {name: t.shape for name, t in before.items()} == {name: t.shape for name, t in after.items()}
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_dataset_of_other_prompts_is_refused(job: TrainingJob) -> None:
    with pytest.raises(ModelError, match="was made of prompts 1, but 7 is configured"):
        fit(replace(job, prompt_version="7"), silent)


def test_rows_that_are_too_long_for_the_base_are_left_out(base: Path, tmp_path: Path) -> None:
    many = make_dataset(tmp_path / "set", sample_results(), seen=lambda i: 10 + i % 50 if i % 4 else 10 ** (500 + i))
    fitted = fit(make_job(base, many, tmp_path / "adapter"), silent)
    assert fitted.facts["too_long"] == len(read_dataset(many).pairs) - fitted.recipe.rows
    assert 0 < fitted.facts["too_long"] < fitted.recipe.rows


def test_preference_reads_the_action_and_the_sft_term_the_whole_answer() -> None:
    labels = torch.tensor([[-100, -100, 7, 4, 5, -100], [-100, 9, 3, 4, -100, -100]])
    values = torch.tensor([[0.0, 0.0, -1.0, -2.0, -4.0, 0.0], [0.0, -1.0, -2.0, -4.0, 0.0, 0.0]], requires_grad=True)
    decided = decide_by(values, labels, [(7,), (9, 3)])
    assert decided.sum(1).tolist() == [-1.0, -3.0]
    assert torch.equal(decided[labels != -100], values[labels != -100])
    decided.sum().backward()
    assert values.grad is not None
    assert values.grad.tolist() == [[1, 1, 1, 0, 0, 1], [1, 1, 1, 0, 1, 1]]
    assert decide_by(values, labels, [(8,)]).sum(1).tolist() == [-7.0, -7.0]  # not an answer of ours: it counts whole
