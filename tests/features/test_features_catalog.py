"""The names of the observation and its schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llm_plugin import features
from llm_plugin.features import catalog
from llm_plugin.features.docs import render_reference
from llm_plugin.features.reference import BarColumns, market_features

ROOT = Path(__file__).resolve().parents[2]
NEEDED_BY_PROMPTS = (
    "adx_14 rsi_14 macd macd_signal atr_fraction_14 vwap_distance volatility_regime trend_strength support_distance"
    " resistance_distance support_distance_fraction resistance_distance_fraction"
).split()


def test_there_are_228_market_and_33_llm_features_each_named_once():
    names = (*features.MARKET_FEATURES, *features.LLM_FEATURES)

    assert (len(features.MARKET_FEATURES), len(features.LLM_FEATURES)) == (228, 33)
    assert len(set(names)) == 261


def test_every_feature_has_a_group_and_a_description_of_one_line():
    specs = (*catalog.market_feature_specs(), *catalog.llm_feature_specs())

    bad = [
        s.name
        for s in specs
        if not s.group or not s.description.strip() or "\n" in s.description or "{" in s.description
    ]
    assert (len(specs), bad) == (261, [])


def test_prompts_find_the_features_that_they_need():
    assert set(NEEDED_BY_PROMPTS) <= set(features.MARKET_FEATURES)


def test_families_cover_the_vector_without_gap_or_overlap():
    covered = sorted(i for part in catalog.family_slices().values() for i in range(part.start, part.stop))

    assert covered == list(range(228))


def test_the_schema_hash_changes_with_a_name_and_with_their_order():
    names = list(features.MARKET_FEATURES)
    swapped = [names[1], names[0], *names[2:]]

    hashes = {catalog.schema_hash(names), catalog.schema_hash([*names[:-1], "other"]), catalog.schema_hash(swapped)}
    assert len(hashes) == 3


def test_the_reference_page_is_what_the_code_renders():
    assert (ROOT / "docs/reference/features.md").read_text(encoding="utf-8") == render_reference()


def scale_dependent(compute, columns: BarColumns) -> list[int]:
    """Return the columns of `compute(bars)` that change when all prices are multiplied by 128."""
    larger = BarColumns(columns.start_seconds, columns.end_seconds, columns.prices * 128, columns.volume)
    one, other = compute(columns), compute(larger)
    return np.flatnonzero(~np.isclose(one, other, rtol=1e-7, atol=1e-7, equal_nan=True).all(axis=0)).tolist()


def test_no_feature_depends_on_the_level_of_the_price(eurusd, spy):
    assert scale_dependent(market_features, eurusd) == []
    assert scale_dependent(market_features, spy) == []


def test_a_raw_price_among_the_features_would_be_noticed(eurusd):
    def planted(columns):
        return np.hstack([market_features(columns), columns.mid[:, 3:]])

    assert scale_dependent(planted, eurusd) == [228]


@pytest.mark.parametrize("name", ["BUY_FEATURES", "market_features_"])
def test_an_unknown_name_of_the_package_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=name):
        getattr(features, name)
