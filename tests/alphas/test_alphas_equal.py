"""Two implementations agree on every alpha, and the comparison finds one that does not."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from alpha_panels import paper_panel, random_panel

from llm_plugin.alphas.catalogue import alpha, alphas
from llm_plugin.alphas.check import REAL_NAMES, compare, compare_all, real_panel, shipped_classification
from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.figures import figures, merge_figures
from llm_plugin.alphas.panel import Panel, load_panel
from llm_plugin.alphas.polars_evaluate import PolarsAlphas
from llm_plugin.alphas.trade import Trading
from llm_plugin.errors import ConfigError


@pytest.fixture(scope="module")
def real(market_data: Path) -> Panel:
    return real_panel(market_data, days=480)


def test_the_real_equities_are_there_with_their_gaps(real: Panel, market_data: Path) -> None:
    assert real.names == REAL_NAMES
    assert real.days[-1] == date(2021, 3, 31)
    close = real.fields["close"]
    assert np.isnan(close[:, real.names.index("AAA")]).sum() > 100
    assert np.isfinite(close[:, real.names.index("SPY")]).all()
    early = load_panel(market_data, ("SPY", "AAPL"), shipped_classification(), date(2014, 1, 2), date(2014, 1, 3))
    assert early.days == (date(2014, 1, 2), date(2014, 1, 3))


def test_all_alphas_are_equal_on_the_real_equities_number_by_number(real: Panel) -> None:
    found = [each for (each,) in compare_all(alphas(), {"real": real})]
    assert len(found) == 101
    assert [each for each in found if not each.equal] == []
    assert min(each.known for each in found) > 500
    assert max(each.largest for each in found) < 1e-12


def test_a_comparison_names_what_differs() -> None:
    panel = random_panel(days=60, names=5)
    first = evaluate("rank(delta(close, 3))", panel)
    assert compare(1, "p", first, first).equal
    other = first.copy()
    other[50, 2] += 1e-6
    found = compare(1, "p", first, other)
    assert (found.equal, found.differing) == (False, 1)
    assert found.largest == pytest.approx(1e-6 / first[50, 2], rel=1.0)
    other = first.copy()
    other[50, 2] = np.nan
    assert compare(1, "p", first, other).differing == 1


def test_a_constant_or_unknown_alpha_is_never_called_equal() -> None:
    nothing, same = np.full((4, 3), np.nan), np.ones((4, 3))
    assert not compare(1, "p", nothing, nothing).equal
    assert compare(1, "p", same, same).constant
    assert not compare(1, "p", same, same).equal


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        (6, "(-1 * correlation(open, volume, 11))"),
        (12, "(sign(delta(volume, 1)) * delta(close, 1))"),
        (33, "rank((-1 * ((1 - (close / open))^1)))"),
        (61, "(rank((vwap - ts_min(vwap, 16.1219))) > rank(correlation(vwap, adv180, 17.9282)))"),
        (80, alpha(80).formula.replace("IndClass.industry", "IndClass.sector")),
    ],
    ids=[6, 12, 33, 61, 80],
)
def test_a_wrong_formula_is_found(number: int, wrong: str) -> None:
    panel = random_panel()
    right = evaluate(alpha(number).formula, panel)
    assert compare(number, "p", right, PolarsAlphas(panel).evaluate(alpha(number).formula)).equal
    assert not compare(number, "p", right, PolarsAlphas(panel).evaluate(wrong)).equal


def test_figures_count_what_is_equal_everywhere_and_keep_the_others(tmp_path: Path) -> None:
    good = compare(1, "a", np.eye(3), np.eye(3))
    bad = compare(1, "b", np.eye(3), np.eye(3) + 1)
    trades = [
        Trading(1, "Completed", 4, 4, 2, 1.0),
        Trading(2, "Completed", 0, 0, 0, 1.0),
        Trading(3, "Failed", 1, 1, 2, 1.0),
    ]
    counts = figures([[good, good], [good, bad]], trades)
    assert counts == {"alphas_equal": 1, "alphas_trade": 1}
    assert figures([[good]], None) == {"alphas_equal": 1}
    path = tmp_path / ".bench" / "results.json"
    path.parent.mkdir()
    path.write_text('{"other": {"value": 1}}')
    merge_figures(path, counts)
    known = json.loads(path.read_text())
    assert known["alphas_trade"] == {"value": 1, "unit": "alphas", "bar": 101, "better": "higher"}
    assert known["other"] == {"value": 1}


def test_without_polars_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "llm_plugin.alphas.polars_evaluate")
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ConfigError, match=r"needs polars; install 'lean-llm-plugin\[alphas\]'"):
        next(compare_all([alpha(1)], {"random": paper_panel()}))
