"""vLLM and other OpenAI-compatible servers over a stand-in that checks every field and counts what is in flight."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from swap_load import Reply, run_load

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ModelError
from llm_plugin.reasoning import LanguageModel
from llm_plugin.reasoning.generations import Generations
from llm_plugin.serving import CompletionsModel, FixedSwapper, JsonClient, VllmSwapper

from .conftest import ENTRY, PROMPTS, write_adapter
from .standin import VllmStandIn, log_probabilities, running


def served_by(server: VllmStandIn, **options: object) -> Generations:
    made = Generations(VllmSwapper(JsonClient(server.url), "lean", **options))  # type: ignore[arg-type]
    made.swap(made.build(None, "base"))
    return made


def reply(model: LanguageModel, number: int) -> Reply:
    scores = model.score([PROMPTS[number], PROMPTS[(number + 1) % 6]], [ENTRY] * 2)
    (version,) = {score.model_version for score in scores}
    return Reply(version, tuple(score.log_probabilities[action] for score in scores for action in ENTRY))


def truth_of(server: VllmStandIn, version: str, name: str) -> dict[str, list[tuple[float, ...]]]:
    rows = [log_probabilities(server.identity(name), prompt.text) for prompt in PROMPTS]
    pairs = [(row[" BUY"], row[" HOLD"]) for row in rows]
    return {version: [pairs[i] + pairs[(i + 1) % 6] for i in range(6)]}


def test_scores_are_the_servers_in_the_order_asked(vllm: VllmStandIn) -> None:
    served = served_by(vllm, max_batch=4)
    assert isinstance(served, LanguageModel)
    assert served.version == "vllm:lean"
    scores = served.score(PROMPTS, [ENTRY] * 6)
    expected = [log_probabilities("base", prompt.text) for prompt in PROMPTS]
    for score, row in zip(scores, expected, strict=True):
        assert score.log_probabilities == pytest.approx({Action.BUY: row[" BUY"], Action.HOLD: row[" HOLD"]})
    assert [len(body["prompt"]) for _, path, body in vllm.requests if path == "/v1/completions"] == [4, 2]
    assert served.generate_reasons(PROMPTS[:2], [Action.BUY, Action.HOLD], 8) == ["because of base"] * 2


def test_swap_under_load_unloads_nothing_that_is_asked(vllm: VllmStandIn, adapters: list[Path]) -> None:
    vllm.delay_seconds = 0.003
    served = served_by(vllm)
    truth: dict[str, list[tuple[float, ...]]] = {}
    for number in range(2):
        generation = served.build(adapters[number], f"v{number:04d}")
        truth |= truth_of(vllm, generation.version, generation.model.name)
        served.swap(generation)

    def swap(number: int) -> float:
        served.swap(served.build(adapters[number % 2], f"s{number:04d}"))
        return time.perf_counter()

    result = run_load(lambda n: reply(served, n), swap, truth, clients=6, requests=400, swaps=12)
    assert (result.failed, result.mixed) == ([], [])
    assert all(report.held_seconds == 0 for report in served.swaps)
    assert len(vllm.adapters) <= 4


def test_planted_offender_unloading_at_once_is_seen(
    vllm: VllmStandIn, adapters: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retiring on swap, whoever is still being answered: the stand-in tells, and requests fail."""
    vllm.delay_seconds = 0.05
    served = served_by(vllm)
    first = served.build(adapters[0], "v0001")
    served.swap(first)
    truth = truth_of(vllm, first.version, first.model.name)

    def swap(_: int) -> float:
        served.swapper.retire(first.model)
        return time.perf_counter()

    result = run_load(lambda n: reply(served, n), swap, truth, clients=4, requests=60, swaps=1)
    assert any("does not exist" in text for text in result.failed)
    assert any("requests in flight" in problem for problem in vllm.problems)
    vllm.problems.clear()


def test_previous_answers_in_shadow_until_the_next_swap(vllm: VllmStandIn, adapters: list[Path]) -> None:
    served = served_by(vllm)
    first = served.build(adapters[0], "v0001")
    served.swap(first)
    served.swap(served.build(adapters[1], "v0002"))
    reply(first, 0)
    served.swap(served.build(adapters[2], "v0003"))
    assert [name.split("-")[1] for name in vllm.adapters] == ["v0002", "v0003"]
    served.rollback()
    assert reply(served, 0).version.startswith("vllm:lean+v0002@")


def test_pinned_generation_is_unloaded_when_it_is_left(vllm: VllmStandIn, adapters: list[Path]) -> None:
    served = served_by(vllm)
    first = served.build(adapters[0], "v0001")
    served.swap(first)
    with served.pin():
        served.swap(served.build(adapters[1], "v0002"))
        served.swap(served.build(adapters[2], "v0003"))
        assert first.model.name in vllm.adapters
    for _ in range(200):
        if first.model.name not in vllm.adapters:
            break
        time.sleep(0.01)
    assert first.model.name not in vllm.adapters


def test_generation_that_nobody_swapped_in_is_unloaded_when_it_is_forgotten(
    vllm: VllmStandIn, adapters: list[Path]
) -> None:
    served = served_by(vllm)
    built = served.build(adapters[0], "v0001")
    assert list(vllm.adapters) == [built.model.name]
    del built
    for _ in range(200):
        if not vllm.adapters:
            break
        time.sleep(0.01)
    assert not vllm.adapters
    served.discard(served.build(adapters[1], "v0002"))
    assert not vllm.adapters


def test_names_begin_like_no_other(vllm: VllmStandIn, adapters: list[Path]) -> None:
    served = served_by(vllm)
    names = [served.build(adapters[0], "v1").model.name, served.build(adapters[1], "v10").model.name]
    assert not names[1].startswith(names[0])


def test_adapter_that_the_server_has_from_before_a_restart_is_taken(vllm: VllmStandIn, adapters: list[Path]) -> None:
    earlier = served_by(vllm).build(adapters[0], "v0001")  # kept: a forgotten one would be unloaded meanwhile
    built = served_by(vllm).build(adapters[0], "v0001")
    assert list(vllm.adapters) == [built.model.name] == [earlier.model.name]
    vllm.adapters[built.model.name] = "/somewhere/else"
    with pytest.raises(ModelError, match="has already been loaded"):
        served_by(vllm).build(adapters[0], "v0001")


def test_server_that_refuses_leaves_the_champion(vllm: VllmStandIn, adapters: list[Path]) -> None:
    served = served_by(vllm)
    vllm.max_loras = 0
    with pytest.raises(ModelError, match=r"the server refused adapter .*v0001: .*400 max_loras reached"):
        served.build(adapters[0], "v0001")
    vllm.broken["/v1/load_lora_adapter"] = (404, b'{"detail": "Not Found"}')
    with pytest.raises(ModelError, match="404 Not Found"):
        served.build(adapters[0], "v0001")
    assert any("VLLM_ALLOW_RUNTIME_LORA_UPDATING" in note for note in served.promises.notes)
    reply(served, 0)


def test_server_sees_the_registry_elsewhere(tmp_path: Path, adapters: list[Path]) -> None:
    with running(VllmStandIn(seen_at=("/mnt/registry", tmp_path / "registry"))) as server:
        served = served_by(server, adapters_at="/mnt/registry", adapters_here=tmp_path / "registry")
        served.swap(served.build(adapters[0], "v0001"))
        assert list(server.adapters.values()) == ["/mnt/registry/v0001"]
        with pytest.raises(ModelError, match=r"does not lie in .*registry, which the server sees as /mnt/registry"):
            served.build(write_adapter(tmp_path / "outside", 9), "v0009")


def test_base_that_the_server_lacks_is_named(vllm: VllmStandIn) -> None:
    with pytest.raises(ModelError, match=r"serves no model 'other'; it serves: lean"):
        VllmSwapper(JsonClient(vllm.url), "other")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"model": "lean", "choices": []}', "2 questions got 0 answers"),
        (b'{"model": "x", "choices": []}', "answered for another model"),
        (b'{"model": "lean", "choices": [{"index": 0}, {"index": 0}]}', r"2 questions got 2 answers \[0\]"),
        (b'{"model": "lean", "choices": [{"index": 0}, {"index": 1}]}', "gave no log-probabilities of the first token"),
    ],
    ids=["none", "other-model", "twice", "no-logprobs"],
)
def test_answers_that_are_none(vllm: VllmStandIn, body: bytes, message: str) -> None:
    served = served_by(vllm)
    vllm.broken["/v1/completions"] = (200, body)
    with pytest.raises(BackendUnavailable, match=message):
        reply(served, 0)


def test_server_without_adapters_says_so(vllm: VllmStandIn, adapters: list[Path]) -> None:
    made = Generations(FixedSwapper(JsonClient(vllm.url), "lean"))
    made.swap(made.build(None, "base"))
    assert reply(made, 0).version == "openai:lean"
    assert isinstance(made.current.model, CompletionsModel)
    with pytest.raises(ModelError, match="v0001: a server of provider openai cannot load adapters"):
        made.build(adapters[0], "v0001")
