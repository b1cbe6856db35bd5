"""What a formula means: names, days, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alpha_panels import GROUPS, paper_panel, random_panel

from llm_plugin.alphas.catalogue import alpha, alphas
from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.lowering import lookback_days, meaning
from llm_plugin.alphas.panel import Panel, load_classification, panel_of
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.formulas import FormulaError


def _last_days(panel: Panel, count: int) -> Panel:
    fields = {name: values[-count:] for name, values in panel.fields.items()}
    return Panel(panel.days[-count:], panel.names, fields, panel.groups)


def test_the_paper_has_101_alphas_and_all_are_understood() -> None:
    assert [each.number for each in alphas()] == list(range(1, 102))
    assert len({each.formula for each in alphas()}) == 101
    for each in alphas():
        assert 1 <= each.lookback <= 252
    assert alpha(101).formula == "((close - open) / ((high - low) + .001))"


def test_the_days_that_an_alpha_needs_are_enough_and_not_one_too_many() -> None:
    panel = random_panel()
    for each in alphas():
        full = evaluate(each.formula, panel)[-1]
        enough = evaluate(each.formula, _last_days(panel, each.lookback))[-1]
        np.testing.assert_array_equal(enough, full, err_msg=str(each.number))
        assert np.isfinite(full).sum() >= 6
        if each.lookback > 1 and each.number != 56:  # its window is that of `cap`, which the panel brings along
            short = evaluate(each.formula, _last_days(panel, each.lookback - 1))[-1]
            assert np.isnan(short).any(), each.number


@pytest.mark.parametrize(
    ("formula", "days"),
    [
        ("close", 1),
        ("returns", 2),
        ("delta(close, 5)", 6),
        ("ts_sum_is_no_operator", None),
        ("sum(delay(close, 5), 20)", 25),
        ("correlation(vwap, delay(close, 5), 230)", 235),
        ("adv20 + delay(adv60, 2)", 62),
        ("cap", 60),
        ("sum(cap, 2)", 61),
        ("min(close, 12.4) + scale(close, 300)", 12),
    ],
)
def test_lookback_counts_nested_windows(formula: str, days: int | None) -> None:
    if days is None:
        with pytest.raises(FormulaError, match="is no field"):
            meaning(formula)
    else:
        assert lookback_days(meaning(formula)) == days


def test_names_are_read_in_any_case() -> None:
    assert meaning("Ts_Rank(IndNeutralize(CLOSE, indclass.Sector), 5)") == meaning(
        "ts_rank(indneutralize(close, IndClass.sector), 5)"
    )


@pytest.mark.parametrize(
    ("formula", "problem", "column"),
    [
        ("rank(clos)", r"'clos' is no field of the alphas \(did you mean 'close'\?\)", 5),
        ("SPY.close", "'SPY.close' is no field", 0),
        ("rnk(close)", r"'rnk' is no operator \(did you mean 'rank'\?\)", 0),
        ("rank(close, 2)", "rank takes 1 arguments, here are 2", 0),
        ("delta(close)", "delta takes 2 arguments, here are 1", 0),
        ("delta(close, open)", "the number of days must be written out", 13),
        ("sum(close, 0.9)", "0.9 days cannot be looked back: give 1 to 1000", 11),
        ("sum(close, 5000)", "5000 days cannot be looked back", 11),
        ("adv0", "0 days cannot be looked back", 0),
        ("indneutralize(close, sectors)", "a classification is expected: IndClass.sector", 21),
        ("close + sector", "'sector' is no field", 8),
        ("min(close)", "'min' takes two arguments", 0),
    ],
)
def test_what_the_alphas_lack_is_named_at_its_place(formula: str, problem: str, column: int) -> None:
    with pytest.raises(FormulaError, match=problem) as caught:
        evaluate(formula, paper_panel())
    assert caught.value.position == column


def test_an_alpha_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no alpha 102: give 1 to 101"):
        alpha(102)


def test_a_number_alone_is_the_same_for_all() -> None:
    assert (evaluate("2 + 3 * 4", paper_panel()) == 14).all()


def test_a_name_without_classification_is_refused() -> None:
    panel = paper_panel()
    prices = {name: panel.fields[name] for name in ("open", "high", "low", "close", "volume")}
    with pytest.raises(DataError, match="no sector, industry and subindustry for C: add rows"):
        panel_of(panel.days, panel.names, prices, {name: GROUPS[name] for name in "AB"})


def test_a_panel_with_a_field_of_another_shape_is_refused() -> None:
    panel = paper_panel()
    fields = {**panel.fields, "vwap": panel.fields["vwap"][:3]}
    with pytest.raises(DataError, match=r"the panel's vwap are missing or not of \(5, 3\)"):
        Panel(panel.days, panel.names, fields, panel.groups)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ticker,sector,industry\nA,X,Y\n", "row 2 lacks one of ticker, sector, industry, subindustry"),
        ("ticker,sector,industry,subindustry\nA,X,Y,\n", "row 2 lacks one of"),
        ("ticker,sector,industry,subindustry\nA,X,Y,Z\nA,X,Y,Z\n", "row 3: A is there twice"),
    ],
)
def test_a_damaged_classification_is_named_with_its_row(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text(text)
    with pytest.raises(DataError, match=problem):
        load_classification(tmp_path / "groups.csv")
    with pytest.raises(DataError, match="name a file with ticker"):
        load_classification(tmp_path / "none.csv")
