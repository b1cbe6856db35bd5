"""Requirements and tasks are data: read, written, and refused by the name of what is wrong."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.errors import DataError
from llm_plugin.formulas import FormulaError
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import load_tasks, pack_hash, save_tasks

DIP: dict[str, Any] = {
    "symbols": ["SPY"],
    "indicators": [{"name": "rsi", "period": 2}],
    "entry": {"long": "rsi(2) < 10"},
    "exit": {"long": "close > sma(5) or position_bars >= 10"},
    "stop": {"kind": "percent", "value": 1.0},
    "size": {"kind": "fraction", "value": 1.0},
}
TASK: dict[str, Any] = {
    "id": "dip-1",
    "family": "mean_reversion",
    "difficulty": 1,
    "prompt": "buy the dip",
    "requirements": DIP,
    "start": "2014-01-01",
    "end": "2014-12-31",
}


def test_requirements_survive_json() -> None:
    first = Requirements.from_json(DIP)
    assert Requirements.from_json(json.loads(json.dumps(first.to_json()))) == first
    assert first.indicators[0].parameters == (("period", 2),)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"entri": {}}, "no key 'entri' .did you mean 'entry'"),
        ({"symbols": []}, "name each symbol once"),
        ({"symbols": ["SPY", "SPY"]}, "name each symbol once"),
        ({"resolution": "dayly"}, "'dayly' .did you mean 'daily'"),
        ({"direction": "short"}, "entry.long is set, but direction is 'short'"),
        ({"indicators": [{"name": "rsy", "period": 2}]}, "no indicator is called 'rsy'"),
        ({"indicators": [{"name": "rsi", "length": 2}]}, "no key 'length'"),
        ({"stop": {"kind": "percent", "value": -1}}, "the stop's value is -1"),
        ({"stop": {"kind": "atr", "value": 2}}, "the stop's period is None"),
        ({"size": {"kind": "fraction"}}, "size lacks a value"),
        ({"holding_bars": 0}, "holding_bars is 0"),
        ({"ranking": {"by": "roc(5)", "top": 1}}, "need a rebalance"),
        ({"entry": {}}, "neither when to enter"),
        ({"rebalance": {"every": "fortnight"}}, "'fortnight'"),
        ({"weights": {"QQQ": 1.0}}, "no key 'QQQ'"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(DataError, match=named):
        Requirements.from_json({**DIP, **change})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rsi(2, 3, 4) < 10", "rsi takes 1 to 2 arguments, not 3"),
        ("clos < 10", "no field is called 'clos' .did you mean 'close'"),
        ("QQQ.close > 1", "'QQQ' is not one of the symbols SPY"),
        ("pnl_percent < 1", "known only while a position is held"),
        ("sma(close) > 1", "needs its periods as plain numbers"),
        ("rsi < 10", "'rsi' is a function"),
        ("smma(3) > 1", "no function is called 'smma'"),
        ("close >", "ends where a value is expected"),
    ],
)
def test_conditions_are_checked_with_a_caret(text: str, named: str) -> None:
    with pytest.raises(FormulaError, match=named) as caught:
        Requirements.from_json({**DIP, "entry": {"long": text}})
    assert "^" in str(caught.value)


def _write(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")
    return path


def test_tasks_are_read_with_their_solutions(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("class A: pass\n", encoding="utf-8")
    (tmp_path / "two.py").write_text("class B: pass\n", encoding="utf-8")
    row = {**TASK, "reference": "one.py", "alternatives": ["two.py"]}
    _write(tmp_path / "tasks.jsonl", [row])
    (task,) = load_tasks(tmp_path)
    assert (task.reference, task.alternatives) == ("class A: pass\n", ("class B: pass\n",))
    save_tasks([task], tmp_path / "again.jsonl")
    assert load_tasks(tmp_path / "again.jsonl") == [task]
    packed = tmp_path / "again.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "again.jsonl").read_bytes()))
    assert load_tasks(packed) == [task]


def test_a_foreign_file_of_prompts_is_read(tmp_path: Path) -> None:
    rows = [{"instruction": "buy low", "task_id": "q/7"}, "sell high", {"question": "hold", "answer": "x"}]
    tasks = load_tasks(_write(tmp_path / "prompts.jsonl", rows))
    assert [task.id for task in tasks] == ["q-7", "prompt-2", "prompt-3"]
    assert [task.prompt for task in tasks] == ["buy low", "sell high", "hold"]
    assert all(task.requirements is None and task.origin == "foreign" for task in tasks)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ([{**TASK, "difficulty": 4}], "difficulty is 4"),
        ([{**TASK, "prompt": "  "}], "the prompt is empty"),
        ([TASK, TASK], "line 2: the id 'dip-1' is used twice"),
        ([{**TASK, "start": "2015-13-01"}], "start is '2015-13-01'"),
        ([{**TASK, "start": "2015-01-01"}], "before the start"),
        ([{**TASK, "reference": "gone.py"}], "cannot read the solution"),
        ([{**TASK, "colour": "red"}], "no key 'colour'"),
        ([{"family": "x"}], "lacks id, difficulty"),
        ([{"answer": "x"}], "no prompt in the row"),
        ([[1]], "must be an object or a text"),
    ],
)
def test_a_broken_row_is_named_with_its_line(rows: list[Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=named) as caught:
        load_tasks(_write(tmp_path / "tasks.jsonl", rows))
    assert f"line {len(rows)}" in str(caught.value)


def test_half_a_file_and_no_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "half.jsonl").write_text('{"id": "a", ', encoding="utf-8")
    with pytest.raises(DataError, match=r"half.jsonl, line 1: not JSON"):
        load_tasks(tmp_path / "half.jsonl")
    with pytest.raises(DataError, match="cannot read the tasks"):
        load_tasks(tmp_path / "gone.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no tasks"):
        load_tasks(tmp_path / "empty.jsonl")


def test_the_hash_of_a_pack_tells_what_is_asked_and_not_how_it_is_solved(tmp_path: Path) -> None:
    one = load_tasks(_write(tmp_path / "a.jsonl", [{**TASK, "reference": "x = 1\n"}]))
    solved = load_tasks(_write(tmp_path / "b.jsonl", [{**TASK, "reference": "y = 2\n"}]))
    other = load_tasks(_write(tmp_path / "c.jsonl", [{**TASK, "prompt": "buy the dips"}]))
    assert pack_hash(one) == pack_hash(solved) != pack_hash(other)
