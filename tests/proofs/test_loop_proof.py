"""The loop's proof: its market, its claims, its parts, and that what is complete is not run again."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_plugin.errors import ConfigError, DataError, LeanLlmError
from llm_plugin.proofs import processes
from llm_plugin.proofs.loop_claims import arm_returns, judge_loop, loop_claim, size_of
from llm_plugin.proofs.loop_config import LoopProofConfig, chosen_loop_variants
from llm_plugin.proofs.loop_parts import Choice, loop_tasks, summarise_parts
from llm_plugin.proofs.loop_report import bench_figures, loop_markdown, loop_rows, summarise_loop, write_figures
from llm_plugin.proofs.loop_run import LoopTask, load_task, run_tasks
from llm_plugin.proofs.loop_shuffle import _permute
from llm_plugin.walkforward import claims

SEEDS = (1, 2, 3, 4, 5)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few resamples: these tests ask about signs, not about the third digit."""
    monkeypatch.setattr(claims, "REPETITIONS", 100)


def made_cell(seed: int = 1, *, skill: float = 1.0, shuffled: bool = False, signals: int = 900) -> dict[str, Any]:
    """A result in memory: the rule turns round after a third; learning follows it with some skill, frozen does not."""
    rng = np.random.default_rng([seed, 9])
    segment = (np.arange(signals) >= signals // 3).astype(int)
    good = rng.random(signals) < 0.5
    net = np.where(rng.random(signals) < np.where(good, 0.7, 0.25), 1.5, -1.0)
    frozen = good ^ (segment == 1)
    learned = np.where(rng.random(signals) < skill, good, frozen)
    event = {"kind": "cycle", "status": "promoted", "seconds": 40.0}
    return {
        "config": LoopProofConfig().to_json(),
        "config_sha256": LoopProofConfig().sha256,
        "code_sha256": "c0de" * 16,
        "versions": {"python": "3.11"},
        "variant": "shuffled" if shuffled else "shifts",
        "shuffled": shuffled,
        "seed": seed,
        "shifts": ["2011-01-01T00:00:00Z"],
        "model": {},
        "seconds": {"base": 60.0},
        "days": [f"{date(2010, 1, 4) + timedelta(days=day):%Y-%m-%d}" for day in range(signals // 2)],
        "decisions": {
            "day": [i // 2 for i in range(signals)],
            "net_r": net.tolist(),
            "good": [bool(v) for v in good],
            "segment": segment.tolist(),
        },
        "arms": {
            "learning": {"size": learned.astype(float).tolist(), "decisions_hash": "ab"},
            "frozen": {"size": frozen.astype(float).tolist(), "decisions_hash": "cd"},
            "tabular": {"size": good.astype(float).tolist(), "decisions_hash": "ef"},
        },
        "events": [event, {"kind": "rollback", "status": "", "seconds": 0.0}],
    }


def test_the_market_turns_round_where_the_configuration_says() -> None:
    config = LoopProofConfig(training_bars=2_000, lead_bars=1_000, segment_bars=3_000, shifts=2)
    market = config.market(3)
    assert config.bars == 9_000
    assert len(market.shifts) == 2
    assert (market.shifts[1] - market.shifts[0]).days == pytest.approx(3_000 / 24 * 7 / 5, abs=4)


def test_a_configuration_survives_json_and_names_what_is_wrong() -> None:
    config = replace(LoopProofConfig(), overrides=("gate.level=0.01",))
    assert LoopProofConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert config.sha256 != LoopProofConfig().sha256
    with pytest.raises(ConfigError, match=r"'windw_decisions' is no setting of the proof \(did you mean"):
        LoopProofConfig.from_json({"windw_decisions": 3})
    with pytest.raises(ConfigError, match="segment_bars is 10: give 500 or more"):
        LoopProofConfig(segment_bars=10)
    with pytest.raises(ConfigError, match="run 'shift' is unknown"):
        chosen_loop_variants(["shift"])


def test_learning_that_follows_the_rule_beats_every_control_on_five_seeds() -> None:
    verdict = judge_loop([made_cell(seed) for seed in SEEDS])
    assert {claim.control: claim.holds for claim in verdict.claims if claim.control != "oracle"} == {
        "frozen": True,
        "none": True,
        "random": True,
        "tabular": False,
    }
    assert verdict.as_expected is True


def test_missing_seeds_cannot_be_judged() -> None:
    verdict = judge_loop([made_cell(seed) for seed in SEEDS[:4]])
    assert verdict.as_expected is None
    assert all(claim.holds is None for claim in verdict.claims)


def test_learning_that_learned_nothing_is_not_as_expected_and_shuffled_it_must_be_so() -> None:
    idle = judge_loop([made_cell(seed, skill=0.0) for seed in SEEDS])
    assert idle.as_expected is False
    assert {claim.control: claim.holds for claim in idle.claims}["frozen"] is False
    assert judge_loop([made_cell(seed, skill=0.0, shuffled=True) for seed in SEEDS]).as_expected is True
    assert judge_loop([made_cell(seed, skill=1.0, shuffled=True) for seed in SEEDS]).as_expected is False


def test_the_random_veto_has_the_rate_of_the_learning_arm() -> None:
    cell = made_cell(2, skill=0.8)
    assert size_of(cell, "random").mean() == pytest.approx(size_of(cell, "learning").mean())
    assert arm_returns(cell, "random").shape == arm_returns(cell, "none").shape
    claim = loop_claim([cell], "random")
    assert claim.seeds[0].net_return.mean == pytest.approx(
        float((arm_returns(cell, "learning") - arm_returns(cell, "random")).mean())
    )


def test_the_tables_hold_every_arm_and_the_figures_have_their_names(tmp_path: Path) -> None:
    cells = [made_cell(seed, shuffled=kind) for seed in SEEDS for kind in (False, True)]
    summary = summarise_loop(cells)
    assert json.loads(json.dumps(summary)) == summary
    assert summary["missing"] == []
    assert len(loop_rows(summary)) == 12
    page = loop_markdown(summary, date(2026, 1, 2))
    assert page.startswith("## 2026-01-02: the loop over several shifts (")
    assert "Agreement with the rule of the time" in page
    figures = bench_figures(summary)
    assert figures["walkforward_net_return_over_frozen_low"]["value"] > 0
    assert figures["walkforward_seeds_over_none"]["value"] == 5
    assert "walkforward_shuffled_sharpe_over_frozen_low" in figures
    path = tmp_path / ".bench" / "results.json"
    write_figures(path, {"other": {"value": 1}})
    write_figures(path, figures)
    assert set(json.loads(path.read_text())) == {"other", *figures}


def test_cells_of_two_configurations_are_not_pooled() -> None:
    other = {**made_cell(2), "config_sha256": "ff"}
    with pytest.raises(DataError, match="cells of 2 configurations cannot be pooled"):
        summarise_loop([made_cell(1), other])
    with pytest.raises(DataError, match="no cell of the proof is complete"):
        summarise_loop([])


def test_parts_are_chosen_by_name() -> None:
    tasks = loop_tasks(Choice(parts=("walkforward", "shuffled"), seeds=(1, 2)))
    assert [task.name for task in tasks] == ["shifts-seed1", "shifts-seed2", "shuffled-seed1", "shuffled-seed2"]
    assert len({task.key for task in tasks}) == 4
    changed = loop_tasks(Choice(parts=("walkforward",), seeds=(1,), overrides=("gate.level=0.01",)))
    assert changed[0].key not in {task.key for task in tasks}
    with pytest.raises(ConfigError, match=r"part 'walkforwards' is unknown \(did you mean 'walkforward'\?\)"):
        Choice(parts=("walkforwards",))


def test_all_parts_end_in_one_list_of_figures() -> None:
    tasks = loop_tasks(Choice(parts=("walkforward", "shift"), seeds=SEEDS))
    shift = {"accuracy_before": 0.1, "accuracy_after": 0.9, "cycle_seconds": 50.0}
    results: dict[str, Any] = {f"shifts-seed{seed}": made_cell(seed) for seed in SEEDS}
    results |= {f"shift-seed{seed}": shift for seed in SEEDS}
    summary = summarise_parts(tasks, results)
    assert summary["as_expected"] == {"walk-forward, shifts": True, "planted shift": True}
    assert summary["figures"]["holdout_accuracy_after"] == {
        "value": 0.9,
        "unit": "accuracy against the planted rule",
        "bar": 0.85,
        "better": "higher",
    }
    results["shift-seed3"] = {**shift, "accuracy_after": 0.7}
    assert summarise_parts(tasks, results)["as_expected"]["planted shift"] is False
    del results["shift-seed3"]
    left = summarise_parts(tasks, results)
    assert left["as_expected"]["planted shift"] is None
    assert left["missing"] == ["shift-seed3"]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker that notes that it was started, and fails where it is told to."""
    script = tmp_path / "worker.py"
    script.write_text(
        "import json, sys, pathlib\n"
        "spec = json.loads(sys.argv[-1])\n"
        "with open(spec['log'], 'a') as log: log.write(spec['task'] + '\\n')\n"
        "print('half\\t0.5')\n"
        "if spec['task'] == 'bad': sys.exit('it broke')\n"
        "pathlib.Path(spec['out']).write_text(json.dumps({'key': spec['key'], 'result': {'task': spec['task']}}))\n"
    )
    real = processes.subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        return real([sys.executable, str(script), command[-1]], **options)

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    return tmp_path / "started.txt"


def test_complete_parts_are_kept_and_failed_ones_named(worker: Path, tmp_path: Path) -> None:
    def task(name: str, key: str = "k", cores: int = 1) -> LoopTask:
        return LoopTask(name, {"task": name, "log": str(worker)}, key, cores)

    seen: list[tuple[str, str, float]] = []
    folder = tmp_path / "results"
    with pytest.raises(LeanLlmError, match=r"1 of 2 parts failed:\nbad: exit code 1: it broke \(all of it in"):
        run_tasks(folder, [task("good", cores=9), task("bad")], jobs=1)
    assert load_task(folder, task("good")) == {"task": "good"}
    found = run_tasks(
        folder, [task("good"), task("new")], jobs=1, on_task=lambda t, stage, f: seen.append((t.name, stage, f))
    )
    assert found == {"good": {"task": "good"}, "new": {"task": "new"}}
    assert seen == [("new", "half", 0.5)]
    assert worker.read_text().split() == ["good", "bad", "new"]
    run_tasks(folder, [task("good", "other")], jobs=1)
    assert worker.read_text().split()[-1] == "good", "another key is another result"
    (folder / "good.json").write_text('{"key": ')
    with pytest.raises(DataError, match=r"good.json is damaged .* delete it, the part is run again"):
        load_task(folder, task("good"))
    with pytest.raises(ConfigError, match="99 jobs do not fit"):
        run_tasks(folder, [], jobs=99)


def test_shuffling_moves_results_and_changes_none(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE decisions (decision_id, run_id, time_us, signal_action)")
    connection.execute("CREATE TABLE outcomes (decision_id, action, kind, r_multiple)")
    base = int(datetime(2014, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    for place in range(200):
        connection.execute("INSERT INTO decisions VALUES (?, 'run', ?, 'BUY')", (f"d{place:03d}", base + place))
        for action, kind, r in (("BUY", "replay", float(place)), ("HOLD", "replay", 0.0), ("BUY", "realised", -1.0)):
            connection.execute("INSERT INTO outcomes VALUES (?, ?, ?, ?)", (f"d{place:03d}", action, kind, r))
    connection.commit()
    connection.close()
    _permute(path, "run", 5)
    connection = sqlite3.connect(path)
    rows = dict(
        connection.execute("SELECT decision_id, r_multiple FROM outcomes WHERE kind = 'replay' AND action = 'BUY'")
    )
    assert sorted(rows.values()) == [float(place) for place in range(200)]
    moved = [float(name[1:]) != r for name, r in rows.items()]
    assert sum(moved) > 190
    assert abs(np.corrcoef([float(name[1:]) for name in rows], list(rows.values()))[0, 1]) < 0.25
    held = connection.execute("SELECT DISTINCT r_multiple FROM outcomes WHERE action = 'HOLD'").fetchall()
    assert held == [(0.0,)]
    connection.close()
