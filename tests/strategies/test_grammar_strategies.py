"""The grammar: the same seed gives the same strategies, and code, words and requirements say the same."""

from __future__ import annotations

import ast
import re
from collections import Counter
from itertools import islice
from random import Random

import pytest

from llm_plugin.errors import ConfigError
from llm_plugin.strategies.grammar import FAMILIES, Strategy, draw, grammar_tasks, strategies
from llm_plugin.strategies.grammar.draft import split_of, wrapped
from llm_plugin.strategies.grammar.signals import SIGNALS, draw_signal
from llm_plugin.strategies.requirements import Requirements

EACH = 12


@pytest.fixture(scope="module")
def drawn() -> dict[str, list[Strategy]]:
    return {family: list(islice(strategies("tests", families=(family,)), EACH)) for family in FAMILIES}


def test_there_are_enough_families() -> None:
    assert len(FAMILIES) >= 12


def test_the_same_seed_gives_the_same_strategies(drawn: dict[str, list[Strategy]]) -> None:
    again = list(islice(strategies("tests", families=("pairs",)), EACH))
    assert again == drawn["pairs"]
    assert again != list(islice(strategies("other", families=("pairs",)), EACH))


@pytest.mark.parametrize("family", FAMILIES)
def test_code_is_one_algorithm_in_snake_case(family: str, drawn: dict[str, list[Strategy]]) -> None:
    for found in drawn[family]:
        tree = ast.parse(found.source)
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        assert [getattr(node, "module", None) for node in imports] == ["AlgorithmImports"], found.id
        bases = [getattr(base, "id", "") for node in tree.body if isinstance(node, ast.ClassDef) for base in node.bases]
        assert bases.count("QCAlgorithm") == 1
        methods = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        assert methods
        assert all(name == name.lower() for name in methods)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_description_names_what_the_requirements_ask_for(family: str, drawn: dict[str, list[Strategy]]) -> None:
    for found in drawn[family]:
        assert len(set(found.instructions)) >= 3
        needs = Requirements.from_json(found.requirements)
        for text in found.instructions:
            numbers = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))}
            assert all(symbol in text for symbol in needs.symbols), text
            for use in needs.indicators:
                missing = [value for _, value in use.parameters if value > 1 and value not in numbers]
                assert not missing, (use, text)
            if needs.stop is not None:
                assert needs.stop.value in numbers, text
            if needs.holding_bars is not None:
                assert needs.holding_bars in numbers, text


@pytest.mark.parametrize("family", FAMILIES)
def test_the_code_trades_the_symbols_and_indicators_of_the_requirements(
    family: str, drawn: dict[str, list[Strategy]]
) -> None:
    for found in drawn[family]:
        needs = Requirements.from_json(found.requirements)
        assert all(f'"{symbol}"' in found.source for symbol in needs.symbols)
        for use in needs.indicators:
            calls = [
                node
                for node in ast.walk(ast.parse(found.source))
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == use.name
            ]
            values = [
                [part.value for part in call.args if isinstance(part, ast.Constant) and not isinstance(part.value, str)]
                for call in calls
            ]
            wanted = [value for _, value in use.parameters]
            assert any(given[: len(wanted)] == wanted for given in values), (use, found.source)


def test_a_composition_core_is_in_one_split_only() -> None:
    found = list(islice(strategies("splits"), 400))
    splits: dict[tuple[str, str], set[str]] = {}
    for each in found:
        splits.setdefault((each.family, each.core), set()).add(each.split)
    assert all(len(where) == 1 for where in splits.values())
    shares = Counter(split_of("family", f"core {number}") for number in range(4000))
    assert 0.70 < shares["train"] / 4000 < 0.82
    assert 0.12 < shares["test"] / 4000 < 0.20


def test_a_split_that_is_asked_for_is_the_only_one_that_comes() -> None:
    assert {each.split for each in islice(strategies("x", splits=("test",), families=("trend",)), 10)} == {"test"}


@pytest.mark.parametrize("kind", sorted(SIGNALS))
def test_both_sides_of_a_signal_differ_or_are_of_the_calendar(kind: str) -> None:
    found = draw_signal(kind, Random(3))
    assert found.long.words
    if found.short is not None and found.family != "seasonality" and kind != "hour_of_day":
        assert found.short.condition != found.long.condition


def test_tasks_are_held_out_spread_and_have_references() -> None:
    tasks = grammar_tasks(26, seed=1)
    assert len({task.id for task in tasks}) == 26
    assert len({task.family for task in tasks}) >= 8
    assert {task.difficulty for task in tasks} == {1, 2, 3}
    for task in tasks:
        assert task.reference
        assert task.requirements is not None
        assert task.origin == "grammar"
    assert grammar_tasks(4, seed=1, families=("pairs", "carry")) != []


def test_an_unknown_family_or_split_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no family 'trends'.*did you mean 'trend'"):
        draw("trends", "1")
    with pytest.raises(ConfigError, match="no split 'testing'"):
        next(strategies("1", splits=("testing",)))


def test_long_conditions_are_broken_and_mean_the_same() -> None:
    parts = " and ".join(f"self._value_{number} > self._other_value_{number}" for number in range(5))
    line = f"def f(self):\n    if ({parts}) or self._is_late:\n        return {parts}\n"
    short = wrapped(line)
    assert max(len(text) for text in short.split("\n")) < 220
    assert short != line
    assert ast.dump(ast.parse(short)) == ast.dump(ast.parse(line))
    assert wrapped("x = 1") == "x = 1"


def test_whatever_ends_a_position_is_in_the_code() -> None:
    seen: Counter[str] = Counter()
    for found in islice(strategies("exits", families=("mean_reversion", "trend", "breakout")), 150):
        needs = Requirements.from_json(found.requirements)
        if needs.holding_bars is not None:
            seen["hold"] += 1
            assert re.search(rf"bars_held(\[symbol\])? >= {needs.holding_bars}\b", found.source), found.source
        if needs.stop is not None:
            seen[needs.stop.kind] += 1
            percent = needs.stop.value / 100
            factors = [f"{number:.6f}".rstrip("0") for number in (1 - percent, 1 + percent, percent)]
            assert needs.stop.kind == "atr" or any(f in found.source for f in factors), found.source
    assert set(seen) >= {"hold", "percent", "atr", "trailing"}
