"""What is read from a prompt without a model: certain things only."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.formulas import parse, to_text
from llm_plugin.strategies.generate.facts import broken_facts
from llm_plugin.strategies.generate.inventory import Inventory, choose_period, read_inventory
from llm_plugin.strategies.generate.phrases import condition
from llm_plugin.strategies.generate.prompts import check_prompt
from llm_plugin.strategies.generate.reading import Fact, read_prompt
from llm_plugin.strategies.grammar import FAMILIES, draw
from llm_plugin.strategies.tasks import load_tasks

TASKS = Path(__file__).parents[2] / "datasets" / "strategy_tasks"


@pytest.fixture(scope="module")
def inventory(market_data: Path) -> Inventory:
    return read_inventory(market_data)


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        (
            "buy the dip in SPY when RSI(2) < 10, exit above the 5-day mean, 1 % stop",
            {
                "symbols": ["SPY"],
                "direction": "long",
                "resolution": "daily",
                "entry": {"long": "rsi(2) < 10"},
                "exit": {"long": "close > sma(5)"},
                "stop": {"kind": "percent", "value": 1.0},
            },
        ),
        (
            "Short EURUSD on hourly bars when RSI(14) is above 70, cover when RSI(14) is below 50, "
            "take profit at 2%, with a 1.5% trailing stop",
            {
                "security_type": "forex",
                "direction": "short",
                "resolution": "hour",
                "entry": {"short": "rsi(14) > 70"},
                "stop": {"kind": "trailing", "value": 1.5},
                "target": {"kind": "percent", "value": 2.0},
            },
        ),
        (
            "Buy 100 shares of AAPL when the close crosses above its 50-day moving average. Hold for 10 trading days.",
            {
                "entry": {"long": "crosses_above(close, sma(50))"},
                "holding_bars": 10,
                "size": {"kind": "shares", "value": 100.0},
            },
        ),
    ],
)
def test_a_prompt_of_plain_words_is_read_whole(prompt: str, wanted: dict[str, Any], inventory: Inventory) -> None:
    reading = read_prompt(prompt, inventory)
    assert reading.unread == ()
    assert reading.requirements is not None
    assert reading.requirements.to_json().items() >= wanted.items()


@pytest.mark.parametrize(
    ("prompt", "unread"),
    [
        ("buy SPY when it drops below the 20-day mean, 2% stop loss", "drops below"),
        ("buy SPY when RSI(2) < 10, 1% stop, but only on Mondays", "only on mondays"),
        ("buy SPY when the close is above the 20-day high on daily bars, 1% stop", "20-day high"),
        ("buy SPY on daily bars when RSI(2) < 10 and close > 5 or RSI(3) < 4, 1% stop", "or rsi(3)"),
        ("buy SPY on daily bars when RSI(2) < 10, exit above the 5-day mean, exit above the 9-day mean", "9-day"),
    ],
)
def test_a_word_that_is_not_understood_leaves_only_facts(prompt: str, unread: str, inventory: Inventory) -> None:
    reading = read_prompt(prompt, inventory)
    assert reading.requirements is None
    assert any(unread in words for words in reading.unread)
    assert Fact("symbol", "SPY", "SPY") in reading.facts


def test_without_a_resolution_nothing_is_assumed(inventory: Inventory) -> None:
    reading = read_prompt("buy SPY when RSI(2) < 10, exit when RSI(2) > 70", inventory)
    assert (reading.requirements, reading.unread, reading.resolution) == (None, (), "")


def test_a_ticker_without_data_is_named(inventory: Inventory) -> None:
    reading = read_prompt("buy TSLA when RSI(14) < 30", inventory)
    assert (reading.symbols, reading.unknown) == ((), ("TSLA",))


def test_capitals_that_are_no_tickers_are_not_missed(inventory: Inventory) -> None:
    assert read_prompt("Buy ETF shares when RSI is low; trade ONLY long", inventory).unknown == ()


def test_period_and_cash_are_read(inventory: Inventory) -> None:
    reading = read_prompt("buy SPY when RSI(2) < 10, from 2014 to 2016, with $50k", inventory)
    assert (reading.start, reading.end, reading.cash) == (date(2014, 1, 1), date(2016, 12, 31), 50_000)
    backwards = read_prompt("buy SPY when RSI(2) < 10, from 2016 to 2014", inventory)
    assert (backwards.start, backwards.requirements) == (None, None)


def same(rules: Any) -> Any:
    """Conditions without needless parentheses."""
    if isinstance(rules, dict) and set(rules) <= {"long", "short"}:
        return {side: to_text(parse(text)) for side, text in rules.items()}
    return rules


def test_what_is_read_of_the_benchmark_is_what_a_person_wrote_down(inventory: Inventory) -> None:
    tasks = [task for task in load_tasks(TASKS) if task.requirements]
    equal, facts = 0, 0
    for task in tasks:
        reading = read_prompt(task.prompt, inventory)
        assert set(reading.symbols) <= set(task.requirements.symbols) if task.requirements else True, task.id
        facts += len(reading.facts)
        if reading.requirements is not None and task.requirements is not None:
            mine, theirs = reading.requirements.to_json(), task.requirements.to_json()
            names = ("symbols", "resolution", "direction", "entry", "exit", "stop", "target", "holding_bars")
            assert {name: same(mine.get(name)) for name in names} == {n: same(theirs.get(n)) for n in names}, task.id
            equal += 1
    assert equal >= 1
    assert facts >= 100


def test_no_fact_is_broken_by_a_reference_solution(inventory: Inventory) -> None:
    checked = 0
    for task in load_tasks(TASKS):
        facts = read_prompt(task.prompt, inventory).facts
        for source in (task.reference, *task.alternatives):
            if source:
                assert broken_facts(source, facts) == [], task.id
                checked += 1
    assert checked >= 50


SOURCE = """
class A(QCAlgorithm):
    def initialize(self):
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.fast = self.rsi(self.spy, 2)
        self.stop = 0.99
"""


@pytest.mark.parametrize(
    ("fact", "offender", "told"),
    [
        (Fact("symbol", "SPY", "SPY"), ('"SPY"', '"QQQ"'), "names SPY"),
        (Fact("period", ("rsi", 2), "rsi(2)"), (", 2)", ", 14)"), "no 2 stands in the code"),
        (Fact("stop", 1.0, "1 % stop"), ("0.99", "0.95"), "neither 1 nor 0.01"),
        (Fact("resolution", "daily", "on daily bars"), ("DAILY", "HOUR"), "uses Resolution.HOUR"),
    ],
    ids=["symbol", "period", "stop", "resolution"],
)
def test_a_broken_fact_is_named_and_a_kept_one_is_not(fact: Fact, offender: tuple[str, str], told: str) -> None:
    assert broken_facts(SOURCE, [fact]) == []
    assert told in broken_facts(SOURCE.replace(*offender), [fact])[0]


def test_a_file_that_does_not_parse_breaks_no_fact() -> None:
    assert broken_facts("def (", [Fact("symbol", "SPY", "SPY")]) == []


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("rsi(2) < 10", "rsi(2) < 10"),
        ("its close is at or above the 20-day ema", "close >= ema(20)"),
        ("the 10-day mean crosses below the 50-day mean", "crosses_below(sma(10), sma(50))"),
        ("the close is below the lower bollinger band (20, 2)", "close < bollinger_lower(20, 2)"),
        ("rsi(2) < 10%", None),
        ("rsi(2) is low", None),
        ("rsi(2) < 10 roughly", None),
        ("rsi < 10", None),
        ("", None),
    ],
)
def test_conditions_are_read_to_the_last_word_or_not_at_all(words: str, wanted: str | None) -> None:
    assert condition(words) == wanted


def test_the_period_follows_the_data(inventory: Inventory) -> None:
    assert choose_period(inventory, ["SPY"], "daily") == (date(2014, 1, 1), date(2015, 12, 31))
    assert choose_period(inventory, ["SPY"], "minute") == (date(2013, 10, 4), date(2013, 10, 11))
    assert choose_period(inventory, ["NOPE"], "daily") == (date(2014, 1, 1), date(2015, 12, 31))
    assert inventory.resolutions("SPY") == ("daily", "hour", "minute")


def test_descriptions_of_the_grammar_are_read_as_they_are_meant_or_not_at_all(inventory: Inventory) -> None:
    names = ("symbols", "security_type", "resolution", "direction", "entry", "exit", "stop", "target", "size")
    read, facts = 0, 0
    for family in FAMILIES:
        for seed in range(5):
            strategy = draw(family, str(seed))
            for prompt in strategy.instructions:
                assert check_prompt(prompt) == [], prompt
                reading = read_prompt(prompt, inventory)
                assert broken_facts(strategy.source, reading.facts) == [], prompt
                facts += len(reading.facts)
                if reading.requirements is not None:
                    mine, meant = reading.requirements.to_json(), strategy.requirements or {}
                    assert {n: same(mine.get(n)) for n in names} == {n: same(meant.get(n)) for n in names}, prompt
                    assert mine.get("holding_bars") == meant.get("holding_bars"), prompt
                    read += 1
    assert read >= 8
    assert facts >= 800
