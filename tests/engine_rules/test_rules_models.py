"""Symbols, custom data, framework, schedule, indicators, history, statistics and files."""

from __future__ import annotations

import hashlib
import json

import pytest
from rule_table import rule
from tiny_market import DAY, EQUITY, source, steady

from llm_plugin.errors import LeanLlmError


def seen(run, market, body: str, prepare: str = EQUITY, **days: int):
    return run(source(body, prepare, **days), market).algorithm.seen


@rule("5.1", "5.2", "1.6")
def test_a_symbol_is_found_by_ticker_symbol_and_identifier(run, market):
    market.minutes("xyz", DAY, steady(10))
    market.map("xyz", ["19980102,xyz", "20501231,xyz"])
    body = """
def on_end_of_algorithm(self):
    symbol = self.securities["XYZ"].symbol
    found = {id(self.securities[key]) for key in ("XYZ", symbol, str(symbol.id))}
    self.seen = [len(found), str(symbol.id), str(symbol), symbol == "XYZ"]
"""
    # The first ticker, and 1998-01-02 with the kind of security and the market in base 36.
    assert seen(run, market, body) == [1, "XYZ R735QTJ8XC9X", "XYZ", True]
    with pytest.raises(LeanLlmError, match="NOBODY"):
        run(source('\ndef on_data(self, data):\n    self.securities["NOBODY"]\n'), market)


@rule("7.3")
def test_a_ticker_change_is_told_and_the_old_file_read_before_it(run, market):
    market.minutes("old", "20131007", steady(10, count=1))
    market.minutes("new", "20131008", steady(11, count=1))
    market.map("new", ["19980102,old", "20131007,old", "20501231,new"])
    prepare = EQUITY.replace('"XYZ", Resolution.MINUTE', '"NEW", Resolution.MINUTE, fill_forward=False')
    body = """
def on_symbol_changed_events(self, events):
    for event in events.values():
        self.stamp((event.old_symbol, event.new_symbol))

def on_data(self, data):
    for bar in data.bars.values():
        self.stamp(bar.close)
"""
    assert seen(run, market, body, prepare, last=8) == [
        "07 09:31 10.0",
        "08 00:00 ('OLD', 'NEW')",
        "08 09:31 11.0",
    ]


@rule("5.2", "7.3")
def test_a_former_ticker_means_the_last_security_that_had_it(run, market):
    """Two had OLD; the second, NEW of today, had it last. Its files bear the names of their days."""
    market.map("xyz", ["19980102,old", "20050105,old", "20501231,xyz"])
    market.map("new", ["20060103,old", "20131007,old", "20501231,new"])
    market.factors("new", ["20131004,0.5,1,10", "20501231,1,1,0"])
    market.minutes("old", "20131004", steady(10, count=1))
    market.minutes("old", "20131007", steady(10, count=1))
    market.minutes("new", "20131008", steady(11, count=1))
    prepare = EQUITY.replace('"XYZ", Resolution.MINUTE', '"OLD", Resolution.MINUTE, fill_forward=False')
    body = """
def on_data(self, data):
    for bar in data.bars.values():
        self.stamp((bar.close, str(bar.symbol.id.date.date())))
"""
    assert seen(run, market, body, prepare, first=4, last=8) == [
        "04 09:31 (5.0, '2006-01-03')",
        "07 09:31 (10.0, '2006-01-03')",
        "08 09:31 (11.0, '2006-01-03')",
    ]


FOLLOWING = """
class Follows(PythonData):
    def get_source(self, config, date, is_live):
        stands_for = Symbol.create(config.mapped_symbol, SecurityType.EQUITY, config.market)
        return TradeBar().get_source(SubscriptionDataConfig(config, Follows, stands_for), date, is_live)

    def reader(self, config, line, date, is_live):
        return TradeBar.parse_equity(config, line, date)
{says}
self.add_data(Follows, Symbol.create("NEW", SecurityType.EQUITY, Market.USA), Resolution.MINUTE)
"""


@rule("7.3", "6.3")
@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("", ["07 09:31 10.0", "08 00:00 ('OLD', 'NEW')", "08 09:31 11.0"]),
        ("    def requires_mapping(self):\n        return False\n", ["08 09:31 11.0"]),
    ],
    ids=["by default", "unless it says no"],
)
def test_data_of_a_security_follows_its_ticker(run, market, says, expected):
    """Weekends are days of such data; a change is told when the next of its own days begins."""
    market.minutes("old", "20131007", steady(10, count=1))
    market.minutes("new", "20131008", steady(11, count=1))
    market.map("new", ["19980102,old", "20131007,old", "20501231,new"])
    lines = FOLLOWING.format(says=says).strip().splitlines()
    prepare = "\ndef prepare(self):\n" + "".join(f"    {line}\n" for line in lines)
    body = """
def on_symbol_changed_events(self, events):
    for event in events.values():
        self.stamp((event.old_symbol, event.new_symbol))

def on_data(self, data):
    for bar in data.bars.values():
        self.stamp(bar.close)
"""
    assert seen(run, market, body, prepare, last=8) == expected


CUSTOM = """
class Line(PythonData):
    def get_source(self, config, date, is_live):
        return SubscriptionDataSource("{path}", SubscriptionTransportMedium.LOCAL_FILE)

    def reader(self, config, line, date, is_live):
        if not line[:1].isdigit():
            return None
        day, value, extra = line.split(",")
        point = Line()
        point.symbol = config.symbol
        point.time = datetime.strptime(day, "%Y%m%d")
        point.end_time = point.time + timedelta(days=1)
        point.value = float(value)
        point["Extra"] = extra
        return point
"""


@rule("6.3")
def test_custom_data_is_what_the_reader_makes_of_each_line(run, market, tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text("day,value,extra\n20131007,5,a\nbroken\n20131008,6,b\n")
    prepare = "\ndef prepare(self):\n    self.line = self.add_data(self.Line, 'L', Resolution.DAILY).symbol\n"
    body = """
def on_data(self, data):
    point = data.get(self.Line)[self.line]
    self.stamp((point.value, point["extra"], self.securities[self.line].price))
"""
    custom = CUSTOM.format(path=path).replace("point = Line()", "point = Algorithm.Line()")
    result = run(custom + source(body, prepare, last=9), market)
    assert result.algorithm.seen == ["08 00:00 (5.0, 'a', 5.0)", "09 00:00 (6.0, 'b', 6.0)"]


FRAMEWORK = """
def prepare(self):
    self.universe_settings.resolution = Resolution.MINUTE
    names = [Symbol.create(name, SecurityType.EQUITY, Market.USA) for name in {names}]
    self.set_universe_selection(ManualUniverseSelectionModel(names))
    self.set_alpha({alpha})
    self.set_portfolio_construction({portfolio})
    self.set_execution(ImmediateExecutionModel())
    self.set_risk_management({risk})

def on_order_event(self, event):
    if event.status == OrderStatus.FILLED:
        self.stamp((str(event.symbol), event.fill_quantity))
"""
CONSTANT = "ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(minutes={}))"


def framework(
    names="['XYZ']", minutes=60, portfolio="EqualWeightingPortfolioConstructionModel()", **models: str
) -> str:
    values = {"alpha": CONSTANT.format(minutes), "risk": "NullRiskManagementModel()", **models}
    return FRAMEWORK.format(names=names, portfolio=portfolio, **values)


@rule("17.1", "0.8")
def test_insights_become_equal_weights_and_orders_at_the_end_of_the_slice(run, market):
    market.minutes("xyz", DAY, steady(10))
    market.minutes("abc", DAY, steady(20))
    body = "\ndef on_data(self, data):\n    self.stamp(self.portfolio.invested)\n"
    told = seen(run, market, body, framework("['XYZ', 'ABC']"))
    assert told[0] == "07 09:31 False"
    # Half of 99,750 each, less the fee of the order: 49,875 / 10 = 4987 and 49,875 / 20 = 2493; fees 24.94 and 12.47
    assert sorted(told[1:3]) == ["07 09:31 ('ABC', 2493.0)", "07 09:31 ('XYZ', 4986.0)"]


@rule("17.3", "17.2")
def test_the_position_of_an_expired_insight_is_closed(run, market):
    market.minutes("xyz", DAY, steady(10, count=20))
    alpha = """
class Once(AlphaModel):
    def __init__(self):
        self.done = False

    def Update(self, algorithm, data):
        if self.done:
            return []
        self.done = True
        return [Insight.price("XYZ", timedelta(minutes=5), InsightDirection.UP)]
"""
    portfolio = "EqualWeightingPortfolioConstructionModel(timedelta(minutes=1))"
    told = run(alpha + source("", framework(alpha="self.Once()", portfolio=portfolio)), market).algorithm.seen
    assert [item[:8] for item in told] == ["07 09:31", "07 09:37"]
    assert told[1].endswith("-9970.0)")


@rule("17.2")
def test_an_insights_end_counts_open_market_time(run, market):
    market.minutes("xyz", DAY, [*steady(10), *steady(10, "15:48", 12)])
    body = """
def on_data(self, data):
    if self.time.strftime("%H:%M") == "15:50":
        insight = Insight.price("XYZ", timedelta(minutes=20), InsightDirection.UP)
        self.emit_insights(insight)
        self.stamp(insight.close_time_utc)
"""
    # Ten minutes are left on Monday; the other ten are Tuesday's: 9:40, which is 13:40 UTC.
    assert seen(run, market, body) == ["07 15:50 2013-10-08 13:40:00"]


@rule("17.4", "0.9")
def test_a_draw_down_beyond_the_limit_closes_the_security(run, market):
    market.minutes("xyz", DAY, [*steady(10, "09:30", 2), *steady(9.6, "09:32", 1), *steady(9.4, "09:33", 3)])
    told = seen(run, market, "", framework(minutes=600, risk="MaximumDrawdownPercentPerSecurity(0.05)"))
    assert told == ["07 09:31 ('XYZ', 9970.0)", "07 09:34 ('XYZ', -9970.0)"]


@rule("0.9")
def test_risk_management_that_returns_none_is_an_error(run, market):
    market.minutes("xyz", DAY, steady(10))
    risk = "\nclass Forgetful(RiskManagementModel):\n    def manage_risk(self, algorithm, targets):\n        pass\n"
    with pytest.raises(LeanLlmError, match=r"Forgetful|manage_risk|None"):
        run(risk + source("", framework(risk="self.Forgetful()")), market)


@rule("17.5")
@pytest.mark.parametrize(
    ("update", "changed"), [("update", "on_securities_changed"), ("Update", "OnSecuritiesChanged")]
)
def test_a_users_alpha_works_in_both_spellings(run, market, update, changed):
    market.minutes("xyz", DAY, steady(10))
    alpha = f"""
class Mine(AlphaModel):
    def {update}(self, algorithm, data):
        return [Insight.Price("XYZ", timedelta(minutes=30), InsightDirection.Up)]

    def {changed}(self, algorithm, changes):
        algorithm.stamp([str(security.symbol) for security in changes.added_securities])
"""
    told = run(alpha + source("", framework(alpha="self.Mine()")), market).algorithm.seen
    assert told[0].endswith("['XYZ']")
    assert told[1] == "07 09:31 ('XYZ', 9970.0)"


@rule("18.2", "18.5")
def test_consolidators_by_time_and_by_count(run, market):
    bars = [(f"09:3{n}", 10 + n, 12 + n, 9 + n, 11 + n, 100) for n in range(6)]
    market.minutes("xyz", DAY, bars)
    prepare = (
        EQUITY
        + """    show = lambda bar: self.stamp((bar.open, bar.high, bar.low, bar.close, bar.volume))
    self.consolidate("XYZ", timedelta(minutes=3), show)
    self.counted = TradeBarConsolidator(2)
    self.counted.data_consolidated += lambda sender, bar: self.stamp("count %s" % bar.close)
    self.subscription_manager.add_consolidator("XYZ", self.counted)
"""
    )
    told = seen(run, market, "", prepare)
    assert [item for item in told if "(" in item][:2] == [
        "07 09:33 (10.0, 14.0, 9.0, 13.0, 300.0)",
        "07 09:36 (13.0, 17.0, 12.0, 16.0, 300.0)",
    ]
    assert [item for item in told if "count" in item][:3] == [
        "07 09:32 count 12.0",
        "07 09:34 count 14.0",
        "07 09:36 count 16.0",
    ]


@rule("18.3", "18.4")
def test_averages_and_windows(run, market):
    closes = [1, 2, 3, 4, 5, 6]
    market.minutes("xyz", DAY, [(f"09:3{n}", c, c, c, c, 1) for n, c in enumerate(closes)])
    prepare = (
        EQUITY
        + """    self.simple, self.exponential = self.sma("XYZ", 3), self.ema("XYZ", 3)
    self.last = RollingWindow[float](2)
"""
    )
    body = """
def on_data(self, data):
    if self.time.hour == 9 and self.time.minute <= 36:
        self.last.add(data["XYZ"].close)
        self.stamp((self.simple.current.value, self.simple.is_ready, self.exponential.current.value, self.last[0]))

def on_end_of_algorithm(self):
    self.seen.append([self.last[0], self.last[1], self.last.count, self.last.is_ready])
"""
    told = seen(run, market, body, prepare)
    # Simple: mean of what there is, then of the last three. Exponential: 0 until three came, their mean, then k = 1/2.
    assert told == [
        "07 09:31 (1.0, False, 0.0, 1.0)",
        "07 09:32 (1.5, False, 0.0, 2.0)",
        "07 09:33 (2.0, True, 2.0, 3.0)",
        "07 09:34 (3.0, True, 3.0, 4.0)",
        "07 09:35 (4.0, True, 4.0, 5.0)",
        "07 09:36 (5.0, True, 5.0, 6.0)",
        [6.0, 5.0, 2, True],
    ]


@rule("19.1", "19.2")
def test_history_has_the_bars_that_have_ended_and_nothing_later(run, market):
    market.minutes("xyz", DAY, [(f"09:3{n}", n + 1, n + 1, n + 1, n + 1, 1) for n in range(8)])
    body = """
def on_data(self, data):
    if self.time.strftime("%H:%M") == "09:34":
        frame = self.history(self.securities["XYZ"].symbol, 3, Resolution.MINUTE)
        self.seen = [list(frame["close"]), list(frame.index.names), frame.index[-1][1].strftime("%H:%M")]
        self.seen += [sorted(frame.columns), len(frame.loc["XYZ"])]
        self.seen.append(self.history(self.securities["XYZ"].symbol, 0, Resolution.MINUTE).empty)
"""
    prices = ["close", "high", "low", "open", "volume"]
    assert seen(run, market, body) == [[2.0, 3.0, 4.0], ["symbol", "time"], "09:34", prices, 3, True]


BUY_AT_0931 = """
def on_data(self, data):
    if self.time.strftime("%H:%M") == "09:31":
        self.market_order("XYZ", 1)
"""


@rule("21.1", "20.1")
def test_the_order_list_hash_is_the_md5_of_the_orders_in_leans_form(run, market):
    market.minutes("xyz", DAY, steady(10))
    result = run(source(BUY_AT_0931), market)
    (order,) = result.orders
    text = (
        '{"type":0,"id":1,"contingentId":0,"brokerId":["1"],"symbol":{"value":"XYZ","id":"SID","permtick":"XYZ"},'
        '"price":10.0,"priceCurrency":"USD","time":"2013-10-07T13:31:00Z","createdTime":"2013-10-07T13:31:00Z",'
        '"lastFillTime":"2013-10-07T13:31:00Z","quantity":1.0,"status":3,"tag":"","properties":{"timeInForce":{}},'
        '"securityType":1,"direction":0,"value":10.0,'
        '"orderSubmissionData":{"bidPrice":10.0000,"askPrice":10.0000,"lastPrice":10.0000},"isMarketable":true,'
        '"priceAdjustmentMode":1}'
    ).replace("SID", str(order.symbol.id))
    assert result.order_list_hash == hashlib.md5(text.encode()).hexdigest()


@rule("21.2")
def test_result_files_bear_leans_names_and_keys(run, market, tmp_path):
    market.minutes("xyz", DAY, steady(10))
    body = source('\ndef on_data(self, data):\n    self.set_holdings("XYZ", 1)\n')
    result = run(body, market, results_folder=tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {"Algorithm.json", "Algorithm-summary.json", "Algorithm-order-events.json", "Algorithm-log.txt"} <= names
    content = json.loads((tmp_path / "out" / "Algorithm.json").read_text())
    keys = {"charts", "rollingWindow", "totalPerformance", "orders", "profitLoss", "statistics", "runtimeStatistics"}
    assert keys | {"state", "algorithmConfiguration"} <= set(content)
    assert content["statistics"]["OrderListHash"] == result.order_list_hash


@rule("16.1", "0.4")
def test_on_data_runs_in_the_slice_of_a_dividend_of_the_sample(run):
    body = """
def initialize(self):
    self.set_start_date(2013, 9, 18)
    self.set_end_date(2013, 9, 24)
    self.seen = []
    self.spy = self.add_equity("SPY", Resolution.DAILY).symbol

def on_data(self, data):
    if data.dividends.contains_key(self.spy):
        self.seen.append((str(self.time), data.bars.count, data.dividends[self.spy].distribution))
"""
    assert run(body).algorithm.seen == [("2013-09-20 00:00:00", 0, pytest.approx(0.84, abs=0.01))]


@rule("1.7")
def test_a_benchmark_may_have_more_decimals_than_64_bits_hold(run, market):
    """A price times both factors: 4 + 7 + 8 decimals."""
    market.factors("xyz", ["20131231,0.8856747,0.03571431,480.94"])
    market.days("xyz", [(f"201310{day:02d} 10:00", 480.94, 480.94, 480.94, 480.94, 1) for day in (4, 7, 8)], "hour")
    prepare = """
def prepare(self):
    self.set_benchmark("XYZ")
"""
    result = run(source("", prepare, last=8), market)
    series = result.run_state.charts["Benchmark"].series["Benchmark"]
    assert {float(point.y) for point in series.values} == {round(480.94 * 0.8856747 * 0.03571431, 5)}
