"""Weaviate is killed in the middle of a backtest: the run goes on, and nothing is lost or told twice."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from e2e_tools import FAKE, QUICK, Run, in_process, lean_llm

from llm_plugin.hashing import decisions_hash
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.validator import Validator

pytestmark = pytest.mark.integration
SPAN = ("2013-01-01", "2013-03-15")


def run(folder: Path, backend: str) -> Run:
    settings = (f"memory.backend={backend}", *QUICK, *FAKE)
    return in_process(folder, "eurusd_ensemble", *SPAN, *settings)


def stored_trades(run_: Run) -> int:
    from llm_plugin.memory.rebuild import stored_records

    with OutcomeStore(f"sqlite:///{run_.folder / 'store.sqlite'}") as store:
        return sum(1 for run_id in store.run_ids() for _ in stored_records(store, run_id))


@pytest.mark.slow
def test_a_killed_server_changes_no_decision_and_the_memory_is_whole_after_a_rebuild(
    weaviate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = run(tmp_path / "local", "local")
    answer, asked, states = Validator.validate, [], []

    def validate(self: Validator, request: Any) -> Any:
        asked.append(request.decision_id)
        if len(asked) == len(local.decisions) // 2:
            os.kill(weaviate.pid, signal.SIGKILL)
        decision = answer(self, request)
        states.append(self.health()["memory"])
        return decision

    monkeypatch.setattr(Validator, "validate", validate)
    killed = run(tmp_path / "killed", "weaviate")
    assert states[0] == "primary"
    assert states[-1] == "local"
    assert killed.result.status == "Completed"
    assert decisions_hash(killed.decisions) == decisions_hash(local.decisions)
    assert killed.result.order_list_hash == local.result.order_list_hash
    assert [d.memory_hits for d in killed.decisions] == [d.memory_hits for d in local.decisions]
    told = Counter((o.decision_id, o.action, o.kind) for o in killed.outcomes)
    assert set(told.values()) == {1}
    assert set(told) == {(o.decision_id, o.action, o.kind) for o in local.outcomes}
    assert stored_trades(killed) == stored_trades(local) > 30
    rebuilt = lean_llm("memory", "rebuild", killed.folder)
    assert rebuilt.code == 0, rebuilt.err
    assert f"{stored_trades(killed)} trades are in the memory of" in rebuilt.text
    again = lean_llm("memory", "rebuild", killed.folder)
    assert f"{stored_trades(killed)} trades are in the memory of" in again.text
