"""Fixtures of the LEAN side: a small LEAN, and a back end that answers as told."""

from __future__ import annotations

from dataclasses import replace

import lean_fakes as fakes
import pytest

from llm_plugin.domain import Action, QuestionKind, Signal, Source, Verdict
from llm_plugin.lean import LLMPlugin, desk
from llm_plugin.lean.backend import local_decision

CONFIG = {"validator": {"mode": "none"}, "fusion": {"query_interval": 5}}


class ScriptedBackend:
    """Answers by a function of the request; remembers what it was asked and told."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda request: None)
        self.requests, self.outcomes, self.closed = [], [], False
        self.next_signal = None
        self.eager = False

    def signal(self, market):
        action = self.next_signal or Action.HOLD
        return Signal(market.symbol_id, market.ticker, market.time_utc, action, 0.6, "scripted")

    def validate(self, request):
        if not request.market.ready and not self.eager:
            return local_decision(request, Source.WARMING, approve=False, rule="warming")
        self.requests.append(request)
        base = local_decision(request, Source.LLM, approve=True, rule="scripted")
        answer = self.answer(request)
        if isinstance(answer, float) and answer == 0.0:
            return replace(base, verdict=Verdict.VETO, action=Action.HOLD, size_multiplier=0.0)
        if isinstance(answer, float):
            verdict = Verdict.APPROVE if answer == 1.0 else Verdict.ADJUST
            return replace(base, verdict=verdict, size_multiplier=answer)
        if isinstance(answer, Action):
            return replace(base, action=answer)
        return base if answer is None else answer

    def record_outcome(self, outcome):
        self.outcomes.append(outcome)

    def close(self):
        self.closed = True

    @property
    def entries(self):
        return [request for request in self.requests if request.kind is QuestionKind.ENTRY]


@pytest.fixture
def lean(monkeypatch):
    return fakes.install(monkeypatch)


@pytest.fixture
def scripted():
    return ScriptedBackend


class ReadyEngine:
    """Stands in for the feature engine where features do not matter: always ready."""

    ready = True

    def __init__(self, resolution):
        self.seen = []
        self.scale = 1.0

    def update(self, bar):
        self.seen.append(bar)

    def as_dict(self):
        return {"adx": 20.0}

    def rescale(self, factor, volume_factor=None):
        self.scale *= factor


REAL_ENGINE = desk._feature_engine


@pytest.fixture(autouse=True)
def quick_features(monkeypatch):
    """Real features are the features' own tests; here a bar is enough."""
    monkeypatch.setattr(desk, "_feature_engine", ReadyEngine)


@pytest.fixture
def real_features(monkeypatch, quick_features):
    """Take the real feature engine after all."""
    monkeypatch.setattr(desk, "_feature_engine", REAL_ENGINE)


@pytest.fixture
def make_plugin(lean, scripted, tmp_path, quick_features):
    """Make (algorithm, plugin, backend): warm, ATR 0.001, price 1.3, order events forwarded."""

    def make(answer=None, *, config=None, algorithm=None, backend=None, forward=True, **options):
        algorithm = algorithm or fakes.FakeAlgorithm({"llm-run-dir": str(tmp_path / "run")})
        algorithm.history_bars = algorithm.history_bars or fakes.flat_history()
        backend = backend or scripted(answer)
        plugin = LLMPlugin(algorithm, config or CONFIG, backend=backend, **options)
        if forward:
            algorithm.forward = plugin.on_order_event
        plugin.desk.hub.get(algorithm.symbol)
        return algorithm, plugin, backend

    return make
