"""Gate 4: a right strategy passes in any style, and each planted fault is found by what it does in the run."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from trusted_here import trusted_here
from witness_sources import CLASSIC, DIP

from llm_plugin.strategies.meaning import check_meaning
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import Task
from llm_plugin.strategies.trusted_run import Finding

BY_HAND = '''import numpy as np
from AlgorithmImports import *


class DipByHand(QCAlgorithm):
    """The same idea from plain numbers, decided the next morning; the stop is looked at, not sent."""

    def initialize(self):
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.closes = list(self.history(self.spy, 60, Resolution.DAILY)["close"])
        self.schedule.on(self.date_rules.every_day(self.spy), self.time_rules.after_market_open(self.spy, 5), self.look)

    def on_data(self, data):
        if self.spy in data.bars:
            self.closes.append(data.bars[self.spy].close)

    def look(self):
        if self.transactions.get_open_orders():
            return
        up = down = 0.0
        for move in np.diff(self.closes[-60:]):
            up, down = (up + max(move, 0)) / 2, (down + max(-move, 0)) / 2
        rsi = 100 - 100 / (1 + up / down) if down > 0 else 100
        close, holding = self.closes[-1], self.portfolio[self.spy]
        if not holding.invested:
            if rsi < 10:
                self.market_order(self.spy, int(self.portfolio.total_portfolio_value * 0.5 / close))
        elif close > np.mean(self.closes[-5:]) or close < holding.average_price * 0.98:
            self.liquidate(self.spy)
'''


def _found(source: str, folder: Path, wanted: dict[str, Any], cash: float = 100_000) -> list[Finding]:
    start, end = date(2014, 1, 1), date(2014, 12, 31)
    task = Task("t", "f", 1, "p", Requirements.from_json(wanted), start, end)
    return check_meaning(source, task, trusted_here(source, folder, start, end, cash))


def test_a_right_strategy_has_no_findings(tmp_path: Path) -> None:
    assert _found(CLASSIC, tmp_path, DIP) == []


def test_the_same_meaning_in_another_style_has_none_either(tmp_path: Path) -> None:
    assert _found(BY_HAND, tmp_path, DIP) == []


@pytest.mark.parametrize(
    ("old", "new", "requirement", "words"),
    [
        ("value < 10", "value < 25", "entry", r"does not fit the condition 'rsi\(2\) < 10': there rsi\(2\) ="),
        ("value < 10", "value < 3", "entry", "an entry was expected there"),
        ("self.rsi(self.spy, 2)", "self.rsi(self.spy, 5)", "entry", "an entry was expected there, no order"),
        ("self.sma(self.spy, 5)", "self.sma(self.spy, 20)", "exit", r"'close > sma\(5\)'"),
        ("close > self.mean", "close < self.mean", "exit", "nothing asks for it there"),
        ('"SPY"', '"QQQ"', "symbols", "QQQ was traded; only SPY may be"),
        ("(self.spy, 0.5)", "(self.spy, 0.9)", "size", "size fraction 0.5 means"),
        ("(self.spy, 0.5)", "(self.spy, -0.5)", "direction", "was held short"),
        ("* 0.98", "* 0.995", "stop", "the stop order of 2014-"),
        ("* 0.98", "* 0.9", "stop", "stands at"),
    ],
)
def test_a_planted_fault_is_found_by_its_name(old: str, new: str, requirement: str, words: str, tmp_path: Path) -> None:

    assert old in CLASSIC
    findings = _found(CLASSIC.replace(old, new), tmp_path, DIP)
    matching = [finding.reason for finding in findings if finding.requirement == requirement]
    assert any(re.search(words, reason) for reason in matching), [f"{f.requirement}: {f.reason}" for f in findings]


def test_a_decision_one_bar_late_is_told_to_be_late(tmp_path: Path) -> None:
    late = CLASSIC.replace(
        "        if not self.portfolio.invested:\n            if self.fast.current.value < 10:",
        "        before, self.before = getattr(self, 'before', 50), self.fast.current.value\n"
        "        if not self.portfolio.invested:\n            if before < 10:",
    )
    assert late != CLASSIC
    reasons = [finding.reason for finding in _found(late, tmp_path, DIP)]
    assert any("the order comes 1 bar(s) late" in reason or "the order came only on" in reason for reason in reasons)


def test_a_holding_time_is_counted_in_bars(tmp_path: Path) -> None:
    wanted = {**DIP, "exit": {}, "stop": None, "holding_bars": 4}
    source = CLASSIC.replace("elif close > self.mean.current.value:", "elif self.bars_held() >= 4:").replace(
        "            self.stop_market_order(self.spy, -event.fill_quantity, event.fill_price * 0.98)",
        "            self.count = 0\n\n    def bars_held(self):\n        self.count += 1\n        return self.count",
    )
    assert _found(source, tmp_path, wanted) == []
    findings = _found(source.replace(">= 4", ">= 9"), tmp_path, wanted)
    assert any(finding.requirement == "holding_bars" for finding in findings)


ROTATION = """from AlgorithmImports import *


class Rotation(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        tickers = ("SPY", "QQQ", "IWM", "EEM")
        self.speed = {}
        for ticker in tickers:
            symbol = self.add_equity(ticker, Resolution.DAILY).symbol
            self.speed[symbol] = self.roc(symbol, 60)
        self.set_warm_up(80, Resolution.DAILY)
        self.schedule.on(self.date_rules.month_start("SPY"), self.time_rules.after_market_open("SPY", 30), self.turn)

    def turn(self):
        if self.is_warming_up:
            return
        ranked = sorted(self.speed, key=lambda symbol: self.speed[symbol].current.value, reverse=True)
        self.set_holdings([PortfolioTarget(s, 0.45 if s in ranked[:2] else 0) for s in ranked])
"""
ROTATING = {
    "symbols": ["SPY", "QQQ", "IWM", "EEM"],
    "rebalance": {"every": "month", "at": "start"},
    "ranking": {"by": "roc(60)", "top": 2},
    "size": {"kind": "fraction", "value": 0.45},
}


def test_a_rotation_is_judged_by_what_is_held_after_each_rebalance(tmp_path: Path) -> None:
    assert _found(ROTATION, tmp_path, ROTATING) == []


@pytest.mark.parametrize(
    ("old", "new", "requirement"),
    [
        ("reverse=True", "reverse=False", "ranking"),
        ("self.roc(symbol, 60)", "self.roc(symbol, 10)", "ranking"),
        ("0.45 if", "0.2 if", "ranking"),
        ("ranked[:2]", "ranked[:1]", "ranking"),
        ("month_start", "week_start", "rebalance"),
    ],
)
def test_a_wrong_rotation_is_found(old: str, new: str, requirement: str, tmp_path: Path) -> None:
    assert old in ROTATION
    findings = _found(ROTATION.replace(old, new), tmp_path, ROTATING)
    assert requirement in {finding.requirement for finding in findings}


def test_a_task_without_requirements_has_no_findings(tmp_path: Path) -> None:
    start, end = date(2014, 1, 1), date(2014, 3, 31)
    run = trusted_here(CLASSIC, tmp_path, start, end)
    assert check_meaning(CLASSIC, Task("t", "f", 1, "p", None, start, end), run) == []


def test_indicators_are_read_from_the_text_where_the_run_shows_too_little(tmp_path: Path) -> None:
    start, end = date(2014, 6, 1), date(2014, 6, 20)
    task = Task("t", "f", 1, "p", Requirements.from_json({**DIP, "stop": None, "size": None}), start, end)
    quiet = CLASSIC.replace("self.rsi(self.spy, 2)", "self.rsi(self.spy, 3)").replace("value < 10", "value < 0")
    findings = check_meaning(quiet, task, trusted_here(quiet, tmp_path, start, end))
    assert any("rsi is built with 3 (line 10); period 2 is asked for" in finding.reason for finding in findings)
