"""Formulas that nobody wrote: both implementations agree on whatever the language can say."""

from __future__ import annotations

import numpy as np
import pytest
from alpha_panels import random_panel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_plugin.alphas.check import TOLERANCE
from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.panel import Panel
from llm_plugin.alphas.polars_evaluate import PolarsAlphas

DAYS = st.integers(1, 6).map(str)
FIELDS = st.sampled_from(["open", "high", "low", "close", "volume", "vwap", "returns", "adv5", "adv12"])
NUMBERS = st.sampled_from(["0", "1", "2", "0.5", "(-1)", "3.25"])
GROUPS = st.sampled_from(["sector", "industry", "subindustry"])
COMPARISONS = st.sampled_from(["<", ">", "<=", ">=", "==", "!="])
WINDOWS = ("delay", "delta", "sum", "product", "ts_min", "ts_max", "ts_argmin", "ts_argmax", "ts_rank", "decay_linear")


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    windowed = st.builds("{}({}, {})".format, st.sampled_from(WINDOWS), inner, DAYS)
    together = st.builds(
        "{}({}, {}, {})".format, st.sampled_from(["correlation", "covariance"]), inner, inner, st.integers(2, 6)
    )
    return st.one_of(
        windowed,
        together,
        st.builds("stddev({}, {})".format, inner, st.integers(2, 6)),
        st.builds("{}({})".format, st.sampled_from(["rank", "abs", "sign", "scale"]), inner),
        st.builds("indneutralize({}, IndClass.{})".format, inner, GROUPS),
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), st.one_of(inner, NUMBERS)),
        st.builds("{}({}, {})".format, st.sampled_from(["min", "max"]), inner, inner),
        st.builds("(({} {} {}) ? {} : {})".format, inner, COMPARISONS, inner, inner, inner),
        st.builds("(({} < {}) {} ({} > {}))".format, inner, inner, st.sampled_from(["and", "or", "||"]), inner, inner),
    )  # fmt: skip


@pytest.fixture(scope="module")
def panel() -> Panel:
    return random_panel(days=70, names=7, seed=3)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(formula=st.recursive(FIELDS, _larger, max_leaves=6))
def test_both_implementations_agree_on_any_formula(formula: str, panel: Panel) -> None:
    first, second = evaluate(formula, panel), PolarsAlphas(panel).evaluate(formula)
    np.testing.assert_array_equal(np.isfinite(first), np.isfinite(second))
    known = np.isfinite(first)
    if known.any():
        size = np.abs(second[known]).mean()
        assert (np.abs(first - second)[known] <= TOLERANCE * np.maximum(np.abs(second[known]), size)).all()
