"""Risk rules: entries only, each rule with its figures, and blocks that end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from questions import FEATURES, START, question

from llm_plugin.domain import Action, PositionState, QuestionKind
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.risk import (
    UNAVAILABLE,
    RiskGate,
    drawdown_buffer,
    register_risk_rule,
    risk_rule_names,
    unregister_risk_rule,
)
from llm_plugin.session import SessionStatistics
from llm_plugin.settings import RiskSettings


def gate(shadows: Any = None, **values: Any) -> RiskGate:
    return RiskGate(RiskSettings(**values), shadows)


def stats(hours: float = 0, losses: int = 0, trades: int = 0, wins: int = 0, total: int | None = None) -> Any:
    return SessionStatistics(
        as_of_utc=START + timedelta(hours=hours),
        trades=trades,
        wins=wins,
        win_rate=wins / trades if trades else None,
        consecutive_losses=losses,
        total_trades=max(losses, trades) if total is None else total,
    )


@pytest.fixture
def rule_name() -> Iterator[str]:
    yield "own_rule"
    unregister_risk_rule("own_rule")


@pytest.mark.parametrize(("losses", "blocked"), [(2, False), (3, True), (4, True)])
def test_three_losses_in_a_row_block_entries(losses: int, blocked: bool) -> None:
    veto = gate().check(question(), stats(losses=losses))
    assert (veto is not None) == blocked
    if veto is not None:
        assert veto.rule == "consecutive_losses"
        assert f"{losses} losses in a row" in veto.reason


@pytest.mark.parametrize(
    ("trades", "wins", "blocked"),
    [(19, 0, False), (20, 7, True), (20, 8, False), (50, 19, True)],
    ids=["too-few", "below", "at-threshold", "many"],
)
def test_a_low_win_rate_blocks_from_twenty_trades_on(trades: int, wins: int, blocked: bool) -> None:
    veto = gate().check(question(), stats(trades=trades, wins=wins))
    assert (None if veto is None else veto.rule) == ("win_rate" if blocked else None)


@pytest.mark.parametrize(("equity", "blocked"), [(84_001.0, False), (83_999.0, True), (70_000.0, True)])
def test_the_drawdown_buffer_blocks_near_the_floor(equity: float, blocked: bool) -> None:
    assert drawdown_buffer(80_000, 100_000, 0.2) == pytest.approx(0.0)
    veto = gate().check(question(equity=equity), stats())
    assert (None if veto is None else veto.rule) == ("drawdown_buffer" if blocked else None)


@pytest.mark.parametrize("equity", [float("nan"), float("-inf")])
def test_an_account_that_cannot_be_judged_blocks(equity: float) -> None:
    veto = gate().check(question(equity=equity), stats())
    assert veto is not None
    assert veto.rule == "drawdown_buffer"


def test_exits_and_position_questions_are_never_blocked() -> None:
    worst = stats(losses=99, trades=50)
    exit_ = question(
        action=Action.SELL,
        kind=QuestionKind.POSITION,
        position=PositionState(1000, 1.38),
        legal=(Action.HOLD, Action.SELL),
        equity=1.0,
    )
    asked = gate(rules=["vix", "blackout"])
    assert asked.check(exit_, worst) is None
    assert asked.check(question(equity=1.0), worst) is not None
    assert asked.checked == 1


def test_the_switch_turns_every_rule_off() -> None:
    assert gate(enable_risk_veto=False, rules=["vix"]).check(question(equity=1.0), stats(losses=99)) is None


def test_vetoes_are_counted_by_name() -> None:
    asked = gate()
    asked.check(question(0), stats(losses=3))
    asked.check(question(1), stats(losses=3))
    asked.check(question(2, equity=1.0), stats())
    assert dict(asked.vetoes) == {"consecutive_losses": 2, "drawdown_buffer": 1}


# Recovery: the streak itself cannot change while nothing trades.


def first_pass(asked: RiskGate, hours: int = 400, step: int = 1, **fields: Any) -> int | None:
    for hour in range(0, hours, step):
        if asked.check(question(hour), stats(hour, losses=3, **fields)) is None:
            return hour
    return None


def test_a_block_ends_after_the_cooldown() -> None:
    assert first_pass(gate(cooldown_bars=24)) == 24
    assert first_pass(gate(cooldown_bars=3)) == 3


def test_a_block_without_recovery_would_lock_up() -> None:
    """Planted offender: blocking while the streak lasts never ends, for a blocked run closes no trade."""
    locked = [hour for hour in range(400) if not stats(hour, losses=3).consecutive_losses >= 3]
    assert locked == []
    assert first_pass(gate()) is not None


def test_a_block_ends_with_the_next_trading_day() -> None:
    # Monday 00:00 UTC belongs to the trading day that ends 17:00 New York, 22:00 UTC in winter.
    assert first_pass(gate(recovery="next_session")) == 22


def test_a_block_ends_with_winning_shadow_trades() -> None:
    def shadows(since: Any, as_of: Any) -> int:
        return int((as_of - since) / timedelta(hours=10))

    assert first_pass(gate(shadows, recovery="shadow_wins", shadow_wins=2)) == 20


def test_a_block_never_outlasts_its_longest_time() -> None:
    assert first_pass(gate(lambda since, as_of: 0, recovery="shadow_wins", max_block_bars=50)) == 50


def test_after_a_recovery_the_count_of_losses_starts_anew() -> None:
    asked = gate(cooldown_bars=5)
    assert first_pass(asked) == 5
    for hour, losses in ((6, 3), (9, 4), (12, 5)):
        assert asked.check(question(hour), stats(hour, losses=losses)) is None
    assert asked.check(question(15), stats(15, losses=6)) is not None
    assert asked.check(question(20), stats(20, losses=6)) is None
    assert asked.check(question(21), stats(21, losses=0, total=7)) is None
    assert asked.check(question(30), stats(30, losses=3, total=10)) is not None


def test_after_a_recovery_the_win_rate_needs_twenty_new_trades() -> None:
    asked = gate(cooldown_bars=5)
    low = {"trades": 50, "wins": 10}
    assert asked.check(question(0), stats(0, total=60, **low)) is not None
    assert asked.check(question(5), stats(5, total=60, **low)) is None
    assert asked.check(question(30), stats(30, total=79, **low)) is None
    assert asked.check(question(31), stats(31, total=80, **low)) is not None


def test_after_a_recovery_only_a_deeper_drawdown_blocks() -> None:
    asked = gate(cooldown_bars=5)
    assert asked.check(question(0, equity=83_000), stats(0, total=3)) is not None
    assert asked.check(question(5, equity=83_000), stats(5, total=3)) is None
    assert asked.check(question(6, equity=82_000), stats(6, total=3)) is None
    assert asked.check(question(7, equity=83_500), stats(7, total=4)) is None
    assert asked.check(question(8, equity=82_900), stats(8, total=5)) is not None
    assert asked.check(question(9, equity=99_000), stats(9, total=6)) is None
    assert asked.check(question(10, equity=83_500), stats(10, total=6)) is not None


def test_blocks_survive_a_restart() -> None:
    before, after = gate(cooldown_bars=5), gate(cooldown_bars=5)
    before.check(question(0), stats(losses=3))
    after.restore(before.state())
    assert after.check(question(4), stats(4, losses=3)) is not None
    assert after.check(question(5), stats(5, losses=3)) is None
    with pytest.raises(DataError, match="damaged"):
        gate().restore({"win_rate": "yesterday"})
    with pytest.raises(DataError, match="names 'luck'"):
        gate().restore({"luck": ["2014-03-03T00:00:00+00:00", False, 0, "nan"]})


# Market rules


@pytest.mark.parametrize(("vix", "blocked"), [(30.0, False), (30.1, True), (None, True)])
def test_a_high_vix_blocks_and_so_does_an_unknown_one(vix: float | None, blocked: bool) -> None:
    features = FEATURES if vix is None else {**FEATURES, "vix": vix}
    asked = gate(rules=["vix"])
    veto = asked.check(question(features=features), stats())
    assert (veto is not None) == blocked
    assert asked.unavailable["vix"] == (vix is None)


def test_an_unknown_input_passes_only_if_the_user_says_so() -> None:
    asked = gate(rules=["vix"], on_unavailable="pass")
    assert asked.check(question(), stats()) is None
    assert asked.unavailable["vix"] == 1


@pytest.mark.parametrize(
    ("action", "support", "resistance", "blocked"),
    [
        (Action.BUY, 0.01, 0.0019, True),
        (Action.BUY, 0.0001, 0.0021, False),
        (Action.SELL, 0.0019, 0.01, True),
        (Action.SELL, 0.0021, 0.0001, False),
        (Action.BUY, 0.01, None, False),
        (Action.BUY, None, None, True),
    ],
)
def test_no_entry_into_a_near_level(
    action: Action, support: float | None, resistance: float | None, blocked: bool
) -> None:
    pairs = {"support_distance_fraction": support, "resistance_distance_fraction": resistance}
    features = {name: value for name, value in pairs.items() if value is not None}
    veto = gate(rules=["support_resistance"]).check(question(0, action, features=features), stats())
    assert (veto is not None) == blocked


@pytest.mark.parametrize(
    ("hours", "blocked"),
    [(16.98, False), (17, True), (17.99, True), (18, False), (24 * 120 + 15.99, False), (24 * 120 + 16.5, True)],
    ids=["winter-before", "winter-start", "winter-inside", "winter-end", "summer-before", "summer-inside"],
)
def test_the_blackout_is_noon_to_one_in_new_york(hours: float, blocked: bool) -> None:
    veto = gate(rules=["blackout"]).check(question(hours), stats(hours))
    assert (veto is not None) == blocked


def test_a_blackout_may_cross_midnight() -> None:
    asked = gate(rules=["blackout"], blackout_start="23:00", blackout_end="01:00", blackout_timezone="UTC")
    assert [asked.check(question(hour), stats(hour)) is None for hour in (22, 23, 24.5, 25)] == [
        True,
        False,
        False,
        True,
    ]


def test_own_rules_register_by_name(rule_name: str) -> None:
    register_risk_rule(rule_name, lambda request, statistics, settings: "no Mondays" if request.sequence == 1 else None)
    assert rule_name in risk_rule_names()
    asked = gate(rules=[rule_name])
    assert asked.check(question(0), stats()) is None
    veto = asked.check(question(0, sequence=1), stats())
    assert (veto.rule, veto.reason) == (rule_name, "no Mondays") if veto else False
    with pytest.raises(ConfigError, match="'own_rule' exists already"):
        register_risk_rule(rule_name, lambda *_: None)
    with pytest.raises(ConfigError, match="'win_rate' exists already"):
        register_risk_rule("win_rate", lambda *_: None)


@pytest.mark.parametrize("answer", [ValueError("boom"), True, 0.5], ids=["raises", "bool", "number"])
def test_a_rule_that_raises_or_answers_rubbish_blocks(rule_name: str, answer: Any) -> None:
    """Planted offender: a hook that lets an entry pass when its code raises."""

    def rule(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    def hopeful(rule_: Any, request: Any) -> bool:
        try:
            return rule_(request, None, None) is None
        except ValueError:
            return True

    register_risk_rule(rule_name, rule)
    asked = gate(rules=[rule_name])
    assert asked.check(question(), stats()) is not None
    assert asked.failures[rule_name] == 1
    if isinstance(answer, Exception):
        assert hopeful(rule, question())


def test_an_own_rule_may_say_that_it_cannot_judge(rule_name: str) -> None:
    register_risk_rule(rule_name, lambda *_: UNAVAILABLE)
    assert gate(rules=[rule_name]).check(question(), stats()) is not None
    assert gate(rules=[rule_name], on_unavailable="pass").check(question(), stats()) is None


def test_unknown_rules_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"'vxi', which does not exist \(did you mean 'vix'\?\)") as caught:
        gate(rules=["vxi", "luck"])
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match="needs a session tracker"):
        gate(recovery="shadow_wins")
