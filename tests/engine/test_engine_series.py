"""ARIMA on series whose forecast is known."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from llm_plugin.engine.indicators import AutoRegressiveIntegratedMovingAverage

START = datetime(2013, 10, 7)


def forecast(model: AutoRegressiveIntegratedMovingAverage, values: list[float]) -> float:
    for day, value in enumerate(values):
        model.update(START + timedelta(days=day), value)
    return model.current.value


def test_a_line_goes_on_as_a_line():
    """Differences are all 2, so the autoregressive weight is 1: 9 + 2."""
    model = AutoRegressiveIntegratedMovingAverage(1, 1, 0, 5)

    assert forecast(model, [1, 3, 5, 7, 9]) == pytest.approx(11)
    assert model.ar_parameters == pytest.approx([1])
    assert model.is_ready


def test_without_residuals_the_second_step_has_no_solution_and_the_level_stays():
    model = AutoRegressiveIntegratedMovingAverage("fit", 1, 1, 1, 5)

    assert forecast(model, [1, 3, 5, 7, 9]) == pytest.approx(9)
    assert model.name == "fit"


def test_halving_is_found_from_the_newest_to_the_oldest_value():
    """LEAN's series runs backwards: 1, 2, 4, 8 with a weight of 2 for what is newer."""
    model = AutoRegressiveIntegratedMovingAverage(1, 0, 0, 4, False)

    assert forecast(model, [8, 4, 2, 1]) == pytest.approx(2)
    assert model.ar_parameters == pytest.approx([2])


def test_it_is_zero_until_the_period_is_full_and_after_a_reset():
    model = AutoRegressiveIntegratedMovingAverage(1, 1, 0, 5)
    assert forecast(model, [1, 3, 5]) == 0
    model.reset()

    assert (model.samples, model.is_ready, model.current.value) == (0, False, 0)


@pytest.mark.parametrize("orders", [(0, 1, 1, 5), (-1, 1, 1, 5), (6, 0, 0, 5)])
def test_orders_that_cannot_be_fitted_are_refused(orders):
    with pytest.raises(ValueError, match="ARIMA"):
        AutoRegressiveIntegratedMovingAverage(*orders)
