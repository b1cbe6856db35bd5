"""Claims say what the decisions carry: skill is seen, luck and selectivity are not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from proof_fakes import made_cell

from llm_plugin.proofs.planted_claims import claim, judge, random_draws, results_of, sizes_of, utility
from llm_plugin.proofs.planted_config import SEEDS


def cells(**options: object) -> list[dict]:
    return [made_cell(seed=seed, **options) for seed in SEEDS]  # type: ignore[arg-type]


def test_skill_beats_no_llm_and_a_random_veto() -> None:
    verdict = judge(cells())
    assert [made.holds for made in verdict.claims] == [True, True]
    assert verdict.as_expected is True
    assert [made.positive for made in verdict.claims] == [5, 5]


def test_a_random_veto_of_a_losing_signal_beats_no_llm_but_not_another_random_veto() -> None:
    """The trap of selectivity: on a loser, vetoing anything gains."""
    losing = cells(base=-0.3, edge=0.0, skill=0.0)
    verdict = judge(losing)
    assert verdict.claims[0].holds is True
    assert verdict.claims[1].holds is False
    assert verdict.as_expected is False


def test_without_a_rule_nothing_must_hold() -> None:
    verdict = judge(cells(edge=0.0, skill=0.0, rule=False))
    assert [made.holds for made in verdict.claims] == [False, False]
    assert verdict.as_expected is True


def test_a_rule_that_is_found_where_none_was_planted_is_not_as_expected() -> None:
    assert judge(cells(rule=False)).as_expected is False


def test_fewer_than_five_seeds_are_not_judged() -> None:
    verdict = judge(cells()[:4])
    assert verdict.as_expected is None
    assert verdict.seeds == (1, 2, 3, 4)


def test_four_of_five_seeds_must_gain() -> None:
    mixed = [made_cell(seed=seed, skill=1.0) for seed in (1, 2, 3)]
    mixed += [made_cell(seed=seed, skill=0.0, base=0.4) for seed in (4, 5)]
    made = claim(mixed, "llm", "none")
    assert made.positive == 3
    assert made.pooled.low is not None
    assert made.holds is False


def test_a_gain_is_per_signal_and_paired() -> None:
    one = cells()
    made = claim(one, "llm", "none")
    wanted = np.concatenate([utility(cell, "llm") - utility(cell, "none") for cell in one]).mean()
    assert made.pooled.mean == pytest.approx(wanted)
    assert made.pooled.n == 3_000
    assert made.pooled.days == 1_500
    for gain, cell in zip(made.seeds, one, strict=True):
        assert gain.mean == pytest.approx((utility(cell, "llm") - utility(cell, "none")).mean())
        assert gain.low is not None
        assert gain.high is not None
        assert gain.mean is not None
        assert gain.low < gain.mean < gain.high


def test_the_random_veto_has_the_arms_own_exposure() -> None:
    one = cells(size=0.5)
    made = claim(one, "llm", "random")
    difference = [utility(cell, "llm") - results_of(cell) * sizes_of(cell, "llm").mean() for cell in one]
    assert made.pooled.mean == pytest.approx(np.concatenate(difference).mean())
    unit = claim(one, "llm", "random", sized=False)
    assert unit.pooled.mean == pytest.approx(2 * made.pooled.mean)


def test_single_random_vetoes_scatter_about_their_expectation() -> None:
    options = {"draws": 200, "interval_draws": 3}
    skilled, lucky = random_draws(cells(), "llm", **options), random_draws(cells(skill=0.0), "llm", **options)
    assert skilled.p_value == pytest.approx(1 / 201)
    assert skilled.intervals_above_zero == skilled.interval_draws == 3
    assert lucky.p_value > 0.05
    assert 0 < skilled.sd < 0.1


def test_results_are_clipped_at_three_r() -> None:
    cell = made_cell()
    cell["decisions"]["net_r"][:2] = [25.0, -9.0]
    assert results_of(cell)[:2].tolist() == [3.0, -3.0]


def test_an_arm_that_approves_all_gains_nothing() -> None:
    one = cells()
    for cell in one:
        cell["arms"]["llm"]["size"] = [1.0] * len(cell["decisions"]["net_r"])
    made = claim(one, "llm", "none")
    assert (made.pooled.mean, made.pooled.low, made.pooled.high) == (0.0, 0.0, 0.0)
    assert made.holds is False
