"""The benchmark's own tasks: whole, distinct, within the data, and a sample of their solutions through all gates."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import pytest

from llm_plugin.sandbox.policy import kernel_layers
from llm_plugin.strategies.curate.duplicates import Index, jaccard
from llm_plugin.strategies.curate.normalise import shingles
from llm_plugin.strategies.judge import JudgePool
from llm_plugin.strategies.judge.compiles import check_source
from llm_plugin.strategies.judge.verdict import GATES, Candidate
from llm_plugin.strategies.tasks import Task, load_tasks

ROOT = Path(__file__).resolve().parents[2]
PACK = ROOT / "datasets" / "strategy_tasks"
MARKET = ROOT / "datasets" / "market"
MANIFEST = json.loads((MARKET / "manifest.json").read_text())["files"]
OTHER_STYLE = 0.5
"""An alternative shares less than this part of its normalised syntax tree with the reference."""


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return load_tasks(PACK)


def words(prompt: str) -> str:
    return " ".join(re.findall(r"[a-z0-9.]+", prompt.lower()))


def repeated(tasks: Iterable[Task]) -> list[str]:
    seen = Counter(words(task.prompt) for task in tasks)
    return [prompt for prompt, count in seen.items() if count > 1]


def outside_the_data(task: Task) -> list[str]:
    """Return the symbols of which the pack lacks bars in the task's period."""
    assert task.requirements is not None
    assert task.start is not None
    assert task.end is not None
    wanted = task.requirements
    lacking = []
    for symbol in wanted.symbols:
        pattern = re.compile(rf"{wanted.security_type}/[a-z]+/{wanted.resolution}/{symbol.lower()}(\.zip|/)")
        spans = [
            (date.fromisoformat(entry["first"]), date.fromisoformat(entry["last"]))
            for path, entry in MANIFEST.items()
            if pattern.search(path)
        ]
        # A window may begin or end on a holiday or a weekend.
        slack = timedelta(days=6)
        if not spans or min(spans)[0] > task.start + slack or max(last for _, last in spans) < task.end - slack:
            lacking.append(symbol)
    return lacking


def test_the_pack_is_as_large_and_as_varied_as_its_card_says(tasks: list[Task]) -> None:
    by_hand = [task for task in tasks if task.origin == "hand"]
    assert len(tasks) >= 200
    assert len(by_hand) >= 60
    assert len({task.family for task in tasks}) >= 8
    assert sum(len(task.alternatives) for task in tasks) >= 40
    assert all(count >= 30 for count in Counter(task.difficulty for task in tasks).values())
    assert {task.difficulty for task in tasks} == {1, 2, 3}
    assert {task.origin for task in tasks} == {"hand", "grammar"}


def test_the_card_states_the_counts(tasks: list[Task]) -> None:
    card = (PACK / "README.md").read_text()
    for family in {task.family for task in tasks}:
        counts = Counter(task.difficulty for task in tasks if task.family == family)
        hand = sum(task.family == family and task.origin == "hand" for task in tasks)
        row = f"| {family} | {counts[1]} | {counts[2]} | {counts[3]} | {hand} | {sum(counts.values())} |"
        assert row in card, f"the card lacks the row {row}"
    assert f"{len(tasks)} prompts" in card


def test_prompts_are_distinct(tasks: list[Task]) -> None:
    assert repeated(tasks) == []
    assert len(repeated([tasks[0], tasks[0]])) == 1


def test_every_task_is_complete_and_has_a_reference(tasks: list[Task]) -> None:
    for task in tasks:
        assert task.requirements is not None, task.id
        assert task.reference, task.id
        assert task.start, task.id
        assert task.end, task.id
        assert task.cash, task.id


def test_every_window_lies_in_the_market_data(tasks: list[Task]) -> None:
    assert {task.id: lacking for task in tasks if (lacking := outside_the_data(task))} == {}


def test_a_window_outside_of_the_market_data_is_found(tasks: list[Task]) -> None:
    values = next(task for task in tasks if task.id == "trend-01").to_json()
    assert outside_the_data(Task.from_json({**values, "start": "1990-01-01"})) == ["AAPL"]
    assert outside_the_data(Task.from_json({**values, "end": "2031-01-01"})) == ["AAPL"]


def test_no_solution_file_is_left_over() -> None:
    rows = [json.loads(row) for row in (PACK / "tasks.jsonl").read_text().splitlines()]
    by_hand = [row for row in rows if row["origin"] == "hand"]
    named = {name for row in by_hand for name in (row["reference"], *row.get("alternatives", ()))}
    found = {path.relative_to(PACK).as_posix() for path in PACK.glob("*s/*.py")}
    assert len(found) > 100
    assert named == found


def test_every_solution_by_hand_sets_the_period_and_cash_of_its_task(tasks: list[Task]) -> None:
    for task in tasks:
        start, end = f"{task.start:%Y, %-m, %-d}", f"{task.end:%Y, %-m, %-d}"
        for source in (str(task.reference), *task.alternatives) if task.origin == "hand" else ():
            plain = source.replace("_", "")
            for setting in (f"setstartdate({start})", f"setenddate({end})", f"setcash({task.cash:.0f})"):
                assert setting in plain, (task.id, setting)


def test_alternatives_are_written_in_another_style(tasks: list[Task]) -> None:
    compared = 0
    for task in tasks:
        for source in task.alternatives:
            assert jaccard(shingles(str(task.reference)), shingles(source)) < OTHER_STYLE, task.id
            compared += 1
    assert compared >= 40
    assert jaccard(shingles(str(tasks[0].reference)), shingles(str(tasks[0].reference).replace("_rsi", "_x"))) == 1


def test_tasks_by_hand_come_from_outside_the_grammar(tasks: list[Task]) -> None:
    by_hand = Index(OTHER_STYLE)
    for task in tasks:
        if task.origin == "hand":
            by_hand.add(task.id, shingles(str(task.reference)))
    assert len(by_hand) >= 60
    assert [t.id for t in tasks if t.origin == "grammar" and by_hand.nearest(shingles(str(t.reference)))] == []
    again = by_hand.nearest(shingles(str(tasks[0].reference)))
    assert again is not None
    assert again.id == tasks[0].id


def test_no_two_references_are_near_duplicates(tasks: list[Task]) -> None:
    index = Index()
    for task in tasks:
        items = shingles(str(task.reference))
        assert index.nearest(items) is None, task.id
        index.add(task.id, items)
    assert index.nearest(shingles(str(tasks[-1].reference))) is not None


def test_all_references_and_alternatives_compile(tasks: list[Task]) -> None:
    wrong = {
        f"{task.id}/{number}": found
        for task in tasks
        for number, source in enumerate((task.reference, *task.alternatives))
        if (found := check_source(str(source)))
    }
    assert wrong == {}
    assert check_source(str(tasks[0].reference).replace("add_equity", "add_equities"))


SAMPLE = (
    ("mean-reversion-01", None),
    ("pairs-05", None),
    ("momentum-03", None),  # a cut falls on its very first order, after a warm-up
    ("risk-overlays-02", 0),
    ("intraday-05", None),
    ("forex-01", 0),
)


@pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")
def test_a_sample_of_solutions_passes_all_gates(tasks: list[Task]) -> None:
    known = {task.id: task for task in tasks}
    candidates = [
        Candidate(
            str(known[name].reference) if place is None else known[name].alternatives[place], known[name], id=name
        )
        for name, place in SAMPLE
    ]
    candidates.append(Candidate(str(known["trend-01"].reference), known["trend-02"], id="another task's"))
    with JudgePool(MARKET, jobs=2) as pool:
        verdicts = {verdict.id: verdict for verdict in pool.judge_many(candidates)}
    wrong = verdicts.pop("another task's")
    assert [gate.name for gate in wrong.gates if gate.passed is False] == ["means_it"]
    for verdict in verdicts.values():
        failed = [(gate.name, gate.reason) for gate in verdict.gates if gate.passed is not True]
        assert verdict.reached == len(GATES), (verdict.id, failed)
