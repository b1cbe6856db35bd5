"""How long the session line of a prompt takes, with a long history behind it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from llm_plugin.domain import Action
from llm_plugin.session import SessionTracker

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from questions import START, question, result

TRADES, QUESTIONS, ROUNDS = 10_000, 2_000, 3


def test_session_section(record_figure: Callable[[str, float, str, float, str], None]) -> None:
    """p99 of the section text over 2,000 questions after 10,000 trades; best of three rounds."""
    tracker, rng = SessionTracker(), np.random.default_rng(0)
    for hour in range(TRADES):
        request = question(hour, Action.BUY if hour % 2 else Action.SELL, sequence=hour)
        tracker.observe(request)
        tracker.record(result(request, float(rng.choice([1.5, -1.0])), 5.0), request)
    asked = [question(TRADES + 200 + n) for n in range(QUESTIONS)]
    p99 = []
    for _ in range(ROUNDS):
        seconds = []
        for number, request in enumerate(asked):
            moment = START + timedelta(hours=TRADES + 200 + number)
            begin = time.perf_counter()
            text = tracker.section(moment, request)
            seconds.append(time.perf_counter() - begin)
        p99.append(float(np.quantile(seconds, 0.99)))
    assert text != "none"
    record_figure("session_section_p99_ms", 1000 * min(p99), "ms", 1.0, "lower")
