"""The fixed transform from a question to 64 numbers."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from llm_plugin.domain import (
    AccountState,
    Action,
    DecisionRequest,
    ExitPlan,
    MarketContext,
    PositionState,
    QuestionKind,
    Signal,
    from_jsonable,
    to_jsonable,
)
from llm_plugin.errors import ConfigError
from llm_plugin.features import MARKET_FEATURES
from llm_plugin.memory import VectorTransform
from llm_plugin.memory.vector import DIRECTIONAL, SYMMETRIC

WHEN = datetime(2015, 1, 5, 12, tzinfo=UTC)


def question(action: Action = Action.BUY, **features: float) -> DecisionRequest:
    """A question with all features of the observation, or the given ones."""
    rng = np.random.default_rng(4)
    every = {name: float(rng.normal()) for name in MARKET_FEATURES} | {"atr_fraction_14": 0.002}
    given = features or every
    signal = Signal("X", "X", WHEN, action, 0.65)
    market = MarketContext("X", "X", "oanda", "forex", WHEN, "hour", 1.2, 1.2, 1.2, given)
    side = action.side
    plan = ExitPlan(1.2 - side * 0.005, 1.2 + side * 0.0075, timedelta(hours=48))
    account = AccountState(1.0, 1.0, 1.0, 1.0)
    return DecisionRequest(
        "d", "r", QuestionKind.ENTRY, 0, signal, market, PositionState(), account, (action, Action.HOLD), plan
    )


def test_every_feature_of_the_transform_exists() -> None:
    names = [*DIRECTIONAL, *SYMMETRIC]
    assert len(names) == 60
    assert set(names) <= set(MARKET_FEATURES)


def test_vector_has_length_one_and_is_the_same_every_time() -> None:
    first, second = VectorTransform()(question()), VectorTransform()(question())
    assert first.shape == (64,)
    assert first.dtype == np.float32
    assert float(np.linalg.norm(first)) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(first, second)


def test_question_read_back_from_the_store_has_the_same_vector() -> None:
    asked = question()
    stored = from_jsonable(DecisionRequest, json.loads(json.dumps(to_jsonable(asked))))
    np.testing.assert_array_equal(VectorTransform()(stored), VectorTransform()(asked))


def test_short_in_the_mirrored_market_differs_from_the_long_in_its_side_alone() -> None:
    long = question()
    features = {
        name: 2 * DIRECTIONAL[name][0] - value if name in DIRECTIONAL else value
        for name, value in long.market.features.items()
    }
    market = dataclasses.replace(long.market, features=features)
    short = dataclasses.replace(question(Action.SELL), market=market)
    transform = VectorTransform()
    first, second = transform(long), transform(short)
    assert first[0] == -second[0] > 0
    np.testing.assert_allclose(first[1:], second[1:], atol=1e-7)


def test_unavailable_features_count_as_average_and_infinite_ones_too() -> None:
    transform = VectorTransform()
    nothing = transform(question(rsi_14=50.0))
    for value in (math.nan, math.inf, None):
        np.testing.assert_array_equal(transform(question(rsi_14=value)), nothing)  # type: ignore[arg-type]
    assert not np.array_equal(transform(question(rsi_14=80.0)), nothing)


def test_outliers_are_clipped() -> None:
    transform = VectorTransform()
    np.testing.assert_array_equal(transform(question(cci_20=1e6)), transform(question(cci_20=1e12)))


def test_version_names_the_scales() -> None:
    plain, frozen = VectorTransform(), VectorTransform({"rsi_14": 20.0})
    assert plain.version != frozen.version
    assert VectorTransform(plain.scales).version == plain.version
    assert VectorTransform(frozen.scales).version == frozen.version


def test_fitted_scales_come_from_the_given_rows_alone() -> None:
    rng = np.random.default_rng(0)
    names = ["macd", "adx_14"]
    rows = np.column_stack([rng.normal(0, 5, 4000), rng.normal(30, 2, 4000)])
    scales = VectorTransform.fitted(names, rows).scales
    assert scales["macd"] == pytest.approx(5, rel=0.05)
    assert scales["adx_14"] == pytest.approx(2, rel=0.05)
    assert scales["rsi_14"] == DIRECTIONAL["rsi_14"][1], "features that are not there keep their constant"


@pytest.mark.parametrize(
    ("scales", "message"),
    [({"rsi_41": 1.0}, r"'rsi_41' is not used \(did you mean"), ({"rsi_14": 0.0}, "scale of rsi_14 is 0.0")],
)
def test_impossible_scales_are_refused_by_name(scales: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VectorTransform(scales)
