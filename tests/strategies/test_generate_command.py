"""`lean-llm generate` from the outside: real servers over HTTP, the real judge, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scripted_chat import chat_server
from scripted_writers import GOOD, FakeJudge, FakeWriter, block, opener_of

from llm_plugin.errors import BackendUnavailable, LeanLlmError, ModelError
from llm_plugin.strategies.generate.config import make_config
from llm_plugin.strategies.generate.run import generate

PROMPT = "buy the dip in SPY when RSI(2) < 10, exit above the 5-day mean, 1 % stop"
RUN = [sys.executable, "-c", "from llm_plugin.cli.app import run; run()"]
PERIOD = ["--start", "2014-01-01", "--end", "2014-12-31"]
PLAN = {"text": "1. SPY daily\n2. RSI(2), SMA(5)\n3. stop 1 %"}


@dataclass
class ChatProcess:
    """A scripted chat server in a process of its own."""

    url: str
    log: Path

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.is_file() else []

    def wait_for(self, questions: int, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while len(self.asked()) < questions:
            assert time.monotonic() < end, f"only {len(self.asked())} questions came"
            time.sleep(0.1)


@contextmanager
def chat_process(folder: Path, steps: Sequence[dict[str, Any]], name: str = "chat") -> Iterator[ChatProcess]:
    script, log = folder / f"{name}.json", folder / f"{name}.log"
    script.write_text(json.dumps(list(steps)))
    command = [sys.executable, str(Path(__file__).with_name("scripted_chat.py")), str(script), str(log)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield ChatProcess(process.stdout.readline().strip(), log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def start(market_data: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "COLUMNS": "300", "NO_COLOR": "1", "LEAN_DATA_FOLDER": str(market_data)}
    return subprocess.Popen(
        [*RUN, "generate", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(process: subprocess.Popen[str], seconds: float = 240) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


@pytest.mark.integration
@pytest.mark.slow
def test_wrong_code_then_ctrl_c_then_the_same_command_hands_over_a_judged_project(
    tmp_path: Path, market_data: Path
) -> None:
    syntax = {"text": block(GOOD.replace("self.rsi(self.spy, 2)", "self.rsi(self.spy, 2"))}
    meaning = {"text": block(GOOD.replace("< 10", "> 90"))}
    steps = [PLAN, syntax, {"hang": "before"}, meaning, {"text": block(GOOD)}]
    folder = tmp_path / "dip"
    with chat_process(tmp_path, steps) as chat:
        arguments = (PROMPT, "-o", str(folder), "-m", f"openai:scripted@{chat.url}", *PERIOD, "--json")
        first = start(market_data, *arguments)
        chat.wait_for(3)
        first.send_signal(signal.SIGINT)
        code, _, err = finish(first)
        assert code == 130
        assert "the same command goes on" in err
        assert not folder.exists()
        assert (tmp_path / "dip.partial" / "record.jsonl").is_file()
        code, out, err = finish(start(market_data, *arguments))
        asked = chat.asked()
    assert code == 0, err
    assert len(asked) == 5, "plan and first file were not asked for again"
    assert "was never closed" in asked[3]["body"]["messages"][-1]["content"]
    assert "gate 4 of 5 (means_it)" in asked[4]["body"]["messages"][-1]["content"]
    result = json.loads(out)
    assert result["passed"]
    assert [gate["result"] for gate in result["gates"]] == ["passed"] * 5
    assert result["cost"]["answers"] == 4
    assert (folder / "main.py").read_text() == GOOD
    assert json.loads((folder / "config.json").read_text())["description"] == PROMPT
    note = (folder / "research-note.md").read_text()
    assert "**Passed all gates** in attempt 3" in note
    assert '"long": "rsi(2) < 10"' in note
    report = (folder / "backtests" / "generated" / "report.html").read_text()
    assert "did not pass" not in report
    assert "rsi(2)" in report.lower()
    events = [json.loads(line)["event"] for line in (folder / "record.jsonl").read_text().splitlines()]
    assert {"begun", "continued", "question", "answer", "verdict", "stopped", "handed_over"} <= set(events)
    assert not (tmp_path / "dip.partial").exists()
    assert not (folder / "NOT-PASSED.md").exists()


@pytest.mark.integration
@pytest.mark.slow
def test_a_dropped_server_steps_down_and_when_nothing_passes_the_best_attempt_is_marked(
    tmp_path: Path, market_data: Path
) -> None:
    judge, folder = FakeJudge(mark="nowhere", failed="honest", reason="it peeks at <b>tomorrow</b>"), tmp_path / "peek"
    weather = {"text": "I would rather talk about the weather."}
    with (
        chat_server([{"text": PLAN["text"], "drop_after": 1}]) as dropping,
        chat_server([PLAN, weather, {"text": block(GOOD)}]) as cheap,
    ):
        models = [f"openai:large@{dropping.url}", f"anthropic:small@{cheap.url}"]
        config = make_config({"models": models, "attempts": 2, "start": "2014-01-01", "end": "2014-12-31"})
        handed = generate(PROMPT, folder, config, market_data, judge=judge.open, show=lambda *_, **__: None)
    assert not handed.passed
    assert [one.model.split(":")[0] for one in handed.outcome.left] == ["openai", "anthropic"]
    assert "cut off 2 times in a row" in handed.outcome.left[0].reason
    assert (folder / "main.py").read_text().startswith("# NOT PASSED: do not trade this")
    compile((folder / "main.py").read_text(), "main.py", "exec")
    assert "it peeks" in (folder / "NOT-PASSED.md").read_text()
    assert (folder / "research-note.md").read_text().startswith("# NOT PASSED")
    assert json.loads((folder / "config.json").read_text())["description"].startswith("NOT PASSED")
    report = (folder / "backtests" / "generated" / "report.html").read_text()
    assert "did not pass the gates" in report
    assert "<b>tomorrow</b>" not in report, "a model's words are no HTML"
    assert handed.backtest is not None
    assert handed.backtest.result.orders > 0
    assert handed.to_json()["cost"]["unpriced_answers"] > 0


def test_answers_without_any_algorithm_give_a_marked_folder_without_code(tmp_path: Path, market_data: Path) -> None:
    folder = tmp_path / "words"
    writer = FakeWriter(["a plan", "words", "other words"])
    config = make_config({"models": ["a"], "attempts": 2})
    handed = generate(
        "buy SPY",
        folder,
        config,
        market_data,
        judge=FakeJudge().open,
        show=lambda *_, **__: None,
        opener=opener_of(a=writer),
    )
    assert (handed.passed, handed.backtest) == (False, None)
    assert sorted(path.name for path in folder.iterdir()) == [
        "NOT-PASSED.md",
        "record.jsonl",
        "research-note.md",
        "versions.json",
    ]
    assert "no answer held an algorithm" in (folder / "research-note.md").read_text()


def test_a_silent_server_leaves_the_answers_so_far_and_no_project(tmp_path: Path, market_data: Path) -> None:
    folder = tmp_path / "silent"
    config = make_config({"models": ["a"]})
    show: Any = lambda *_, **__: None  # noqa: E731
    silent = FakeWriter(["a plan", BackendUnavailable("nothing came for 60 s")])
    with pytest.raises(BackendUnavailable, match=r"nothing came for 60 s.*keeps what was answered"):
        generate("buy SPY", folder, config, market_data, judge=FakeJudge().open, show=show, opener=opener_of(a=silent))
    assert not folder.exists()
    assert (tmp_path / "silent.partial").is_dir()
    wrong = opener_of(a=ModelError("adapter of another base"))
    with pytest.raises(ModelError, match=r"no model can be asked \(a: adapter of another base"):
        generate("buy SPY", tmp_path / "b", config, market_data, judge=FakeJudge().open, show=show, opener=wrong)
    assert not (tmp_path / "b.partial").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["   "], 2, "is empty: say what to trade"),
        (["buy SPY call options"], 2, "needs options"),
        (["buy TSLA when RSI(14) < 30"], 2, "no market data for TSLA"),
        (["buy SPY", "--start", "soon"], 2, "--start soon: write a day"),
        (["buy SPY", "-m", "standin", "-m", "gpt"], 2, "'gpt' is unknown"),
        (["buy SPY", "-m", "openai:x@http://127.0.0.1:9"], 6, "nobody listens there"),
        (["buy SPY", "--ab", "a"], 2, "two different models"),
        (["buy SPY", "--ab", "a,b", "-m", "c"], 2, "exclude each other"),
        (["buy SPY", "--config", "nope.yaml"], 2, "cannot be read"),
        (["buy SPY", "--data", "nowhere"], 3, "is no LEAN data folder"),
        (["buy SPY", "--requirements", "nope.json"], 3, "cannot be read"),
    ],
    ids=["empty", "options", "ticker", "day", "model", "server", "pair", "both", "config", "data", "requirements"],
)
def test_bad_input_ends_with_its_code_and_words_and_no_project(
    arguments: list[str], code: int, told: str, tmp_path: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from llm_plugin.cli.app import app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAN_DATA_FOLDER", str(market_data))
    found = CliRunner().invoke(app, ["generate", *arguments])
    assert isinstance(found.exception, LeanLlmError)
    assert found.exception.exit_code == code
    assert told in str(found.exception)
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == []


def test_a_folder_that_exists_is_not_written_over(
    tmp_path: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from llm_plugin.cli.app import app

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    monkeypatch.setenv("LEAN_DATA_FOLDER", str(market_data))
    found = CliRunner().invoke(app, ["generate", "buy SPY", "-o", str(tmp_path / "mine")])
    assert "exists: name a new folder" in str(found.exception)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_the_drawn_arm_is_asked_and_its_silence_is_kept(
    tmp_path: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from llm_plugin.cli.app import app
    from llm_plugin.strategies.generate.split import Split

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEAN_DATA_FOLDER", str(market_data))
    refusal = {"status": 503, "body": {"error": "overloaded"}}
    with chat_server([refusal]) as one, chat_server([refusal]) as two:
        pair = f"openai:a@{one.url},openai:b@{two.url}"
        (tmp_path / "g.yaml").write_text(
            "models:\n" + "".join(f"  - {{model: '{model}', retries: 0}}\n" for model in pair.split(","))
        )
        found = CliRunner().invoke(app, ["generate", "buy SPY", "--ab", pair, "--config", "g.yaml"])
        assert "overloaded" in str(found.exception)
        assert sorted([len(one.asked), len(two.asked)]) == [0, 1]
    arm = Split.open(pair).draw("buy SPY").arm
    arms = Split.open(pair).status()["arms"]
    assert {name: found["silent"] for name, found in arms.items()} == {"A": 0, "B": 0, arm: 1}
    assert Split.open(pair).results() == []
