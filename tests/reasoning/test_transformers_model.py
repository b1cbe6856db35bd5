"""Decision scoring with a real, small model: exact against a plain forward pass, whatever batch, prefix or adapter."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ModelError
from llm_plugin.reasoning import LanguageModel
from llm_plugin.reasoning.scoring import PrefixCache, score_rows
from llm_plugin.reasoning.transformers_model import TransformersModel

from .conftest import ENTRY, PREFIX, TextPrompt, make_model, prompt_of

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def model(model_folder: Path) -> TransformersModel:
    return TransformersModel.load(model_folder, device="cpu", max_batch=8)


def plain_scores(model: TransformersModel, text: str) -> torch.Tensor:
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        logits: torch.Tensor = model.model(input_ids=ids, use_cache=False).logits[0, -1].log_softmax(-1)
    return logits


def test_it_is_a_language_model(model: TransformersModel) -> None:
    assert isinstance(model, LanguageModel)
    assert model.version.startswith("tiny@")
    assert model.calibrator is None


def test_every_action_is_one_token(model: TransformersModel) -> None:
    assert {len(tokens) for tokens in model.candidates.values()} == {1}
    assert len(set(model.candidates.values())) == len(Action)


def test_scores_equal_a_plain_forward_pass(model: TransformersModel) -> None:
    prompts = [prompt_of(i) for i in range(20)]
    scores = model.score(prompts, [ENTRY] * 20)
    for prompt, score in zip(prompts, scores, strict=True):
        plain = plain_scores(model, prompt.prefix + prompt.suffix)
        for action in ENTRY:
            assert score.log_probabilities[action] == pytest.approx(
                float(plain[model.candidates[action][0]]), abs=TOLERANCE
            )
    assert len({round(score.margin, 2) for score in scores}) > 3


def test_answers_do_not_depend_on_company_or_order(model: TransformersModel) -> None:
    prompts = [prompt_of(i) for i in range(12)] + [prompt_of(i, "Another prefix. ") for i in range(5)]
    together = model.score(prompts, [ENTRY] * 17)
    alone = [model.score([prompt], [ENTRY])[0] for prompt in prompts]
    backwards = model.score(prompts[::-1], [ENTRY] * 17)[::-1]
    for a, b, c in zip(together, alone, backwards, strict=True):
        assert a.margin == pytest.approx(b.margin, abs=TOLERANCE)
        assert a.margin == pytest.approx(c.margin, abs=TOLERANCE)


def test_each_question_has_its_own_legal_actions(model: TransformersModel) -> None:
    legal = [ENTRY, (Action.HOLD, Action.MOVE_TO_BE, Action.ENABLE_TRAIL), (Action.SELL, Action.HOLD)]
    scores = model.score([prompt_of(i) for i in range(3)], legal)
    assert [score.legal for score in scores] == legal


@pytest.mark.parametrize("prefix", ["", "x", PREFIX], ids=["none", "short", "usual"])
def test_any_prefix_gives_the_same_scores(model: TransformersModel, prefix: str) -> None:
    prompt = prompt_of(7, prefix)
    whole = model.score([prompt], [ENTRY])[0]
    moved = model.score([TextPrompt(prefix + prompt.suffix[:9], prompt.suffix[9:])], [ENTRY])[0]
    assert whole.margin == pytest.approx(moved.margin, abs=TOLERANCE)


def test_repeats_are_bit_identical(model: TransformersModel, model_folder: Path) -> None:
    prompts = [prompt_of(i) for i in range(9)]
    first = model.score(prompts, [ENTRY] * 9)
    again = TransformersModel.load(model_folder, device="cpu", max_batch=8).score(prompts, [ENTRY] * 9)
    assert [a.log_probabilities for a in first] == [b.log_probabilities for b in again]


def test_shared_first_tokens_are_scored_by_whole_words(model: TransformersModel) -> None:
    """As with a tokenizer in which two actions begin alike: sums over unequal lengths, equal to the full passes."""
    shared = model.candidates[Action.BUY][0]
    candidates = {
        Action.BUY: (shared, 40, 41),
        Action.SELL: (shared, 42),
        Action.HOLD: (model.candidates[Action.HOLD][0],),
    }
    legal = (Action.BUY, Action.SELL, Action.HOLD)
    rows = [model.tokenizer(prompt_of(i).prefix + prompt_of(i).suffix)["input_ids"] for i in range(3)]
    scored = score_rows(model.model, PrefixCache(model.model), rows, 8, candidates, [legal] * 3, 0)
    for row, logs in zip(rows, scored, strict=True):
        for action in legal:
            ids = torch.tensor([[*row, *candidates[action]]])
            with torch.inference_mode():
                full = model.model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
            wanted = sum(float(full[len(row) - 1 + k, token]) for k, token in enumerate(candidates[action]))
            assert logs[action] == pytest.approx(wanted, abs=5 * TOLERANCE)


def test_adapter_changes_scores_and_version(model_folder: Path, adapter_folder: Path, model: TransformersModel) -> None:
    tuned = TransformersModel.load(model_folder, device="cpu", adapter=adapter_folder)
    assert tuned.version.startswith(model.version + "+lora@")
    prompts = [prompt_of(i) for i in range(6)]
    scores = tuned.score(prompts, [ENTRY] * 6)
    for prompt, score in zip(prompts, scores, strict=True):
        plain = plain_scores(tuned, prompt.prefix + prompt.suffix)
        assert score.log_probabilities[Action.BUY] == pytest.approx(
            float(plain[tuned.candidates[Action.BUY][0]]), abs=TOLERANCE
        )
    base = model.score(prompts, [ENTRY] * 6)
    assert max(abs(a.margin - b.margin) for a, b in zip(scores, base, strict=True)) > 0.01


def test_prefix_of_another_generation_would_be_wrong(model_folder: Path, adapter_folder: Path) -> None:
    """The planted offender: a cache filled by the base, used under the adapter, gives other scores."""
    base = TransformersModel.load(model_folder, device="cpu")
    tuned = TransformersModel.load(model_folder, device="cpu", adapter=adapter_folder)
    prompts = [prompt_of(i) for i in range(6)]
    right = tuned.score(prompts, [ENTRY] * 6)
    base.score(prompts, [ENTRY] * 6)
    tuned._prefixes = base._prefixes
    wrong = tuned.score(prompts, [ENTRY] * 6)
    assert max(abs(a.margin - b.margin) for a, b in zip(right, wrong, strict=True)) > 0.01


def test_reasons_come_under_the_forced_action(model: TransformersModel) -> None:
    prompts = [prompt_of(i) for i in range(10)]
    actions = [Action.BUY, Action.HOLD] * 5
    reasons = model.generate_reasons(prompts, actions, 8)
    assert len(reasons) == 10
    assert all("\n" not in reason for reason in reasons)
    assert reasons[3] == model.generate_reason(prompts[3], actions[3], 8)
    assert reasons == model.generate_reasons(prompts, actions, 8)


def test_sampled_reasons_repeat_with_their_seed(model_folder: Path) -> None:
    def written(seed: int) -> list[str]:
        sampled = TransformersModel.load(model_folder, device="cpu", temperature=1.5, top_p=0.95, seed=seed)
        return sampled.generate_reasons([prompt_of(1)], [Action.BUY], 12)

    assert written(1) == written(1)
    assert written(1) != written(2)


def test_failing_forward_pass_is_unavailable_not_an_answer(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = TransformersModel.load(model_folder, device="cpu")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model.model, "forward", broken)
    with pytest.raises(BackendUnavailable, match="failed while scoring: out of memory"):
        model.score([prompt_of(0)], [ENTRY])


def test_weights_that_are_no_numbers_give_no_answer(model_folder: Path) -> None:
    model = TransformersModel.load(model_folder, device="cpu")
    with torch.no_grad():
        model.model.lm_head.weight.fill_(float("nan"))
    with pytest.raises(BackendUnavailable, match="no finite score"):
        model.score([prompt_of(0)], [ENTRY])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantization": "int3"}, "quantization 'int3' is unknown; allowed: none, int8, int4"),
        ({"device": "tpu"}, "device 'tpu' is unknown"),
        ({"threads": 0}, "threads 0 must be 1 or more"),
    ],
    ids=["quantization", "device", "threads"],
)
def test_wrong_options_are_named(model_folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        TransformersModel.load(model_folder, **options)  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no CUDA device")
def test_cuda_without_a_device_is_an_error(model_folder: Path) -> None:
    with pytest.raises(ModelError, match="torch sees no CUDA device; set it to cpu or auto"):
        TransformersModel.load(model_folder, device="cuda")


def test_unknown_name_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no model folder"):
        TransformersModel.load(str(tmp_path / "nowhere"))
    with pytest.raises(ModelError, match=r"org/absent cannot be loaded .*lean-llm model bootstrap"):
        TransformersModel.load("org/absent", device="cpu")


def test_tokenizer_of_another_model_is_refused(tmp_path: Path, model_folder: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    data = json.loads((folder / "tokenizer.json").read_text())
    data["added_tokens"].append({**data["added_tokens"][-1], "id": 4000, "content": " FOREIGN"})
    (folder / "tokenizer.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"they do not belong together|cannot be loaded"):
        TransformersModel.load(folder, device="cpu")


def test_damaged_configuration_is_a_model_error(tmp_path: Path, model_folder: Path) -> None:
    folder = Path(shutil.copytree(model_folder, tmp_path / "model"))
    data = json.loads((folder / "config.json").read_text())
    data["hidden_size"] = 64
    (folder / "config.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match="cannot be loaded as a causal language model"):
        TransformersModel.load(folder, device="cpu")


@pytest.mark.parametrize(("quantization", "limit"), [("int8", 0.2), ("int4", 2.0)])
def test_quantised_models_score_close_to_the_original(tmp_path: Path, quantization: str, limit: float) -> None:
    folder = make_model(tmp_path / "wide", scale=2.0, hidden=64)
    original = TransformersModel.load(folder, device="cpu")
    small = TransformersModel.load(folder, device="cpu", quantization=quantization)
    prompts = [prompt_of(i) for i in range(6)]
    exact, near = (m.score(prompts, [ENTRY] * 6) for m in (original, small))
    gaps = [abs(a.margin - b.margin) for a, b in zip(exact, near, strict=True)]
    spread = max(a.margin for a in exact) - min(a.margin for a in exact)
    assert 0 < max(gaps) < limit * spread
    assert small.version == f"{original.version}+{quantization}"


def test_quantisation_that_cannot_run_is_found_at_load(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which widths fail depends on the processor; the refusal must not."""
    from transformers import LlamaForCausalLM

    def unfit(*_: object, **__: object) -> None:
        raise RuntimeError("shape '[32, 0]' is invalid")

    monkeypatch.setattr(LlamaForCausalLM, "forward", unfit)
    with pytest.raises(ModelError, match=r"does not run with quantization int8 \(shape '\[32, 0\]' is invalid\)"):
        TransformersModel.load(model_folder, device="cpu", quantization="int8")


def test_kept_prefix_is_never_written_to(model_folder: Path) -> None:
    model = TransformersModel.load(model_folder, device="cpu")
    model.score([prompt_of(0)], [ENTRY])
    (kept,) = model._prefixes._caches.values()
    before = [(layer.keys.clone(), layer.values.clone()) for layer in kept.layers]
    model.score([prompt_of(i) for i in range(9)], [ENTRY] * 9)
    for layer, (keys, values) in zip(kept.layers, before, strict=True):
        assert torch.equal(layer.keys, keys)
        assert torch.equal(layer.values, values)
