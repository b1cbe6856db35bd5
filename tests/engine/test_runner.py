"""Running projects: imports in all styles, errors with the user's line, partial results, parameters."""

from __future__ import annotations

import json
import sys

import pytest

from llm_plugin.engine.base.names import find_member, pascal, snake
from llm_plugin.engine.runner import run_backtest
from llm_plugin.errors import AlgorithmError, ConfigError, DataError, UnsupportedLeanApi


def test_error_names_the_users_file_and_line_and_keeps_partial_results(run, spy_minute, tmp_path):
    with pytest.raises(AlgorithmError, match=r"main\.py:\d+: ZeroDivisionError: division by zero") as caught:
        run(
            spy_minute()
            + """
def on_data(self, data):
    if self.time.day == 8:
        1 / 0
    if not self.portfolio.invested:
        self.market_order(self.spy, 10)
""",
            results_folder=tmp_path / "out",
        )

    result = caught.value.result
    assert (result.status, len(result.orders)) == ("RuntimeError", 1)
    line = int(str(caught.value).split("main.py:")[1].split(":")[0])
    assert "1 / 0" in (tmp_path / "project" / "main.py").read_text().splitlines()[line - 1]
    stored = json.loads((tmp_path / "out" / "Algorithm.json").read_text())
    assert stored["state"]["Status"] == "RuntimeError"
    assert len(stored["orders"]) == 1


@pytest.mark.parametrize(
    ("line", "member"),
    [
        ("self.add_option('SPY')", "QCAlgorithm.add_option"),
        ("self.AddFuture('ES')", "QCAlgorithm.add_future|QCAlgorithm.AddFuture"),
        ("OptionRight.CALL", "OptionRight"),
        ("Resolution.WEEKLY", "Resolution.WEEKLY"),
        ("self.set_brokerage_model(BrokerageName.BINANCE_FUTURES)", "BrokerageName.BinanceFutures"),
        ("self.add_equity('SPY').greeks", "Security.greeks"),
    ],
    ids=["snake", "pascal", "type", "enum", "brokerage", "security"],
)
def test_what_the_engine_lacks_is_reported_by_name(run, spy_minute, line, member):
    with pytest.raises(UnsupportedLeanApi, match=rf"({member}) is not supported by the embedded engine.*main\.py:\d+"):
        run(spy_minute(line))


def test_own_attributes_still_work_with_hasattr_and_getattr(run, spy_minute):
    result = run(spy_minute("assert not hasattr(self, 'mine')\nassert getattr(self, 'mine', 5) == 5\nself.mine = 6"))

    assert result.algorithm.mine == 6


def test_interrupt_stops_cleanly_with_partial_results(run, spy_minute):
    result = run(
        spy_minute()
        + """
def on_data(self, data):
    if self.time.day == 9:
        raise KeyboardInterrupt
    if not self.portfolio.invested:
        self.market_order(self.spy, 10)
"""
    )

    assert result.interrupted
    assert (result.status, len(result.orders)) == ("Stopped", 1)
    assert result.statistics["Total Orders"] == "1"


def test_older_imports_and_helpers_of_the_project_work(data_folder, tmp_path):
    (tmp_path / "helper.py").write_text("from AlgorithmImports import *\nSHARES = 7\n")
    (tmp_path / "main.py").write_text(
        "from clr import AddReference\n"
        "AddReference('QuantConnect.Algorithm')\n"
        "from System import *\n"
        "from QuantConnect import *\n"
        "from QuantConnect.Algorithm import *\n"
        "from helper import SHARES\n\n"
        "class Old(QCAlgorithm):\n"
        "    def Initialize(self):\n"
        "        self.SetStartDate(2013, 10, 7)\n"
        "        self.SetEndDate(2013, 10, 7)\n"
        "        self.AddEquity('SPY')\n"
        "    def OnData(self, data):\n"
        "        if not self.Portfolio['SPY'].Invested:\n"
        "            self.MarketOrder('SPY', SHARES)\n"
    )
    before = set(sys.modules)

    result = run_backtest(tmp_path, data_folder=data_folder, results_folder=None)

    assert [float(order.exact_quantity) for order in result.orders] == [7.0]
    left = {name for name in set(sys.modules) - before if name.split(".")[0] in ("helper", "AlgorithmImports", "clr")}
    assert not left


def test_two_projects_with_the_same_module_names_do_not_meet(data_folder, tmp_path):
    shares = []
    for name, count in (("one", 3), ("two", 4)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "size.py").write_text(f"SHARES = {count}\n")
        (folder / "main.py").write_text(
            "from AlgorithmImports import *\nfrom size import SHARES\n\n"
            "class Same(QCAlgorithm):\n"
            "    def initialize(self):\n"
            "        self.set_start_date(2013, 10, 7)\n"
            "        self.set_end_date(2013, 10, 7)\n"
            "        self.add_equity('SPY')\n"
            "    def on_data(self, data):\n"
            "        if not self.portfolio.invested:\n"
            "            self.market_order('SPY', SHARES)\n"
        )
        result = run_backtest(folder, data_folder=data_folder, results_folder=None)
        shares.append(float(result.orders[0].exact_quantity))

    assert shares == [3.0, 4.0]


def test_parameters_come_from_the_project_and_can_be_overridden(run, spy_minute, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.json").write_text('{"parameters": {"fast": "12", "ratio": "0.5"}}')
    body = spy_minute("self.log(f\"{self.get_parameter('fast', 5)} {self.get_parameter('ratio', 1.0)}\")")

    first = run(body)
    second = run(body, parameters={"fast": 20})

    assert first.log_lines[0].endswith("12 0.5")
    assert second.log_lines[0].endswith("20 0.5")


def test_start_and_end_can_be_overridden(run, spy_minute):
    from datetime import date

    result = run(
        spy_minute("self.days = set()") + "def on_data(self, data):\n    self.days.add(self.time.day)\n",
        start=date(2013, 10, 8),
        end=date(2013, 10, 9),
    )

    assert result.algorithm.days == {8, 9}


def test_progress_reports_time_bars_and_fraction(run, spy_minute):
    seen = []
    run(spy_minute("self.add_equity('SPY', Resolution.DAILY)"), on_progress=seen.append)
    run(spy_minute(), on_progress=seen.append)

    assert all(0 <= item.fraction <= 1 and item.bars > 0 and item.time.tzinfo is not None for item in seen)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "must define one algorithm class.*found: none"),
        ("class A(QCAlgorithm):\n    pass\n\nclass B(QCAlgorithm):\n    pass\n", "found: A, B"),
    ],
    ids=["none", "two"],
)
def test_a_project_needs_exactly_one_algorithm_class(run, source, message):
    with pytest.raises(ConfigError, match=message):
        run(source=source)


def test_a_folder_without_main_is_a_configuration_error(data_folder, tmp_path):
    with pytest.raises(ConfigError, match=r"has no main\.py"):
        run_backtest(tmp_path, data_folder=data_folder, results_folder=None)


def test_a_folder_without_market_hours_is_a_data_error(tmp_path):
    (tmp_path / "main.py").write_text("from AlgorithmImports import *\n\nclass A(QCAlgorithm):\n    pass\n")
    with pytest.raises(DataError, match=r"market-hours-database\.json is missing"):
        run_backtest(tmp_path, data_folder=tmp_path, results_folder=None)


def test_the_same_run_twice_gives_the_same_orders_and_statistics(run, spy_minute):
    body = spy_minute() + "def on_data(self, data):\n    self.set_holdings(self.spy, 1 if self.time.hour < 12 else 0)\n"

    first, second = run(body), run(body)

    assert len(first.orders) > 5
    assert first.order_list_hash == second.order_list_hash
    assert first.statistics == second.statistics


@pytest.mark.parametrize(
    ("old", "new"),
    [("OnEndOfDay", "on_end_of_day"), ("SetWarmUp", "set_warm_up"), ("SMA", "sma"), ("UtcTime", "utc_time")],
)
def test_spellings(old, new):
    assert snake(old) == new
    if old != "SMA":
        assert pascal(new) == old


def test_members_of_foreign_objects_are_found_in_either_spelling():
    class Foreign:
        def GetOrderFee(self):
            return 1

    assert find_member(Foreign(), "get_order_fee")() == 1
    assert find_member(Foreign(), "get_other") is None


@pytest.mark.parametrize(
    "line",
    ["from AlgorithmImports import NoSuchModel", "from Alphas.NoSuchModel import NoSuchModel",
     "from QuantConnect.Data import NoSuchModel"],
    ids=["algorithm imports", "framework folder", "namespace"],
)  # fmt: skip
def test_an_import_of_what_is_missing_is_reported_by_name(run, line):
    with pytest.raises(UnsupportedLeanApi, match="NoSuchModel is not supported"):
        run(source=f"{line}\n\nclass A(QCAlgorithm):\n    pass\n")


def test_a_class_level_setting_does_not_leak_into_the_next_run(run, spy_minute):
    run(spy_minute("MarketOnCloseOrder.submission_time_buffer = timedelta(minutes=1)"))

    result = run(
        spy_minute()
        + "def on_data(self, data):\n    if (self.time.hour, self.time.minute) == (15, 50):\n"
        + "        self.market_on_close_order(self.spy, 1)\n"
    )

    assert not result.orders


def test_what_a_run_sets_on_a_symbols_properties_is_not_seen_by_the_next(run):
    body = """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 8)
            spy = self.add_equity("SPY", Resolution.DAILY)
            aapl = self.add_equity("AAPL", Resolution.DAILY)
            self.before = spy.symbol_properties.contract_multiplier, spy.symbol_properties.lot_size
            self.shared = spy.symbol_properties is aapl.symbol_properties
            spy.symbol_properties.contract_multiplier = 2
            spy.symbol_properties.lot_size = 10
        """
    first, second = run(body).algorithm, run(body).algorithm

    assert first.before == second.before == (1.0, 1.0)
    assert first.shared
