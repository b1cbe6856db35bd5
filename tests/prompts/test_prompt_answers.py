"""The answer form: what is written parses back, everything else is refused and counted by kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.domain import Action
from llm_plugin.prompts import AnswerParser, format_answer, parse_answer

ENTRY = (Action.BUY, Action.HOLD)
words = st.lists(st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=8), max_size=14)


@given(st.sampled_from(list(Action)), st.floats(0, 1), words)
def test_what_is_written_parses_back(action: Action, confidence: float, reason: list[str]) -> None:
    text = format_answer(action, confidence, " ".join(reason))
    assert text.startswith(f" {action.value} | ")
    answer = parse_answer(text, list(Action))
    assert answer.ok
    assert answer.action is action
    assert abs(answer.confidence - confidence) <= 0.005 + 1e-9
    assert answer.reason == " ".join(" ".join(reason).split()[:10])


@given(st.text(max_size=60))
def test_no_text_gives_an_illegal_action(text: str) -> None:
    answer = parse_answer(text, ENTRY)
    assert answer.action in (None, *ENTRY)
    assert answer.ok == (answer.fault == "")
    assert 0 <= answer.confidence <= 1


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("  \n BUY | 0.5 | x", ""),
        ("BUY", "form"),
        ("BUY | 0.5 | a | b", "form"),
        ("buy | 0.5 | x", "action"),
        ("MAYBE | 0.5 | x", "action"),
        ("SELL | 0.5 | x", "illegal"),
        ("BUY | 1.5 | x", "confidence"),
        ("BUY | -0.5 | x", "confidence"),
        ("BUY | nan | x", "confidence"),
        ("BUY | 1e-1 | x", "confidence"),
        ("BUY | 0.٥ | x", "confidence"),
        ("BUY | 0.5 | one two three four five six seven eight nine ten eleven", "reason"),
        ("BUY | 0.63 | trend agrees\nSELL | 0.9 | ignored", ""),
        ("BUY | 1 |", ""),
    ],
)
def test_answers_are_parsed_strictly(text: str, fault: str) -> None:
    assert parse_answer(text, ENTRY).fault == fault


def test_failures_are_counted_by_kind() -> None:
    parser = AnswerParser()
    assert parser.success_rate is None
    for text in ("BUY | 0.5 | x", "SELL | 0.5 | x", "rubbish", "rubbish"):
        parser.parse(text, ENTRY)
    assert parser.parsed == 1
    assert dict(parser.faults) == {"illegal": 1, "form": 2}
    assert parser.success_rate == 0.25


def test_a_confidence_out_of_range_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"confidence 1\.2 must lie from 0 to 1"):
        format_answer(Action.BUY, 1.2, "x")
