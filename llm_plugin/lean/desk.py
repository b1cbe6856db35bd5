"""The desk: everything both styles share. It asks, records, and keeps the ledger of what became of each question.

One desk serves one algorithm. `LLMPlugin` (classic) and `LLMValidatedAlphaModel` (framework) are thin shells over it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_plugin.domain import (
    Action,
    Decision,
    DecisionBackend,
    DecisionRequest,
    ExitPlan,
    MarketContext,
    Outcome,
    PriceBar,
    QuestionKind,
    Signal,
    Source,
)
from llm_plugin.errors import ConfigError, DataError, LeanLlmError, ModelError, RecordError
from llm_plugin.lean.answers import illegal_answer
from llm_plugin.lean.backend import local_decision, make_backend
from llm_plugin.lean.compat import local_to_utc, named_zone, utc_now
from llm_plugin.lean.config import LeanConfig
from llm_plugin.lean.context import AccountWatch, default_plan, market_context, position_state
from llm_plugin.lean.features import Feed, FeedHub
from llm_plugin.lean.identity import RECORDED_DATA, Identity, resolve_run_id
from llm_plugin.lean.ledger import Asked, Ledger, market_open
from llm_plugin.lean.record import RecordedBackend
from llm_plugin.lean.recorder import DecisionRecorder
from llm_plugin.outcomes.exits import validate_plan

__all__ = ["Desk"]

REPORT_NAME = "lean_side.json"
ASKED = (Source.LLM, Source.CACHE, Source.STALE)


class Desk:
    """Questions, records and the ledger of one algorithm.

    Args:
        algorithm: The running LEAN algorithm.
        config: Resolved configuration.
        backend: Who answers; made from the configuration where not given.
        signal_exits: Whether the algorithm's own exits end the replay of a taken trade (classic style), or only
            insights and the exit plan do (framework style).
    """

    def __init__(
        self,
        algorithm: Any,
        config: LeanConfig,
        backend: DecisionBackend | None = None,
        *,
        signal_exits: bool = True,
    ) -> None:
        self.algorithm = algorithm
        self.config = config
        folder = algorithm.get_parameter("llm-run-dir")
        self.run_folder = Path(str(folder)) if folder else None
        run_id = resolve_run_id(algorithm, config.fingerprint)
        self.backend = backend or make_backend(algorithm, config, run_id, self.run_folder)
        self.recording = isinstance(self.backend, RecordedBackend)
        self.identity = Identity(getattr(self.backend, "run_id", "") or run_id)
        store = algorithm.object_store if self.run_folder is None else None
        resume = bool(algorithm.live_mode)
        self.recorder = DecisionRecorder(self.run_folder, store, self.identity.run_id, resume=resume)
        self.counts: Counter[str] = Counter()
        self.account = AccountWatch(algorithm)
        self.hub = FeedHub(
            algorithm,
            config.get("features.resolution"),
            int(config.get("outcomes.exit.atr_period")),
            self._on_bar,
            None if self.recording else _feature_engine,
            config.get("features.user"),
        )
        self.ledger = Ledger(
            algorithm,
            config,
            self.hub.feeds,
            self.counts,
            self._publish,
            self.changed,
            signal_exits=signal_exits,
        )
        self.last_signal: dict[str, Signal] = {}
        self.overruled: set[str] = set()
        self.on_change: Callable[[], None] | None = None
        self.before_first: Callable[[], None] | None = None
        self.seen: dict[str, datetime] = {}
        self._unchecked, self._ended = True, False
        self._following = self._dirty = False

    # -- questions ---------------------------------------------------------------------------------------------------

    def signal(self, symbol: Any) -> Signal | None:
        """Return the signal model's answer for a symbol's last completed bar; None while warming up or without one."""
        feed = self.hub.get(symbol)
        if not feed.ready or self.algorithm.is_warming_up:
            return None
        market = market_context(self.algorithm, feed)
        answer = self.backend.signal(market)
        if answer is not None:
            self.last_signal[feed.symbol_id] = answer
            self.recorder.signal(answer, market.time_utc)
        return answer

    def ask_entry(
        self,
        symbol: Any,
        action: Action,
        confidence: float,
        exit_plan: ExitPlan | None = None,
        *,
        source: str = "user",
        group: str | None = None,
    ) -> Asked:
        """Ask whether an entry should be taken; `settle` records the answer and follows it.

        Raises:
            DataError: The action opens nothing, the confidence is no probability, or the plan is impossible.
        """
        if not action.side:
            raise DataError(f"an entry question needs BUY or SELL, not {action.value}")
        if not 0 <= confidence <= 1:
            raise DataError(f"confidence {confidence!r} of {symbol} is no probability: give a number from 0 to 1")
        self.begin()
        feed = self.hub.get(symbol)
        self.ledger.orders.poll()
        market = market_context(self.algorithm, feed)
        plan = exit_plan or default_plan(feed, action.side, self.ledger.policy)
        if exit_plan is not None:
            validate_plan(action.side, market.price, exit_plan)
        signal = Signal(feed.symbol_id, feed.ticker, utc_now(self.algorithm), action, confidence, source, group)
        request = self._request(feed, QuestionKind.ENTRY, signal, market, (action, Action.HOLD), plan)
        return Asked(request, self._answer(request), feed.atr.value)

    def settle(self, asked: Asked) -> Decision:
        """Record an answered entry question and follow it; a group's legs are settled once the group is known."""
        decision = asked.decision
        self.counts[f"entry_{decision.verdict.value}"] += 1
        self.counts[f"source_{decision.source.value}"] += 1
        self.ledger.follow(asked)
        self.changed()
        self.recorder.decision(asked.request, decision)  # a restart finds in the state what the record lacks
        return decision

    def ask_position(self, feed: Feed, bar: PriceBar) -> Decision | None:
        """Ask what to do with a position whose orders the plugin manages, where a question is due."""
        bracket = self.ledger.brackets.brackets.get(feed.symbol_id)
        if bracket is None or bracket.closing or not self._due(feed):
            return None
        if feed.resolution != "daily" and not market_open(feed):
            return None  # nothing could be done at once: the next bar is early enough
        managed = bracket.managed
        legal = [Action.HOLD]
        if not managed.at_break_even:
            legal.append(Action.MOVE_TO_BE)
        legal.append(Action.DISABLE_TRAIL if managed.trailing else Action.ENABLE_TRAIL)
        legal.append(Action.SELL if bracket.side > 0 else Action.BUY)
        now = utc_now(self.algorithm)
        known = self.last_signal.get(feed.symbol_id)
        signal = known or Signal(feed.symbol_id, feed.ticker, now, Action.HOLD, 0.0, "none")
        plan = ExitPlan(managed.stop, bracket.target)
        market = market_context(self.algorithm, feed)
        request = self._request(feed, QuestionKind.POSITION, replace(signal, time_utc=now), market, tuple(legal), plan)
        decision = self._answer(request)
        self.recorder.decision(request, decision)
        self.counts["position_questions"] += 1
        self.ledger.replays.fork(bracket.decision_id, request, decision, market_open(feed))
        self.ledger.brackets.apply(feed.symbol_id, decision.action, bar)
        bracket.bars_since_question = 0
        bracket.asked_state = self._state_key(feed)
        self.changed()
        return decision

    def close_request(self, symbol: Any, action: Action, confidence: float) -> DecisionRequest:
        """Describe the algorithm's own wish to close, which nobody is asked about."""
        feed = self.hub.get(symbol)
        market = market_context(self.algorithm, feed)
        signal = Signal(feed.symbol_id, feed.ticker, utc_now(self.algorithm), action, confidence)
        return self._request(feed, QuestionKind.POSITION, signal, market, (action, Action.HOLD), None)

    def enter(self, decision: Decision, quantity: float) -> Any:
        """Send the market order of an approved entry and let the plugin manage stop, target and timeout.

        Args:
            decision: An approved decision of this run.
            quantity: Size before the decision's multiplier; its sign does not matter.

        Returns:
            LEAN's order ticket, None where the multiplier leaves less than one lot.

        Raises:
            DataError: The decision was vetoed, is not known, or has no exit plan.
        """
        asked = self.ledger.asked.get(decision.decision_id)
        if not decision.approved or asked is None or asked.request.exit is None:
            verdict = decision.verdict.value
            raise DataError(
                f"decision {decision.decision_id} ({verdict}) cannot be entered: it was vetoed or has no plan"
            )
        if decision.symbol_id in self.ledger.brackets.brackets:
            raise DataError(
                f"{asked.request.market.ticker} already has a managed position: close it before entering again"
            )
        signed = decision.action.side * decision.quantity(abs(quantity))
        if signed == 0:
            return None
        asked.managed = True
        self.changed()  # before the order: a restart must know whose stop is missing
        symbol = self.hub.feeds[decision.symbol_id].symbol
        ticket = self.algorithm.market_order(symbol, signed, tag=decision.tag)
        self.ledger.orders.poll()
        return ticket

    # -- what happens ------------------------------------------------------------------------------------------------

    def changed(self) -> None:
        """Something open has changed: the state is saved."""
        if self._following:  # saved once the bar is followed whole: a restart follows it again, or not at all
            self._dirty = True
        elif self.on_change is not None:
            self.on_change()

    def end(self) -> None:
        """Close the books: the run is over. Idempotent."""
        if not self._ended:
            self._ended = True
            if self.algorithm.live_mode:  # what is open goes on with the next process
                self.changed()
            else:
                self.ledger.end()
            self.recorder.close()
            if self.run_folder is not None:
                text = json.dumps(self.report(), indent=1) + "\n"
                (self.run_folder / REPORT_NAME).write_text(text, encoding="utf-8")
            write = getattr(self.backend, "write_reasons", None)
            if write is not None and self.config.get("reasoning.reasons") == "after_run":
                write()  # a model in this process says why, now that nothing waits for it
            self.backend.close()

    def report(self) -> dict[str, Any]:
        """Return what the LEAN side counted."""
        books = self.ledger.books.values()
        return {
            "run_id": self.identity.run_id,
            **dict(sorted(self.counts.items())),
            "rebalancing_fills": sum(book.rebalancing_fills for book in books),
            "unvalidated_fills": sum(book.unvalidated_fills for book in books),
            "double_fills": self.ledger.brackets.double_fills,
            "refused_stops": self.ledger.brackets.failed_stops,
            "replay_error_r_max": max(self.ledger.replay_errors.values(), default=None),
            "open_positions": sum(1 for book in books if book.lots),
        }

    def begin(self) -> None:
        """Do what has to wait until LEAN knows holdings and open orders: it reads them after `initialize`."""
        if self._unchecked:
            self._unchecked = False
            self._refuse_lookahead()
        first, self.before_first = self.before_first, None
        if first is not None:
            first()

    def _refuse_lookahead(self) -> None:
        """Let a model in this process refuse days that it was trained on; the start is final after `initialize`."""
        check = getattr(self.backend, "refuse_lookahead", None)
        recorded = self.algorithm.get_parameter(RECORDED_DATA) == "true"
        if check is not None and (recorded or not self.algorithm.live_mode):
            check(local_to_utc(self.algorithm.start_date, named_zone(self.algorithm.time_zone)))

    def _on_bar(self, feed: Feed, bar: PriceBar) -> None:
        if self.algorithm.live_mode and self.algorithm.is_warming_up:
            return  # an earlier process has followed these bars
        if self._unchecked or self.before_first is not None:
            self.begin()
        self.account.observe()
        for missed in feed.take_missed(bar.end_utc):
            self.follow_bar(feed, missed)
        if self.follow_bar(feed, bar) and feed.symbol_id in self.ledger.brackets.brackets:
            self.ask_position(feed, bar)

    def follow_bar(self, feed: Feed, bar: PriceBar) -> bool:
        """Let everything that is open see a bar, once; False if an earlier process has shown it."""
        if self.on_change is None:
            self.ledger.on_bar(feed, bar)
            return True
        if feed.symbol_id in self.seen and bar.end_utc <= self.seen[feed.symbol_id]:
            return False
        self._following = True
        try:
            self.ledger.on_bar(feed, bar)
        finally:
            self._following = False
        self.seen[feed.symbol_id] = bar.end_utc
        if self._dirty or self.ledger.is_open(feed.symbol_id):
            self._dirty = False
            self.on_change()
        return True

    def _publish(self, outcome: Outcome) -> None:
        self.counts[f"outcomes_{outcome.kind.value}"] += 1
        self.recorder.outcome(outcome)
        if outcome.decision_id not in self.overruled:
            try:
                self.backend.record_outcome(outcome)
            except LeanLlmError as error:  # it stands in decisions.jsonl; a running position is no place to stop
                self.counts["backend_errors"] += 1
                self.algorithm.error(f"outcome of {outcome.decision_id} was not stored: {error}")
        self.changed()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _request(
        self,
        feed: Feed,
        kind: QuestionKind,
        signal: Signal,
        market: MarketContext,
        legal: tuple[Action, ...],
        plan: ExitPlan | None,
    ) -> DecisionRequest:
        identifier, sequence = self.identity.next(feed.symbol_id, market.time_utc, kind)
        bracket = self.ledger.brackets.brackets.get(feed.symbol_id)
        bars_held = self.ledger.bars_held(feed.symbol_id)
        return DecisionRequest(
            decision_id=identifier,
            run_id=self.identity.run_id,
            kind=kind,
            sequence=sequence,
            signal=signal,
            market=market,
            position=position_state(self.algorithm, feed, bracket, bars_held),
            account=self.account.state(),
            legal=legal,
            exit=plan,
        )

    def _answer(self, request: DecisionRequest) -> Decision:
        """Get the backend's answer; what is broken, illegal or given while warming up is overruled by `on_failure`."""
        try:
            decision = self.backend.validate(request)
        except (RecordError, ConfigError, ModelError):
            raise
        except Exception as error:
            self.counts["backend_errors"] += 1
            self.algorithm.error(f"validator failed, verdict by on_failure: {type(error).__name__}: {error}")
            return self._overrule(request, Source.FALLBACK, "on_failure", f"{type(error).__name__}: {error}")
        if not request.market.ready and decision.source in ASKED:
            return self._overrule(request, Source.WARMING, "warming", "features are warming up")
        problem = illegal_answer(request, decision)
        if problem:
            self.counts["illegal_answers"] += 1
            self.algorithm.error(f"validator's answer is refused: {problem}")
            return self._overrule(request, Source.FALLBACK, "illegal_answer", problem)
        return decision

    def _overrule(self, request: DecisionRequest, source: Source, rule: str, reason: str) -> Decision:
        """Decide by `on_failure`; the backend does not know of this decision, so it is not told its outcomes."""
        self.overruled.add(request.decision_id)
        follow = self.config.get("validator.on_failure") == "follow_signal"
        return local_decision(request, source, approve=follow, rule=rule, reason=reason)

    def _due(self, feed: Feed) -> bool:
        bracket = self.ledger.brackets.brackets[feed.symbol_id]
        key = self._state_key(feed)
        if not bracket.asked_state:
            bracket.asked_state = key
        if bracket.bars_since_question < 1:
            return False
        selective = self.config.get("fusion.use_selective_querying")
        interval = int(self.config.get("fusion.query_interval")) if selective else 1
        return bracket.bars_since_question >= interval or bracket.asked_state != key

    def _state_key(self, feed: Feed) -> tuple[bool, ...]:
        """What makes a question due before its time: how the stop stands, and a signal against the position."""
        bracket = self.ledger.brackets.brackets.get(feed.symbol_id)
        if bracket is None:
            return ()
        known = self.last_signal.get(feed.symbol_id)
        against = known is not None and known.action.side == -bracket.side
        return (bracket.managed.at_break_even, bracket.managed.trailing, against)


def _feature_engine(resolution: str) -> Any:
    from llm_plugin.features import FeatureEngine

    return FeatureEngine(resolution)
