"""Swaps while many threads ask: no request fails, none is answered by two generations; PEFT's own switch is caught."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from swap_load import LoadResult, Reply, Swap, p99_seconds, run_load

from llm_plugin.reasoning import LanguageModel, ScoringCache
from llm_plugin.reasoning.canary import CanaryLimits
from llm_plugin.reasoning.generations import Generations
from llm_plugin.reasoning.transformers_model import TransformersModel

from .conftest import ENTRY, prompt_of

PROMPTS = [prompt_of(i) for i in range(12)]


def answers_of(model: LanguageModel | ScoringCache) -> list[tuple[float, ...]]:
    return [values(model, number).values for number in range(len(PROMPTS))]


def values(model: LanguageModel | ScoringCache, number: int) -> Reply:
    """Ask three questions at once, so that a batch with two versions is seen too."""
    asked = [PROMPTS[(number + step) % len(PROMPTS)] for step in range(3)]
    scores = model.score(asked, [ENTRY] * 3)
    (version,) = {score.model_version for score in scores}
    return Reply(version, tuple(score.log_probabilities[action] for score in scores for action in ENTRY))


@pytest.fixture(scope="module")
def truth(model_folder: Path, adapter_folder: Path, other_adapter_folder: Path) -> dict[str, list[tuple[float, ...]]]:
    models = [
        TransformersModel.load(model_folder, device="cpu", adapter=adapter)
        for adapter in (adapter_folder, other_adapter_folder)
    ]
    known = {model.version: answers_of(model) for model in models}
    first, second = known.values()
    assert min(abs(a - b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True)) > 1e-3
    assert max(abs(a - b) for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True)) > 1.0
    return known


@pytest.fixture
def served(model_folder: Path, adapter_folder: Path) -> Generations:
    limits = CanaryLimits(min_action_mass=0.0)
    return Generations.load(model_folder, adapter=adapter_folder, label="v0", device="cpu", limits=limits)


def swapping(served: Generations, adapters: tuple[Path, Path]) -> Callable[[int], float]:
    def swap(number: int) -> float:
        built = served.build(adapters[(number + 1) % 2], f"v{number + 1}")
        served.swap(built)
        return time.perf_counter()

    return swap


@pytest.mark.parametrize("cached", [False, True], ids=["model", "cache"])
def test_nothing_fails_and_nothing_mixes(
    served: Generations,
    truth: dict[str, list[tuple[float, ...]]],
    adapter_folder: Path,
    other_adapter_folder: Path,
    cached: bool,
) -> None:
    target: Generations | ScoringCache = ScoringCache(served) if cached else served
    result = run_load(
        lambda number: values(target, number),
        swapping(served, (adapter_folder, other_adapter_folder)),
        truth,
        clients=8,
        requests=2000 if cached else 600,
        swaps=20,
    )
    assert result.failed == []
    assert result.mixed == []
    assert len(result.swaps) == 20
    assert set(result.versions) == set(truth)
    assert served.current.in_flight == 0


def test_planted_offender_peft_in_place_swap_tears(
    model_folder: Path,
    truth: dict[str, list[tuple[float, ...]]],
    adapter_folder: Path,
    other_adapter_folder: Path,
) -> None:
    """PEFT's own switch on the model that serves: the checker that found nothing above finds torn answers here."""
    model = TransformersModel.load(model_folder, device="cpu", adapter=adapter_folder)
    model.model.load_adapter(str(other_adapter_folder), "other")
    versions = list(truth)

    def swap(number: int) -> float:
        model.model.set_adapter(("default", "other")[(number + 1) % 2])
        model._version = versions[(number + 1) % 2]
        model._prefixes._caches.clear()
        return time.perf_counter()

    result = run_load(lambda n: values(model, n), swap, truth, clients=8, requests=600, swaps=60)
    torn = [reply for number, reply in result.mixed if not any(near(reply, known[number]) for known in truth.values())]
    assert torn, "answers that neither adapter alone gives"


def near(reply: Reply, known: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= 1e-4 for a, b in zip(reply.values, known, strict=True))


def test_checker_sees_every_kind_of_wrong_answer() -> None:
    truth = {"a": [(0.0, 1.0)], "b": [(5.0, 6.0)]}
    wrong = iter([Reply("a", (0.0, 6.0)), Reply("b", (0.0, 1.0)), Reply("c", (0.0, 1.0)), Reply("a", (0.0,))])

    def ask(_: int) -> Reply:
        reply = next(wrong, None)
        if reply is None:
            raise TimeoutError("planted")
        return reply

    result = run_load(ask, lambda _: time.perf_counter(), truth, clients=1, requests=5, swaps=1)
    assert len(result.mixed) == 4
    assert result.failed[0] == "TimeoutError: planted"
    clean = run_load(lambda _: Reply("a", (0.0, 1.0)), lambda _: 0.0, truth, clients=2, requests=50, swaps=1)
    assert (clean.failed, clean.mixed) == ([], [])


def test_swap_that_fails_is_a_failure() -> None:
    def broken(_: int) -> float:
        raise ValueError("planted")

    result = run_load(lambda _: Reply("a", ()), broken, {"a": [()]}, clients=1, requests=3, swaps=1)
    assert result.failed == ["swap: ValueError: planted"]


def test_pause_is_what_clients_near_a_swap_waited_longer() -> None:
    result = LoadResult(swaps=[Swap(began=10.0, served=10.5)])
    result.latencies = [(t / 100, t / 100 + 0.010) for t in range(800)]
    result.latencies += [(9.6 + t / 1000, 9.6 + t / 1000 + 0.030) for t in range(200)]
    assert len(result.near) == 200
    assert result.pause_p99_ms == pytest.approx(20.0)
    with pytest.raises(ValueError, match="99 latencies have no 99th percentile"):
        p99_seconds([0.1] * 99)
