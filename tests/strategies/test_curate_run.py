"""A curation: what fails a gate or resembles something is left out and named, and quotas are filled all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from curate_fakes import DIP, TREND, FakePool, program, row

from llm_plugin.errors import BackendUnavailable, ConfigError, DataError
from llm_plugin.strategies.curate.add import add_project
from llm_plugin.strategies.curate.check import check_dataset
from llm_plugin.strategies.curate.contamination import Benchmark
from llm_plugin.strategies.curate.examples import pattern_examples
from llm_plugin.strategies.curate.rows import read_rows, write_rows
from llm_plugin.strategies.curate.run import CurateOptions, CurateProgress, curate
from llm_plugin.strategies.judge.verdict import Candidate
from llm_plugin.strategies.tasks import Task, save_tasks


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> type[FakePool]:
    class Pool(FakePool):
        asked: list[Candidate] = []  # noqa: RUF012 - of this test alone

    monkeypatch.setattr("llm_plugin.strategies.judge.JudgePool", Pool, raising=False)
    return Pool


def options(out: Path, **values: Any) -> CurateOptions:
    given = {"per_family": 4, "families": ("trend", "pairs"), "alphas": False, **values}
    return CurateOptions(out=out, data_folder=Path("nowhere"), cache=out / "cache", **given)


def test_quotas_are_filled_although_some_examples_fail(tmp_path: Path, judge: type[FakePool]) -> None:
    fails = {"trend": 0}

    def decides(candidate: Candidate) -> str:
        if candidate.id.startswith("trend") and fails["trend"] < 3:
            fails["trend"] += 1
            return ("trades", "honest", "unsupported")[fails["trend"] - 1]
        return ""

    judge.decides = staticmethod(decides)
    seen: list[CurateProgress] = []
    made = curate(options(tmp_path), seen.append)
    assert [(name, rows) for name, rows, *_ in made.by_family()] == [("pairs", 4), ("trend", 4)]
    reasons = {why: (count, words) for why, count, words in made.reasons()}
    assert {name: reasons[name][0] for name in ("trades", "honest", "unsupported")} == {
        "trades": 1, "honest": 1, "unsupported": 1
    }  # fmt: skip
    assert "add_option" in reasons["unsupported"][1]
    assert seen[-1].admitted == 8
    assert len({row.id for row in read_rows(tmp_path)}) == 8
    assert all(row.orders == 3 for row in read_rows(tmp_path))


def test_the_same_options_give_the_same_bytes(tmp_path: Path, judge: type[FakePool]) -> None:
    first = curate(options(tmp_path / "one"))
    second = curate(options(tmp_path / "two"))
    assert first.files == second.files
    assert (tmp_path / "one/curation.json").read_bytes() == (tmp_path / "two/curation.json").read_bytes()


def test_a_killed_curation_goes_on_and_judges_nothing_twice(tmp_path: Path, judge: type[FakePool]) -> None:
    def killed(candidate: Candidate) -> str:
        if len(judge.asked) > 5:
            raise KeyboardInterrupt
        return "trades" if len(judge.asked) == 2 else ""

    judge.decides = staticmethod(killed)
    with pytest.raises(KeyboardInterrupt):
        curate(options(tmp_path))
    assert not (tmp_path / "patterns.jsonl.gz").exists()
    kept = tmp_path / "cache" / "admissions.jsonl"
    kept.write_bytes(kept.read_bytes()[:-20])  # the last line was being written
    before = len(judge.asked)
    judge.decides = staticmethod(lambda candidate: "")
    made = curate(options(tmp_path))
    asked = [candidate.id for candidate in judge.asked]
    assert set(asked[:4]) & set(asked[before:]) == set()
    assert (len(made.rows), len(made.left_out)) == (8, 1)
    curate(options(tmp_path))
    assert len(judge.asked) == len(asked)
    curate(options(tmp_path, fresh=True))
    assert len(judge.asked) == len(asked) + 8


def test_a_judge_that_fails_at_everything_ends_the_curation_and_its_verdicts_are_not_kept(
    tmp_path: Path, judge: type[FakePool]
) -> None:
    judge.decides = staticmethod(lambda candidate: "backtests" if len(judge.asked) > 3 else "")
    with pytest.raises(BackendUnavailable, match=r"40 strategies in a row failed.*'backtests': it failed"):
        curate(options(tmp_path, per_family=100))
    kept = (tmp_path / "cache" / "admissions.jsonl").read_text().splitlines()
    assert len(kept) == 3


def test_a_family_that_gives_no_more_ends_the_search(tmp_path: Path, judge: type[FakePool]) -> None:
    judge.decides = staticmethod(lambda candidate: "trades")
    made = curate(options(tmp_path, draws=2, families=("trend",)))
    assert not made.rows
    assert len(judge.asked) <= 8


def test_benchmark_tasks_are_kept_out_by_code_and_by_words(tmp_path: Path, judge: type[FakePool]) -> None:
    planted = next(pattern_examples(("trend",)))
    other = next(pattern_examples(("pairs",)))
    tasks = [
        Task("by-code", "trend", 1, "words that no row has at all", reference=planted.code),
        Task("by-words", "pairs", 1, other.row.paraphrases[0], reference=program(DIP)),
    ]
    save_tasks(tasks, tmp_path / "tasks.jsonl")
    made = curate(options(tmp_path / "out", benchmark=tmp_path / "tasks.jsonl"))
    left = {name: (why, words) for name, _, why, words in made.left_out}
    assert left[planted.row.id][0] == "benchmark code"
    assert "by-code" in left[planted.row.id][1]
    assert left[other.row.id][0] == "benchmark prompt"
    clean = curate(options(tmp_path / "clean"))
    assert {planted.row.id, other.row.id} <= {row.id for row in clean.rows}


def test_what_a_benchmark_says_nothing_about_is_no_contamination() -> None:
    benchmark = Benchmark(
        [Task("a", "x", 1, "buy SPY when RSI(2) is below 10 and sell above 70", reference=program(DIP))]
    )
    assert benchmark.prompts(["sell QQQ after three losing days in a row, never hold overnight"]) is None
    assert benchmark.prompts(["Buy SPY when RSI(2) is below 10, and sell above 70."]) is not None


def test_options_that_cannot_be_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"family 'trendy' does not exist.*did you mean 'trend'"):
        options(tmp_path, families=("trendy",))
    with pytest.raises(ConfigError, match="per_family is 0"):
        options(tmp_path, per_family=0)


# Adding one.
def project(folder: Path, code: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(code)
    return folder


def test_a_project_becomes_a_row(tmp_path: Path, judge: type[FakePool]) -> None:
    write_rows([row("known", program(TREND))], tmp_path / "data/patterns.jsonl.gz")
    added = add_project(project(tmp_path / "mine", program(DIP)), "buy dips in SPY", tmp_path / "data", Path("market"))
    assert (added.source, added.split, added.orders) == ("added", "train", 3)
    assert {each.id for each in read_rows(tmp_path / "data")} == {"known", added.id}


@pytest.mark.parametrize(
    ("code", "prompt", "gate", "words"),
    [
        (program(TREND, name="Copy"), "follow the trend", "", r"near-duplicate \(1\.00\) of the row known"),
        (program(DIP), "buy dips", "honest", "not admitted at the gate 'honest': it failed"),
        (program(DIP), "  ", "", "the prompt is empty"),
        ("def f(:", "buy dips", "", "does not parse"),
        ("import helper\n", "buy dips", "", "imports helper from its folder"),
    ],
)
def test_what_is_not_admitted_leaves_the_dataset_as_it_was(
    tmp_path: Path, judge: type[FakePool], code: str, prompt: str, gate: str, words: str
) -> None:
    judge.decides = staticmethod(lambda candidate: gate)
    write_rows([row("known", program(TREND))], tmp_path / "data/patterns.jsonl.gz")
    mine = project(tmp_path / "mine", code)
    (mine / "helper.py").write_text("")
    with pytest.raises(DataError, match=words):
        add_project(mine, prompt, tmp_path / "data", Path("market"))
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["patterns.jsonl.gz"]


def test_a_benchmark_task_cannot_be_added(tmp_path: Path, judge: type[FakePool]) -> None:
    save_tasks([Task("t", "x", 1, "something else", reference=program(DIP))], tmp_path / "tasks.jsonl")
    mine = project(tmp_path / "mine", program(DIP, name="Mine"))
    with pytest.raises(DataError, match=r"this is the benchmark task t \(similarity 1\.00\)"):
        add_project(mine, "buy dips", tmp_path / "data", Path("market"), benchmark=tmp_path / "tasks.jsonl")


# Checking.
def test_a_clean_dataset_has_no_problems(tmp_path: Path) -> None:
    write_rows([row("a", program(DIP)), row("b", program(TREND), split="test")], tmp_path / "rows.jsonl.gz")
    found = check_dataset(tmp_path)
    assert found.problems == []
    assert found.splits == {"train": 1, "test": 1}


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (row("b", program(DIP, name="B"), split="test"), "100.0% of the rows have a near-duplicate in another split"),
        (row("b", program(TREND), orders=0), "1 rows were never executed: b"),
        (row("b", program(TREND), split="test", core="a"), "1 compositions are in several splits: a"),
    ],
)
def test_each_fault_of_a_dataset_is_found(tmp_path: Path, planted: Any, words: str) -> None:
    write_rows([row("a", program(DIP)), planted], tmp_path / "rows.jsonl.gz")
    assert any(words in problem for problem in check_dataset(tmp_path).problems)


def test_a_file_that_is_not_what_the_record_says_is_found(tmp_path: Path, judge: type[FakePool]) -> None:
    curate(options(tmp_path))
    assert check_dataset(tmp_path).problems == []
    rows = read_rows(tmp_path)
    write_rows(rows[:-1], tmp_path / "patterns.jsonl.gz")
    assert any("patterns.jsonl.gz" in problem for problem in check_dataset(tmp_path).problems)
    (tmp_path / "curation.json").write_text("{")
    with pytest.raises(DataError, match=r"curation\.json is damaged"):
        check_dataset(tmp_path)
