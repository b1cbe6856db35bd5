"""Hot swap under load over HTTP: a real `lean-llm serve`, 32 clients, 20,000 questions, 50 versions promoted.

Each question is a new decision: checked, rendered, scored, fused and on disk before it is answered; 32 runs, one per
client. Each version is built by the service from the registry's folder, shadows of the version before included. The
clients together ask 40 questions a second. Memory, session and the cache of scores are off, so that
what each version answers to each question is known beforehand.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from served import serve_process
from swap_load import LoadResult, Reply, p99_seconds, run_load
from tiny_versions import make_base, make_versions, variants

from llm_plugin.domain import to_jsonable
from llm_plugin.lean.http import JsonClient
from llm_plugin.registry.store import Registry

from .conftest import RecordFigure

pytestmark = pytest.mark.slow
CLIENTS, REQUESTS, SWAPS, PER_SECOND = 32, 20_000, 50, 40.0
SETTINGS = (
    "memory.backend=none",
    "session.enabled=false",
    "signals.kind=none",
    "reasoning.cache_size=0",
    "risk.enable_risk_veto=false",
    "llm_model.device=cpu",
    "service.poll_seconds=0.05",
    "service.requests_per_minute=10000000",
)


class Clients:
    """Connections that are lent to the asking threads; every question is a new decision of that client's run."""

    def __init__(self, url: str, count: int) -> None:
        self._bodies = [to_jsonable(request) for request in variants(64)]
        self._free: SimpleQueue[tuple[str, JsonClient]] = SimpleQueue()
        self._numbers = itertools.count(1)
        for number in range(count):
            self._free.put((f"client-{number:02d}", JsonClient(url, None)))

    @contextmanager
    def lent(self) -> Iterator[tuple[str, JsonClient]]:
        lent = self._free.get()
        try:
            yield lent
        finally:
            self._free.put(lent)

    def ask(self, question: int) -> Reply:
        with self.lent() as (run_id, client):
            body = {**self._bodies[question], "run_id": run_id, "decision_id": None, "sequence": next(self._numbers)}
            answer = client.ask("POST", "/v1/validate", body, 30)
        if answer["source"] != "llm":
            raise RuntimeError(f"no model answered: {answer['source']}, {answer['reason']}")
        shares = answer["action_probabilities"]
        return Reply(answer["model_version"], (shares["BUY"], shares["HOLD"]))


def load_on(url: str, registry: Registry, versions: list[str]) -> tuple[LoadResult, JsonClient]:
    """Promote each version in turn under load."""
    clients, operator = Clients(url, CLIENTS), JsonClient(url, None)
    truth: dict[str, Any] = {}

    def serve(number: int) -> float:
        registry.promote(versions[number], reason="benchmark", force=True)
        while not _serves(operator, number):
            time.sleep(0.02)
        return time.perf_counter()

    known = []
    for number in range(2):
        serve(number)
        answers = [clients.ask(question) for question in range(64)]
        known.append([answer.values for answer in answers])
        truth[answers[0].version] = known[number]

    def asked(question: int) -> Reply:
        reply = clients.ask(question)
        if reply.version not in truth:  # versions alternate between two sets of weights under names of their own
            truth[reply.version] = known[_place(reply.version)]
        return reply

    def swap(number: int) -> float:
        return serve(number + 2)

    result = run_load(
        asked, swap, truth, clients=CLIENTS, requests=REQUESTS, swaps=SWAPS, requests_per_second=PER_SECOND
    )
    return result, operator


def _serves(operator: JsonClient, number: int) -> bool:
    """The cheapest question: which generation answers now."""
    answer = operator.ask("POST", "/v1/runs", {"run_id": "benchmark"}, 30)
    return f"validator-{number}@" in str(answer["version"])


def _place(version: str) -> int:
    """Adapters are named validator-N; even and odd ones have the same weights."""
    return int(version.split("validator-")[1].split("@")[0]) % 2


def test_swap_under_load_over_http(own_home: Path, tmp_path: Path, record_figure: RecordFigure) -> None:
    base = make_base(tmp_path / "base", hidden=96, layers=3)
    registry = Registry()
    adapters = make_versions(base, tmp_path, SWAPS + 2)
    versions = [registry.register(adapter, parent="base", base=base).id for adapter in adapters]
    store = f"learning.store_url=sqlite:///{tmp_path / 'store.sqlite'}"
    with serve_process(tmp_path / "logs", *SETTINGS, f"llm_model.name={base}", store) as served:
        started = time.perf_counter()
        result, operator = load_on(served.url, registry, versions)
        seconds = time.perf_counter() - started
        assert operator.retries == 0
        assert served.stop() == 0
    builds = sorted(swap.served - swap.began for swap in result.swaps)
    print(
        f"{len(result.latencies)} answers in {seconds:.0f} s, p99 near a swap {p99_seconds(result.near) * 1e3:.1f} ms "
        f"({len(result.near)}), elsewhere {p99_seconds(result.far) * 1e3:.1f} ms ({len(result.far)}); "
        f"promotion to serving median {builds[len(builds) // 2] * 1e3:.0f} ms, longest {builds[-1] * 1e3:.0f} ms"
    )
    assert len(result.swaps) == SWAPS
    assert len(result.versions) >= SWAPS
    wrong = len(result.failed) + len(result.mixed)
    record_figure("swap_failed", wrong, "failed or mixed of 20,000 requests over HTTP, 50 swaps", 0, "lower")
    record_figure("swap_pause_p99_ms", result.pause_p99_ms, "ms, client p99 near a swap minus elsewhere", 50, "lower")
    assert wrong == 0, (result.failed[:3], result.mixed[:3])
    assert len(result.latencies) >= REQUESTS
