"""What Prometheus reads; a registry of our own, so that two services in one process do not share counters."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from llm_plugin.domain import Decision

__all__ = ["Metrics"]

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """The service's figures; names begin with `lean_llm_`."""

    def __init__(self) -> None:
        """Start at zero."""
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "lean_llm_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "lean_llm_request_seconds", "Time to answer a request.", ["route"], buckets=SECONDS, registry=registry
        )
        self.in_flight = Gauge("lean_llm_in_flight", "Requests being answered.", registry=registry)
        self.decisions = Counter(
            "lean_llm_decisions",
            "Decisions by question, verdict and source.",
            ["kind", "verdict", "source"],
            registry=registry,
        )
        self.repeated = Counter(
            "lean_llm_repeated_decisions", "Questions that were answered before under the same id.", registry=registry
        )
        self.outcomes = Counter(
            "lean_llm_outcomes", "Outcomes by kind and status.", ["kind", "status"], registry=registry
        )
        self.passes = Counter("lean_llm_model_passes", "Passes of the model by error.", ["error"], registry=registry)
        self.pass_questions = Histogram(
            "lean_llm_model_pass_questions", "Questions per pass.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.pass_seconds = Histogram(
            "lean_llm_model_pass_seconds", "Time of one pass.", buckets=SECONDS, registry=registry
        )
        self.swaps = Counter("lean_llm_swaps", "Generations that began to serve.", registry=registry)
        self.swaps_refused = Counter("lean_llm_swaps_refused", "Versions that were not let in.", registry=registry)
        self.rollbacks = Counter("lean_llm_rollbacks", "Roll-backs by cause.", ["cause"], registry=registry)
        self.build_seconds = Histogram(
            "lean_llm_generation_build_seconds", "Time to build a generation.", buckets=SECONDS, registry=registry
        )
        self.serving = Gauge("lean_llm_serving", "1 for the version that serves.", ["version"], registry=registry)
        self.shadows = Counter("lean_llm_shadow_answers", "Answers of the previous generation.", registry=registry)
        self.shadows_waiting = Gauge("lean_llm_shadow_waiting", "Questions that wait for one.", registry=registry)
        self.buffer_size = Gauge("lean_llm_buffer_size", "Decisions to learn from.", registry=registry)
        self.retrains = Counter("lean_llm_retrain_triggers", "Triggers by answer.", ["status"], registry=registry)

    def decided(self, decision: Decision) -> None:
        """Count a decision."""
        self.decisions.labels(decision.kind.value, decision.verdict.value, decision.source.value).inc()

    def passed(self, questions: int, seconds: float, error: str) -> None:
        """Count a pass of the model."""
        self.passes.labels(error).inc()
        self.pass_questions.observe(questions)
        self.pass_seconds.observe(seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry)
