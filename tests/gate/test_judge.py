"""The gate: a better challenger passes; each check refuses its own offender, and lets the clean twin through."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from gate_trials import Trial, answers, disagreeing, offender, readers, window, with_outcomes
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm_plugin.domain import Action
from llm_plugin.errors import DataError
from llm_plugin.gate import GateDecision, ModelHealth, as_markdown, as_text, gate_id, judge, pair, utilities
from llm_plugin.gate.checks import slice_check
from llm_plugin.settings import GateSettings

WRITES = ModelHealth(40, 40)
FAST = GateSettings(repetitions=499)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def decide(trial: Trial, settings: GateSettings = FAST, **words: Any) -> GateDecision:
    """Judge a trial as the first challenger of its window."""
    given_ = {"tried": 0, "window_id": "w", "health": WRITES, "judged_utc": NOW, **words}
    return judge(trial.champion, trial.challenger, trial.decisions, settings, **given_)


def better(seed: int = 0, **words: Any) -> Trial:
    """A challenger that is clearly better."""
    return disagreeing(np.random.default_rng(seed), **{"gain_r": 0.8, **words})


def changed(trial: Trial, **fields: Any) -> Trial:
    """The challenger's answers with fields replaced."""
    return replace(trial, challenger=[replace(answer, **fields) for answer in trial.challenger])


def sized(trial: Trial, side: str, sizes: Any) -> Trial:
    """One side's answers with other sizes."""
    rows = zip(trial.decisions, getattr(trial, side), sizes, strict=True)
    made = [
        replace(answer, size=float(size), action=decision.signal_action if size else Action.HOLD)
        for decision, answer, size in rows
    ]
    return replace(trial, **{side: made})


def failed(decision: GateDecision) -> set[str]:
    return {check.name for check in decision.failed}


def test_a_better_challenger_passes_with_all_its_numbers() -> None:
    decision = decide(better())
    assert decision.verdict == "pass"
    assert decision.passed
    assert not decision.failed
    assert (decision.champion, decision.challenger, decision.window_id) == ("champion", "challenger", "w")
    assert (decision.tried, decision.level) == (0, 0.025)
    assert (decision.outcomes, decision.days) == (100, 34)
    assert decision.gain is not None
    assert decision.gain_low is not None
    assert decision.gain_high is not None
    assert 0 < decision.gain_low < decision.gain < decision.gain_high
    assert decision.challenger_mean - decision.champion_mean == pytest.approx(decision.gain)  # type: ignore[operator]
    assert {check.name for check in decision.checks} == {
        *("outcomes", "days", "account", "difference", "gain", "interval", "size", "selectivity", "approval"),
        *("slices", "calibration", "parse_rate", "action_mass", "latency"),
    }
    assert "gains +" in decision.reason()


@pytest.mark.parametrize("mean_r", [-0.3, 0.1])
@pytest.mark.parametrize("kind", ["hold", "inverted"])
@pytest.mark.parametrize("champion_skill", [0.0, 0.5])
def test_constant_and_inverted_challengers_fail(kind: str, mean_r: float, champion_skill: float) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        decision = decide(offender(rng, kind, mean_r=mean_r, champion_skill=champion_skill))
        assert decision.verdict == "fail"
        assert "selectivity" in failed(decision)


@pytest.mark.parametrize("kind", ["random", "shuffled"])
def test_challengers_that_know_nothing_seldom_pass_even_on_a_losing_signal(kind: str) -> None:
    """Without the selectivity check a random veto of a losing signal would pass in a third of the windows."""
    decisions = [decide(offender(np.random.default_rng(seed), kind, mean_r=-0.3), FAST) for seed in range(60)]
    blind = [not failed(item) - {"selectivity"} for item in decisions]
    assert sum(item.passed for item in decisions) <= 6
    assert sum(blind) >= 12


def test_always_hold_on_a_losing_signal_gains_and_still_fails() -> None:
    """Planted offender: vetoing everything earns more than a losing champion."""
    decisions = with_outcomes(window(), np.random.default_rng(1).normal(-0.5, 0.8, 100))
    trial = Trial(decisions, answers(decisions, [True] * 100, "c"), answers(decisions, [False] * 100, "n"))
    decision = decide(trial)
    assert decision.gain is not None
    assert decision.gain > 0.3
    assert decision.check("gain").passed
    assert failed(decision) == {"selectivity", "approval"}
    waived = decide(trial, GateSettings(repetitions=499, any_approval_rate=True))
    assert failed(waived) == {"selectivity"}
    assert waived.check("selectivity").value == 1.0


def test_each_challenger_on_a_window_halves_the_level() -> None:
    trial, p = better(1, gain_r=0.5), 0.0
    first = decide(trial)
    p = first.p_value or 0.0
    assert 0.025 / 2**5 < p <= 0.025
    assert first.check("gain").passed
    later = decide(trial, tried=5)
    assert later.level == 0.025 / 32
    assert later.check("gain").passed is False
    assert later.check("selectivity").bar == FAST.selectivity_level / 32
    assert "5 challengers were tried" in later.check("account").text


def test_a_window_that_is_used_up_cannot_judge() -> None:
    decision = decide(better(), tried=20)
    assert decision.verdict == "cannot_judge"
    assert "wait for fresh outcomes" in decision.check("account").text
    assert decision.p_value is None


def test_too_few_outcomes_or_days_are_no_pass() -> None:
    few = decide(better(count=20))
    assert few.verdict == "cannot_judge"
    assert "20 outcomes can be judged, 30 are needed" in few.reason()
    assert (few.gain, few.p_value, few.slices) == (None, None, ())
    crowded = decide(better(count=60, per_day=12))
    assert crowded.verdict == "cannot_judge"
    assert "5 days, 10 are needed" in crowded.reason()
    assert not crowded.passed
    assert not crowded.spent


def test_differences_on_too_few_days_cannot_be_told_from_chance() -> None:
    decisions = with_outcomes(window(), np.full(100, 1.45))
    take = np.ones(100, dtype=bool)
    take[:9] = False  # three days of 34
    trial = Trial(decisions, answers(decisions, take, "c"), answers(decisions, [True] * 100, "n"))
    decision = decide(trial)
    assert decision.verdict == "cannot_judge"
    assert "differ on 3 days" in decision.reason()


def test_a_challenger_that_decides_alike_fails() -> None:
    trial = better()
    same = [replace(answer, version="challenger") for answer in trial.champion]
    decision = decide(replace(trial, challenger=same))
    assert decision.verdict == "fail"
    assert decision.check("difference").passed is False
    assert (decision.gain, decision.p_value) == (0.0, 1.0)
    assert "nothing to gain" in decision.reason()


def test_a_gain_that_is_sure_but_small_fails() -> None:
    """Planted offender: the same verdicts at 102 % of the size, on trades that all win."""
    decisions = with_outcomes(window(), np.tile([1.4, 1.5, -0.1, 1.3], 25))
    take = np.tile([True, True, False, True], 25)
    trial = Trial(decisions, answers(decisions, take, "c"), answers(decisions, take, "n"))
    decision = decide(sized(sized(trial, "champion", take * 0.5), "challenger", take * 0.51))
    assert decision.check("gain").passed
    assert failed(decision) == {"size"}
    clean = decide(sized(sized(trial, "champion", take * 0.5), "challenger", take * 0.75))
    assert clean.passed


def test_an_approval_rate_out_of_bounds_needs_the_operator() -> None:
    decisions = with_outcomes(window(), np.tile([1.4, -1.0, 1.2, -1.0, -1.0], 20))
    all_, best = [True] * 100, np.tile([True, False, True, False, False], 20)
    trial = Trial(decisions, answers(decisions, all_, "c"), answers(decisions, best, "n"))
    refused = decide(trial)
    assert failed(refused) == {"approval"}
    assert "takes 40% of the signals, the champion 100%; must lie from 50% to 100%" in refused.reason()
    assert decide(trial, GateSettings(repetitions=499, any_approval_rate=True)).passed
    more = Trial(decisions, answers(decisions, np.tile([True, False] + [False] * 8, 10), "c"), trial.challenger)
    assert "must lie from 5% to 15%" in decide(more).reason()


def test_a_champion_that_takes_nothing_can_be_followed_by_one_that_takes_little() -> None:
    decisions = with_outcomes(window(), np.where(np.arange(100) % 7 == 0, 1.4, -0.6))
    none, some = [False] * 100, np.arange(100) % 7 == 0
    assert decide(Trial(decisions, answers(decisions, none, "c"), answers(decisions, some, "n"))).passed
    many = np.arange(100) % 7 < 2
    refused = decide(Trial(decisions, answers(decisions, none, "c"), answers(decisions, many, "n")))
    assert "must lie from 0% to 15%" in refused.check("approval").text
    assert "approval" in failed(refused)


def test_a_slice_that_is_credibly_worse_refuses() -> None:
    """Planted offender: much better on two symbols, one R worse a trade on the third."""
    rng, base = np.random.default_rng(0), window()
    third = np.array([row.request.market.ticker == "USDJPY" for row in base])
    take = rng.random(100) < 0.5
    right = np.where(third, ~take, take)  # the challenger takes what loses on the third symbol, and leaves what wins
    net = np.where(right, 1.45, -1.05) + rng.normal(0, 0.2, 100)
    decisions = with_outcomes(base, net)
    ours = rng.random(100) < 0.5
    trial = Trial(decisions, answers(decisions, ours, "c"), answers(decisions, take, "n"))
    decision = decide(trial)
    assert failed(decision) == {"slices"}
    assert "symbol: USDJPY" in decision.reason()
    worst = next(item for item in decision.slices if item.name == "symbol: USDJPY")
    assert (worst.count, worst.high is not None) == (int(third.sum()), True)
    twin = with_outcomes(base, np.where(take, 1.45, -1.05) + rng.normal(0, 0.2, 100))
    assert decide(replace(trial, decisions=twin)).passed
    tolerant = decide(trial, GateSettings(repetitions=499, slice_tolerance_r=3.0))
    assert tolerant.check("slices").passed


def test_the_bound_of_a_slice_counts_how_many_were_looked_at() -> None:
    """Planted offender: without Bonferroni some slice of many is always bad by chance."""
    trial = readers(np.random.default_rng(0), champion_skill=0.0, challenger_skill=0.0)
    paired = pair(trial.champion, trial.challenger, trial.decisions, NOW)
    masks = {f"slice {n}": np.arange(100) % 5 == n for n in range(5)}
    samples = np.tile(np.linspace(-1, 0, 1001)[:, None], (1, 5))
    _, five = slice_check(paired, masks, samples, GateSettings(level=0.1))
    _, one = slice_check(paired, {"slice 0": masks["slice 0"]}, samples[:, :1], GateSettings(level=0.1))
    assert [item.high for item in five] == pytest.approx([-0.02] * 5)
    assert [item.high for item in one] == pytest.approx([-0.1])


def test_equal_challengers_are_seldom_refused_for_a_slice() -> None:
    refused = 0
    for seed in range(60):
        trial = readers(np.random.default_rng(seed), champion_skill=0.3, challenger_skill=0.3)
        refused += decide(trial, GateSettings(repetitions=199)).check("slices").passed is False
    assert refused <= 5


def test_slices_that_are_too_small_are_pooled_and_the_whole_is_no_slice() -> None:
    base = [replace(row) for row in window()]
    renamed = []
    for number, row in enumerate(base):
        ticker = ("EURUSD", "A", "B", "C")[0 if number < 60 else 1 + number % 3]
        market = replace(row.request.market, ticker=ticker)
        renamed.append(replace(row, request=replace(row.request, market=market)))
    trial = better()
    decisions = [replace(row, net_r=full.net_r) for row, full in zip(renamed, trial.decisions, strict=True)]
    names = {item.name: item.count for item in decide(replace(trial, decisions=decisions)).slices}
    assert (names["symbol: EURUSD"], names["symbol: others"]) == (60, 40)
    flat = decide(replace(trial, decisions=decisions), regimes=lambda _: {"zone": "one"})
    assert flat.slices == ()
    assert flat.check("slices").passed is None
    assert flat.passed


def test_worse_calibrated_probabilities_refuse() -> None:
    trial = better()
    won = [(row.net_r or 0) > 0 for row in trial.decisions]
    honest, boasting = [0.7 if w else 0.3 for w in won], [0.5 if w else 0.99 for w in won]

    def calibrated(ours: list[float], theirs: list[float]) -> Trial:
        return Trial(
            trial.decisions,
            [replace(a, profit_probability=p) for a, p in zip(trial.champion, ours, strict=True)],
            [replace(a, profit_probability=p) for a, p in zip(trial.challenger, theirs, strict=True)],
        )

    offending = decide(calibrated(honest, boasting))
    assert failed(offending) == {"calibration"}
    assert "Brier score" in offending.reason()
    assert decide(calibrated(honest, honest)).passed
    assert decide(calibrated(boasting, honest)).passed


def test_a_challenger_that_lost_its_calibrator_fails_one_that_gained_it_does_not() -> None:
    lost = decide(changed(better(), profit_probability=math.nan))
    assert failed(lost) == {"calibration"}
    assert "thresholds would change meaning" in lost.reason()
    trial = better()
    bare = [replace(answer, profit_probability=math.nan) for answer in trial.champion]
    gained = decide(replace(trial, champion=bare))
    assert gained.check("calibration").passed is None
    assert gained.passed


@pytest.mark.parametrize(
    ("health", "verdict", "text"),
    [
        (ModelHealth(40, 38), "pass", "38 of 40 written answers parse"),
        (ModelHealth(40, 37, {"form": 3}), "fail", r"37 of 40 written answers parse (3 form)"),
        (ModelHealth(0, 0), "cannot_judge", "no written answer was sampled"),
        (ModelHealth(0, 0, writes=False), "pass", "only scores"),
    ],
)
def test_the_parse_rate(health: ModelHealth, verdict: str, text: str) -> None:
    decision = decide(better(), health=health)
    assert decision.verdict == verdict
    assert text in decision.check("parse_rate").text


@pytest.mark.parametrize(("mass", "passed"), [(0.81, True), (0.79, False), (math.nan, False)])
def test_the_action_mass(mass: float, passed: bool) -> None:
    decision = decide(changed(better(), action_mass=mass))
    assert decision.check("action_mass").passed is passed
    assert decision.passed is passed


@pytest.mark.parametrize(
    ("seconds", "budget", "passed"),
    [
        *((0.019, 0.0, True), (0.021, 0.0, False), (0.049, 0.05, True), (0.051, 0.05, False)),
        *((math.inf, 0.05, False), (math.nan, 0.05, False)),
    ],
)
def test_the_latency_budget(seconds: float, budget: float, passed: bool) -> None:
    settings = FAST.model_copy(update={"latency_budget_seconds": budget})
    decision = decide(changed(better(), seconds=seconds), settings)
    assert decision.check("latency").passed is passed
    assert decision.passed is passed


def test_unmeasured_times_are_no_bar() -> None:
    trial = changed(better(), seconds=0.0)
    timeless = replace(trial, champion=[replace(answer, seconds=0.0) for answer in trial.champion])
    assert decide(timeless).check("latency").passed is None
    assert decide(trial).check("latency").passed is True  # a challenger that takes no time is not late
    strict = FAST.model_copy(update={"latency_budget_seconds": 0.0})
    assert decide(replace(timeless, challenger=better().challenger), strict).check("latency").passed is False


def test_what_cannot_be_judged_is_left_out_and_counted() -> None:
    trial = better()
    rows = list(trial.decisions)
    rows[0], rows[1] = replace(rows[0], origin="context"), replace(rows[1], net_r=None)
    rows[2] = replace(rows[2], net_r=math.nan)
    mute = {rows[3].decision_id}
    champion = [answer for answer in trial.champion if answer.decision_id not in mute]
    challenger = [answer for answer in trial.challenger if answer.decision_id not in mute]
    decision = decide(Trial(rows, champion, challenger))
    assert decision.outcomes == 96
    assert decision.left_out == {"no signal of the algorithm": 1, "cannot be replayed": 2, "no prompt": 1}
    assert "left out: 2 cannot be replayed" in decision.check("outcomes").text


def test_policies_must_have_answered_the_same_questions() -> None:
    trial = better()
    with pytest.raises(DataError, match=r"1 decisions were answered by one side only .* by the champion"):
        decide(replace(trial, challenger=trial.challenger[1:]))
    with pytest.raises(DataError, match=r"100 answers belong to no decision|1 answers belong to no decision"):
        decide(replace(trial, decisions=trial.decisions[1:]))
    with pytest.raises(DataError, match="101 decisions have only 100 ids"):
        decide(replace(trial, decisions=[*trial.decisions, trial.decisions[0]]))
    with pytest.raises(DataError, match=f"answered decision {trial.champion[0].decision_id} twice"):
        decide(replace(trial, champion=[*trial.champion, trial.champion[0]]))
    mixed = [replace(trial.champion[0], version="other"), *trial.champion[1:]]
    with pytest.raises(DataError, match="mix versions other and champion"):
        decide(replace(trial, champion=mixed))


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"size": 1.5}, r"BUY x 1\.5|SELL x 1\.5"),
        ({"size": 0.0}, r"(BUY|SELL) x 0\.0; HOLD has size 0"),
        ({"size": math.nan}, "x nan"),
        ({"action": Action.HOLD}, r"HOLD x 1\.0"),
        ({"action": Action.ENABLE_TRAIL}, "ENABLE_TRAIL to the"),
    ],
)
def test_answers_that_make_no_sense_are_refused(fields: dict[str, Any], match: str) -> None:
    trial = better()
    place = next(number for number, answer in enumerate(trial.challenger) if answer.approved)
    broken = list(trial.challenger)
    broken[place] = replace(broken[place], **fields)
    with pytest.raises(DataError, match=match):
        decide(replace(trial, challenger=broken))


def test_a_decision_that_has_not_matured_is_never_judged() -> None:
    trial = better()
    last = max(row.matured_utc for row in trial.decisions)
    assert decide(trial, judged_utc=last).passed
    with pytest.raises(DataError, match="only matured decisions are judged"):
        decide(trial, judged_utc=last - timedelta(seconds=1))


def test_a_negative_account_is_refused() -> None:
    with pytest.raises(DataError, match="tried = -1"):
        decide(better(), tried=-1)


def test_outcomes_are_clipped() -> None:
    """One lucky trade of 50 R must not carry a challenger."""
    trial = better()
    paired = pair(trial.champion, trial.challenger, trial.decisions, NOW)
    lucky = [replace(trial.decisions[0], net_r=50.0), replace(trial.decisions[1], net_r=-50.0), *trial.decisions[2:]]
    clipped = pair(trial.champion, trial.challenger, lucky, NOW)
    assert clipped.net_r[:2].tolist() == [3.0, -3.0]
    assert clipped.net_r[2:].tolist() == paired.net_r[2:].tolist()
    rows = utilities(clipped)
    assert [row.challenger - row.champion for row in rows] == pytest.approx(clipped.gains.tolist())


def test_a_decision_survives_storage_and_damage_is_found() -> None:
    decision = decide(readers(np.random.default_rng(0), champion_skill=0.3, challenger_skill=0.3))
    plain = json.loads(json.dumps(decision.to_json()))
    assert GateDecision.from_json(plain) == decision
    assert plain["gate_id"] == decision.gate_id == gate_id("w", "champion", "challenger")
    with pytest.raises(DataError, match="schema '9'"):
        GateDecision.from_json({**plain, "schema_version": "9"})
    with pytest.raises(DataError, match="verdict 'perhaps'"):
        GateDecision.from_json({**plain, "verdict": "perhaps"})
    without = {key: value for key, value in plain.items() if key != "slices"}
    for broken in ({**plain, "checks": [{"name": "x"}]}, {**plain, "more": 1}, without):
        with pytest.raises(DataError, match="damaged"):
            GateDecision.from_json(broken)


def test_it_is_told_in_words_and_as_tables() -> None:
    decision = decide(better(), health=ModelHealth(40, 30, {"form": 10}))
    text, page = as_text(decision), as_markdown(decision)
    for check in decision.checks:
        assert check.name in text
        assert f"| {check.name} |" in page
    assert "challenger against champion: failed" in text
    assert "FAILED" in text
    for item in decision.slices:
        assert item.name in text
        assert item.name in page
    few = decide(better(count=20))
    assert "cannot be judged" in as_text(few)
    assert "too few" in as_text(few)
    assert all(line.count("|") == 5 for line in page.splitlines() if line.startswith("| gain"))
    assert all(f"**{check.name}**" in page for check in decision.checks)


def test_nothing_at_all_cannot_be_judged() -> None:
    decision = judge([], [], [], FAST, tried=0, window_id="w", health=WRITES)
    assert decision.verdict == "cannot_judge"
    assert GateDecision.from_json(json.loads(json.dumps(decision.to_json()))) == decision
    assert as_text(decision)
    assert as_markdown(decision)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6), gain=st.floats(-0.6, 0.6), disagree=st.floats(0.1, 0.9))
def test_swapping_the_sides_turns_the_gain_around_and_both_never_pass(seed: int, gain: float, disagree: float) -> None:
    settings = GateSettings(repetitions=199)
    trial = disagreeing(np.random.default_rng(seed), gain_r=gain, disagree=disagree)
    there = decide(trial, settings)
    back = decide(Trial(trial.decisions, trial.challenger, trial.champion), settings)
    if there.gain is None or back.gain is None:
        assert there.verdict == back.verdict == "cannot_judge"
        return
    assert back.gain == pytest.approx(-there.gain)
    assert not (there.passed and back.passed)
    assert 0 < (there.p_value or 0) <= 1


@hypothesis_settings(max_examples=15, deadline=None)
@given(order=st.permutations(list(range(100))))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    trial = better(count=100)
    mixed = Trial(*([rows[n] for n in order] for rows in (trial.decisions, trial.champion, trial.challenger)))
    settings = GateSettings(repetitions=99)
    assert decide(mixed, settings) == decide(trial, settings)
