"""The memory of a run is what the store says, on a real Weaviate server, however wrong it was before."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "cycle"))
sys.path.append(str(Path(__file__).parents[1] / "memory"))

from cycle_world import fill_store, world_settings
from weaviate_here import weaviate_binary

from llm_plugin.errors import RecordError
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.stack.loop import open_loop
from llm_plugin.stack.memories import rebuild_runs

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def config(tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from llm_plugin.memory import server

    monkeypatch.setenv("WEAVIATE_BINARY", weaviate_binary())
    url = f"sqlite:///{own_home}/service/store.sqlite"
    file = tmp_path / "llm_config.yaml"
    file.write_text(yaml.safe_dump({"learning": {"store_url": url}}))
    with OutcomeStore(url, commit="group") as store:
        fill_store(store, world_settings(), count=60)
    yield file
    server.stop()


@pytest.mark.usefixtures("prefect_server")
def test_a_lost_memory_is_filled_again_and_a_wrong_one_replaced(config: Path) -> None:
    from prefect.artifacts import Artifact

    from flows.rebuild_memory import rebuild_memory
    from llm_plugin.memory.opening import open_memory

    with open_loop(config) as loop:
        expected = sum(outcome.kind.value == "shadow" for outcome in loop.store.outcomes("run"))
    assert expected == 30
    assert rebuild_memory(config=config) == expected
    with open_loop(config) as loop:
        memory = open_memory(loop.settings.memory, "run", live=True, fresh=False)
        memory.clear()
        memory.close()
        (row,) = rebuild_runs(loop, ["run"])
        assert (row.before, row.trades, row.reports) == (0, expected, 0)
        (row,) = rebuild_runs(loop)
        assert (row.before, row.trades) == (expected, expected)
        with pytest.raises(RecordError, match=r"knows no run 'rum' \(did you mean 'run'\?\)"):
            rebuild_runs(loop, ["rum"])
    table = Artifact.get("rebuilt-memory")
    assert table is not None
    assert yaml.safe_load(table.data) == [{"run": "run", "before": "0", "trades": "30", "reports": "0"}]
