"""What `explain`, `memory search` and `doctor` print of a finished run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_tools import FAKE, PROJECTS, QUICK, Run, in_process, lean_llm


@pytest.fixture(scope="module")
def run(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(trained_home))
        folder = tmp_path_factory.mktemp("after") / "run"
        span = ("2013-01-01", "2013-02-15")
        return in_process(folder, "eurusd_ensemble", *span, "memory.backend=local", *QUICK, *FAKE)


def test_explain_tells_all_that_was_seen_and_how_it_ended(run: Run) -> None:
    decision = next(d for d in run.entries if d.memory_hits and not d.approved)
    done = lean_llm("explain", decision.decision_id, "--run", run.folder, "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["decision"]["decision_id"] == decision.decision_id
    assert told["decision"]["verdict"] == "veto"
    assert told["prompt"]
    assert len(told["request"]["market"]["features"]) >= 200
    assert [hit["decision_id"] for hit in told["memory"]] == list(decision.memory_hits)
    assert {outcome["kind"] for outcome in told["outcomes"]} >= {"shadow"}
    shown = lean_llm("explain", decision.decision_id[:13], "--run", run.folder)
    for text in (decision.decision_id, "veto", "prompt", "similar past trade", decision.memory_hits[0], "shadow"):
        assert text in shown.text


def test_a_decision_that_no_run_knows_is_an_error(run: Run) -> None:
    done = lean_llm("explain", "00000000-dead", "--run", run.folder)
    assert done.code == 5
    assert "no decision '00000000-dead'" in done.text


def test_memory_search_finds_the_hits_that_the_decision_saw(run: Run) -> None:
    decision = [d for d in run.entries if len(d.memory_hits) == 3][-1]
    done = lean_llm("memory", "search", decision.decision_id, "--run", run.folder, "--json")
    assert done.code == 0, done.err
    hits = json.loads(done.out)
    assert [hit["decision_id"] for hit in hits] == list(decision.memory_hits)
    asked = decision.time_utc.isoformat().replace("+00:00", "Z")
    assert all(hit["closed_utc"] < asked for hit in hits)


def test_doctor_says_what_is_here(shared_home: Path) -> None:
    done = lean_llm("doctor", PROJECTS / "eurusd_ensemble", "--json")
    found = {row["what"]: row for row in json.loads(done.out)}
    assert found["models, ensemble"]["found"] == "eurusd_hour"
    assert found["models, llm"]["found"] == "bootstrap"
    assert found["market data"]["state"] == "ok"
    assert found["configuration"]["state"] == "ok"
    assert done.code == int(any(row["state"] == "broken" for row in found.values()))


def test_doctor_fails_where_something_is_broken(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "main.py").write_text("")
    done = lean_llm("doctor", project)
    assert done.code == 1
    assert "no llm_config.yaml" in done.text
    assert "lean-llm config template" in done.text
