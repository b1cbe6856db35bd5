"""The same backtest with the validator in process and by URL: the same decisions, the same orders."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_tools import PROJECTS, QUICK, Run, in_process
from served import serve_process

from llm_plugin.domain import Source
from llm_plugin.hashing import decisions_hash

LOCAL = "memory.backend=local"
SPAN = ("2013-01-01", "2013-01-31")


def run(folder: Path, *overrides: str) -> Run:
    return in_process(folder, "eurusd_ensemble", *SPAN, LOCAL, *QUICK, *overrides, llm_run_id="same")


@pytest.mark.integration
def test_a_run_by_url_decides_as_one_in_process(shared_home: Path, tmp_path: Path) -> None:
    inside = run(tmp_path / "inside")
    store = f"learning.store_url=sqlite:///{tmp_path / 'service.sqlite'}"
    config = PROJECTS / "eurusd_ensemble" / "llm_config.yaml"
    with serve_process(tmp_path / "service", LOCAL, *QUICK, store, config=config) as served:
        outside = run(tmp_path / "outside", "validator.mode=service", f"validator.url={served.url}")
        assert served.stop() == 0
    assert len(inside.decisions) >= 15
    assert any(decision.memory_hits for decision in inside.decisions)
    assert Source.FALLBACK not in {decision.source for decision in outside.decisions}
    assert decisions_hash(outside.decisions) == decisions_hash(inside.decisions)
    assert [d.memory_hits for d in outside.decisions] == [d.memory_hits for d in inside.decisions]
    assert len(outside.outcomes) == len(inside.outcomes)
    assert not (tmp_path / "outside" / "outbox.jsonl").exists()


@pytest.mark.integration
def test_a_backtest_without_its_service_says_how_to_start_one(shared_home: Path, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"validator\.url: .*start `lean-llm serve`"):
        run(
            tmp_path / "alone",
            "validator.mode=service",
            "validator.url=http://127.0.0.1:9",
            "validator.timeout_seconds=1",
        )
