"""Arms differ by configuration only, and every arm's configuration is valid."""

from __future__ import annotations

import pytest

from llm_plugin.runs.arms import ABLATION, Arm, arms_for, random_veto
from llm_plugin.settings import resolve


@pytest.mark.parametrize("arm", ABLATION, ids=lambda arm: arm.name)
def test_every_arm_resolves(arm: Arm) -> None:
    resolve(None, arm.overrides, env={})


def test_the_random_arm_waits_for_the_rate_it_copies() -> None:
    arms = arms_for(ablation=True)
    names = [arm.name for arm in arms]
    assert set(names) == {arm.name for arm in ABLATION}
    for place, arm in enumerate(arms):
        assert not arm.needs or arm.needs in names[:place]
    assert resolve(None, random_veto(0.37), env={}).settings.validator.random_veto_rate == 0.37
