"""The two parts of a planted market: training knows only the first, questions only what has happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_plugin.bootstrap.market_rows import SignalEvents, market_rows
from llm_plugin.features.catalog import market_feature_names
from llm_plugin.features.reference import market_features
from llm_plugin.proofs.planted_market import PlantedMarket, Question, questions_on, trading_days, training_rows


def test_training_knows_nothing_of_the_second_part(market: PlantedMarket, questions: list[Question]) -> None:
    rows = training_rows(market)
    signals = [row for row in rows if row.is_signal]
    assert len(signals) > 100
    assert max(row.closed_utc for row in rows) <= market.cutoff_utc
    assert min(q.request.market.time_utc for q in questions) > market.cutoff_utc


def test_training_outcomes_are_the_truth_of_the_market(market: PlantedMarket) -> None:
    truth = {row["time_utc"]: row["r"] for row in market.manifest.signals}
    for row in training_rows(market):
        if row.is_signal:
            assert row.net_r == pytest.approx(truth[f"{row.time_utc:%Y-%m-%dT%H:%M:%SZ}"], abs=1e-4)


def test_a_question_is_what_training_would_have_shown(market: PlantedMarket, questions: list[Question]) -> None:
    """Serving and training render from the same request: account, ids and who signalled aside."""
    bars: object = market.bars
    signals = SignalEvents(
        bar=np.array([q.bar for q in questions]),
        side=np.array([q.request.signal.action.side for q in questions]),
        confidence=np.full(len(questions), 0.5),
        stop=np.array([q.request.exit.stop for q in questions if q.request.exit]),
        target=np.array([q.request.exit.target for q in questions if q.request.exit], dtype=np.float64),
    )
    rows = market_rows(
        market.bars,  # type: ignore[arg-type]
        market_features(bars),
        market_feature_names(),
        signals,
        market.instrument,
        policy=market.policy,
        context_stride=0,
    )
    assert len(rows) >= len(questions) - 1 > 100
    for row, question in zip(rows, questions, strict=False):
        trained, asked = row.request, question.request
        same = {"decision_id": "", "run_id": "", "account": asked.account}
        signal = replace(trained.signal, source="planted")
        assert replace(trained, signal=signal, **same) == replace(asked, **same)  # type: ignore[arg-type]


def test_questions_are_the_markets_signals_and_their_context(market: PlantedMarket, questions: list[Question]) -> None:
    truth = [row for row in market.manifest.signals if row["index"] >= market.half]
    assert [(q.bar, q.context) for q in questions][: len(truth)] == [(row["index"], row["context"]) for row in truth]
    assert len(questions) - len(truth) in (0, 1)


def test_questions_do_not_change_when_the_future_is_cut_off(market: PlantedMarket, questions: list[Question]) -> None:
    last = questions[30].bar
    assert questions_on(market, market.bars.take(slice(0, last + 1))) == questions[:31]


def test_days_are_those_of_the_second_part(market: PlantedMarket) -> None:
    days = trading_days(market.bars, market.half)
    assert days == sorted(set(days))
    assert days[0] == f"{market.bars.bar(market.half).end_utc:%Y-%m-%d}"
    assert days[-1] == f"{market.bars.bar(-1).end_utc:%Y-%m-%d}"
    assert len(days) == pytest.approx(len(market.bars) / 2 / 24 * 7 / 6, rel=0.1)
