"""Hot swap under load, in process: 32 clients, 20,000 requests, 50 generations built from disk and swapped in.

The model has the bootstrap model's shape. `swap_load.run_load` takes any target: the service's benchmark asks the same
questions over HTTP. Pause = client p99 from 1 s before a swap (or the begin of its building) to 1 s after it, minus p99
elsewhere.
"""

from __future__ import annotations

import gc
import resource
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from swap_load import LoadResult, Reply, p99_seconds, run_load

from llm_plugin.domain import Action
from llm_plugin.reasoning.canary import CanaryLimits
from llm_plugin.reasoning.generations import Generations

from .conftest import RecordFigure

pytestmark = pytest.mark.slow
LEGAL = (Action.BUY, Action.HOLD)
PREFIX = "Judge the signal: take it or HOLD.\n"
CLIENTS, REQUESTS, SWAPS, PER_SECOND = 32, 20_000, 50, 100.0
SETTLED = 4  # swaps until thread stacks and allocator pools have their size


@dataclass(frozen=True)
class Question:
    prefix: str
    suffix: str

    @property
    def hash(self) -> str:
        return self.suffix


QUESTIONS = [
    Question(PREFIX, f"SIG=BUY ADX={10 + i} RSI={90 - i} VOL={i % 7} TREND={i % 3 - 1} HOUR={i % 24} ->")
    for i in range(64)
]


def make_generation_files(folder: Path) -> tuple[Path, list[Path]]:
    """Write a base of the bootstrap model's shape and two adapters of rank 16 with clearly different answers."""
    import torch
    from peft import LoraConfig, get_peft_model

    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network

    texts = [f"{q.prefix}{q.suffix} {action.value} | 0.5 | trend" for q in QUESTIONS for action in Action]
    tokenizer = build_tokenizer(texts, folder / "base")
    adapters = []
    for seed in (1, 2):
        network = build_network(tokenizer, hidden=96, layers=3, max_tokens=1024, seed=0)
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.dim() > 1:
                    parameter *= 4.0
        if seed == 1:
            save_network(network, folder / "base")
        torch.manual_seed(seed)
        config = LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
        )
        get_peft_model(network, config).save_pretrained(str(folder / f"v{seed}"))
        adapters.append(folder / f"v{seed}")
    return folder / "base", adapters


def resident_mib() -> float:
    fields = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * resource.getpagesize() / 2**20


def ask(served: Generations, number: int) -> Reply:
    (score,) = served.score([QUESTIONS[number]], [LEGAL])
    return Reply(score.model_version, tuple(score.log_probabilities[action] for action in LEGAL))


def load_on(
    served: Generations, adapters: list[Path], requests_per_second: float | None, resident: list[float]
) -> LoadResult:
    truth = {}
    for number, adapter in enumerate(adapters):
        served.swap(served.build(adapter, f"truth{number}"))
        truth[served.version] = [ask(served, i).values for i in range(len(QUESTIONS))]

    def swap(number: int) -> float:
        served.swap(served.build(adapters[number % 2], f"v{number:04d}"))
        at = time.perf_counter()
        resident.append(resident_mib())
        return at

    return run_load(
        lambda number: ask(served, number),
        swap,
        truth,
        clients=CLIENTS,
        requests=REQUESTS,
        swaps=SWAPS,
        requests_per_second=requests_per_second,
    )


def test_swap_under_load(tmp_path: Path, record_figure: RecordFigure) -> None:
    base, adapters = make_generation_files(tmp_path)
    served = Generations.load(base, device="cpu", threads=1, limits=CanaryLimits(min_action_mass=0.0))
    gc.collect()
    gc.freeze()
    resident: list[float] = []
    result = load_on(served, adapters, PER_SECOND, resident)
    grown = resident[-1] - resident[SETTLED]
    builds = sorted(swap.served - swap.began for swap in result.swaps)
    print(
        f"{len(result.latencies)} answers, p99 near a swap {p99_seconds(result.near) * 1e3:.1f} ms "
        f"({len(result.near)}), elsewhere {p99_seconds(result.far) * 1e3:.1f} ms ({len(result.far)}); "
        f"build and swap median {builds[len(builds) // 2] * 1e3:.1f} ms, longest {builds[-1] * 1e3:.1f} ms; "
        f"memory +{grown:.1f} MiB; versions {result.versions}"
    )
    assert len(result.swaps) == SWAPS
    assert len(result.latencies) >= REQUESTS
    wrong = len(result.failed) + len(result.mixed)
    record_figure("swap_failed_in_process", wrong, "failed or mixed of 20,000 requests, 50 swaps", 0, "lower")
    record_figure(
        "swap_pause_p99_ms_in_process", result.pause_p99_ms, "ms, p99 near a swap minus elsewhere", 50, "lower"
    )
    record_figure("swap_memory_growth_mib", grown, "MiB resident, swap 5 to swap 50", 20, "lower")
    assert wrong == 0, (result.failed[:3], result.mixed[:3])
