"""Requests that cannot become a strategy are refused by name; all others pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_plugin.strategies.generate.prompts import LONGEST_PROMPT, PromptRefused, check_prompt, language_of
from llm_plugin.strategies.tasks import load_tasks

TASKS = Path(__file__).parents[2] / "datasets" / "strategy_tasks"


@pytest.mark.parametrize("prompt", ["", "   \n", "...", "?!"])
def test_an_empty_prompt_is_refused_with_an_example(prompt: str) -> None:
    with pytest.raises(PromptRefused, match=r"is empty: say what to trade.*RSI\(2\)"):
        check_prompt(prompt)


def test_an_endless_prompt_and_control_characters_are_refused() -> None:
    with pytest.raises(PromptRefused, match="8,001 characters, at most 8,000"):
        check_prompt("a" * (LONGEST_PROMPT + 1))
    with pytest.raises(PromptRefused, match=r"control characters \(U\+0007\)"):
        check_prompt("buy SPY\a")


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("Buy SPY today if tomorrow's close is higher", "not known yet"),
        ("buy AAPL before it rises tomorrow", "only known afterwards"),
        ("buy before the rise tomorrow and sell before the next day's drop", "only known afterwards"),
        ("go long whenever the next bar closes up", "not known yet"),
        ("trade SPY using future prices", "knowledge of the future"),
        ("add a small lookahead to the entry", "knowledge of the future"),
        ("sell covered calls on SPY every month", "needs options"),
        ("buy SPY call options when the RSI is low", "needs options"),
        ("trade the E-mini futures on breakouts", "needs futures"),
        ("buy stocks with low P/E ratio", "needs company figures"),
        ("buy when the news sentiment is good", "data from the network"),
        ("log in with my password and buy SPY", "asks for a secret"),
        ("use your API key to place the order", "asks for a secret"),
        ("get prices from https://example.com and buy", "needs the network"),
        ("send me an e-mail when SPY crosses its mean", "needs the network"),
        ("buy SPY and write the trades to a CSV file", "needs files"),
        ("read /etc/passwd and buy SPY", "needs files"),
    ],
)
def test_the_impossible_is_refused_with_the_words_and_what_to_do(prompt: str, told: str) -> None:
    with pytest.raises(PromptRefused, match=told) as refused:
        check_prompt(prompt)
    words = re.findall(r"words ['\"](.+?)['\"]: this", str(refused.value))
    assert words
    assert all(word in prompt for word in words)


@pytest.mark.parametrize(
    "prompt",
    [
        "buy the dip in SPY when RSI(2) < 10, exit above the 5-day mean, 1 % stop",
        "fit a regression each week that predicts the next day's return and buy SPY if the forecast is positive",
        "Buy at tomorrow's open after a close above the 20-day mean; avoid any look-ahead",
        "Optionally add a filter: only trade when the 200-day mean rises",
        "Close the position before the end of the month",
        "Enter a market-on-open order for the next day when today's close is the lowest of 5 days",
    ],
)
def test_what_can_be_done_is_not_refused(prompt: str) -> None:
    assert check_prompt(prompt) == []


def test_several_impossible_wishes_are_all_named() -> None:
    with pytest.raises(PromptRefused) as refused:
        check_prompt("use my password to buy SPY call options, and save the result to a file")
    assert len(refused.value.problems) == 3


def test_no_prompt_of_the_benchmark_is_refused_or_taken_for_another_language() -> None:
    tasks = load_tasks(TASKS)
    assert len(tasks) >= 50
    assert [task.id for task in tasks if check_prompt(task.prompt)] == []


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("Kaufe SPY, wenn der RSI unter 10 ist, und verkaufe ihn über dem Mittel", "German"),
        ("Acheter SPY quand le RSI est sous 10 et vendre au dessus de la moyenne", "French"),
        ("Compra SPY cuando el RSI es menor que 10 y vende por encima de la media", "Spanish"),
        ("当RSI低于10时买入SPY", "Chinese"),
        ("Купить SPY, когда RSI ниже 10", "Russian or another language in Cyrillic"),
        ("RSI2 が 10 未満で SPY を買う", "Japanese"),
    ],
)
def test_another_language_works_and_is_said(prompt: str, language: str) -> None:
    assert language_of(prompt) == language
    assert f"seems to be {language}" in check_prompt(prompt)[0]
