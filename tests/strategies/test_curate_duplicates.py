"""Near-duplicates are found whatever they are called, and nothing else is."""

from __future__ import annotations

import pytest
from curate_fakes import DIP, TREND, program, row
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.errors import DataError
from llm_plugin.strategies.curate.duplicates import Index, jaccard
from llm_plugin.strategies.curate.normalise import shingles, tokens
from llm_plugin.strategies.curate.skeleton import row_shingles

BASE = program(DIP)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(program(DIP, name="Other", ticker="AAPL"), id="name and ticker"),
        pytest.param(BASE.replace("2014", "2016").replace("100000", "5000"), id="dates and cash"),
        pytest.param(BASE.replace("< 10", "< 25").replace("_symbol, 2)", "_symbol, 14)"), id="numbers"),
        pytest.param(BASE.replace("_rsi", "_strength").replace("_mean", "_line"), id="attributes"),
        pytest.param(BASE.replace("initialize", "Initialize").replace("set_holdings", "SetHoldings"), id="spelling"),
        pytest.param("# a comment\n" + BASE.replace("import *", "import *\nimport math"), id="comments and imports"),
    ],
)
def test_a_copy_in_other_clothes_is_the_same_program(changed: str) -> None:
    assert changed != BASE
    assert tokens(changed) == tokens(BASE)


def test_another_rule_is_another_program() -> None:
    assert jaccard(shingles(BASE), shingles(program(TREND))) < 0.7
    assert jaccard(shingles(BASE), shingles(BASE.replace("self.rsi(", "self.cci("))) < 1


def test_code_that_does_not_parse_is_named_with_its_line() -> None:
    with pytest.raises(DataError, match="line 2"):
        shingles("x = 1\ndef f(:\n")


def test_the_index_finds_a_planted_copy_and_leaves_its_twin() -> None:
    index = Index(0.9)
    index.add("dip", shingles(BASE))
    found = index.nearest(shingles(program(DIP, name="Copy")))
    assert found is not None
    assert (found.id, found.similarity) == ("dip", 1.0)
    assert index.nearest(shingles(program(TREND))) is None
    assert index.nearest(shingles(BASE), ignore=("dip",)) is None


sets = st.frozensets(st.integers(0, 30), min_size=1, max_size=12)


@settings(max_examples=200, deadline=None)
@given(st.lists(sets, min_size=1, max_size=12), sets, st.sampled_from([0.3, 0.5, 0.8, 0.9, 1.0]))
def test_the_index_says_what_comparing_with_all_says(
    known: list[frozenset[int]], asked: frozenset[int], at: float
) -> None:
    index = Index(at)
    for number, items in enumerate(known):
        index.add(str(number), items)
    best = max(jaccard(asked, items) for items in known)
    found = index.nearest(asked)
    if best >= at:
        assert found is not None
        assert found.similarity == best
    else:
        assert found is None


def test_what_most_alphas_share_does_not_make_them_alike() -> None:
    frame = DIP * 4
    rows = [row(f"a{n}", program(frame + f"self.member_{n}(self.other_{n}(1))"), source="alpha") for n in range(8)]
    plain = [shingles(each.completion) for each in rows]
    assert jaccard(plain[0], plain[1]) > 0.8
    sets = row_shingles(rows)
    assert jaccard(sets["a0"], sets["a1"]) < 0.5
