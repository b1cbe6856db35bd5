"""The table of rules says what the tests are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rule_table import ELSEWHERE, PAGE, ROOT, RULES, render, rule, rules_with_tests


def test_the_page_is_the_tests_as_they_are():
    """Else: `python tests/engine_rules/rule_table.py`."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_most_rules_have_a_test():
    covered = [number for number, tests in rules_with_tests().items() if tests]
    assert len(covered) >= 0.8 * len(RULES)


def test_every_test_of_a_rules_file_names_its_rule():
    checked, bare = 0, []
    for path in sorted(Path(__file__).parent.glob("test_rules_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                checked += 1
                if not any("rule(" in ast.unparse(mark) for mark in node.decorator_list):
                    bare.append(f"{path.name}::{node.name}")
    assert checked > 60
    assert bare == []


def test_a_test_elsewhere_exists():
    for _, name in ELSEWHERE:
        path, _, test = name.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8")


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match=r"unknown rules \['99\.9'\]"):
        rule("99.9")
