"""A real Ollama server, named by OLLAMA_HOST (`ollama serve` with llama-quantize beside it): parity, then swaps."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from swap_load import Reply, run_load

from llm_plugin.domain import Action
from llm_plugin.errors import ModelError
from llm_plugin.reasoning import LanguageModel
from llm_plugin.reasoning.canary import CanaryLimits, record_states, states_from_json
from llm_plugin.reasoning.generations import Generations
from llm_plugin.serving import JsonClient, OllamaSwapper, upload_model
from llm_plugin.serving.adapters import LocalBase
from llm_plugin.serving.merge import merge_adapter

from .conftest import ENTRY, TextPrompt

pytestmark = [pytest.mark.ollama, pytest.mark.integration, pytest.mark.slow]
STATES = 32
PROMPTS = [
    TextPrompt("Judge the signal: take it or HOLD.\n", f"SIG=BUY ADX={10 + i} RSI={90 - i} TREND={i % 3 - 1} ->")
    for i in range(STATES)
]
BASE = "lean-llm-test-base"
# Llama 3's rule of splitting text, which Ollama's converter knows by its hash.
KNOWN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


@dataclass(frozen=True)
class Files:
    base: Path
    adapters: list[Path]


@pytest.fixture(scope="module")
def client() -> JsonClient:
    host = os.environ.get("OLLAMA_HOST")
    if not host:
        pytest.skip("left out: needs an Ollama server; set OLLAMA_HOST, for example 127.0.0.1:11434")
    return JsonClient(host if "://" in host else f"http://{host}", timeout_seconds=60)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, client: JsonClient) -> Iterator[Files]:
    made = make_files(tmp_path_factory.mktemp("ollama"))
    upload_model(client, made.base, BASE)
    yield made
    client.request("DELETE", "/api/delete", f'{{"model": "{BASE}"}}'.encode())


def make_files(folder: Path, split: str = KNOWN_SPLIT) -> Files:
    """A small Llama that answers with an action, and two adapters with other answers."""
    import torch

    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network

    texts = [f"{p.text} {action.value} | 0.5 | trend" for p in PROMPTS for action in Action]
    build_tokenizer(texts, folder / "base", vocabulary_size=300)
    tokenizer = with_split(folder / "base", split)
    network = build_network(tokenizer, hidden=64, layers=2, max_tokens=512, seed=0)
    with torch.no_grad():
        for parameter in network.model.parameters():
            if parameter.dim() > 1:
                parameter *= 6.0
        states = torch.stack([hidden(network, tokenizer, prompt.text) for prompt in PROMPTS])
        mean = states.mean(0)
        spread = torch.linalg.svd(states - mean, full_matrices=False).Vh
        for number, action in enumerate((Action.BUY, Action.HOLD, Action.SELL)):
            row = tokenizer(f" {action.value}", add_special_tokens=False)["input_ids"][0]
            direction = spread[number] / (states @ spread[number]).std()
            network.lm_head.weight[row] = 12 * mean / mean.norm() ** 2 + direction
    save_network(network, folder / "base")
    return Files(folder / "base", [write_adapter(network, folder / f"v{seed}", seed) for seed in (1, 2)])


def with_split(folder: Path, split: str) -> Any:
    """Give a tokenizer another rule of splitting; an empty one leaves the project's own."""
    from transformers import PreTrainedTokenizerFast

    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    if split:
        content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = split
    path.write_text(json.dumps(content))
    return PreTrainedTokenizerFast.from_pretrained(str(folder))


def hidden(network: Any, tokenizer: Any, text: str) -> Any:
    import torch

    return network.model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state[0, -1]


def write_adapter(network: Any, out: Path, seed: int) -> Path:
    import copy

    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=4, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    wrapped = get_peft_model(copy.deepcopy(network), config)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter *= 0.3
    wrapped.save_pretrained(str(out))
    return out


def recorded(files: Files, adapter: Path | None) -> list[Any]:
    """What transformers answers in process: the parity canary's expectation."""
    from llm_plugin.reasoning.transformers_model import TransformersModel

    local = TransformersModel.load(files.base, device="cpu", threads=1, adapter=adapter)
    return states_from_json(record_states(local, PROMPTS, [ENTRY] * STATES))


def test_parity_of_32_states_between_transformers_and_the_server(client: JsonClient, files: Files) -> None:
    for adapter in (None, *files.adapters):
        states = recorded(files, adapter)
        swapper = OllamaSwapper(client, BASE, local=LocalBase(files.base))
        served = Generations(swapper, states=states, limits=CanaryLimits(max_log_probability_gap=0.1))
        served.swap(served.build(adapter, "parity"))
        canary = served.current.canary
        assert canary is not None
        print(f"{adapter and adapter.name}: {canary.to_json()}")
        assert canary.compared == STATES
        answers = served.score(PROMPTS, [ENTRY] * STATES)
        margins = [state.expected[Action.BUY] - state.expected[Action.HOLD] for state in states if state.expected]
        sure = [(m, a) for m, a in zip(margins, answers, strict=True) if abs(m) > 0.2]
        assert len(sure) > STATES / 3
        assert all((a.action is Action.BUY) == (m > 0) for m, a in sure)
        served.close()


def test_tokenizer_that_the_server_does_not_know_fails_the_parity_canary(client: JsonClient, tmp_path: Path) -> None:
    """The project's own split rule is unknown to llama.cpp: it cuts the same text into other tokens."""
    own = make_files(tmp_path, split="")
    upload_model(client, own.base, "lean-llm-test-own")
    swapper = OllamaSwapper(client, "lean-llm-test-own", local=LocalBase(own.base))
    served = Generations(swapper, states=recorded(own, None), limits=CanaryLimits(max_log_probability_gap=0.1))
    with pytest.raises(ModelError, match="failed its canary"):
        served.swap(served.build(None, "base"))
    client.request("DELETE", "/api/delete", b'{"model": "lean-llm-test-own"}')


def test_adapter_of_other_answers_fails_the_parity_canary(client: JsonClient, files: Files) -> None:
    """Planted: the first adapter's answers recorded, the second one served. The base goes on serving."""
    swapper = OllamaSwapper(client, BASE, local=LocalBase(files.base))
    served = Generations(swapper, limits=CanaryLimits(max_log_probability_gap=0.1), hold_seconds=60)
    served.swap(served.build(None, "base"))
    served._states = tuple(recorded(files, files.adapters[0]))
    with pytest.raises(ModelError, match="log-probabilities differ by"):
        served.swap(served.build(files.adapters[1], "v0002"))
    assert served.current.label == "base"
    served.score(PROMPTS[:1], [ENTRY])
    served.swap(served.build(files.adapters[0], "v0001"))
    served.close()


def reply(model: LanguageModel, number: int) -> Reply:
    (score,) = model.score([PROMPTS[number]], [ENTRY])
    return Reply(score.model_version, tuple(score.log_probabilities[action] for action in ENTRY))


@pytest.mark.parametrize("merge", [None, merge_adapter], ids=["drained", "merged"])
def test_swaps_under_load_fail_and_mix_nothing(client: JsonClient, files: Files, merge: Any) -> None:
    swapper = OllamaSwapper(client, BASE, local=LocalBase(files.base), merge=merge)
    served = Generations(swapper, limits=CanaryLimits(min_action_mass=0.0), hold_seconds=60)
    truth = {}
    for number, adapter in enumerate(files.adapters):
        served.swap(served.build(adapter, f"t{number}"))
        truth[served.version] = [reply(served, i).values for i in range(STATES)]
    first, second = truth.values()
    assert max(abs(a[0] - b[0]) for a, b in zip(first, second, strict=True)) > 0.5

    def swap(number: int) -> float:
        served.swap(served.build(files.adapters[number % 2], f"s{number:04d}"))
        return time.perf_counter()

    result = run_load(lambda n: reply(served, n), swap, truth, clients=4, requests=400, swaps=6, tolerance=0.05)
    held = [report.held_seconds for report in list(served.swaps)[-6:]]
    print(f"held {[round(seconds, 3) for seconds in held]} s; {len(result.latencies)} answers, {result.versions}")
    served.close()
    assert (result.failed, result.mixed) == ([], [])
    assert set(result.versions) == set(truth)
    assert all(seconds > 0 for seconds in held) is (merge is None)
