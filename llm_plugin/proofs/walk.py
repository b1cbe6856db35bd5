"""Questions in the order of time, as live: bars arrive, trades close, outcomes are recorded, the next signal is asked.

The walk holds the bars, the backend does not. A trade's outcome comes from the same follower of replays as inside
LEAN, fed one bar at a time, so that it cannot exist before its last bar. `AuditedBackend` refuses what would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from llm_plugin.data.bars import PriceBars
from llm_plugin.domain import AccountState, Decision, DecisionRequest, ExitReason, Outcome, OutcomeKind
from llm_plugin.errors import DataError
from llm_plugin.lean.replays import FollowedReplay, ReplayDesk
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay_entry import EntryFill
from llm_plugin.proofs.planted_market import START_EQUITY, Question

__all__ = ["Answer", "AuditedBackend", "Backend", "PointInTime", "check_point_in_time", "walk"]

RISK_FRACTION = 0.01


class Backend(Protocol):
    """What answers; a `Validator` is one."""

    def validate(self, request: DecisionRequest) -> Decision:
        """Answer one question."""

    def record_outcome(self, outcome: Outcome) -> None:
        """Take in one outcome."""


@dataclass(slots=True)
class Answer:
    """One decision and what the signal's action led to, NaN where the bars end before the trade does."""

    question: Question
    decision: Decision
    net_r: float = math.nan
    closed_utc: datetime | None = None


class AuditedBackend:
    """Passes on to a backend and refuses whatever comes before its time."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._now: datetime | None = None

    def at(self, now: datetime) -> None:
        """Move the clock.

        Raises:
            DataError: It would go back.
        """
        if self._now is not None and now < self._now:
            raise DataError(f"the walk went back from {self._now.isoformat()} to {now.isoformat()}")
        self._now = now

    def validate(self, request: DecisionRequest) -> Decision:
        """Answer a question of this moment.

        Raises:
            DataError: It is of another one.
        """
        if request.market.time_utc != self._now:
            raise DataError(f"question {request.decision_id} is of {request.market.time_utc}, but it is {self._now}")
        return self._backend.validate(request)

    def record_outcome(self, outcome: Outcome) -> None:
        """Record what has closed.

        Raises:
            DataError: It closes later.
        """
        if self._now is None or outcome.closed_utc > self._now:
            raise DataError(
                f"the outcome of {outcome.decision_id} closes at {outcome.closed_utc.isoformat()}, "
                f"but it is {self._now}: recording it now would show the future"
            )
        self._backend.record_outcome(outcome)


class _Account:
    """One percent of the balance at risk per trade, changed when trades close."""

    def __init__(self) -> None:
        self.equity = self.peak = START_EQUITY

    def book(self, result_r: float) -> None:
        self.equity *= 1 + RISK_FRACTION * result_r
        self.peak = max(self.peak, self.equity)

    @property
    def state(self) -> AccountState:
        return AccountState(self.equity, self.peak, self.equity, START_EQUITY)


class _Walk:
    def __init__(self, backend: Backend, bars: PriceBars, policy: ExitPolicy, tick_size: float) -> None:
        self.backend = AuditedBackend(backend)
        self.bars, self.tick_size = bars, tick_size
        self.desk = ReplayDesk(policy, self.on_outcome)
        self.account = _Account()
        self.answers: dict[str, Answer] = {}
        self.next_bar = 0

    def on_outcome(self, outcome: Outcome, _: FollowedReplay) -> None:
        if outcome.exit_reason is ExitReason.END_OF_DATA:
            return
        self.backend.record_outcome(outcome)
        if not outcome.action.side:
            return
        answer = self.answers[outcome.decision_id]
        answer.net_r, answer.closed_utc = outcome.r_multiple, outcome.closed_utc
        if answer.decision.approved:
            self.backend.record_outcome(replace(outcome, kind=OutcomeKind.REALISED, taken=True))
            self.account.book(outcome.r_multiple * answer.decision.size_multiplier)

    def advance(self, last: int) -> None:
        """Let the bars up to an index arrive."""
        for index in range(self.next_bar, last + 1):
            if any(self.desk.open.values()):
                bar = self.bars.bar(index)
                self.backend.at(bar.end_utc)
                self.desk.on_bar(self.symbol_id, bar, market_open=True)
        self.next_bar = max(self.next_bar, last + 1)

    def ask(self, question: Question) -> None:
        self.symbol_id = question.request.market.symbol_id
        if self.next_bar == 0:
            self.next_bar = question.bar + 1
        self.advance(question.bar)
        request = replace(question.request, account=self.account.state)
        self.backend.at(request.market.time_utc)
        decision = self.backend.validate(request)
        self.answers[decision.decision_id] = Answer(question, decision)
        atr = request.market.features.get("atr_fraction_14", math.nan) * request.market.price
        self.desk.follow(request, decision, Costs(), EntryFill.QUOTE, 1.0, atr, self.tick_size)


def walk(
    backend: Backend,
    questions: Sequence[Question],
    bars: PriceBars,
    *,
    policy: ExitPolicy,
    tick_size: float,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> list[Answer]:
    """Ask every question in turn; outcomes are recorded when their trade has closed.

    Args:
        backend: Who answers.
        questions: In the order of time.
        bars: The market; the backend never sees it.
        policy: Rules that move stops.
        tick_size: Of order prices.
        on_progress: Called with the fraction done.

    Raises:
        DataError: Questions are out of order, or an outcome came before its time.
    """
    moving = _Walk(backend, bars, policy, tick_size)
    for place, question in enumerate(questions):
        moving.ask(question)
        on_progress((place + 1) / len(questions))
    moving.advance(len(bars) - 1)
    return list(moving.answers.values())


@dataclass(frozen=True, slots=True)
class PointInTime:
    """Places whose decision was asked again on a market that ends there, and those that came out otherwise."""

    checked: tuple[int, ...]
    changed: tuple[int, ...]


def check_point_in_time(
    make_backend: Callable[[PriceBars], Backend],
    answers: Sequence[Answer],
    ask_on: Callable[[PriceBars], list[Question]],
    bars: PriceBars,
    *,
    policy: ExitPolicy,
    tick_size: float,
    decisions: int,
    cuts: int,
) -> PointInTime:
    """Ask the first decisions again on markets that end at one of them: nothing may change.

    Args:
        make_backend: Makes a fresh backend; it is given all bars that exist, which an honest one has no use for.
        answers: What it answered with the whole market.
        ask_on: Makes the questions of the second part from bars.
        bars: The whole market.
        policy: As in `walk`.
        tick_size: As in `walk`.
        decisions: The last cut lies at this decision.
        cuts: Markets are cut at so many of them; the last decision of each is the one with an unknown future.
    """
    last = min(decisions, len(answers)) - 1
    places = sorted({round(last * (step + 1) / cuts) for step in range(cuts)})
    known = bars.take(slice(0, answers[last].question.bar + 1))
    questions = ask_on(known)
    changed = []
    for place in places:
        until = bars.take(slice(0, questions[place].bar + 1))
        again = walk(make_backend(until), questions[: place + 1], until, policy=policy, tick_size=tick_size)
        pairs = zip(answers[: place + 1], again, strict=True)
        if any(_essence(first.decision) != _essence(second.decision) for first, second in pairs):
            changed.append(place)
    return PointInTime(tuple(places), tuple(changed))


def _essence(decision: Decision) -> tuple[object, ...]:
    return (
        decision.decision_id,
        decision.action,
        decision.verdict,
        decision.size_multiplier,
        round(decision.confidence, 3),
        decision.prompt_hash,
        decision.memory_hits,
    )
