"""Result files, order hash, JSON text, charts, object store."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal as D
from pathlib import Path

import pytest

from llm_plugin.engine.algorithm.object_store import ObjectStore
from llm_plugin.engine.base.enums import DataNormalizationMode, OrderStatus, SecurityType
from llm_plugin.engine.base.json_text import iso_utc, to_json_text
from llm_plugin.engine.indicators import Identity
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.orders.order import LimitOrder, MarketOrder, OrderSubmissionData, TimeInForce
from llm_plugin.engine.results.charts import CandlestickSeries, Chart, PlottingApi, Series, SeriesType
from llm_plugin.engine.results.files import RunState, order_json, order_list_hash, runtime_statistics, write_results
from llm_plugin.engine.statistics import StatisticsInput, TradeBuilder, generate
from llm_plugin.errors import DataError

MOMENT = datetime(2013, 10, 7, 13, 31)
SPY = Symbol(SecurityIdentifier("SPY", SecurityType.EQUITY, "usa", datetime(1998, 1, 2).date()), "SPY", "SPY")


def filled(order, price="144.78172417"):
    order.id, order.broker_id, order.price, order.price_currency = 1, ["1"], D(price), "USD"
    order.last_fill_time, order.status = MOMENT, OrderStatus.FILLED
    order.order_submission_data = OrderSubmissionData(D("144.77307790400"), D("144.78172417000"), D("144.77307790400"))
    order.price_adjustment_mode = DataNormalizationMode.ADJUSTED
    return order


def test_the_hash_of_leans_example_order():
    order = filled(MarketOrder(SPY, 688, MOMENT))
    assert order_list_hash([order]) == "3da9fa60bf95b9ed148b95e02e0cfc9e"
    assert order_list_hash([]) == "d41d8cd98f00b204e9800998ecf8427e"
    order.tag = "changed"
    assert order_list_hash([order]) != "3da9fa60bf95b9ed148b95e02e0cfc9e"


def test_limit_orders_lead_with_their_rounded_limit_and_are_marketable_by_it():
    order = filled(LimitOrder(SPY, -10, D("144.773079"), MOMENT))
    text = order_json(order)
    assert text.startswith('{"limitPrice":144.7731,"type":1,"id":1')
    assert '"isMarketable":false' in text
    order = filled(LimitOrder(SPY, 10, D("144.78172"), MOMENT))
    assert '"isMarketable":false' in order_json(order)
    order = filled(LimitOrder(SPY, 10, D("144.79"), MOMENT))
    assert '"isMarketable":true' in order_json(order)


def test_time_in_force_is_named_unless_it_is_the_default():
    order = filled(MarketOrder(SPY, 1, MOMENT))
    order.properties.time_in_force = TimeInForce.DAY
    assert '"timeInForce":{"$type":"QuantConnect.Orders.TimeInForces.DayTimeInForce"}' in order_json(order)
    order.properties.time_in_force = TimeInForce.good_til_date(datetime(2013, 10, 10))
    assert '"Expiry":"2013-10-10T00:00:00"' in order_json(order)


def test_json_text_keeps_decimals_exact():
    value = {
        "a": D("144.77307790400"),
        "b": D(688),
        "c": [True, None, 1.5, float("nan")],
        "d": timedelta(days=1, hours=2),
    }
    assert to_json_text(value) == '{"a":144.77307790400,"b":688.0,"c":[true,null,1.5,null],"d":"1.02:00:00"}'
    assert iso_utc(datetime(2024, 1, 2, 3, 4, 5, 120000)) == "2024-01-02T03:04:05.12Z"
    assert to_json_text('quote " and ü') == '"quote \\" and ü"'


class Plots(PlottingApi):
    utc_time = MOMENT
    is_warming_up = live_mode = False

    def debug(self, text):
        self.told = [*getattr(self, "told", []), text]


def test_plots_are_rounded_like_leans():
    plots = Plots()
    chart = Chart("Mine")
    chart.add_series(Series("dots", SeriesType.SCATTER, 0))
    plots.add_chart(chart)
    plots.plot("Mine", "dots", 1.23456789)
    plots.Plot("line", 1234.56789)
    plots.plot("Mine", "candles", 1, 3, 0.5, 2)
    plots.plot("Mine", "line", Identity("x"))
    assert plots.user_charts["Mine"].series["dots"].to_json()["values"] == [[1381152660, D("1.234568")]]
    assert plots.user_charts["Strategy Equity"].series["line"].points() == [(MOMENT, D("1234.5679"))]
    assert isinstance(plots.user_charts["Mine"].series["candles"], CandlestickSeries)
    with pytest.raises(TypeError, match="plot takes"):
        plots.plot(1)
    with pytest.raises(ValueError, match="has a series 'dots' already"):
        chart.add_series(Series("dots"))


def test_plot_indicator_follows_updates_and_nothing_is_plotted_while_live_trading_warms_up():
    plots = Plots()
    indicator = Identity("price")
    plots.plot_indicator("Chart", True, indicator)
    indicator.update(MOMENT, 5.0)
    assert plots.user_charts["Chart"].series["price"].points() == [(MOMENT, D(5))]
    plots.is_warming_up = True
    plots.plot("Other", "line", 1)
    assert plots.user_charts["Other"].series["line"].points() == [(MOMENT, D(1))]
    plots.live_mode = True
    plots.plot("Live", "line", 1)
    plots.plot("Live", "line", 2)
    assert "Live" not in plots.user_charts
    assert plots.told == ["Plotting is disabled during algorithm warmup in live trading."]


def run_state():
    days = [datetime(2013, 10, 7) + timedelta(days=n) for n in range(4)]
    flat = [(day, D(100000 + n)) for n, day in enumerate(days)]
    trades = TradeBuilder()
    trades.process_fill(SPY, MOMENT, D(10), D(5), 1)
    trades.process_fill(SPY, MOMENT + timedelta(hours=1), D(11), D(-5), 2)
    changes = [(day, D(n) / 1000) for n, day in enumerate(days)]
    given = StatisticsInput(flat, changes, flat, [], D(100000), trades=trades.closed_trades)
    chart = Chart("Strategy Equity")
    line = CandlestickSeries("Equity")
    for day, value in flat:
        line.add_point(day, value, value, value, value)
    chart.add_series(line)
    order = filled(MarketOrder(SPY, 688, MOMENT))
    return RunState(
        generate(given), {"Strategy Equity": chart}, [order], [], {MOMENT: D("12.50")}, log_lines=["one", "two"]
    )


def test_result_files_have_leans_names_and_keys(tmp_path):
    files = write_results(tmp_path / "out", "Algo", run_state())
    full = json.loads(files["full"].read_text())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "Algo-log.txt", "Algo-order-events.json", "Algo-summary.json", "Algo.json",
    ]  # fmt: skip
    assert {"charts", "orders", "profitLoss", "statistics", "totalPerformance", "rollingWindow", "state"} <= set(full)
    assert full["orders"]["1"]["quantity"] == 688
    assert full["profitLoss"] == {"2013-10-07T13:31:00Z": 12.5}
    assert full["charts"]["Strategy Equity"]["series"]["Equity"]["values"][0][1:] == [100000] * 4
    assert full["totalPerformance"]["closedTrades"][0]["profitLoss"] == 5
    assert full["totalPerformance"]["portfolioStatistics"]["endEquity"] == "100003"
    summary = json.loads(files["summary"].read_text())
    assert "orders" not in summary
    assert summary["statistics"] == full["statistics"]
    assert files["log"].read_text() == "one\ntwo\n"


def test_runtime_statistics_are_money_strings():
    shown = runtime_statistics(
        currency_symbol="$", equity=D(110000), starting_value=D(100000), fees=D("3.5"), holdings=D("-1234.567"),
        net_profit=D("-10"), unrealized=D(0), volume=D(0), summary={}, custom={"Mine": "1"},
    )  # fmt: skip
    assert shown["Equity"] == "$110,000.00"
    assert shown["Return"] == "10.00 %"
    assert shown["Fees"] == "-$3.50"
    assert shown["Holdings"] == "$-1,234.57"
    assert shown["Mine"] == "1"


def test_object_store_keeps_bytes_text_and_json_by_key(tmp_path):
    store = ObjectStore(tmp_path / "store")
    assert store.keys == []
    store.save("a/b.txt", "hello")
    store.SaveJson("model.json", {"x": 1})
    store.save_bytes("raw", b"\x00\x01")
    assert store.keys == ["a/b.txt", "model.json", "raw"]
    assert store.read("a/b.txt") == "hello"
    assert store.ReadJson("model.json") == {"x": 1}
    assert store.contains_key("raw")
    assert "raw" in store
    assert [entry.key for entry in store] == store.keys
    Path(store.get_file_path("fresh/file.csv")).write_text("1")
    assert store.read_string("fresh/file.csv") == "1"
    assert store.delete("raw")
    assert not store.delete("raw")
    with pytest.raises(DataError, match="no object with key 'raw'"):
        store.read("raw")
    store.clear()
    assert store.keys == []


@pytest.mark.parametrize("key", ["../outside", "a/../../outside", ""])
def test_object_store_keys_stay_inside(tmp_path, key):
    store = ObjectStore(tmp_path / "store")
    with pytest.raises(ValueError, match=r"leaves the store|must not be empty"):
        store.save(key, "x")
    assert not (tmp_path / "outside").exists()


def test_options_of_a_brokerage_are_named_as_in_csharp_in_the_hash_and_in_camel_case_in_files(
    run, tmp_path, spy_minute
):
    result = run(
        spy_minute("self.default_order_properties = IndiaOrderProperties(Exchange.NSE)")
        + """
def on_data(self, data):
    if not self.portfolio.invested:
        self.market_order("SPY", 1)
""",
        results_folder=tmp_path / "results",
    )
    exchange = '{"Code":"NSE","Name":"NSE","Market":"india","SecurityTypes":[1]}'
    (text,) = result.run_state.order_texts
    assert f'"properties":{{"ProductType":null,"timeInForce":{{}},"Exchange":{exchange}}}' in text
    order = json.loads(result.files["full"].read_text(encoding="utf-8"))["orders"]["1"]
    assert list(order["properties"]) == ["productType", "timeInForce", "exchange"]
    assert order["properties"]["exchange"]["securityTypes"] == [1]
