"""kill -9, and start again: holdings, open orders, open decisions and outcomes are neither lost nor doubled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHILD = Path(__file__).with_name("paper_child.py")
SUBMITTED, FILLED = 1, 3


def start(project: Path, folder: Path, data: Path, *kill: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, str(CHILD), str(project), str(folder), str(data), *kill]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]


def key(row: dict[str, Any]) -> tuple[str, ...]:
    names = ("kind", "decision_id", "outcome_kind", "action")
    return tuple(str(row.get(name)) for name in names)


def what(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("verdict", "bar_utc", "closed_utc", "exit_reason", "bars_held", "r_multiple", "entry_price", "exit_price")
    return (*key(row), *(row.get(name) for name in names))


# Which write the process dies after: order 1 is the first entry, 2 its stop, 3 its target.
@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(("1", str(SUBMITTED)), id="between order and fill"),
        pytest.param(("1", str(FILLED)), id="after the fill, before its stop"),
        pytest.param(("2", str(SUBMITTED)), id="after the stop, before the target"),
        pytest.param(("3", str(FILLED)), id="after the exit, before its outcome"),
        pytest.param(("save", "40"), id="after the state, before the account"),
    ],
)
def test_a_killed_run_ends_as_one_that_was_not(
    brackets: Path, market_data: Path, tmp_path: Path, undisturbed: tuple[str, Path], kill: tuple[str, str]
) -> None:
    folder = tmp_path / "killed"
    dead = start(brackets, folder, market_data, *kill)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    done = start(brackets, folder, market_data)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == undisturbed[0].split()[1]  # as many orders: none twice, none missing
    expected, found = rows(undisturbed[1]), rows(folder)
    assert max(Counter(map(key, found)).values()) == 1
    assert sorted(map(what, found), key=repr) == sorted(map(what, expected), key=repr)


@pytest.fixture
def undisturbed(
    brackets: Path, market_data: Path, tmp_path_factory: pytest.TempPathFactory, cache: dict[str, tuple[str, Path]]
) -> tuple[str, Path]:
    """The run that nobody kills: what it printed, and its folder."""
    if "run" not in cache:
        folder = tmp_path_factory.mktemp("undisturbed") / "live"
        done = start(brackets, folder, market_data)
        assert done.returncode == 0, done.stderr
        found = rows(folder)
        kinds = Counter(row.get("outcome_kind", row["kind"]) for row in found)
        assert min(kinds["decision"], kinds["realised"], kinds["shadow"], kinds["replay"]) >= 3
        cache["run"] = (done.stdout, folder)
    return cache["run"]


@pytest.fixture(scope="module")
def cache() -> dict[str, tuple[str, Path]]:
    """One undisturbed run for all of them."""
    return {}


def test_an_order_that_waits_for_the_open_is_there_after_the_kill(
    make_project: Callable[..., Path], market_data: Path, tmp_path: Path
) -> None:
    source = """
    class AtTheOpen(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 1, 2)
            self.set_end_date(2013, 1, 31)
            self.spy = self.add_equity("SPY", Resolution.DAILY).symbol

        def on_data(self, data):
            if not self.portfolio.invested and not self.transactions.get_open_orders():
                self.market_on_open_order(self.spy, 10, tag="mine")
    """
    project = make_project(source)
    dead = start(project, tmp_path / "live", market_data, "1", str(SUBMITTED))
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    done = start(project, tmp_path / "live", market_data)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "live" / "AtTheOpen.json").read_text())
    (order,) = result["orders"].values()
    assert (order["tag"], order["status"], order["quantity"]) == ("mine", FILLED, 10)
    events = json.loads((tmp_path / "live" / "AtTheOpen-order-events.json").read_text())
    assert [event["status"] for event in events] == ["submitted", "filled"]
