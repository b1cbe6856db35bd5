"""From listed tokens to actions."""

from __future__ import annotations

import math

import pytest

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable
from llm_plugin.serving.listing import forced_text, listed_actions, reason_of

from .conftest import ENTRY, PROMPTS

B, H = Action.BUY, Action.HOLD


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([(" BUY", -0.1), (" HOLD", -2.5)], {B: -0.1, H: -2.5}),
        ([("BUY", -0.1), ("▁HOLD", -2.5)], {B: -0.1, H: -2.5}),
        ([("BUY", -0.5), (" BUY", -1.5), ("ĠHOLD", -2.5)], {B: -1.5, H: -2.5}),
        ([(" B", -0.1), (" HO", -2.5)], {B: -0.1, H: -2.5}),
        ([(" BUY", -0.1), (" the", -4.0)], {B: -0.1, H: -4.0}),
        ([(" BUY", -0.1), (" BUYER", -0.2), (" HOLD", -3.0)], {B: -0.1, H: -3.0}),
        ([(" HOLD", -0.1), (" ", -0.2), ("", -0.3), (" BUY", float("-inf"))], {B: -1e4, H: -0.1}),
    ],
    ids=["words", "no-space", "space-first", "beginnings", "unlisted", "longer-word", "empty"],
)
def test_words_and_their_beginnings_are_found(listed: list[tuple[str, float]], expected: dict[Action, float]) -> None:
    assert listed_actions(listed, ENTRY, "m@1") == expected


def test_beginning_that_two_actions_share_is_nobodys() -> None:
    legal = (Action.HOLD, Action.ENABLE_TRAIL, Action.DISABLE_TRAIL)
    assert listed_actions([(" HOLD", -1.0), (" E", -0.5), (" x", -9.0)], legal, "m") == {
        Action.HOLD: -1.0,
        Action.ENABLE_TRAIL: -0.5,
        Action.DISABLE_TRAIL: -9.0,
    }
    with pytest.raises(BackendUnavailable, match=r"lists no legal action \(BUY, HOLD\) among its 1 likeliest tokens"):
        listed_actions([(" ", -0.1)], ENTRY, "m@1")


def test_nothing_listed_is_no_answer() -> None:
    with pytest.raises(BackendUnavailable, match=r"among its 2 likeliest tokens \(' the', ' a', …\)"):
        listed_actions([(" the", -0.1), (" a", -0.2)], ENTRY, "m@1")
    with pytest.raises(BackendUnavailable, match="without a log-probability"):
        listed_actions([(" BUY", math.nan)], ENTRY, "m@1")


def test_reasons_are_cut_as_in_process() -> None:
    assert forced_text(PROMPTS[0], B).endswith("-> BUY |")
    assert reason_of(" 0.73 | trend supports entry\nSIG=") == "trend supports entry"
