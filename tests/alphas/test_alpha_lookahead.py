"""No alpha knows the future, and the detector finds one that does."""

from __future__ import annotations

from datetime import date
from functools import partial

import numpy as np
import pytest
from alpha_panels import random_panel

from llm_plugin.alphas import operators
from llm_plugin.alphas.catalogue import alphas
from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.lookahead import changed_days
from llm_plugin.alphas.operators import Floats
from llm_plugin.alphas.panel import Panel
from llm_plugin.alphas.polars_evaluate import PolarsAlphas
from llm_plugin.errors import ConfigError

CUTS = (262, 281, 299)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return random_panel()


def test_cutting_the_future_off_changes_no_value_of_any_alpha(panel: Panel) -> None:
    changed = {each.number: changed_days(partial(evaluate, each.formula), panel, CUTS) for each in alphas()}
    assert len(changed) == 101
    assert {number: days for number, days in changed.items() if days} == {}


def test_the_second_implementation_does_not_look_ahead_either() -> None:
    panel = random_panel(days=90, names=6)
    formulas = ("rank(ts_rank(delta(close, 3), 10))", "IndNeutralize(decay_linear(returns, 5), IndClass.sector)",
                "correlation(rank(vwap), adv10, 8)", "scale(ts_argmax(close, 9)) + product(rank(high), 4)")  # fmt: skip
    for formula in formulas:
        values = PolarsAlphas(panel).evaluate(formula)
        assert np.isfinite(values[-1]).any()
        assert changed_days(lambda cut, text=formula: PolarsAlphas(cut).evaluate(text), panel, (45, 89)) == []


def test_a_planted_look_ahead_is_found(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    def tomorrow(x: Floats, days: int) -> Floats:
        return np.vstack([x[1:], np.full((1, x.shape[1]), np.nan)])

    assert changed_days(lambda cut: evaluate("delay(close, 1)", cut), panel, CUTS) == []
    monkeypatch.setattr(operators, "delay", tomorrow)
    found = changed_days(lambda cut: evaluate("delay(close, 1)", cut), panel, CUTS)
    assert found == [panel.days[cut - 1] for cut in CUTS]


def test_a_mean_over_all_days_is_found(panel: Panel) -> None:
    def centred(cut: Panel) -> Floats:
        close = cut.fields["close"]
        return close - np.nanmean(close, axis=0)

    assert date(2019, 1, 1) in changed_days(centred, panel, (200,))


def test_a_cut_that_proves_nothing_is_refused(panel: Panel) -> None:
    with pytest.raises(ConfigError, match="a cut at 300 of 300 days proves nothing"):
        changed_days(lambda cut: cut.fields["close"], panel, (300,))
