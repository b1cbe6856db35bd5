"""Semantics 11: the fill rules on plain numbers, floats and Decimals alike."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.engine.models import fill_rules as rules

KINDS = [float, lambda value: Decimal(str(value))]


@pytest.mark.parametrize("kind", KINDS, ids=["float", "decimal"])
@pytest.mark.parametrize(
    ("buy", "limit", "bar", "expected"),
    [
        (True, 10.0, (10.5, 11, 9.9), 10.0),
        (True, 10.0, (9.8, 11, 9.5), 9.8),
        (True, 10.0, (10.5, 11, 10.0), None),
        (False, 10.0, (9.5, 10.1, 9), 10.0),
        (False, 10.0, (10.4, 10.6, 9), 10.4),
        (False, 10.0, (9.5, 10.0, 9), None),
    ],
    ids=["crossed", "open is better", "touched only", "sell crossed", "sell open is better", "sell touched only"],
)
def test_equity_limit_fills_when_crossed_at_limit_or_better_open(kind, buy, limit, bar, expected):
    found = rules.equity_limit_fill(buy, kind(limit), *(kind(value) for value in bar))

    assert found == (None if expected is None else kind(expected))


@pytest.mark.parametrize(
    ("buy", "bar", "expected"),
    [
        (True, (9.5, 10.0, 9.0), 10.1),
        (True, (10.4, 11.0, 10.2), 10.5),
        (True, (9.5, 9.99, 9.0), None),
        (False, (10.5, 11.0, 10.0), 9.9),
        (False, (9.6, 9.8, 9.0), 9.5),
        (False, (10.5, 11.0, 10.01), None),
    ],
    ids=["touched", "gap", "not reached", "sell touched", "sell gap", "sell not reached"],
)
def test_equity_stop_fills_when_touched_at_stop_or_worse_open(buy, bar, expected):
    found = rules.equity_stop_market_fill(buy, 10.0, *bar, 0.1)

    assert found == pytest.approx(expected) if expected is not None else found is None


def test_base_stop_needs_a_crossing_and_fills_at_the_worse_of_stop_and_close():
    assert rules.stop_market_fill(False, 10.0, 10.5, 10.0, 10.2, 0.0) is None
    assert rules.stop_market_fill(False, 10.0, 10.5, 9.9, 9.95, 0.0) == 9.95
    assert rules.stop_market_fill(False, 10.0, 10.5, 9.9, 10.3, 0.0) == 10.0
    assert rules.stop_market_fill(True, 10.0, 10.1, 9.5, 10.05, 0.01) == pytest.approx(10.06)


def test_base_limit_fills_at_the_worse_of_limit_and_far_side():
    assert rules.limit_fill(True, 10.0, 9.8, 9.5) == 9.8
    assert rules.limit_fill(True, 10.0, 10.4, 9.9) == 10.0
    assert rules.limit_fill(False, 10.0, 10.4, 10.2) == 10.2
    assert rules.limit_fill(False, 10.0, 10.0, 9.5) is None


def test_stop_limit_stays_triggered_and_fills_on_the_close():
    triggered, price = rules.stop_limit_fill(True, False, 10.0, 10.2, 10.1, 9.8, 10.3)
    assert (triggered, price) == (True, None)

    assert rules.stop_limit_fill(True, True, 10.0, 10.2, 9.9, 9.7, 9.8) == (True, 9.9)
    assert rules.stop_limit_fill(False, False, 10.0, 9.8, 10.4, 10.1, 10.2) == (False, None)


def test_trailing_stop_follows_the_extreme_and_never_retreats():
    assert rules.trailing_stop_fill(False, 9.5, 10.0, 9.6, 9.9, 0.0) is None
    assert rules.updated_trailing_stop(False, 9.5, 10.4, 9.6, 0.5, False) == pytest.approx(9.9)
    assert rules.updated_trailing_stop(False, 9.9, 10.1, 9.6, 0.5, False) == 9.9
    assert rules.updated_trailing_stop(True, 11.0, 10.9, 10.0, 0.05, True) == pytest.approx(10.5)
    assert rules.trailing_stop_fill(False, 9.5, 10.0, 9.5, 9.7, 0.0) == 9.5


def test_limit_if_touched_uses_the_quote_of_its_rule():
    assert rules.equity_limit_if_touched_fill(True, False, 10.0, 10.1, 10.5, 10.0, 10.05) == (True, 10.05)
    assert rules.equity_limit_if_touched_fill(True, True, 10.0, 10.1, 10.5, 10.3, 10.2) == (True, None)
    assert rules.limit_if_touched_fill(False, False, 10.0, 9.9, 10.1, 9.5, 9.95) == (True, 9.9)
    assert rules.limit_if_touched_fill(False, False, 10.0, 9.9, 9.9, 9.5, 9.95) == (False, None)


prices = st.floats(min_value=1, max_value=1000, allow_nan=False)


@given(st.booleans(), prices, st.lists(prices, min_size=4, max_size=4))
def test_no_limit_fills_worse_than_its_limit(buy, limit, values):
    low, open_, close, high = sorted(values)[0], values[0], values[1], sorted(values)[3]

    for price in (
        rules.equity_limit_fill(buy, limit, open_, high, low),
        rules.limit_fill(buy, limit, high, low),
        rules.stop_limit_fill(buy, True, limit, limit, high, low, close)[1],
    ):
        assert price is None or (price <= limit if buy else price >= limit)


@given(st.booleans(), prices, st.lists(prices, min_size=4, max_size=4))
def test_no_stop_fills_better_than_its_stop(buy, stop, values):
    low, open_, close, high = sorted(values)[0], values[0], values[1], sorted(values)[3]

    for price in (
        rules.equity_stop_market_fill(buy, stop, open_, high, low, 0.0),
        rules.stop_market_fill(buy, stop, high, low, close, 0.0),
        rules.trailing_stop_fill(buy, stop, high, low, close, 0.0),
    ):
        assert price is None or (price >= stop if buy else price <= stop)


@pytest.mark.parametrize("module", ["fill_rules", "fee_rules"])
def test_pure_rules_import_the_standard_library_only(module):
    code = (
        f"import sys; before = set(sys.modules); import llm_plugin.engine.models.{module}; "
        "print([m for m in set(sys.modules) - before if m.partition('.')[0] in ('numpy', 'pandas') "
        "or (m.startswith('llm_plugin.engine.') "
        f"and m.removeprefix('llm_plugin.engine.') not in ('models', 'models.{module}'))])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
