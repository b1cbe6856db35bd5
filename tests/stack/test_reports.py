"""What people read: pages without raw structures, rows without secrets of the machine."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llm_plugin.cycle.words import CycleResult
from llm_plugin.stack.canary_report import CanaryComparison, ServiceView
from llm_plugin.stack.reports import canary_markdown, cycle_markdown, cycle_reason, cycle_title, facts_markdown

CANARY = CanaryComparison("v0002-bb", "v0001-aa", 4, "gains", False, 8, 0.5, 0.25, 0.75, 0.99, 0.98, 0.001, ())


def cycle(**facts: Any) -> str:
    """Return a cycle's page."""
    result = CycleResult("refused", "p = 0.4", "validator-c0001", "base", "v0001-aa", resumed=True)
    return cycle_markdown(result, facts, {"MLflow": "http://127.0.0.1:5000"})


def test_a_cycle_page_holds_counts_times_and_links() -> None:
    page = cycle(counts={"pairs": 241}, left_out={"window": {"young": 3}, "pairs": {}}, seconds={"trained": 25.4})
    for words in (
        "## Refused by the gate",
        "p = 0.4",
        "| pairs | 241 |",
        "| window: young | 3 |",
        "| trained | 25.4 |",
    ):
        assert words in page
    assert "[MLflow](http://127.0.0.1:5000)" in page
    assert "{" not in page


def test_hashes_are_short_and_bars_do_not_break_the_table() -> None:
    page = cycle(training={"base": "a" * 64, "recipe": "a|b\nc"})
    assert f"| base | {'a' * 12} |" in page
    assert "| recipe | a\\|b c |" in page


def test_one_that_waits_says_for_what() -> None:
    result = CycleResult("waiting", "stopped after registered", "validator-c0001", "base", "v0001-aa")
    assert cycle_reason(result) == "v0001-aa is registered and waits for the gate; base serves"
    assert cycle_title("some_new_status") == "Some new status"


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (None, "no service is known here"),
        (ServiceView("http://a", "v0002-bb"), "http://a serves v0002-bb"),
        (ServiceView("http://a", "v0001-aa"), "**http://a serves v0001-aa, not the champion**"),
        (ServiceView("http://a", None, "refused"), "http://a did not answer: refused"),
    ],
    ids=["none", "follows", "lags", "away"],
)
def test_the_canary_page_says_whether_the_service_follows(service: ServiceView | None, words: str) -> None:
    page = canary_markdown(CANARY, service)
    assert f"| service | {words} |" in page
    assert "| takes | 25% (before 75%) |" in page


def test_a_promotion_past_the_gate_is_marked() -> None:
    from dataclasses import replace

    assert "past the gate" in canary_markdown(replace(CANARY, forced=True), None)
    assert "past the gate" not in canary_markdown(CANARY, None)


def test_facts_leave_out_what_is_unknown() -> None:
    page = facts_markdown("Watch", {"e-value": 1.23456, "at": datetime(2024, 1, 2, 3, 4, tzinfo=UTC), "gone": None})
    assert "| e-value | 1.235 |" in page
    assert "| at | 2024-01-02 03:04 UTC |" in page
    assert "gone" not in page
