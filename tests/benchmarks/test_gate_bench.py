"""How often the gate is wrong: equal challengers that pass, better ones that do not, offenders of every kind."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gate_trials import Trial, disagreeing, offender, readers
from scipy.stats import beta

from llm_plugin.gate import ModelHealth, judge
from llm_plugin.settings import GateSettings

from .conftest import RecordFigure

TRIALS = 2000
# 999 instead of 9,999 repetitions: `test_fewer_repetitions_decide_alike` measures that this changes no rate.
FAST = GateSettings(repetitions=999)
WRITES = ModelHealth(40, 40)

pytestmark = pytest.mark.slow


def passes(make: Callable[[np.random.Generator], Trial], trials: int, settings: GateSettings = FAST) -> list[bool]:
    """Judge freshly drawn windows, each the first challenger of its own."""
    verdicts = []
    for number in range(trials):
        trial = make(np.random.default_rng(number))
        decision = judge(
            trial.champion,
            trial.challenger,
            trial.decisions,
            settings,
            tried=0,
            window_id=str(number),
            health=WRITES,
        )
        assert decision.verdict != "cannot_judge"
        verdicts.append(decision.passed)
    return verdicts


def upper_bound(hits: int, trials: int) -> float:
    """Clopper and Pearson's one-sided 97.5 % bound."""
    return 1.0 if hits == trials else float(beta.ppf(0.975, hits + 1, trials - hits))


def test_exchangeable_challengers(record_figure: RecordFigure) -> None:
    """Same skill, other noise: half of the trials without skill, half with, on winning, flat and losing signals."""
    hits = 0
    for skill, mean_r in ((0.0, 0.0), (0.5, 0.0), (0.5, 0.1), (0.5, -0.2)):
        found = sum(
            passes(
                lambda rng, s=skill, m=mean_r: readers(rng, champion_skill=s, challenger_skill=s, mean_r=m), TRIALS // 4
            )
        )
        print(f"skill {skill}, signal {mean_r:+.1f} R: {found / (TRIALS // 4):.4f} pass")
        hits += found
    bound = upper_bound(hits, TRIALS)
    print(f"{hits} of {TRIALS} equal challengers pass ({hits / TRIALS:.4f}), upper bound {bound:.4f}")
    record_figure("gate_false_pass_rate", bound, "upper bound of the share of equal challengers", 0.05, "lower")
    record_figure("gate_false_pass_share", hits / TRIALS, "share of equal challengers", 0.05, "lower")


def test_power(record_figure: RecordFigure) -> None:
    """Holdout of 100 on 34 days, 50 % disagreement, +0.5 R there, no skill where both agree."""
    for push in (0.0, 0.3, 0.6):
        share = float(np.mean(passes(lambda rng, p=push: disagreeing(rng, push_r=p), 500)))
        print(f"daily push {push} R: power {share:.3f}")
    for per_day in (1, 6):
        share = float(np.mean(passes(lambda rng, k=per_day: disagreeing(rng, per_day=k), 500)))
        print(f"{per_day} decisions a day: power {share:.3f}")
    power = float(np.mean(passes(disagreeing, TRIALS)))
    record_figure("gate_power", power, "share passed", 0.6, "higher")


@pytest.mark.parametrize("mean_r", [-0.3, -0.13, 0.1])
@pytest.mark.parametrize("kind", ["hold", "random", "inverted", "shuffled"])
def test_offenders(kind: str, mean_r: float, record_figure: RecordFigure) -> None:
    hits = sum(passes(lambda rng: offender(rng, kind, mean_r=mean_r), 500))
    print(f"{kind} on a signal of {mean_r:+.2f} R: {hits / 500:.3f} pass, upper bound {upper_bound(hits, 500):.3f}")
    name = f"gate_pass_{kind}_{'losing' if mean_r < 0 else 'winning'}_{abs(mean_r):.2f}r"
    record_figure(name, hits / 500, "share passed", 0.05, "lower")


def test_fewer_repetitions_decide_alike(record_figure: RecordFigure) -> None:
    """The simulations draw 999 permutations where the gate draws 9,999."""
    full = GateSettings()
    few, many = passes(disagreeing, 200), passes(disagreeing, 200, full)
    differ = float(np.mean([a != b for a, b in zip(few, many, strict=True)]))
    print(f"passed with 999: {np.mean(few):.3f}, with 9,999: {np.mean(many):.3f}, differ {differ:.3f}")
    record_figure("gate_repetitions_differ", differ, "share of verdicts", 0.05, "lower")
