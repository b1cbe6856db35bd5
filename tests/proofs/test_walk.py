"""The walk is live: outcomes come when trades close, and a backend that knows more is found out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from proof_fakes import Peeking, Taking

from llm_plugin.data.bars import PriceBars
from llm_plugin.domain import DecisionRequest, Outcome, OutcomeKind
from llm_plugin.errors import DataError
from llm_plugin.proofs.planted_market import PlantedMarket, Question, questions_on
from llm_plugin.proofs.walk import Answer, AuditedBackend, PointInTime, check_point_in_time, walk


def asked(market: PlantedMarket, questions: list[Question], backend: Any) -> list[Answer]:
    return walk(backend, questions, market.bars, policy=market.policy, tick_size=market.instrument.tick_size)


def test_outcomes_are_recorded_after_their_close_and_before_the_next_question(
    market: PlantedMarket, questions: list[Question]
) -> None:
    backend = Taking()
    asked(market, questions, backend)
    now, seen = None, 0
    for kind, item in backend.log:
        if kind == "question":
            now = item.market.time_utc
            closed = [o for k, o in backend.log[: backend.log.index((kind, item))] if k == "outcome"]
            assert all(outcome.closed_utc <= now for outcome in closed)
            seen += len(closed)
    assert seen > 1_000
    realised = [o for k, o in backend.log if k == "outcome" and o.kind is OutcomeKind.REALISED]
    assert len(realised) == len({outcome.decision_id for outcome in realised}) >= len(questions) - 1


def test_net_r_is_the_truth_of_the_market(market: PlantedMarket, questions: list[Question]) -> None:
    truth = [row["r"] for row in market.manifest.signals if row["index"] >= market.half]
    found = [answer.net_r for answer in asked(market, questions, Taking())]
    assert np.allclose(found[: len(truth)], truth, atol=1e-4)
    assert np.isnan(found[len(truth) :]).all()


class Vetoing(Taking):
    """Vetoes the short ones."""

    def takes(self, request: DecisionRequest) -> bool:
        return request.signal.action.side > 0


def test_vetoes_come_back_as_shadows_and_approvals_as_trades(market: PlantedMarket, questions: list[Question]) -> None:
    backend = Vetoing()
    answers = asked(market, questions[:40], backend)
    trades = [o for k, o in backend.log if k == "outcome" and o.action.side]
    kinds = {o.decision_id: o.kind for o in trades if o.kind is not OutcomeKind.REPLAY}
    for answer in answers:
        wanted = OutcomeKind.REALISED if answer.decision.approved else OutcomeKind.SHADOW
        assert kinds[answer.decision.decision_id] is wanted
    taken = {o.decision_id for o in trades if o.taken}
    assert taken == {a.decision.decision_id for a in answers if a.decision.approved}


def test_the_account_shows_closed_trades_that_were_taken(market: PlantedMarket, questions: list[Question]) -> None:
    backend = Vetoing()
    answers = asked(market, questions[:40], backend)
    equity = 100_000.0
    requests = [item for kind, item in backend.log if kind == "question"]
    for place, request in enumerate(requests):
        assert request.account.equity == pytest.approx(equity)
        assert request.account.peak_equity >= request.account.equity
        if answers[place].decision.approved:
            equity *= 1 + 0.01 * answers[place].net_r


def _outcome(market: PlantedMarket, questions: list[Question]) -> Outcome:
    backend = Taking()
    asked(market, questions[:2], backend)
    return next(item for kind, item in backend.log if kind == "outcome" and item.action.side)


def test_an_outcome_before_its_time_is_refused(market: PlantedMarket, questions: list[Question]) -> None:
    outcome = _outcome(market, questions)
    backend = Taking()
    audited = AuditedBackend(backend)
    audited.at(outcome.closed_utc - timedelta(hours=1))
    with pytest.raises(DataError, match=f"{outcome.decision_id} closes at .* would show the future"):
        audited.record_outcome(outcome)
    assert backend.log == []
    audited.at(outcome.closed_utc)
    audited.record_outcome(outcome)
    assert backend.log == [("outcome", outcome)]


def test_questions_out_of_their_time_are_refused(market: PlantedMarket, questions: list[Question]) -> None:
    audited = AuditedBackend(Taking())
    audited.at(questions[1].request.market.time_utc)
    with pytest.raises(DataError, match=questions[0].request.decision_id):
        audited.validate(questions[0].request)
    with pytest.raises(DataError, match="the walk went back"):
        audited.at(questions[0].request.market.time_utc)
    with pytest.raises(DataError, match="the walk went back"):
        asked(market, [questions[1], questions[0]], Taking())


def check(market: PlantedMarket, questions: list[Question], make: Any, ask_on: Any = None) -> PointInTime:
    answers = asked(market, questions, make(market.bars))
    return check_point_in_time(
        make,
        answers,
        ask_on or (lambda bars: questions_on(market, bars)),
        market.bars,
        policy=market.policy,
        tick_size=market.instrument.tick_size,
        decisions=60,
        cuts=12,
    )


def test_an_honest_backend_decides_the_same_without_a_future(market: PlantedMarket, questions: list[Question]) -> None:
    found = check(market, questions, lambda bars: Vetoing())
    assert len(found.checked) == 12
    assert max(found.checked) == 59
    assert found.changed == ()


def test_a_backend_that_sees_outcomes_early_is_found_out(market: PlantedMarket, questions: list[Question]) -> None:
    answers = asked(market, questions, Peeking(market.bars))
    mean = np.nanmean([a.net_r for a in answers if a.decision.approved])
    assert mean > 0.5, "the offender must gain by it, or the test shows nothing"
    assert check(market, questions, Peeking).changed


def test_questions_that_see_the_future_are_found_out(market: PlantedMarket, questions: list[Question]) -> None:
    """A feature that is scaled by the whole series, as a careless normalisation does."""

    def ask_on(bars: PriceBars) -> list[Question]:
        mean = float(bars.close.mean())
        return [_scaled(question, mean) for question in questions_on(market, bars)]

    class Reading(Taking):
        def takes(self, request: DecisionRequest) -> bool:
            return request.market.features["careless"] > 0

    leaky = ask_on(market.bars)
    assert check(market, leaky, lambda bars: Reading(), ask_on).changed


def _scaled(question: Question, mean: float) -> Question:
    market = question.request.market
    features = {**market.features, "careless": market.price - mean}
    return replace(question, request=replace(question.request, market=replace(market, features=features)))
