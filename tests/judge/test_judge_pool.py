"""Many candidates: order, cache, resumption, Dask, and the command."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from judge_attacks import HONEST, strategy
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, DataError, SandboxUnavailable
from llm_plugin.sandbox import kernel_layers
from llm_plugin.strategies.judge import Candidate, JudgeLimits, JudgePool, Verdict
from llm_plugin.strategies.judge.worker import from_plain, to_plain
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import Task

here = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")
LIMITS = JudgeLimits(cpu_seconds=20, wall_seconds=120)
ORDERS = [strategy(on_data=f"if self.days == {day}: self.market_on_open_order(self.spy, 1)") for day in (1, 2, 3)]


@here
def test_many_come_back_in_order_are_kept_and_are_not_judged_again(market_data, tmp_path):
    told: list[str] = []
    candidates = [
        *(Candidate(source, id=f"c{n}", gates=3) for n, source in enumerate(ORDERS)),
        Candidate("class", id="broken"),
    ]
    with JudgePool(market_data, 2, tmp_path / "cache", LIMITS) as pool:
        first = pool.judge_many(iter(candidates), lambda candidate, verdict: told.append(candidate.id))
        os.utime(market_data)  # the folder's own time is no content
        again = pool.judge_many(candidates)
        other = pool.judge_many([Candidate(ORDERS[0], gates=3, cash=5000)])

    assert [verdict.id for verdict in first] == ["c0", "c1", "c2", "broken"]
    assert sorted(told) == ["broken", "c0", "c1", "c2"]
    assert [verdict.reached for verdict in first] == [3, 3, 3, 0]
    assert [verdict.cached for verdict in first] == [False] * 4
    assert [verdict.cached for verdict in again] == [True] * 4
    assert [dict(verdict.statistics) for verdict in again] == [dict(verdict.statistics) for verdict in first]
    assert not other[0].cached
    assert len({verdict.statistics["OrderListHash"] for verdict in first[:3]}) == 3


@here
def test_a_judge_that_is_killed_is_started_again_and_what_was_judged_stays(market_data, tmp_path):
    with JudgePool(market_data, 1, tmp_path / "cache", LIMITS) as pool:
        assert pool.judge(ORDERS[0], gates=3).reached == 3
        worker = pool._workers[0]._process
        assert worker is not None
        os.kill(worker.pid, signal.SIGKILL)
        assert pool.judge(ORDERS[1], gates=3).reached == 3
    for file in (tmp_path / "cache").rglob("*.json"):
        if '"id": ""' in file.read_text() and json.loads(file.read_text())["orders"] == 1:
            last = file
    last.write_text(last.read_text()[:50])  # killed while it wrote

    with JudgePool(market_data, 1, tmp_path / "cache", LIMITS) as pool:
        verdicts = [pool.judge(source, gates=3) for source in ORDERS[:2]]

    assert sorted(verdict.cached for verdict in verdicts) == [False, True]
    assert [verdict.reached for verdict in verdicts] == [3, 3]


@here
@pytest.mark.slow
def test_dask_gives_the_same_verdicts(market_data, tmp_path):
    pytest.importorskip("distributed", reason="left out: needs Dask")
    with JudgePool(market_data, 1, None, LIMITS) as pool:
        here_ = pool.judge_many([Candidate(source, gates=3) for source in ORDERS[:2]])
    with JudgePool(market_data, 1, tmp_path / "cache", LIMITS, dask="local") as pool:
        there = pool.judge_many([Candidate(source, gates=3) for source in ORDERS[:2]])

    assert [dict(verdict.statistics) for verdict in there] == [dict(verdict.statistics) for verdict in here_]
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 2


def test_the_key_is_the_content(market_data, tmp_path):
    wanted = Requirements.from_json(
        {"symbols": ["SPY"], "entry": {"long": "rsi(2) < 10"}, "exit": {"long": "rsi(2) > 60"}}
    )
    task = Task("one", "trend", 1, "buy", wanted, reference="x = 1")
    pool = JudgePool(market_data, 1, tmp_path, LIMITS)
    base = Candidate(HONEST, task)

    assert pool.key(base) == pool.key(Candidate(HONEST, Task("one", "trend", 1, "buy", wanted), id="other"))
    different = [
        Candidate(HONEST + " ", task),
        Candidate(HONEST),
        Candidate(HONEST, task, start="2014-01-01"),
        Candidate(HONEST, task, gates=3),
        Candidate(HONEST, Task("one", "trend", 1, "sell", wanted)),
    ]
    keys = {pool.key(candidate) for candidate in (base, *different)}
    keys.add(JudgePool(market_data, 1, tmp_path, JudgeLimits(truncations=5)).key(base))
    assert len(keys) == len(different) + 2
    assert from_plain(json.loads(json.dumps(to_plain(base)))) == base


def test_bad_input_names_value_and_remedy(market_data, tmp_path):
    with pytest.raises(ConfigError, match="jobs is 0: give 1 or more"):
        JudgePool(market_data, 0)
    with pytest.raises(DataError, match=f"{tmp_path} is no LEAN data folder"):
        JudgePool(tmp_path)
    with pytest.raises(DataError, match="this is no verdict"):
        Verdict.from_json({"gates": [{"name": "compiles"}]})


def test_a_refusal_reaches_the_caller_by_its_class(market_data, monkeypatch):
    from llm_plugin.strategies.judge import pool as module

    def refuse(self: object, text: str) -> dict[str, str]:
        return {"error": "SandboxUnavailable", "message": "this machine lacks Landlock"}

    monkeypatch.setattr(module._Worker, "_ask", refuse)
    with JudgePool(market_data, 1) as pool, pytest.raises(SandboxUnavailable, match="lacks Landlock"):
        pool.judge(HONEST)


@here
def test_the_command_prints_gates_with_reasons(tmp_path, market_data):
    good, bad = tmp_path / "good.py", tmp_path / "project" / "main.py"
    bad.parent.mkdir()
    good.write_text(ORDERS[0])
    bad.write_text(ORDERS[0].replace("market_on_open_order", "market_on_opening_order"))
    arguments = ["judge", "--data", str(market_data), "--gates", "3", "--no-cache"]

    passed = CliRunner().invoke(app, [*arguments, str(good)])
    failed = CliRunner().invoke(app, [*arguments, "--json", str(bad.parent)])

    assert (passed.exit_code, failed.exit_code) == (0, 1)
    assert "trades" in passed.stdout
    assert "Total Orders" in passed.stdout
    [verdict] = json.loads(failed.stdout)
    assert "QCAlgorithm has no member 'market_on_opening_order'" in verdict["gates"][0]["reason"]
    assert verdict["reached"] == 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["no-such.py"], "no-such.py does not exist: name a Python file"),
        (["FILE", "--task", "no-such-task"], "has no such task"),
        (["FILE", "--start", "yesterday"], "--start yesterday: write a date"),
    ],
)
def test_the_command_names_what_is_wrong(tmp_path, arguments, match):
    file = tmp_path / "a.py"
    file.write_text(HONEST)

    result = CliRunner().invoke(app, ["judge", *(str(file) if one == "FILE" else one for one in arguments)])

    assert isinstance(result.exception, ConfigError)
    assert match in str(result.exception)
    assert not list(Path(tmp_path).glob("*.json"))
