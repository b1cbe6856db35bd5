"""The validator: risk, context, prompt, language model, fusion, decision; stored before it is returned."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from llm_plugin.domain import Action, Decision, DecisionRequest, MarketContext, Outcome, QuestionKind, Signal, Source
from llm_plugin.errors import DataError, StoreUnavailable
from llm_plugin.fusion import FusionInput, fuse
from llm_plugin.validator.answers import (
    checked_scores,
    choice,
    decide,
    fused_decision,
    is_exit,
    problem_of,
    signal_decision,
)
from llm_plugin.validator.arms import Arm
from llm_plugin.validator.cutoffs import refuse_lookahead, seen_data
from llm_plugin.validator.ledger import Ledger
from llm_plugin.validator.reuse import AnswerReuse
from llm_plugin.validator.worker import CallWorker

if TYPE_CHECKING:
    from datetime import datetime

    from llm_plugin.memory.records import MemoryHit
    from llm_plugin.prompts import Prompt, PromptRenderer
    from llm_plugin.reasoning import ActionScores, LanguageModel, ScoringCache
    from llm_plugin.risk import RiskGate
    from llm_plugin.session import SessionStatistics, SessionTracker
    from llm_plugin.settings import Settings
    from llm_plugin.validator.reasons import ReasonWriter
    from llm_plugin.validator.recall import Recall

__all__ = ["Parts", "SignalSource", "Validator"]

_LOG = logging.getLogger("llm_plugin.validator")


class SignalSource(Protocol):
    """What answers `Validator.signal`; the ensemble is one."""

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the signal of a bar, HOLD where there is none."""


@dataclass
class Parts:
    """What a validator is put together from; `Validator.from_settings` makes them from a configuration."""

    renderer: PromptRenderer
    tracker: SessionTracker
    gate: RiskGate
    ledger: Ledger
    cache: ScoringCache | None = None
    recall: Recall | None = None
    arm: Arm | None = None
    load_signals: Callable[[], SignalSource | None] = lambda: None
    reasons: ReasonWriter | None = None
    on_close: Sequence[Callable[[], None]] = ()


@dataclass
class _Context:
    """One question on its way; `cleared` once no risk rule blocks it."""

    request: DecisionRequest
    statistics: SessionStatistics | None = None
    hits: tuple[MemoryHit, ...] = ()
    prompt: Prompt | None = None
    cleared: bool = False


class Validator:
    """Answers an algorithm in its own process; a `domain.DecisionBackend`."""

    def __init__(self, settings: Settings, run_id: str, parts: Parts) -> None:
        """Put a validator together; most callers want `from_settings`."""
        self.settings = settings
        self.run_id = run_id
        self._parts = parts
        self._worker = CallWorker()
        self._reuse: AnswerReuse | None = None
        if settings.reasoning.mode == "every_n":
            self._reuse = AnswerReuse(settings.fusion.query_interval, settings.fusion.cache_decay_rate)
        self._verbose = settings.development.verbose_logging
        self._closed = False
        self._blocks = parts.gate.state()
        self._signals: SignalSource | None = None
        self._signals_loaded = False
        self.sources: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    @classmethod
    def from_settings(cls, settings: Any, run_id: str, **options: Any) -> Validator:
        """Make a validator from a configuration; `build_parts` documents the options.

        Args:
            settings: `Settings`, `Resolved`, a resolved JSON, a YAML file, or a mapping.
            run_id: The run that all its questions belong to.
            options: `store`, `memory`, `model`, `signal_source`, `meta_label`, `run_folder`, `live`.

        Raises:
            ConfigError: The configuration is wrong or asks for what is not here.
            ModelError: A model cannot be loaded.
        """
        from llm_plugin.settings import load_settings
        from llm_plugin.validator.build import build_parts

        checked = load_settings(settings)
        return cls(checked, run_id, build_parts(checked, run_id, **options))

    @property
    def model(self) -> LanguageModel | None:
        """The language model, None in the arms that ask none."""
        return None if self._parts.cache is None else self._parts.cache.model

    def refuse_lookahead(self, start_utc: datetime) -> None:
        """Refuse a run that starts before the data cutoff of one of its models, unless `signals.allow_lookahead`.

        Raises:
            LookaheadError: Names the models, the dates and the remedy.
        """
        refuse_lookahead(seen_data(self.settings), start_utc, self.settings.signals.allow_lookahead)

    def signal(self, market: MarketContext) -> Signal | None:
        """Return the configured signal model's signal for a bar, None where none is set.

        The model is loaded by the first call, for an algorithm with signals of its own never asks.

        Raises:
            ModelError: It cannot be loaded.
        """
        if not self._signals_loaded:
            self._signals, self._signals_loaded = self._parts.load_signals(), True
        return None if self._signals is None else self._signals.signal(market)

    def validate(self, request: DecisionRequest) -> Decision:
        """Answer one question; the answer is on disk before it is returned.

        A question that was answered before gets the same answer. A failure of any part gives a decision whose source is
        `fallback` and whose verdict follows `validator.on_failure`; an entry that could not be stored is vetoed.

        Raises:
            DataError: The question belongs to another run, or HOLD is not legal.
            LookaheadError: The memory was seeded with trades of this run's own time.
        """
        if request.run_id != self.run_id:
            raise DataError(f"question {request.decision_id} is of run {request.run_id}, this is {self.run_id}")
        known = self._parts.ledger.known(request.decision_id)
        if known is not None:
            return known
        if self._parts.recall is not None:
            self._parts.recall.check_seed(request)
        started = time.perf_counter()
        context = _Context(request)
        try:
            decision = self._answer(context)
        except Exception as error:
            decision = self._fallback(context, error)
        decision = replace(decision, latency_seconds=time.perf_counter() - started)
        decision = self._store(context, decision)
        self.sources[decision.source.value] += 1
        self._log(context, decision)
        return decision

    def record_outcome(self, outcome: Outcome) -> None:
        """Store an outcome exactly once, then let memory and session know it.

        Raises:
            DataError: It belongs to no decision of this run.
        """
        if outcome.run_id != self.run_id:
            raise DataError(f"outcome of {outcome.decision_id} is of run {outcome.run_id}, this is {self.run_id}")
        request = self._parts.ledger.request(outcome.decision_id)
        if not self._parts.ledger.record(outcome):
            return
        if request.kind is QuestionKind.ENTRY:
            self._parts.tracker.record(outcome, request)
        if self._parts.recall is not None:
            self._parts.recall.remember(request, outcome)

    def write_reasons(self, limit: int | None = None) -> int:
        """Let the model write the reasons of decisions that have none yet; call it off the decision's path.

        Returns:
            How many were written.
        """
        return 0 if self._parts.reasons is None else self._parts.reasons.write(limit)

    def health(self) -> dict[str, Any]:
        """Return counters: sources, failures by cause, risk vetoes by rule, cache, memory, backlog of the store."""
        parts = self._parts
        cache, recall = parts.cache, parts.recall
        return {
            "sources": dict(self.sources),
            "failures": dict(self.failures),
            "risk_vetoes": dict(parts.gate.vetoes),
            "risk_unavailable": dict(parts.gate.unavailable),
            "risk_failures": dict(parts.gate.failures),
            "cache_hits": 0 if cache is None else cache.hits,
            "cache_misses": 0 if cache is None else cache.misses,
            "memory": "none" if recall is None else recall.state,
            "memory_failures": 0 if recall is None else recall.failures,
            "store_failures": parts.ledger.failures,
            "store_backlog": parts.ledger.backlog,
        }

    def close(self) -> None:
        """Write what waits and release everything; idempotent.

        Raises:
            StoreUnavailable: Decisions or outcomes could not be written.
        """
        if self._closed:
            return
        self._closed = True
        self._worker.close()
        try:
            self._parts.ledger.drain()
        finally:
            for release in self._parts.on_close:
                release()

    def _answer(self, context: _Context) -> Decision:
        request, parts = context.request, self._parts
        problem = problem_of(request)
        if problem:
            raise ValueError(problem)
        parts.tracker.observe(request)
        statistics = parts.tracker.statistics(request.market.time_utc)
        arm = self.settings.validator.arm
        if arm in ("none", "random") or self.settings.validator.mode == "none":
            return self._by_arm(context, None)
        veto = parts.gate.check(request, statistics)
        self._keep_blocks()
        if veto is not None:
            return signal_decision(request, False, Source.RISK, confidence=1.0, risk_rule=veto.rule, reason=veto.reason)
        context.cleared = True
        if not request.market.ready:
            return self._unanswered(context, Source.WARMING, "features are warming up")
        if is_exit(request):
            return signal_decision(request, True, Source.RULE, fusion_rule="exit")
        if parts.recall is not None:
            context.hits = parts.recall.hits(request)
        context.statistics = statistics if self.settings.session.enabled else None
        if parts.arm is not None:
            return self._by_arm(context, context.statistics)
        return self._by_model(context, statistics)

    def _keep_blocks(self) -> None:
        """A restart must find the blocks in force as they were."""
        blocks = self._parts.gate.state()
        if blocks != self._blocks:
            self._parts.ledger.save_state(self.run_id, "risk", blocks)
            self._blocks = blocks

    def _by_arm(self, context: _Context, statistics: SessionStatistics | None) -> Decision:
        if self._parts.arm is None:
            raise ValueError(f"arm {self.settings.validator.arm!r} has no rule")
        if not context.request.market.ready and self.settings.validator.arm not in ("none", "random"):
            return self._unanswered(context, Source.WARMING, "features are warming up")
        return self._parts.arm(context.request, statistics, context.hits)

    def _by_model(self, context: _Context, statistics: SessionStatistics) -> Decision:
        request = context.request
        scores, source = self._scores(context)
        llm_action = choice(scores, self.settings.reasoning.tie_tolerance)
        fused = fuse(FusionInput(request, scores, llm_action, statistics), self.settings)
        fields: dict[str, Any] = {"memory_hits": tuple(hit.record.decision_id for hit in context.hits)}
        if context.prompt is not None:
            fields["prompt_hash"] = context.prompt.hash
        decision = fused_decision(request, scores, llm_action, fused, source, **fields)
        if decision.action.side and decision.action is not request.signal.action:
            return self._checked_again(context, decision, statistics)
        return decision

    def _checked_again(self, context: _Context, decision: Decision, statistics: SessionStatistics) -> Decision:
        """Fusion chose another side than the risk rules have seen: they judge that side too."""
        request = context.request
        other = replace(request, signal=replace(request.signal, action=decision.action))
        veto = self._parts.gate.check(other, statistics)
        if veto is None:
            return decision
        fields: dict[str, Any] = {"risk_rule": veto.rule, "reason": veto.reason, "prompt_hash": decision.prompt_hash}
        return signal_decision(request, False, Source.RISK, confidence=1.0, **fields)

    def _scores(self, context: _Context) -> tuple[ActionScores, Source]:
        cache, request = self._parts.cache, context.request
        if cache is None:
            raise ValueError("no language model is configured")
        if self._reuse is not None:
            known = self._reuse.find(request, cache.model.version)
            if known is not None:
                return known, Source.STALE
        text = "none"
        if self.settings.session.enabled:
            text = self._parts.tracker.section(request.market.time_utc, request)
        prompt = self._parts.renderer.render(request, context.statistics, context.hits, text)
        context.prompt = prompt
        timeout = self.settings.validator.timeout_seconds
        answers = self._worker.call(lambda: cache.score([prompt], [request.legal]), timeout)
        scores = checked_scores(answers, request.legal)
        if self._reuse is not None:
            self._reuse.keep(request, scores)
        return scores, Source.CACHE if scores.cached else Source.LLM

    def _fallback(self, context: _Context, error: Exception) -> Decision:
        cause = type(error).__name__
        self.failures[cause] += 1
        _LOG.warning("decision %s: %s: %s", context.request.decision_id, cause, error)
        return self._unanswered(context, Source.FALLBACK, f"{cause}: {error}")

    def _unanswered(self, context: _Context, source: Source, reason: str) -> Decision:
        """Nobody answered: entries by `on_failure`, and never past a risk rule that could not be asked."""
        request = context.request
        follow = self.settings.validator.on_failure == "follow_signal" and context.cleared
        fields: dict[str, Any] = {"reason": reason, "model_version": ""}
        if context.prompt is not None:
            fields["prompt_hash"] = context.prompt.hash
        if not math.isfinite(request.signal.confidence):
            fields["confidence"] = 0.0
        return signal_decision(request, follow, source, **fields)

    def _store(self, context: _Context, decision: Decision) -> Decision:
        text = context.prompt.text if context.prompt is not None and decision.prompt_hash else None
        try:
            self._parts.ledger.save(context.request, decision, text)
        except StoreUnavailable as error:
            self.failures["StoreUnavailable"] += 1
            if decision.kind is QuestionKind.ENTRY and decision.approved:
                reason = f"the decision could not be stored, so no order may follow: {error}"
                decision = decide(
                    context.request,
                    Action.HOLD,
                    Source.FALLBACK,
                    reason=reason,
                    latency_seconds=decision.latency_seconds,
                )
            self._parts.ledger.defer(context.request, decision)
        return decision

    def _log(self, context: _Context, decision: Decision) -> None:
        logging_, level = self.settings.logging, logging.DEBUG if self._verbose else logging.INFO
        base = {"decision_id": decision.decision_id, "verdict": decision.verdict.value, "source": decision.source.value}
        if (logging_.log_llm_queries or self._verbose) and context.prompt is not None:
            shares = dict(decision.action_probabilities)
            _emit(level, "llm_query", {**base, "prompt": context.prompt.text, "probabilities": shares})
        if (logging_.log_decision_fusion or self._verbose) and decision.fusion_rule:
            sides = {"signal": decision.signal_action.value, "signal_confidence": decision.signal_confidence}
            llm = {"llm": decision.llm_action and decision.llm_action.value, "llm_confidence": decision.llm_confidence}
            _emit(level, "fusion", {**base, **sides, **llm, "rule": decision.fusion_rule})
        if (logging_.log_risk_veto or self._verbose) and decision.source is Source.RISK:
            _emit(level, "risk_veto", {**base, "rule": decision.risk_rule, "reason": decision.reason})
        if logging_.log_latency or self._verbose:
            _emit(level, "latency", {**base, "seconds": round(decision.latency_seconds, 6)})


def _emit(level: int, event: str, fields: dict[str, Any]) -> None:
    _LOG.log(level, "%s", json.dumps({"event": event, **fields}, default=str))
