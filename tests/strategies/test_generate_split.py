"""Two models in service: the draw, the rule, what is stored."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_writers import verdict
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, RecordError
from llm_plugin.strategies.benchmark.runner import RESULTS
from llm_plugin.strategies.benchmark.samples import Sample, write_samples
from llm_plugin.strategies.generate.split import (
    Rule,
    Split,
    gain_interval,
    judge_results,
    list_splits,
    look_level,
)


def results(rate_a: float, rate_b: float, count: int, seed: int = 0) -> list[tuple[str, bool]]:
    draw = random.Random(seed)
    arms = [draw.choice("AB") for _ in range(count)]
    return [(arm, draw.random() < (rate_a if arm == "A" else rate_b)) for arm in arms]


def fill(split: Split, rate_a: float, rate_b: float, count: int) -> None:
    draw = random.Random(1)
    for number in range(count):
        drawn = split.draw(f"prompt {number}")
        split.add(drawn, passed=draw.random() < (rate_a if drawn.arm == "A" else rate_b), usd=0.01)


def test_a_prompt_always_gets_the_same_arm_and_both_arms_get_their_share() -> None:
    split = Split.open("a,b", Rule(share_b=0.3))
    arms = [split.draw(f"prompt {number}").arm for number in range(1000)]
    assert 250 < arms.count("B") < 350
    assert split.draw("buy  SPY").arm == split.draw("buy SPY ").arm


def test_equal_arms_are_hardly_ever_switched_however_often_one_looks() -> None:
    wrong = sum(
        judge_results(results(p, p, 640, seed), Rule()).action == "switch" for p in (0.2, 0.6) for seed in range(200)
    )
    assert wrong / 400 <= 0.05


def test_a_clearly_better_arm_is_switched_to_and_a_worse_one_is_dropped() -> None:
    assert judge_results(results(0.3, 0.9, 160), Rule()).action == "switch"
    assert judge_results(results(0.9, 0.3, 160), Rule()).action == "keep"
    assert judge_results(results(0.5, 0.6, 320), Rule(least_gain=0.4)).action != "switch"


def test_between_looks_nothing_is_decided_and_only_the_results_up_to_the_look_count() -> None:
    early = results(0.5, 0.5, 20)
    late = [("B", True), ("A", False)] * 9
    assert judge_results(early[:19], Rule()).results == 0
    assert judge_results([*early, *late], Rule()) == judge_results(early, Rule())


def test_after_all_looks_a_stays() -> None:
    found = judge_results(results(0.5, 0.5, 90), Rule(first_look=20, most=80))
    assert (found.action, found.results) == ("keep", 80)
    assert "no credible gain" in found.why


def test_the_levels_of_all_looks_stay_within_the_rules_error() -> None:
    assert sum(1 - look_level(0.95, look) for look in range(1, 100_000)) < 0.05


def test_an_arm_without_results_has_no_interval() -> None:
    assert gain_interval([("A", True)] * 9, 0.95) == (-1.0, 1.0)
    low, high = gain_interval([("A", True), ("B", False)] * 50, 0.95)
    assert -1 <= low < high < -0.8


def test_a_decision_is_stored_and_from_then_on_the_winner_is_asked() -> None:
    split = Split.open("a,b")
    fill(split, 0.1, 0.95, 40)
    assert split.decide().action == "switch"
    stored = json.loads((split.folder / "decision.json").read_text())
    assert stored["why"].startswith("B passes")
    drawn = Split.open("a,b").draw("anything")
    assert (drawn.arm, drawn.model) == ("B", "b")
    assert drawn.why.startswith("decided on 20")


def test_the_first_result_of_a_prompt_counts_and_silence_is_counted_apart() -> None:
    split = Split.open("a,b")
    drawn = split.draw("p")
    split.add(drawn, passed=False)
    split.add(drawn, passed=True)
    split.draw("q").record_silence("no answer")
    assert split.results() == [(drawn.arm, False)]
    status = split.status()
    assert sum(arm["silent"] for arm in status["arms"].values()) == 1
    assert status["decision"]["action"] == "go on"


def test_half_a_line_is_left_out() -> None:
    split = Split.open("a,b")
    split.add(split.draw("p"), passed=True)
    with (split.folder / "results.jsonl").open("a") as stream:
        stream.write('{"prompt": "x", "arm"')
    assert len(split.results()) == 1


def test_the_rule_is_fixed_before_the_first_result() -> None:
    Split.open("a,b", Rule(level=0.9))
    assert Split.open("a, b").rule.level == 0.9
    with pytest.raises(ConfigError, match="has begun with another rule"):
        Split.open("a,b", Rule(level=0.99))
    assert [split.a for split in list_splits()] == ["a"]


def test_a_damaged_split_is_named() -> None:
    split = Split.open("a,b")
    (split.folder / "split.json").write_text("{")
    with pytest.raises(RecordError, match="remove the folder"):
        Split.open("a,b")


@pytest.mark.parametrize("pair", ["a", "a,", "a,a", "a,b,c", ""])
def test_a_pair_is_two_different_models(pair: str) -> None:
    with pytest.raises(ConfigError, match="two different models"):
        Split.open(pair)


@pytest.mark.parametrize(
    "wrong", [{"share_b": 0.0}, {"level": 1.0}, {"least_gain": -0.1}, {"first_look": 1}, {"first_look": 50, "most": 20}]
)
def test_an_impossible_rule_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"= .*: give"):
        Rule(**wrong)


def test_two_writers_do_not_mix_their_lines(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    split = Split.open("a,b")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: split.add(split.draw(f"p{n}"), passed=True), range(40)))
    assert len(split.results()) == 40


def test_the_arms_own_attempts_count_and_not_those_of_the_model_that_stepped_in(tmp_path: Path) -> None:
    split = Split.open("a,b")
    drawn = split.draw("p")
    other = "b" if drawn.model == "a" else "a"
    attempts = [
        SimpleNamespace(model=drawn.model, reached=2, passed=False),
        SimpleNamespace(model=other, reached=5, passed=True),
    ]
    meter = SimpleNamespace(to_json=lambda: {"usd": 0.25})
    handed: Any = SimpleNamespace(outcome=SimpleNamespace(attempts=attempts, meter=meter))
    drawn.record(handed)
    assert split.results() == [(drawn.arm, False)]
    assert split.rows()[0]["reached"] == 2
    assert split.status()["arms"][drawn.arm]["usd"] == 0.25


def test_the_commands_start_show_and_decide(capsys: pytest.CaptureFixture[str]) -> None:
    runner = CliRunner()

    def run(*words: str) -> Any:
        return runner.invoke(app, ["ab", *words], catch_exceptions=False)

    with pytest.raises(ConfigError, match="no split 'a,b' has begun; known: none"):
        run("status", "a,b")
    assert run("start", "a,b", "--first-look", "10").exit_code == 0
    fill(Split.open("a,b"), 0.05, 1.0, 10)
    told = json.loads(run("decide", "a,b", "--json").output)[0]
    assert told["decision"]["action"] == "switch"
    assert told["decision"]["results"] == 10
    assert json.loads(run("status", "--json").output)[0] == told
    capsys.readouterr()
    shown = run("status").output + capsys.readouterr().out
    assert "credibly better" in shown


def run_folder(folder: Path, passes: float, seed: int) -> Path:
    """A benchmark run of 60 tasks as `lean-llm benchmark strategies` leaves it."""
    draw = random.Random(seed)
    folder.mkdir()
    samples = [
        Sample(
            task=f"task-{number}",
            number=0,
            prompt_sha=f"sha-{number}",
            family="f",
            difficulty=1,
            origin="hand",
            code="x",
            problem="",
            tokens_in=1,
            tokens_out=1,
            seconds=1.0,
            cost_usd=0.0,
            stop_reason="stop",
            verdict=verdict("" if draw.random() < passes else "trades", "no order"),
        )
        for number in range(60)
    ]
    write_samples(samples, folder / RESULTS)
    return folder


def test_a_paired_benchmark_decides_only_by_an_interval_above_zero(tmp_path: Path) -> None:
    weak, strong = run_folder(tmp_path / "weak", 0.3, 1), run_folder(tmp_path / "strong", 0.8, 2)
    alike = run_folder(tmp_path / "alike", 0.3, 3)
    split = Split.open("a,b")
    assert split.decide_by_runs(weak, alike).action == "go on"
    assert split.decision() is None
    with pytest.raises(ConfigError, match="name the runs of two models"):
        split.decide_by_runs(weak, weak)
    found = split.decide_by_runs(weak, strong)
    assert (found.action, found.results) == ("switch", 60)
    assert found.why.startswith("benchmark weak against strong, 60 tasks, up to gate honest")
    assert split.draw("p").model == "b"
    assert Split.open("c,d").decide_by_runs(strong, weak).action == "keep"
