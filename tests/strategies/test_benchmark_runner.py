"""A benchmark run: asked once, judged, resumable; leaderboard, ratings and the commands."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner
from witness_sources import CLASSIC, DIP, verdict

from llm_plugin.cli.app import app
from llm_plugin.errors import BackendUnavailable, ConfigError, DataError
from llm_plugin.strategies.benchmark.evaluate import evaluate
from llm_plugin.strategies.benchmark.leaderboard import add_to_leaderboard, read_leaderboard
from llm_plugin.strategies.benchmark.ratings import read_form, summarise_ratings, write_form
from llm_plugin.strategies.benchmark.runner import RESULTS, BenchmarkOptions, run_benchmark
from llm_plugin.strategies.benchmark.samples import read_samples, write_samples
from llm_plugin.strategies.benchmark.summary import read_summary, summarise, write_summary
from llm_plugin.strategies.judge.verdict import Candidate, Verdict
from llm_plugin.strategies.models import Completion, Message
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import Task, save_tasks

TASKS = [
    Task(f"t{i}", "trend", 1 + i % 3, f"do the {i}", Requirements.from_json(DIP), date(2014, 1, 1), date(2014, 6, 30))
    for i in range(4)
]


class FakeModel:
    """Answers with code, but with prose to one prompt; may be unreachable from some question on."""

    name = "fake"

    def __init__(self, dies_at: int = 10**6) -> None:
        self.asked: list[tuple[str, int]] = []
        self._dies_at = dies_at

    def complete(self, messages: Sequence[Message], **options: Any) -> Completion:
        if len(self.asked) >= self._dies_at:
            raise BackendUnavailable("the server is down")
        prompt = messages[-1].content
        self.asked.append((prompt, options["seed"]))
        text = "I would rather talk about it." if "do the 3" in prompt else f"```python\n{CLASSIC}```"
        return Completion(text, 10, 20, 0.5, 0.001, "stop")


class FakeJudge:
    """Passes everything but one task, which does not mean it."""

    def __init__(self) -> None:
        self.judged: list[str] = []

    def judge_many(self, candidates: Iterable[Candidate], on_done: Any = None) -> list[Verdict]:
        found = []
        for candidate in candidates:
            self.judged.append(candidate.id)
            found.append(verdict("means_it" if candidate.id.startswith("t1/") else "", name=candidate.id))
            on_done(candidate, found[-1])
        return found


def test_every_answer_is_judged_and_prose_is_no_compile(tmp_path: Path) -> None:
    model, judge = FakeModel(), FakeJudge()
    samples = run_benchmark(model, TASKS, judge, tmp_path, BenchmarkOptions(samples=2, temperature=0.8, seed=7))
    assert [sample.id for sample in samples] == [f"t{i}/{n}" for i in range(4) for n in (0, 1)]
    assert sorted({seed for _, seed in model.asked}) == [7, 8]
    assert sorted(judge.judged) == [f"t{i}/{n}" for i in range(3) for n in (0, 1)]
    passed = [sample.passed("means_it") for sample in samples]
    assert passed == [True, True, False, False, True, True, False, False]
    assert samples[-1].passed("compiles") is False
    assert "QCAlgorithm" in samples[-1].problem or "code" in samples[-1].problem
    assert list(read_samples(tmp_path / RESULTS)) == samples


def test_a_stopped_run_goes_on_and_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    options = BenchmarkOptions()
    with pytest.raises(BackendUnavailable, match="the server is down"):
        run_benchmark(FakeModel(dies_at=1), TASKS, FakeJudge(), tmp_path, options)
    with (tmp_path / "answers.jsonl").open("a") as stream:
        stream.write('{"task": "t1", "num')  # killed within a line
    model = FakeModel()
    samples = run_benchmark(model, TASKS, FakeJudge(), tmp_path, options)
    assert len(samples) == 4
    assert len(model.asked) == 3


def test_another_run_does_not_go_into_the_same_folder(tmp_path: Path) -> None:
    run_benchmark(FakeModel(), TASKS, FakeJudge(), tmp_path, BenchmarkOptions())
    with pytest.raises(ConfigError, match="seed was 0, now 1"):
        run_benchmark(FakeModel(), TASKS, FakeJudge(), tmp_path, BenchmarkOptions(seed=1))
    with pytest.raises(ConfigError, match="pack was"):
        run_benchmark(FakeModel(), TASKS[:2], FakeJudge(), tmp_path, BenchmarkOptions())


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"samples": 0}, "samples is 0"),
        ({"samples": 3}, "temperature 0 are all the same"),
        ({"temperature": 3.0}, "temperature is 3"),
        ({"gates": 6}, "gates is 6"),
    ],
)
def test_options_out_of_range_are_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        BenchmarkOptions(**values)


def _summary(folder: Path, model: str, seed: int = 0) -> dict[str, Any]:
    samples = run_benchmark(FakeModel(), TASKS, FakeJudge(), folder, BenchmarkOptions(seed=seed), name=model)
    about = {"model": model, "adapter": None, "seed": seed, "samples": 1, "temperature": 0.0, "pack": "p" * 64}
    found = summarise(samples, {**about, "data": "d" * 64, "gates": 5, "versions": {"judge": "1"}}, {})
    write_summary(found, folder)
    return found


def test_a_leaderboard_holds_each_run_once_and_is_read_by_people(tmp_path: Path) -> None:
    path = tmp_path / "leaderboard.jsonl"
    for model, seed in (("m1", 0), ("m2", 0), ("m1", 1), ("m1", 0)):
        add_to_leaderboard(path, _summary(tmp_path / f"{model}-{seed}", model, seed))
    assert sorted((row["model"], row["seed"]) for row in read_leaderboard(path)) == [("m1", 0), ("m1", 1), ("m2", 0)]
    text = path.with_suffix(".md").read_text()
    assert text.count("| m1 |") == 2
    assert "75.0 [30, 95]" in text  # compiles: three of four
    path.write_text("{broken\n")
    with pytest.raises(DataError, match="line 1"):
        read_leaderboard(path)


def test_a_form_of_ratings_hides_the_verdict_and_is_read_back(tmp_path: Path) -> None:
    samples = run_benchmark(FakeModel(), TASKS, FakeJudge(), tmp_path / "run", BenchmarkOptions())
    form = tmp_path / "form.csv"
    assert write_form(samples, {"t0": "do the 0"}, form, most=10) == 3
    assert "means_it" not in form.read_text()
    rows = list(csv.DictReader(form.open()))
    for row in rows:
        row.update(rater="ann", does_what_was_asked="2" if row["sample"] == "t1/0" else "5", would_use="1")
    with form.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = summarise_ratings(read_form(form, samples), samples)
    assert (found["ratings"], found["raters"], found["agrees_with_judge"]) == (3, 1, 1.0)
    assert found["does_what_was_asked"]["mean"] == 4.0
    assert "readable" not in found


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("t0/0,p,c,ann,9,,,", "row 2: does_what_was_asked is '9'; write 1 to 5"),
        ("gone/0,p,c,ann,4,,,", "no sample 'gone/0'"),
        ("t0/0,p,c,ann,,,,", "holds no rating"),
    ],
)
def test_a_wrong_rating_is_named(line: str, named: str, tmp_path: Path) -> None:
    samples = run_benchmark(FakeModel(), TASKS[:1], FakeJudge(), tmp_path / "run", BenchmarkOptions())
    form = tmp_path / "form.csv"
    write_form(samples, {}, form, most=1)
    form.write_text(form.read_text().splitlines()[0] + "\n" + line + "\n")
    with pytest.raises(DataError, match=named):
        read_form(form, samples)


def test_the_command_compares_two_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_benchmark(FakeModel(), TASKS, FakeJudge(), tmp_path / name, BenchmarkOptions())
    better = [s.with_verdict(verdict()) if s.code else s for s in read_samples(tmp_path / "a" / RESULTS)]
    write_samples(better, tmp_path / "b" / RESULTS)
    done = CliRunner().invoke(app, ["benchmark", "compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"])
    assert done.exit_code == 0, done.output
    found = {row["gate"]: row for row in json.loads(done.stdout)}
    assert (found["means_it"]["better"], found["means_it"]["difference"]) == (1, 0.25)


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no finished benchmark"):
        read_summary(tmp_path)


def test_a_foreign_prompt_is_judged_by_all_gates_but_the_fourth(tmp_path: Path) -> None:
    class Judge(FakeJudge):
        def judge_many(self, candidates: Iterable[Candidate], on_done: Any = None) -> list[Verdict]:
            found = []
            for candidate in candidates:
                assert (candidate.start, candidate.end) == ("2014-01-01", "2014-12-31")
                whole = verdict()
                gates = tuple(replace(g, passed=None) if g.name == "means_it" else g for g in whole.gates)
                found.append(replace(whole, gates=gates))
                on_done(candidate, found[-1])
            return found

    foreign = [Task("p1", "foreign", 1, "buy low", origin="foreign")]
    (sample,) = run_benchmark(FakeModel(), foreign, Judge(), tmp_path, BenchmarkOptions())
    assert (sample.passed("trades"), sample.passed("means_it"), sample.passed("honest")) == (True, None, True)
    scores = summarise([sample], {}, {})["scores"]
    assert scores["means_it"]["pass@1"]["value"] is None
    assert scores["honest"]["pass@1"]["value"] == 1.0


def test_a_choice_that_leaves_nothing_is_named(tmp_path: Path) -> None:
    save_tasks(TASKS, tmp_path / "tasks.jsonl")
    with pytest.raises(DataError, match="none of the 4 tasks is left; families: trend"):
        evaluate(
            "references", tmp_path, BenchmarkOptions(), tasks_file=tmp_path / "tasks.jsonl", chosen=lambda _: False
        )


@pytest.mark.integration
@pytest.mark.slow
def test_the_command_judges_references_for_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: command, model that replays references, the real judge, summary and leaderboard."""
    monkeypatch.setenv("LEAN_LLM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    good = Task(
        "good",
        "mean_reversion",
        1,
        "buy the dip",
        TASKS[0].requirements,
        date(2014, 1, 1),
        date(2014, 6, 30),
        1e5,
        "hand",
        CLASSIC,
    )
    wrong = CLASSIC.replace("value < 10", "value > 60")
    bad = Task(
        "bad",
        "mean_reversion",
        1,
        "buy what falls",
        TASKS[0].requirements,
        date(2014, 1, 1),
        date(2014, 6, 30),
        1e5,
        "hand",
        wrong,
    )
    save_tasks([good, bad], tmp_path / "tasks.jsonl")
    arguments = [
        "benchmark",
        "strategies",
        "--model",
        f"references:{tmp_path / 'tasks.jsonl'}",
        "--tasks",
        str(tmp_path / "tasks.jsonl"),
    ]
    arguments += ["-o", str(tmp_path / "run"), "--leaderboard", str(tmp_path / "board.jsonl"), "-j", "1", "--json"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    scores = read_summary(tmp_path / "run")["scores"]
    assert scores["trades"]["pass@1"]["value"] == 1.0
    assert scores["means_it"]["pass@1"]["value"] == scores["honest"]["pass@1"]["value"] == 0.5
    assert len(read_leaderboard(tmp_path / "board.jsonl")) == 1
