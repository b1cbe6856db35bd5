"""From margins to the probability of a profit."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.errors import ModelError
from llm_plugin.reasoning import Calibrator
from llm_plugin.reasoning.calibrator import _sigmoid


def drawn(count: int, slope: float, offset: float, seed: int = 0) -> tuple[list[float], list[bool]]:
    rng = random.Random(seed)
    margins = [rng.gauss(0, 2) for _ in range(count)]
    return margins, [rng.random() < _sigmoid(slope * m + offset) for m in margins]


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_planted_probabilities_are_found(kind: str) -> None:
    margins, labels = drawn(6000, 0.6, -0.5)
    calibrator = Calibrator.fit(margins, labels, kind)  # type: ignore[arg-type]
    errors = [abs(calibrator.probability(m) - _sigmoid(0.6 * m - 0.5)) for m in (-3.0, -1.0, 0.0, 1.0, 3.0)]
    assert max(errors) < 0.06
    assert calibrator.brier < calibrator.base_brier


def test_platt_recovers_its_parameters() -> None:
    calibrator = Calibrator.fit(*drawn(20_000, 0.6, -0.5))
    assert calibrator.slope == pytest.approx(0.6, abs=0.05)
    assert calibrator.offset == pytest.approx(-0.5, abs=0.05)


def test_scores_that_mislead_become_the_base_rate() -> None:
    calibrator = Calibrator.fit(*drawn(3000, -0.8, 0.3))
    assert calibrator.slope == 0
    assert calibrator.probability(-5) == calibrator.probability(5)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
@settings(max_examples=40, deadline=None)
@given(data=st.lists(st.tuples(st.floats(-20, 20), st.booleans()), min_size=30, max_size=80))
def test_probabilities_rise_with_the_margin_and_stay_within_bounds(kind: str, data: list[tuple[float, bool]]) -> None:
    calibrator = Calibrator.fit([m for m, _ in data], [y for _, y in data], kind)  # type: ignore[arg-type]
    values = [calibrator.probability(m) for m in (-100, -3, -1, 0, 1, 3, 100)]
    assert values == sorted(values)
    assert all(0 <= value <= 1 for value in values)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_json_keeps_every_probability(kind: str) -> None:
    calibrator = Calibrator.fit(*drawn(300, 0.6, -0.5), kind)  # type: ignore[arg-type]
    again = Calibrator.from_json(json.loads(json.dumps(calibrator.to_json())))
    assert again == calibrator


def test_too_few_decisions_are_no_calibration() -> None:
    with pytest.raises(ValueError, match="12 decisions are too few"):
        Calibrator.fit([0.1] * 12, [True] * 12)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="40 margins but 39 labels"):
        Calibrator.fit([0.1] * 40, [True] * 39)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "magic"}, "kind 'magic'"),
        ({"schema_version": "9"}, "schema '9'"),
        ({"slope": -1.0}, "slope -1.0"),
        ({"slope": "steep"}, "damaged"),
        ({"kind": "isotonic", "knots": [[0.0, 0.9], [1.0, 0.2]]}, "do not ascend"),
        ({"kind": "isotonic", "knots": []}, "do not ascend"),
    ],
    ids=["kind", "schema", "slope", "text", "knots", "empty"],
)
def test_damaged_calibrator_is_refused(change: dict[str, object], message: str) -> None:
    good = Calibrator("platt", slope=0.5, offset=0.1).to_json()
    assert Calibrator.from_json(good).slope == 0.5
    with pytest.raises(ModelError, match=message):
        Calibrator.from_json({**good, **change})
