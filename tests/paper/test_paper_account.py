"""A paper run is the backtest of the same data, however often its process ends; its account outlives all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from llm_plugin.engine.live.journal import Journal
from llm_plugin.engine.live.paper import ACCOUNT_NAME, deployment_lock, run_paper
from llm_plugin.engine.live.seam import LiveStatus, Pace
from llm_plugin.engine.live.state_codec import decode, encode
from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.errors import AlgorithmError, ConfigError, DataError


def play(project: Path, data: Path, folder: Path, stop_after: int = 0, **options: object) -> BacktestResult:
    pace = Pace(0)
    moments = [0]

    def count(status: LiveStatus) -> None:
        moments[0] += 1
        if moments[0] == stop_after:
            pace.stop()

    return run_paper(project, data_folder=data, folder=folder, pace=pace, on_moment=count, **options)  # type: ignore[arg-type]


def test_a_run_of_many_processes_has_the_orders_and_statistics_of_one_backtest(
    swing: Path, market_data: Path, tmp_path: Path
) -> None:
    expected = run_backtest(swing, data_folder=market_data, results_folder=None)
    for stop in (9, 70, 71, 72, 150, 151, 0):
        result = play(swing, market_data, tmp_path / "live", stop)
        assert result.interrupted == bool(stop)
    assert len(expected.orders) > 20
    assert {type(order).__name__ for order in result.orders} >= {"TrailingStopOrder", "StopMarketOrder"}
    assert result.order_list_hash == expected.order_list_hash
    capacity = {"Estimated Strategy Capacity", "Lowest Capacity Asset"}  # estimated anew by each process
    for name in set(expected.statistics) - capacity:
        assert result.statistics[name] == expected.statistics[name], name
    assert result.end_equity == expected.end_equity
    assert [repr(event) for event in result.order_events] == [repr(event) for event in expected.order_events]
    own = [json.loads((tmp_path / "live" / "Swing.json").read_text())["charts"]["Own"]["series"]["held"]["values"]]
    assert own == [[[time, float(y)] for time, y in _points(expected, "Own", "held")]]


def _points(result: BacktestResult, chart: str, series: str) -> list[list[object]]:
    return [point.to_json() for point in result.algorithm.user_charts[chart].series[series].values]


def test_the_algorithm_knows_that_it_is_live_and_its_log_goes_on(
    swing: Path, market_data: Path, tmp_path: Path
) -> None:
    play(swing, market_data, tmp_path / "live", 100)
    play(swing, market_data, tmp_path / "live")
    lines = (tmp_path / "live" / "Swing-log.txt").read_text().splitlines()
    months = [line for line in lines if "month True" in line]
    assert [line[:7] for line in months] == [f"2013-{month:02d}" for month in range(1, 7)]


def test_results_log_and_account_are_written_as_it_goes(swing: Path, market_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "live"
    seen = []

    def look(status: LiveStatus) -> None:
        if status.orders and not seen and (folder / "Swing.json").is_file():
            seen.append(json.loads((folder / "Swing.json").read_text()))

    run_paper(
        swing, data_folder=market_data, folder=folder, pace=Pace(0), on_moment=look, write_every_seconds=0
    )  # fmt: skip
    assert seen[0]["state"]["Status"] == "Running"
    assert len(seen[0]["orders"]) < len(json.loads((folder / "Swing.json").read_text())["orders"])


def test_a_holding_that_initialize_does_not_add_is_subscribed_again(
    make_project: Callable[..., Path], market_data: Path, tmp_path: Path
) -> None:
    source = """
    class Once(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 1, 2)
            self.set_end_date(2013, 2, 15)
            self.add_equity("SPY", Resolution.DAILY)
            self.universe_settings.resolution = Resolution.DAILY

        def on_data(self, data):
            if self.time.day == 8 and self.time.month == 1:
                self.add_equity("IBM", Resolution.DAILY)
            if self.time.day == 10 and self.time.month == 1:
                self.market_order("IBM", 7)
                self.limit_order("SPY", -3, 200)
    """
    project = make_project(source)
    result = play(project, market_data, tmp_path / "live", 120)
    assert len(result.orders) == 2
    again = play(project, market_data, tmp_path / "live")
    assert [(h.symbol.value, h.quantity) for h in again.algorithm.portfolio.values() if h.invested] == [("IBM", 7)]
    assert again.algorithm.securities["IBM"].price > 0
    (open_order,) = again.algorithm.transactions.get_open_orders()
    assert (open_order.id, open_order.symbol.value, open_order.limit_price) == (2, "SPY", 200)


def test_an_exception_stops_the_run_and_keeps_the_account(
    make_project: Callable[..., Path], market_data: Path, tmp_path: Path
) -> None:
    source = """
    class Breaks(QCAlgorithm):
        def initialize(self):
            self.set_start_date(2013, 1, 2)
            self.set_end_date(2013, 1, 31)
            self.add_equity("SPY", Resolution.DAILY)

        def on_data(self, data):
            if not self.portfolio.invested:
                self.market_order("SPY", 10)
            if self.time.day == 15 and self.get_parameter("broken") == "yes":
                1 / 0
    """
    project = make_project(source)
    with pytest.raises(AlgorithmError, match=r"main\.py:\d+: ZeroDivisionError"):
        play(project, market_data, tmp_path / "live", parameters={"broken": "yes"})
    result = play(project, market_data, tmp_path / "live", parameters={"broken": "no"})
    assert len(result.orders) == 1
    assert result.algorithm.portfolio["SPY"].quantity == 10


def test_two_processes_never_trade_one_account(swing: Path, market_data: Path, tmp_path: Path) -> None:
    import os

    with (
        deployment_lock(tmp_path / "live"),
        pytest.raises(ConfigError, match=rf"is being traded by process {os.getpid()}"),
    ):
        play(swing, market_data, tmp_path / "live")


def test_an_account_belongs_to_one_project_and_ends_with_its_data(
    swing: Path, make_project: Callable[..., Path], market_data: Path, tmp_path: Path
) -> None:
    play(swing, market_data, tmp_path / "live", 5)
    with pytest.raises(ConfigError, match="a deployment of 'mine', not of 'other'"):
        play(make_project("class A(QCAlgorithm):\n    pass\n", "other"), market_data, tmp_path / "live")
    play(swing, market_data, tmp_path / "live")
    with pytest.raises(DataError, match="has come to the end of its data"):
        play(swing, market_data, tmp_path / "live")


def test_a_journal_loses_its_cut_off_line_and_refuses_any_other_damage(tmp_path: Path) -> None:
    path = tmp_path / ACCOUNT_NAME
    journal = Journal(path)
    journal.append({"start": {"schema": "1"}})
    journal.append({"t": 1, "cash": {"USD": "5"}}, durable=True)
    journal.close()
    with path.open("a") as stream:
        stream.write('{"t":2,"cash":{"USD":"6"')
    again = Journal(path)
    assert (again.state.time_us, again.state.cash, again.rows) == (1, {"USD": "5"}, 2)
    again.append({"t": 3})
    again.close()
    assert Journal(path).state.time_us == 3
    path.write_text(path.read_text().replace('"cash"', "cash"))
    with pytest.raises(DataError, match=r"account\.jsonl, line 2, is damaged.*--new"):
        Journal(path)
    path.write_text('{"start":{"schema":"7"}}\n')
    with pytest.raises(DataError, match="has schema '7'"):
        Journal(path)


def test_what_cannot_be_kept_is_refused_by_name(tmp_path: Path) -> None:
    class Own:
        pass

    kept = {"a": [Decimal("1.50"), timedelta(seconds=2), None, True], 3: "x"}
    assert decode(encode(kept), lambda _: None) == kept
    with pytest.raises(DataError, match=re.escape("Own cannot be kept for a restart")):
        encode(Own())
    with pytest.raises(DataError, match="is no class of the engine"):
        decode({"$object": "os:system", "fields": {}}, lambda _: None)
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(DataError, match="refers to itself"):
        encode(loop)
