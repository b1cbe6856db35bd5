"""A policy as an account: a vetoed trade frees the symbol for the next one."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from gate_trials import answers, matured
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from llm_plugin.errors import DataError
from llm_plugin.gate import portfolio
from llm_plugin.learning.types import MaturedDecision


def trades(*rows: tuple[float, float, float, str]) -> list[MaturedDecision]:
    """Decisions by hour, holding hours, net R and symbol."""
    made = []
    for hour, held, net_r, symbol in rows:
        row = matured(hour, net_r=net_r, symbol=symbol)
        made.append(replace(row, closed_utc=row.time_utc + timedelta(hours=held)))
    return made


def test_one_position_per_symbol_at_a_time() -> None:
    rows = trades((0, 5, -1.0, "A"), (2, 5, 2.0, "A"), (5, 1, 1.0, "A"), (2, 5, 0.5, "B"))
    everything = portfolio(rows, answers(rows, [True] * 4, "all"))
    assert (everything.trades, everything.blocked) == (3, 1)
    assert everything.net_return == pytest.approx(0.01 * (-1.0 + 1.0 + 0.5))
    freed = portfolio(rows, answers(rows, [False, True, True, True], "veto"))
    assert (freed.trades, freed.blocked) == (2, 1)
    assert freed.net_return == pytest.approx(0.01 * (2.0 + 0.5))


def test_the_curve_books_profit_when_trades_close() -> None:
    rows = trades((0, 30, 3.0, "A"), (1, 2, -2.0, "B"), (10, 2, -1.0, "B"))
    run = portfolio(rows, answers(rows, [True] * 3, "v"), risk_fraction=0.1)
    assert [round(equity, 6) for _, equity in run.curve] == [0.8, 0.7, 1.0]
    assert [time for time, _ in run.curve] == sorted(row.closed_utc for row in rows)
    assert run.max_drawdown == pytest.approx(0.3)
    assert run.net_return == pytest.approx(0.0)


def test_size_scales_and_the_clip_does_not_apply_to_money() -> None:
    rows = trades((0, 5, 10.0, "A"))
    half = [replace(answer, size=0.5) for answer in answers(rows, [True], "v")]
    assert portfolio(rows, half).net_return == pytest.approx(0.05)


def test_the_sharpe_counts_every_weekday() -> None:
    rows = trades((0, 1, 1.0, "A"), (24, 1, -0.5, "A"), (96, 1, 1.0, "A"))  # Monday, Tuesday, Friday
    run = portfolio(rows, answers(rows, [True] * 3, "v"))
    daily = [0.01, -0.005, 0.0, 0.0, 0.01]
    mean = sum(daily) / 5
    spread = math.sqrt(sum((x - mean) ** 2 for x in daily) / 4)
    assert run.sharpe == pytest.approx(mean / spread * math.sqrt(252))


def test_an_account_that_does_nothing_has_no_sharpe() -> None:
    rows = trades((0, 1, 1.0, "A"), (24, 1, -0.5, "A"))
    run = portfolio(rows, answers(rows, [False, False], "v"))
    assert (run.trades, run.net_return, run.sharpe, run.max_drawdown, run.curve) == (0, 0.0, None, 0.0, ())


def test_what_cannot_be_replayed_was_not_answered_or_was_no_signal_is_passed_over() -> None:
    rows = trades((0, 1, 1.0, "A"), (24, 1, 2.0, "A"), (48, 1, 4.0, "A"), (72, 1, 8.0, "A"))
    rows[1], rows[2] = replace(rows[1], net_r=None), replace(rows[2], origin="context")
    run = portfolio(rows, answers(rows[:3], [True] * 3, "v"))
    assert (run.trades, run.net_return) == (1, pytest.approx(0.01))


def test_impossible_words_are_refused() -> None:
    rows = trades((0, 1, 1.0, "A"))
    with pytest.raises(DataError, match=r"risk_fraction 1\.5"):
        portfolio(rows, answers(rows, [True], "v"), risk_fraction=1.5)
    with pytest.raises(DataError, match="at least one answer"):
        portfolio(rows, [])


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    spec=st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 60), st.floats(-3, 3), st.sampled_from("AB"), st.booleans()),
        min_size=1,
        max_size=25,
        unique_by=lambda row: (row[0], row[3]),
    )
)
def test_positions_of_a_symbol_never_overlap_and_the_books_balance(
    spec: list[tuple[int, int, float, str, bool]],
) -> None:
    rows = trades(*((hour, held, net, symbol) for hour, held, net, symbol, _ in spec))
    run = portfolio(rows, answers(rows, [row[4] for row in spec], "v"))
    assert run.trades + run.blocked == sum(row[4] for row in spec)
    equity = [1.0, *(value for _, value in run.curve)]
    assert run.net_return == pytest.approx(equity[-1] - 1)
    assert len(equity) == run.trades + 1
    assert run.max_drawdown >= 0
