"""The chain and its turns: what goes back to the model, when it is left, what is kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from scripted_writers import GOOD, FakeJudge, FakeWriter, block, opener_of, verdict

from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError
from llm_plugin.strategies.generate.attempts import Attempt, Request
from llm_plugin.strategies.generate.config import GenerateConfig, make_config
from llm_plugin.strategies.generate.loop import Outcome, run_chain
from llm_plugin.strategies.generate.reading import Fact
from llm_plugin.strategies.generate.record import Record, read_record
from llm_plugin.strategies.models import AnswerCut

NEVER = GOOD.replace("< 10", "< -10")
PLAN = "1. SPY daily 2. RSI(2)"


def request_for(prompt: str = "buy SPY", **changes: Any) -> Request:
    values: dict[str, Any] = {
        "start": date(2014, 1, 1),
        "end": date(2014, 12, 31),
        "cash": 1e5,
        "data_folder": Path("data"),
    }
    return Request(prompt, **{**values, **changes})


def chain(
    folder: Path, config: GenerateConfig, judge: FakeJudge | None = None, request: Request | None = None, **writers: Any
) -> tuple[Outcome, list[tuple[str, dict[str, Any]]]]:
    shown: list[tuple[str, dict[str, Any]]] = []
    with Record(folder, {"prompt": "p"}) as record:
        outcome = run_chain(
            request or request_for(),
            config,
            judge or FakeJudge(),
            record,
            lambda event, **values: shown.append((event, values)),
            opener_of(**writers),
        )
    return outcome, shown


def config_of(*models: Any, **changes: Any) -> GenerateConfig:
    return make_config(
        {"models": [{"model": m, "style": "chat"} if isinstance(m, str) else m for m in models], **changes}
    )


def test_the_failing_gates_words_go_back_until_a_file_passes(tmp_path: Path) -> None:
    writer = FakeWriter([PLAN, "no code, sorry", block(NEVER), block(GOOD)])
    outcome, shown = chain(tmp_path, config_of("a"), a=writer)
    assert outcome.passed
    assert outcome.best is not None
    assert (outcome.best.number, outcome.best.code) == (3, GOOD)
    first, second, third, fourth = (asked["messages"] for asked in writer.asked)
    assert "First a plan" in first[-1].content
    assert [message.role for message in second] == ["system", "user", "assistant", "user"]
    assert second[2].content == PLAN
    assert "holds no code" in third[-1].content
    assert "gate 3 of 5 (trades)" in fourth[-1].content
    assert "it sent no order" in fourth[-1].content
    assert len(fourth) == len(third), "the conversation does not grow with the attempts"
    assert NEVER.strip() in fourth[-2].content
    assert [event for event, _ in shown if event == "judged"] == ["judged"] * 3


def test_a_model_of_instructions_gets_the_prompt_alone_and_grows_hotter(tmp_path: Path) -> None:
    writer = FakeWriter([block(NEVER), block(NEVER.replace("-10", "-20")), block(GOOD)])
    outcome, _ = chain(tmp_path, make_config({"models": [{"model": "a", "style": "instruction"}]}), a=writer)
    assert outcome.passed
    assert all([m.content for m in asked["messages"]] == ["buy SPY"] for asked in writer.asked)
    assert [asked["temperature"] for asked in writer.asked] == [0.2, 0.5, 0.8]
    assert [asked["seed"] for asked in writer.asked] == [0, 1, 2]


def test_the_chain_steps_down_with_the_reason_of_each(tmp_path: Path) -> None:
    writers = {
        "tuned": ModelError("adapter x does not fit this base"),
        "hosted": FakeWriter([BackendUnavailable("hosted: nothing came for 60 s")]),
        "cheap": FakeWriter([PLAN, block(GOOD)]),
    }
    outcome, shown = chain(tmp_path, config_of(*writers), **writers)
    assert outcome.passed
    assert [(one.model, one.reason) for one in outcome.left] == [
        ("tuned", "adapter x does not fit this base"),
        ("hosted", "hosted: nothing came for 60 s"),
    ]
    assert [values["next"] for event, values in shown if event == "step_down"] == ["hosted", "cheap"]
    rows = [row for row in read_record(tmp_path / "record.jsonl") if row["event"] == "step_down"]
    assert [row["model"] for row in rows] == ["tuned", "hosted"]


def test_the_best_attempt_is_the_one_that_came_farthest(tmp_path: Path) -> None:
    class ByName(FakeJudge):
        def judge(self, source: str, task: Any, **_: Any) -> Any:
            return verdict("honest", "it peeks") if "Peek" in source else verdict("compiles", "no such member")

    peek = GOOD.replace("DipBuyer", "Peek")
    writer = FakeWriter([PLAN, block(peek), block(NEVER), "words"])
    outcome, _ = chain(tmp_path, config_of("a", attempts=3), ByName(), a=writer)
    assert not outcome.passed
    assert outcome.best is not None
    assert outcome.best.code == peek
    assert "no file passed in 3 turns" in outcome.left[0].reason
    assert "it peeks" in outcome.left[0].reason


def test_the_same_file_again_is_not_judged_again_and_ends_the_model(tmp_path: Path) -> None:
    judge = FakeJudge()
    other_layout = NEVER.replace("self.set_warm_up(20)", "self.set_warm_up(20)  # warm up")
    writer = FakeWriter([PLAN, block(NEVER), block(other_layout), block(NEVER)])
    outcome, _ = chain(tmp_path, config_of("a", attempts=6), judge, a=writer)
    assert len(judge.judged) == 1
    assert "the same file 3 times" in outcome.left[0].reason
    assert "same as before, in attempt 1" in writer.asked[-1]["messages"][-1].content
    assert writer.asked[-1]["temperature"] > writer.asked[1]["temperature"]


def test_a_model_that_loops_is_told_and_its_paper_is_not_wasted(tmp_path: Path) -> None:
    writer = FakeWriter([PLAN, "buy low. " * 3000, block(GOOD)])
    outcome, _ = chain(tmp_path, config_of("a"), a=writer)
    assert outcome.passed
    assert "repeats itself" in outcome.attempts[0].problem
    assert len(outcome.attempts[0].answer) < 5000


def test_two_cut_answers_in_a_row_end_a_model_and_are_kept(tmp_path: Path) -> None:
    cut = AnswerCut("a: cut after 20 characters", "class Half(QCAlgorit")
    outcome, _ = chain(tmp_path, config_of("a", "b"), a=FakeWriter([PLAN, cut]), b=FakeWriter([PLAN, block(GOOD)]))
    assert outcome.passed
    assert "cut off 2 times in a row" in outcome.left[0].reason
    answers = [row["answer"] for row in read_record(tmp_path / "record.jsonl") if row["event"] == "answer"]
    assert [answer["text"] for answer in answers if answer["stop_reason"] == "cut"] == ["class Half(QCAlgorit"] * 2


def test_a_cut_answer_with_a_whole_file_is_judged(tmp_path: Path) -> None:
    writer = FakeWriter([PLAN, AnswerCut("cut", block(GOOD) + "And now")])
    assert chain(tmp_path, config_of("a"), a=writer)[0].passed


def test_a_member_that_the_engine_lacks_is_not_the_models_error_but_is_told(tmp_path: Path) -> None:
    class Lacking(FakeJudge):
        def judge(self, source: str, task: Any, **_: Any) -> Any:
            return verdict() if "< 10" in source else verdict(unsupported=("QCAlgorithm.add_option",))

    writer = FakeWriter([PLAN, block(NEVER), block(GOOD)])
    outcome, _ = chain(tmp_path, config_of("a"), Lacking(), a=writer)
    assert outcome.passed
    assert not outcome.attempts[0].passed
    assert "Do without QCAlgorithm.add_option" in writer.asked[-1]["messages"][-1].content


def test_a_broken_fact_fails_gate_four(tmp_path: Path) -> None:
    wrong = GOOD.replace("self.rsi(self.spy, 2)", "self.rsi(self.spy, 14)")
    writer = FakeWriter([PLAN, block(wrong), block(GOOD)])
    request = request_for(facts=(Fact("period", ("rsi", 2), "RSI(2)"),))
    outcome, _ = chain(tmp_path, config_of("a"), request=request, a=writer)
    assert [attempt.reached for attempt in outcome.attempts] == [3, 5]
    assert "no 2 stands in the code" in writer.asked[-1]["messages"][-1].content


def test_a_gate_that_cannot_judge_is_not_passed() -> None:
    found = verdict()
    silent = type(found)(gates=(*found.gates[:4], type(found.gates[4])("honest", None, "no sandbox here")))
    assert Attempt(1, "a", 0, GOOD, verdict=found).passed
    assert not Attempt(1, "a", 0, GOOD, verdict=silent).passed


def test_half_a_character_and_a_null_byte_do_not_break_the_record(tmp_path: Path) -> None:
    broken = block(GOOD.replace("DipBuyer", "Dip\ud83dBuyer") + "\0")
    outcome, _ = chain(tmp_path, config_of("a", attempts=2), FakeJudge("nowhere"), a=FakeWriter([PLAN, broken, "x"]))
    assert "\ufffd" in outcome.attempts[0].code
    assert len(list(read_record(tmp_path / "record.jsonl"))) > 4


def test_the_console_obeys_no_escape_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    from llm_plugin.cli.generate_progress import GenerateProgress

    with GenerateProgress() as show:
        show("note", text="a\x1b[2Jb\x9b31m\u202ec [red]d")
        show("text", piece="\x1b]0;title\x07")
        show("step_down", model="m", reason="r\x1b[31m", next="")
    told = capsys.readouterr().err
    assert "note: a[2Jb31mc [red]d" in told
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(told)


# Budgets


def test_tokens_are_never_asked_for_beyond_the_budget(tmp_path: Path) -> None:
    writer = FakeWriter([PLAN, *(block(NEVER.replace("-10", f"-{n}")) for n in range(20, 40))])
    outcome, _ = chain(tmp_path, config_of("a", "b", attempts=20, budget={"tokens": 5000}), a=writer, b=writer)
    assert "budget.tokens = 5000 is used up" in outcome.stopped
    assert outcome.meter.tokens_in + outcome.meter.tokens_out <= 5000
    assert all(asked["max"] <= 2048 for asked in writer.asked)
    assert writer.asked[-1]["max"] < writer.asked[0]["max"]
    assert outcome.left == [], "no cheaper model may go on with an empty purse"
    assert outcome.best is not None


def test_money_bounds_the_next_answer(tmp_path: Path) -> None:
    priced = {"model": "a", "style": "chat", "usd_per_million_in": 0, "usd_per_million_out": 100}
    writer = FakeWriter([PLAN, block(NEVER), block(NEVER.replace("-10", "-11")), block(GOOD)], cost_usd=0.04)
    outcome, _ = chain(tmp_path, config_of(priced, budget={"usd": 0.1}), a=writer)
    assert "budget.usd = 0.1 is used up: 0.1200 USD" in outcome.stopped
    assert [asked["max"] for asked in writer.asked] == [1000, 600, 200]


def test_time_ends_an_answer_in_the_middle(tmp_path: Path) -> None:
    config = config_of("a", budget={"seconds": 0.05})

    def slow(_: Any) -> str:
        import time

        time.sleep(0.1)
        return PLAN

    outcome, _ = chain(tmp_path, config, a=FakeWriter([slow]))
    assert "budget.seconds = 0.05 is used up" in outcome.stopped
    rows = [row for row in read_record(tmp_path / "record.jsonl") if row["event"] == "broken_off"]
    assert rows[0]["why"] == "BudgetSpent"


# The record


def test_ctrl_c_keeps_everything_and_the_same_command_goes_on(tmp_path: Path) -> None:
    first = FakeWriter([PLAN, block(NEVER), KeyboardInterrupt()])
    judge = FakeJudge()
    with pytest.raises(KeyboardInterrupt):
        chain(tmp_path, config_of("a"), judge, a=first)
    second = FakeWriter([block(GOOD)])
    outcome, shown = chain(tmp_path, config_of("a"), judge, a=second)
    assert outcome.passed
    assert len(second.asked) == 1, "plan and first file came from the record"
    assert len(judge.judged) == 2, "the first file was not judged again"
    assert [event for event, _ in shown].count("recalled") == 2
    assert outcome.meter.answers == 3, "what the record holds was paid for"
    assert "gate 3 of 5" in second.asked[0]["messages"][-1].content


def test_half_a_line_of_a_killed_process_is_dropped(tmp_path: Path) -> None:
    chain(tmp_path, config_of("a", attempts=1), a=FakeWriter([PLAN, block(NEVER)]))
    path = tmp_path / "record.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    known = len(list(read_record(path)))
    outcome, _ = chain(tmp_path, config_of("a", attempts=2), a=FakeWriter([block(GOOD)]))
    assert outcome.passed
    rows = list(read_record(path))
    assert rows[known]["event"] == "continued"


def test_the_record_of_another_prompt_is_refused_by_name(tmp_path: Path) -> None:
    with Record(tmp_path, {"prompt": "a", "seed": 0}):
        pass
    with pytest.raises(ConfigError, match="another command \\(other prompt\\)"):
        Record(tmp_path, {"prompt": "b", "seed": 0})


def test_two_commands_do_not_write_one_record(tmp_path: Path) -> None:
    with Record(tmp_path, {"prompt": "a"}), pytest.raises(ConfigError, match="another `lean-llm generate` writes it"):
        Record(tmp_path, {"prompt": "a"})
    with Record(tmp_path, {"prompt": "a"}) as record:
        assert record.rows()[0]["event"] == "begun"
