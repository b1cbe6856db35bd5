"""Generations in process: who serves, what is refused, what is freed, and that nothing is shared that may not be."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError
from llm_plugin.reasoning import Calibrator, LanguageModel, ScoringCache
from llm_plugin.reasoning.canary import CanaryLimits, CanaryState, record_states, states_from_json
from llm_plugin.reasoning.generations import Generation, Generations
from llm_plugin.reasoning.generations_transformers import clone_sharing_weights
from llm_plugin.reasoning.model_folder import ModelManifest, base_hashes, write_manifest
from llm_plugin.reasoning.transformers_model import TransformersModel

from .conftest import ENTRY, make_adapter, make_model, prompt_of

ANYTHING = CanaryLimits(min_action_mass=0.0)  # the models here are untrained: their next word is no action
PROMPTS = [prompt_of(i) for i in range(6)]


@pytest.fixture
def served(model_folder: Path) -> Iterator[Generations]:
    made = Generations.load(model_folder, device="cpu", limits=ANYTHING)
    yield made
    made.close()


def margins(model: LanguageModel) -> list[float]:
    return [score.margin for score in model.score(PROMPTS, [ENTRY] * len(PROMPTS))]


def manifest_for(base: Path, **fields: object) -> ModelManifest:
    hashes = base_hashes(base)
    plain = ModelManifest(
        kind="lora-adapter",
        name="lora",
        base_tensors_sha256=hashes["base tensors"],
        tokenizer_sha256=hashes["tokenizer"],
        action_token_ids={},
        prompt_version="1-abc",
        feature_schema_version="1",
        data_cutoff_utc="2012-12-31T00:00:00+00:00",
        dataset_sha256="0" * 64,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def with_manifest(adapter: Path, base: Path, out: Path, **fields: object) -> Path:
    shutil.copytree(adapter, out)
    write_manifest(out, manifest_for(base, **fields))
    return out


def test_it_is_a_language_model_that_says_who_answers(served: Generations, model_folder: Path) -> None:
    assert isinstance(served, LanguageModel)
    assert isinstance(served.current, LanguageModel)
    alone = TransformersModel.load(model_folder, device="cpu")
    assert served.version == alone.version
    assert served.current.label == "base"
    assert margins(served) == margins(alone)


def test_swap_changes_answers_version_and_calibrator(
    served: Generations, model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    calibrator = Calibrator("platt", slope=0.5, offset=-0.4)
    folder = with_manifest(adapter_folder, model_folder, tmp_path / "v1", calibrator=calibrator.to_json())
    alone = TransformersModel.load(model_folder, device="cpu", adapter=folder)
    before = margins(served)
    report = served.swap(served.build(folder, "v0001"))
    assert (report.label, report.previous, report.held_seconds) == ("v0001", "base", 0.0)
    assert served.version == report.version == alone.version
    assert served.calibrator == calibrator
    scores = served.score(PROMPTS, [ENTRY] * 6)
    assert {score.model_version for score in scores} == {alone.version}
    assert [score.margin for score in scores] == margins(alone)
    assert max(abs(a - b) for a, b in zip(margins(served), before, strict=True)) > 0.1


def test_previous_answers_in_shadow_and_comes_back_at_once(served: Generations, adapter_folder: Path) -> None:
    base = margins(served)
    served.swap(served.build(adapter_folder, "v0001"))
    tuned = margins(served)
    assert served.previous is not None
    assert margins(served.previous) == base
    report = served.rollback()
    assert (report.label, report.previous) == ("base", "v0001")
    assert margins(served) == base
    assert margins(served.previous) == tuned
    assert [swap.label for swap in served.swaps] == ["base", "v0001", "base"]


def test_generations_are_found_by_label_and_by_version(served: Generations, adapter_folder: Path) -> None:
    built = served.build(adapter_folder, "v0001")
    assert served.get("v0001") is built
    assert served.get("base") is served.current
    assert served.get(served.version) is served.current
    assert served.get("v0002") is None
    served.swap(built)
    assert served.versions == (built.version, served.previous.version if served.previous else "")
    served.discard(served.build(adapter_folder, "v0002"))
    assert served.get("v0002") is None


def test_rollback_without_a_previous_one_is_refused(served: Generations) -> None:
    with pytest.raises(ModelError, match="no previous generation to go back to"):
        served.rollback()


def test_who_serves_cannot_be_discarded(served: Generations) -> None:
    with pytest.raises(ModelError, match="base serves or is kept for roll-back"):
        served.discard(served.current)


def test_generation_of_another_model_is_refused(served: Generations, model_folder: Path) -> None:
    other = Generations.load(model_folder, device="cpu", limits=ANYTHING)
    with pytest.raises(ModelError, match="released or of another model"):
        served.swap(other.current)
    with pytest.raises(ConfigError, match="needs a label"):
        served.build(None, "")


def test_weights_are_shared_and_the_adapter_is_not(served: Generations, adapter_folder: Path) -> None:
    base = {name: p.data_ptr() for name, p in served.current.model.model.named_parameters()}
    for label in ("v0001", "v0002"):
        tuned = served.build(adapter_folder, label).model.model
        own = [p for name, p in tuned.named_parameters() if "lora_" not in name]
        assert len(own) == len(base)
        assert {p.data_ptr() for p in own} == set(base.values())
        assert len([name for name, _ in tuned.named_parameters() if "lora_" in name]) == 28
        assert not any(p.requires_grad for p in tuned.parameters())


def test_third_last_generation_is_freed_without_the_garbage_collector(
    served: Generations, adapter_folder: Path
) -> None:
    gc.collect()
    gc.disable()
    try:
        first = served.build(adapter_folder, "v0001")
        gone = weakref.ref(first.model.model)
        served.swap(first)
        del first
        served.swap(served.build(adapter_folder, "v0002"))
        assert gone() is not None
        served.swap(served.build(adapter_folder, "v0003"))
        assert gone() is None
        assert served.get("v0001") is None
    finally:
        gc.enable()


def test_fifty_swaps_leave_no_tensors_behind(served: Generations, adapter_folder: Path) -> None:
    def living() -> int:
        gc.collect()
        return sum(isinstance(thing, torch.Tensor) for thing in gc.get_objects())

    cache = ScoringCache(served)
    counts = []
    for number in range(50):
        served.swap(served.build(adapter_folder, f"v{number:04d}"))
        cache.score(PROMPTS, [ENTRY] * 6)
        if number in (4, 49):
            counts.append(living())
    assert counts[0] == counts[1]


def test_released_generation_says_so(served: Generations, adapter_folder: Path) -> None:
    first = served.current
    served.swap(served.build(adapter_folder, "v0001"))
    served.swap(served.build(adapter_folder, "v0002"))
    with pytest.raises(BackendUnavailable, match=r"generation base .* was released"):
        margins(first)
    with pytest.raises(ModelError, match="released or of another model"):
        served.swap(first)


def test_pinned_generation_outlives_two_swaps(served: Generations, adapter_folder: Path) -> None:
    before = margins(served)
    with served.pin() as pinned:
        served.swap(served.build(adapter_folder, "v0001"))
        served.swap(served.build(adapter_folder, "v0002"))
        assert [score.margin for score in pinned.model.score(PROMPTS, [ENTRY] * 6)] == before
        assert margins(pinned) == before  # as a cache in front of it asks
    assert pinned.in_flight == 0
    with pytest.raises(BackendUnavailable, match="was released"):
        margins(pinned)


def test_request_in_flight_ends_on_the_generation_it_began_with(
    served: Generations, adapter_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, inside, go_on = served.current, threading.Event(), threading.Event()
    forward = old.model._forward

    def slow(*arguments: object) -> object:
        inside.set()
        assert go_on.wait(20)
        return forward(*arguments)

    monkeypatch.setattr(old.model, "_forward", slow)
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.extend(served.score(PROMPTS, [ENTRY] * 6)))
    asking.start()
    assert inside.wait(20)
    served.swap(served.build(adapter_folder, "v0001"))
    assert served.current.label == "v0001"
    go_on.set()
    asking.join(20)
    assert {score.model_version for score in answers} == {old.version}


@pytest.mark.parametrize("quantization", ["int8", "int4"])
def test_quantised_base_is_shared_too(tmp_path: Path, quantization: str) -> None:
    base = make_model(tmp_path / "wide", scale=2.0, hidden=64)
    folder = make_adapter(base, tmp_path / "lora")
    served = Generations.load(base, device="cpu", quantization=quantization, limits=ANYTHING)
    plain = margins(served)
    first, second = served.build(folder, "v0001"), served.build(folder, "v0002")
    alone = TransformersModel.load(base, device="cpu", quantization=quantization, adapter=folder)
    assert margins(first) == margins(second) == pytest.approx(margins(alone), abs=1e-5)
    assert margins(served) == plain
    kept = [storages(generation.model.model) for generation in (served.current, first, second)]
    assert kept[0] <= kept[1]
    assert len(kept[1] ^ kept[2]) == 2 * 28  # nothing but each one's own LoRA weights


def test_building_never_touches_the_weights_that_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`state_dict()` repacks bitsandbytes' 4-bit weights in place on some processors: answers would tear."""
    base = make_model(tmp_path / "wide", scale=2.0, hidden=64)
    folder = make_adapter(base, tmp_path / "lora")
    served = Generations.load(base, device="cpu", quantization="int4", limits=ANYTHING)
    before = {name: (p.data_ptr(), p.clone()) for name, p in served.current.model.model.named_parameters()}

    def offender(*_: object, **__: object) -> None:
        raise AssertionError("state_dict() was called on weights that serve")

    monkeypatch.setattr(torch.nn.Module, "state_dict", offender)
    served.build(folder, "v0001")
    for name, parameter in served.current.model.model.named_parameters():
        assert parameter.data_ptr() == before[name][0]
        assert torch.equal(parameter, before[name][1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "IA3"}, "it is of kind IA3, only LORA is served"),
        ({"init_lora_weights": "pissa"}, "'pissa' changes the base, which generations share"),
        ({"target_modules": ["nothing_like_it"]}, "does not fit this base"),
        ({"peft_type": "NONSENSE"}, "does not fit this base"),
    ],
    ids=["kind", "pissa", "targets", "nonsense"],
)
def test_adapters_of_other_kinds_are_refused(
    served: Generations, tmp_path: Path, adapter_folder: Path, change: dict[str, object], message: str
) -> None:
    folder = Path(shutil.copytree(adapter_folder, tmp_path / "lora"))
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=message):
        served.build(folder, "v0001")


def storages(model: torch.nn.Module) -> set[int]:
    """Addresses of all tensors that a model holds, those beside the parameters of quantised layers included."""
    found = {p.data_ptr() for p in model.parameters()} | {b.data_ptr() for b in model.buffers()}
    for module in model.modules():
        for holder in (getattr(module, "state", None), getattr(getattr(module, "weight", None), "quant_state", None)):
            values = vars(holder).values() if hasattr(holder, "__dict__") else ()
            found |= {value.data_ptr() for value in values if isinstance(value, torch.Tensor) and value.numel() > 64}
    return found


def test_planted_offender_a_plain_copy_shares_nothing(model_folder: Path) -> None:
    import copy

    base = TransformersModel.load(model_folder, device="cpu").model
    assert storages(clone_sharing_weights(base)) == storages(base)
    assert not storages(copy.deepcopy(base)) & storages(base)


def test_prefix_cache_belongs_to_its_generation(served: Generations, adapter_folder: Path) -> None:
    margins(served)
    built = served.build(adapter_folder, "v0001")
    assert built.model._prefixes is not served.current.model._prefixes
    assert built.model._prefixes._caches, "the canary asks what was asked last, so that the first request finds it"


def test_canary_asks_few_of_the_last_questions_but_every_prefix(
    served: Generations, model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    for index in range(6):
        served.score([prompt_of(index)], [ENTRY])
    built = served.build(adapter_folder, "v0001")
    assert built.canary is not None
    assert built.canary.states == 4
    served.score([prompt_of(0, "Another prefix. ")], [ENTRY])
    recorded = served.build(recorded_adapter(model_folder, adapter_folder, tmp_path / "v2"), "v0002")
    assert recorded.canary is not None
    assert (recorded.canary.compared, recorded.canary.states) == (6, 7)
    assert len(recorded.model._prefixes._caches) == 2


def test_adapter_of_another_base_is_refused_and_the_champion_serves(
    served: Generations, tmp_path: Path, adapter_folder: Path
) -> None:
    other = make_model(tmp_path / "other", seed=5)
    foreign = with_manifest(adapter_folder, other, tmp_path / "foreign")
    with pytest.raises(ModelError, match=r"was trained on base tensors .*load the base that it was trained on"):
        served.build(foreign, "v0001")
    assert served.current.label == "base"
    margins(served)


def test_wrong_rank_is_refused(served: Generations, tmp_path: Path, adapter_folder: Path) -> None:
    folder = Path(shutil.copytree(adapter_folder, tmp_path / "lora"))
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "r": 8}))
    with pytest.raises(ModelError, match=r"has rank 4 in .*adapter_config.json says 8"):
        served.build(folder, "v0001")


def test_weights_that_find_no_place_are_refused(served: Generations, tmp_path: Path, adapter_folder: Path) -> None:
    """PEFT only warns, and the base would answer under the adapter's name."""
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(adapter_folder, tmp_path / "lora"))
    weights = load_file(folder / "adapter_model.safetensors")
    renamed = {name.replace("q_proj", "query"): value for name, value in weights.items()}
    save_file(renamed, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"4 tensors missing, 4 without a place .*q_proj.* is missing in the file"):
        served.build(folder, "v0001")


def test_corrupt_adapter_is_refused(served: Generations, tmp_path: Path, adapter_folder: Path) -> None:
    folder = Path(shutil.copytree(adapter_folder, tmp_path / "lora"))
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelError, match="truncated or damaged"):
        served.build(folder, "v0001")


def test_generation_that_gives_no_numbers_fails_its_canary(
    served: Generations, tmp_path: Path, adapter_folder: Path
) -> None:
    from safetensors.torch import load_file, save_file

    margins(served)
    folder = Path(shutil.copytree(adapter_folder, tmp_path / "lora"))
    weights = load_file(folder / "adapter_model.safetensors")
    save_file({name: value * float("nan") for name, value in weights.items()}, folder / "adapter_model.safetensors")
    with pytest.raises(ModelError, match=r"failed its canary: .*gave no finite score"):
        served.build(folder, "v0001")
    assert served.current.label == "base"
    assert served.get("v0001") is None


def test_answers_that_are_no_actions_fail_the_canary(model_folder: Path, adapter_folder: Path) -> None:
    states = [CanaryState(prompt.prefix, prompt.suffix, ENTRY) for prompt in PROMPTS]
    served = Generations.load(model_folder, device="cpu", states=states)
    assert served.current.canary is not None
    assert served.current.canary.unchecked == ("action mass", "recorded scores")
    with pytest.raises(ModelError, match=r"action mass 0\.\d+ over 6 states, at least 0.5 is needed"):
        served.build(adapter_folder, "v0001")


def recorded_adapter(model_folder: Path, adapter: Path, out: Path, shift: float = 0.0) -> Path:
    rows = record_states(TransformersModel.load(model_folder, device="cpu", adapter=adapter), PROMPTS, [ENTRY] * 6)
    for row in rows:
        row["log_probabilities"]["BUY"] += shift
    return with_manifest(adapter, model_folder, out, training={"canary": rows})


def test_answers_recorded_in_training_are_compared(
    served: Generations, model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    built = served.build(recorded_adapter(model_folder, adapter_folder, tmp_path / "v1"), "v0001")
    assert built.canary is not None
    assert (built.canary.states, built.canary.compared, built.canary.unchecked) == (6, 6, ())
    assert built.canary.log_probability_gap < 1e-4
    assert built.canary.to_json()["log_probability_gap"] is not None


def test_other_answers_than_in_training_are_refused(
    served: Generations, model_folder: Path, adapter_folder: Path, tmp_path: Path
) -> None:
    off = recorded_adapter(model_folder, adapter_folder, tmp_path / "v1", shift=0.5)
    with pytest.raises(ModelError, match=r"log-probabilities differ by 0\.5000 from those recorded in training"):
        served.build(off, "v0001")
    assert served.current.label == "base"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prefix": "x"}, "canary row 0 of the manifest is damaged"),
        ({"prefix": "", "suffix": "x", "legal": ["FLY"], "log_probabilities": {}}, "canary row 0 .* is damaged"),
        (
            {"prefix": "", "suffix": "x", "legal": ["BUY", "HOLD"], "log_probabilities": {"BUY": -1}},
            "scores other actions than it offers",
        ),
    ],
    ids=["incomplete", "action", "mismatch"],
)
def test_damaged_canary_rows_are_named(row: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        states_from_json([row])


def test_cache_over_generations_answers_a_batch_by_one_of_them(served: Generations, adapter_folder: Path) -> None:
    cache = ScoringCache(served)
    cache.score(PROMPTS[:3], [ENTRY] * 3)
    built = served.build(adapter_folder, "v0001")
    original = served.current.model.score

    def swapping(prompts: object, legal: object) -> object:
        served.swap(built)
        return original(prompts, legal)

    served.current.model.score = swapping  # type: ignore[method-assign]
    versions = {score.model_version for score in cache.score(PROMPTS, [ENTRY] * 6)}
    assert versions == {served.previous.version if served.previous else ""}
    assert {score.model_version for score in cache.score(PROMPTS, [ENTRY] * 6)} == {built.version}


class Fronted:
    """Something that hides who is current, as a queue in front of the model does."""

    def __init__(self, served: Generations) -> None:
        self.served = served
        self.calibrator = None
        self.before_score = lambda: None

    @property
    def version(self) -> str:
        return self.served.version

    def score(self, prompts: object, legal: object) -> object:
        self.before_score()
        return self.served.score(prompts, legal)  # type: ignore[arg-type]


def test_cache_over_something_that_cannot_be_pinned_mixes_no_batch_either(
    served: Generations, adapter_folder: Path
) -> None:
    front = Fronted(served)
    cache = ScoringCache(front)  # type: ignore[arg-type]
    cache.score(PROMPTS[:3], [ENTRY] * 3)
    built = served.build(adapter_folder, "v0001")
    front.before_score = lambda: None if served.current is built else served.swap(built)  # type: ignore[assignment]
    scores = cache.score(PROMPTS, [ENTRY] * 6)
    assert {score.model_version for score in scores} == {built.version}
    assert [score.margin for score in scores] == margins(built)


def test_cache_keeps_the_previous_generation_and_forgets_older_ones(
    served: Generations, adapter_folder: Path, other_adapter_folder: Path
) -> None:
    cache = ScoringCache(served)
    cache.score(PROMPTS, [ENTRY] * 6)
    served.swap(served.build(adapter_folder, "v0001"))
    cache.score(PROMPTS, [ENTRY] * 6)
    assert len(cache) == 12
    served.rollback()
    assert all(score.cached for score in cache.score(PROMPTS, [ENTRY] * 6))
    served.swap(served.build(other_adapter_folder, "v0002"))
    cache.score(PROMPTS, [ENTRY] * 6)
    assert len(cache) == 12
    assert set(cache._versions) == set(served.versions)
    assert not any(cache._retired), "what retired is swept within a few calls"


def test_model_that_changes_under_the_cache_is_not_filed_under_the_old_version(served: Generations) -> None:
    class Changing:
        calibrator = None
        version = "a"

        def score(self, prompts: object, legal: object) -> object:
            return [replace(score, model_version="b") for score in served.score(prompts, legal)]  # type: ignore[arg-type]

    cache = ScoringCache(Changing())  # type: ignore[arg-type]
    cache.score(PROMPTS, [ENTRY] * 6)
    assert len(cache) == 0


def test_first_generation_is_needed_before_anybody_is_asked(served: Generations) -> None:
    served.close()
    with pytest.raises(BackendUnavailable, match="no model generation serves yet"):
        margins(served)
    assert not isinstance(served.previous, Generation)


def test_actions_keep_their_order(served: Generations) -> None:
    legal = (Action.HOLD, Action.SELL)
    assert served.score(PROMPTS[:1], [legal])[0].legal == legal
