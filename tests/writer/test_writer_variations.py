"""Copies say the same of another symbol with other numbers, on both sides."""

from __future__ import annotations

import random
import re

from llm_plugin.writer.rows import StrategyRow
from llm_plugin.writer.variations import tickers_of, varied, with_variations

CODE = 'x = self.add_equity("SPY")\ny = self.rsi(x, 14)\nself.set_warm_up(43)\nz = 0.985 + 0.025\nif y < 30: pass\n'


def row(instruction: str, completion: str = CODE) -> StrategyRow:
    return StrategyRow("r", instruction, completion, "f", "train")


def test_symbol_and_threshold_change_on_both_sides() -> None:
    pool = ["SPY", "IBM", "AAPL"]
    for seed in range(30):
        copy = varied(row("Buy SPY when RSI(14) is below 30, risk 2.5 %."), pool, random.Random(seed))
        symbol = re.search(r'add_equity\("(\w+)"\)', copy.completion)
        level = re.search(r"y < (\d+):", copy.completion)
        risk = re.search(r"risk ([\d.]+) %", copy.instruction)
        assert symbol
        assert level
        assert risk
        assert f"Buy {symbol[1]} when" in copy.instruction
        assert f"below {level[1]}," in copy.instruction
        assert f"+ {float(risk[1]) / 100:g}\n" in copy.completion
        period = re.search(r"rsi\(x, (\d+)\)", copy.completion)
        assert period
        assert f"RSI({period[1]})" in copy.instruction
        assert int(period[1]) <= 14  # the warm-up hangs on it
        assert "RSI" in copy.instruction
        assert "0.985" in copy.completion


def test_two_symbols_never_become_one() -> None:
    code = 'a = self.add_equity("SPY")\nb = self.add_equity("IBM")\n'
    for seed in range(30):
        copy = varied(row("Long SPY against IBM.", code), ["SPY", "IBM", "BAC"], random.Random(seed))
        names = re.findall(r'"(\w+)"', copy.completion)
        assert len(set(names)) == 2
        assert copy.instruction == f"Long {names[0]} against {names[1]}."


def test_what_only_one_side_names_stays() -> None:
    copy = varied(row("Buy the index fund, 7 days, in 2015."), ["SPY", "IBM"], random.Random(1))
    assert (copy.instruction, copy.completion) == ("Buy the index fund, 7 days, in 2015.", CODE)


def test_dates_cash_and_the_whole_portfolio_stay_as_they_are() -> None:
    code = (
        "self.set_start_date(2016, 1, 12)\nself.set_cash(25000)\nself.rsi(x, 25)\nself.set_holdings(x, 1)\n"
        "at = self.time_rules.at(12, 0)\nif close < average - 12: self.order(x, -25)\n"
    )
    asked = "With RSI(25) and 12 below, 100 % of the portfolio, 25 shares, 2016-01-12 on, $25,000."
    for seed in range(30):
        copy = varied(row(asked, code), ["SPY"], random.Random(seed))
        period = re.search(r"RSI\((\d+)\)", copy.instruction)
        below = re.search(r"and (\d+) below", copy.instruction)
        assert period
        assert below
        expected = code.replace("(x, 25)", f"(x, {period[1]})").replace("- 12", f"- {below[1]}")
        assert copy.completion == expected.replace("-25", f"-{period[1]}")
        assert copy.instruction.endswith(f"100 % of the portfolio, {period[1]} shares, 2016-01-12 on, $25,000.")


def test_copies_repeat_with_their_seed_and_have_ids_of_their_own() -> None:
    rows = [row("Buy SPY below 30."), StrategyRow("s", "Buy IBM.", 'self.add_equity("IBM")', "f", "train")]
    assert tickers_of(rows) == ["IBM", "SPY"]
    made = with_variations(rows, 3, seed=5)
    assert made == with_variations(rows, 3, seed=5) != with_variations(rows, 3, seed=6)
    assert len({item.id for item in made}) == 8
    assert made[:2] == rows
