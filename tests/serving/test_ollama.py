"""Ollama over a stand-in that checks every field and runs one adapter per base: uploads, drained and merged swaps."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from swap_load import Reply, run_load

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable, ModelError
from llm_plugin.reasoning import LanguageModel
from llm_plugin.reasoning.canary import CanaryState
from llm_plugin.reasoning.generations import Generations, Promises
from llm_plugin.serving import JsonClient, OllamaModel, OllamaSwapper
from llm_plugin.serving.adapters import LocalBase

from .conftest import ENTRY, PROMPTS
from .standin import OllamaStandIn, log_probabilities


def served_by(server: OllamaStandIn, swapper: OllamaSwapper | None = None, hold_seconds: float = 10.0) -> Generations:
    made = Generations(swapper or OllamaSwapper(JsonClient(server.url), "lean"), hold_seconds=hold_seconds)
    made.swap(made.build(None, "base"))
    return made


def reply(model: LanguageModel, number: int) -> Reply:
    (score,) = model.score([PROMPTS[number]], [ENTRY])
    return Reply(score.model_version, tuple(score.log_probabilities[action] for action in ENTRY))


def truth_of(server: OllamaStandIn, model: LanguageModel, name: str) -> dict[str, list[tuple[float, ...]]]:
    rows = [log_probabilities(server.identity(name), prompt.text) for prompt in PROMPTS]
    return {model.version: [(row[" BUY"], row[" HOLD"]) for row in rows]}


def test_scores_are_the_servers(ollama: OllamaStandIn) -> None:
    served = served_by(ollama)
    assert isinstance(served, LanguageModel)
    assert served.version.startswith("ollama:lean@")
    truth = truth_of(ollama, served, "lean")
    assert [reply(served, i).values for i in range(6)] == [pytest.approx(row) for row in truth[served.version]]
    assert served.generate_reason(PROMPTS[0], Action.BUY, 8).startswith("because of")
    assert served.complete(["x"], 8) == [" 0.7 | because of se-blob|"]


def test_adapter_is_uploaded_once_and_changes_answers(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    base = reply(served, 0)
    report = served.swap(served.build(adapters[0], "v0001"))
    tuned = reply(served, 0)
    assert tuned.version.startswith(base.version + "+v0001@")
    assert tuned.values != base.values
    assert report.held_seconds > 0
    served.build(adapters[0], "again")
    uploads = [path for method, path, _ in ollama.requests if (method, path[:11]) == ("POST", "/api/blobs/")]
    assert len(uploads) == 1


def test_drained_swap_under_load_fails_and_mixes_nothing(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    ollama.delay_seconds = 0.004
    served = served_by(ollama)
    truth: dict[str, list[tuple[float, ...]]] = {}
    for number in range(2):
        generation = served.build(adapters[number], f"v{number:04d}")
        truth |= truth_of(ollama, generation, generation.model.name)
        served.swap(generation)

    def swap(number: int) -> float:
        served.swap(served.build(adapters[number % 2], f"s{number:04d}"))
        return time.perf_counter()

    result = run_load(lambda n: reply(served, n), swap, truth, clients=6, requests=400, swaps=8)
    assert (result.failed, result.mixed) == ([], [])
    assert set(result.versions) == set(truth)
    under_load = list(served.swaps)[-8:]
    assert all(report.held_seconds > 0 for report in under_load)
    assert max(report.waited_for for report in under_load) > 0


def test_planted_offender_without_the_hold_the_server_never_gets_idle(
    ollama: OllamaStandIn, adapters: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OllamaSwapper, "promises", Promises(no_pause=True, canary_before_swap=False))
    monkeypatch.setattr(OllamaModel, "unload", lambda _: None)
    ollama.delay_seconds, ollama.wait_seconds = 0.1, 0.3
    served = served_by(ollama)
    truth = truth_of(ollama, served, "lean")

    def swap(_: int) -> float:
        served.swap(served.build(adapters[0], "v0001"))
        return time.perf_counter()

    result = run_load(
        lambda n: reply(served, n), swap, truth, clients=12, requests=150, swaps=1, requests_per_second=80
    )
    assert any("server busy" in text for text in result.failed)


def test_only_the_serving_generation_can_be_asked(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    built = served.build(adapters[0], "v0001")
    assert not served.promises.shadow
    assert any("shadow" in note for note in served.promises.notes)
    with pytest.raises(BackendUnavailable, match="v0001 does not serve, and this back end runs only one"):
        built.score(PROMPTS[:1], [ENTRY])


def test_failed_canary_in_the_pause_leaves_the_old_one_serving(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    wrong = CanaryState(PROMPTS[0].prefix, PROMPTS[0].suffix, ENTRY, {Action.BUY: -0.1, Action.HOLD: -7.0})
    served = served_by(ollama)
    before = reply(served, 0)
    served._states = (wrong,)
    built = served.build(adapters[0], "v0001")
    with pytest.raises(ModelError, match=r"failed its canary: (action mass|log-probabilities differ by)"):
        served.swap(built)
    assert served.current.label == "base"
    assert reply(served, 0) == before
    assert not served._held
    assert list(ollama.models) == ["lean:latest"], "what failed is deleted from the server"


def test_requests_that_do_not_end_stop_the_swap(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama, hold_seconds=0.1)
    built = served.build(adapters[0], "v0001")
    with served.pin(), pytest.raises(BackendUnavailable, match="1 requests in flight did not end; base serves on"):
        served.swap(built)
    assert served.current.label == "base"
    served.swap(built)
    assert served.current.label == "v0001"


def test_old_generations_are_deleted_from_the_server(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    for number, adapter in enumerate(adapters):
        served.swap(served.build(adapter, f"v{number:04d}"))
    assert [name.rsplit("-", 1)[0] for name in ollama.models] == ["lean:latest", "lean-v0001", "lean-v0002"]
    served.close()
    assert list(ollama.models) == ["lean:latest"]


def test_one_adapter_in_two_generations_stays_until_both_are_gone(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    for _ in range(4):
        served.swap(served.build(adapters[0], "v0001"))
    reply(served, 0)
    assert len(ollama.models) == 2


def merged(base: Path, adapter: Path, out: Path) -> None:
    (out / "config.json").write_text((adapter / "adapter_config.json").read_text())
    (out / "model.safetensors").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
    (out / "notes.txt").write_text("not uploaded")


def test_merged_generations_run_side_by_side(ollama: OllamaStandIn, adapters: list[Path], tmp_path: Path) -> None:
    swapper = OllamaSwapper(JsonClient(ollama.url), "lean", local=LocalBase(tmp_path), merge=merged)
    served = served_by(ollama, swapper)
    base = reply(served, 0)
    assert served.promises.no_pause
    assert served.swap(served.build(adapters[0], "v0001")).held_seconds == 0.0
    assert served.previous is not None
    assert reply(served.previous, 0) == base
    assert len(ollama.runners) == 2
    served.swap(served.build(adapters[1], "v0002"))
    served.swap(served.build(adapters[2], "v0003"))
    assert len(ollama.models) == 3


def test_merging_needs_the_base_here(ollama: OllamaStandIn) -> None:
    with pytest.raises(ModelError, match="swap = merge needs the base's folder here"):
        OllamaSwapper(JsonClient(ollama.url), "lean", merge=merged)


def test_base_that_the_server_lacks_is_named(ollama: OllamaStandIn) -> None:
    with pytest.raises(ModelError, match=r"has no model 'other'; it has: lean:latest"):
        OllamaSwapper(JsonClient(ollama.url), "other")


def test_model_that_was_deleted_meanwhile_is_unavailable(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    served.swap(served.build(adapters[0], "v0001"))
    del ollama.models[f"{served.current.model.name}:latest"]
    with pytest.raises(BackendUnavailable, match=r"404 model .* not found"):
        reply(served, 0)


def test_adapters_of_other_architectures_are_refused(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    ollama.architecture = "phi3"
    with pytest.raises(ModelError, match=r"lean is of architecture phi3; .*set llm_model.server.swap to merge"):
        served.build(adapters[0], "v0001")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"model": "lean", "response": "x"}', "listed no tokens: .*older than 0.12.11"),
        (b'{"model": "other", "response": "x"}', "answered for another model"),
    ],
    ids=["old-server", "other-model"],
)
def test_answers_that_are_none(ollama: OllamaStandIn, body: bytes, message: str) -> None:
    served = served_by(ollama)
    ollama.broken["/api/generate"] = (200, body)
    with pytest.raises(BackendUnavailable, match=message):
        reply(served, 0)


def test_server_that_dies_does_not_undo_a_finished_swap(ollama: OllamaStandIn, adapters: list[Path]) -> None:
    served = served_by(ollama)
    served.swap(served.build(adapters[0], "v0001"))
    built = served.build(adapters[1], "v0002")
    ollama.broken["/api/delete"] = (500, b"{}")
    served.swap(built)
    served.swap(served.build(adapters[2], "v0003"))
    assert served.current.label == "v0003"
