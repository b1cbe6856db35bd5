"""The progress of arms: a rate is shown once there is one."""

from __future__ import annotations

import pytest

from llm_plugin.cli import progress
from llm_plugin.cli.progress import ArmProgress


class Clock:
    """A clock that a test sets."""

    now = 100.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", lambda: made.now)
    return made


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lines as they are printed where there is no terminal."""
    printed: list[str] = []
    monkeypatch.setattr(progress.err, "print", lambda text, **_: printed.append(text))
    return printed


def event(bars: int, fraction: float) -> dict[str, object]:
    return {"event": "progress", "bars": bars, "fraction": fraction, "time": "2014-02-27 00:00:00"}


def test_the_rate_counts_from_the_first_event(lines: list[str], clock: Clock) -> None:
    shown = ArmProgress({"llm": "LLM"})
    shown("llm", event(1000, 0.1))
    clock.now += 20
    shown("llm", event(21_000, 0.5))
    assert lines == ["LLM: 50 %, 2014-02-27  1,000 bars/s"]


def test_a_rate_over_no_time_at_all_is_not_shown(lines: list[str], clock: Clock) -> None:
    shown = ArmProgress({"llm": "LLM"})
    clock.now += 20
    shown("llm", event(12_000, 0.19))
    assert lines == ["LLM: 19 %, 2014-02-27"]
