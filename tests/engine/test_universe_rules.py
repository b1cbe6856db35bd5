"""Universes on data made here: members, removals, refresh, the day's stocks, custom data, combos, shorting."""

from __future__ import annotations

import shutil
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.errors import DataError

DAYS = ("20240102", "20240103", "20240104", "20240105", "20240108", "20240109")
TICKERS = ("AAA", "BBB", "CCC")


@pytest.fixture
def market(tmp_path: Path, data_folder: Path) -> Path:
    """Three stocks at 10, 20 and 30 dollars that gain a dollar a day."""
    folder = tmp_path / "market"
    for part in ("market-hours", "symbol-properties"):
        shutil.copytree(data_folder / part, folder / part)
    daily = folder / "equity" / "usa" / "daily"
    daily.mkdir(parents=True)
    for number, ticker in enumerate(TICKERS, 1):
        rows = []
        for step, day in enumerate(DAYS):
            price = (10 * number + step) * 10_000
            rows.append(f"{day} 00:00,{price},{price + 5000},{price - 5000},{price + 2500},100000")
        with zipfile.ZipFile(daily / f"{ticker.lower()}.zip", "w") as archive:
            archive.writestr(f"{ticker.lower()}.csv", "\n".join(rows))
    return folder


@pytest.fixture
def go(market: Path, tmp_path: Path) -> Callable[..., BacktestResult]:
    """Run an algorithm on that market; its methods are given."""

    def run(body: str, first: str = "") -> BacktestResult:
        text = "from AlgorithmImports import *\n\n" + textwrap.dedent(first) + "\nclass Algorithm(QCAlgorithm):\n"
        text += textwrap.indent(textwrap.dedent(body), "    ")
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text(text)
        return run_backtest(project, data_folder=market, results_folder=None)

    return run


INITIALIZE = """
def initialize(self):
    self.set_start_date(2024, 1, 2)
    self.set_end_date(2024, 1, 9)
    self.set_benchmark(lambda time: 0)
    self.universe_settings.resolution = Resolution.DAILY
    self.changes = []
    self.start()

def on_securities_changed(self, changes):
    names = lambda securities: [security.symbol.value for security in securities]
    self.changes.append((self.time.day, names(changes.added_securities), names(changes.removed_securities)))
"""


def test_same_selection_is_no_change_and_each_change_is_told_once(go):
    result = go(
        INITIALIZE
        + """
def start(self):
    self.add_universe("mine", lambda time: ["AAA", "BBB"] if time.day < 5 else ["BBB", "CCC"])
"""
    )

    assert result.algorithm.changes == [(2, ["AAA", "BBB"], []), (5, ["CCC"], ["AAA"])]
    securities = result.algorithm.securities
    assert sorted(str(symbol) for symbol in securities.keys()) == ["BBB", "CCC"]
    assert securities["AAA"].is_tradable is False


def test_removal_by_one_universe_is_told_although_another_one_keeps_the_stock(go):
    result = go(
        INITIALIZE
        + """
def start(self):
    self.add_universe("keeps", lambda time: ["AAA"])
    self.add_universe("drops", lambda time: ["AAA", "BBB"] if time.day < 5 else [])
    self.bars = 0

def on_data(self, data):
    self.bars += data.contains_key("AAA")
"""
    )

    assert result.algorithm.changes == [(2, ["AAA", "BBB"], []), (5, [], ["AAA", "BBB"])]
    assert result.algorithm.bars == len(DAYS)
    assert result.algorithm.universe_manager.count == 2
    assert [str(s) for s in result.algorithm.universe_manager.active_securities] == ["AAA"]


def test_minimum_time_in_universe_keeps_a_stock(go):
    result = go(
        INITIALIZE
        + """
def start(self):
    self.universe_settings.minimum_time_in_universe = timedelta(days=2)
    self.add_universe("mine", lambda time: ["AAA"] if time.day == 2 else [])
"""
    )

    # Deselected on the 3rd after one day; selected as nothing again, LEAN looks no further.
    assert result.algorithm.changes == [(2, ["AAA"], [])]


def test_selection_model_that_asks_for_it_is_called_again_and_its_old_universe_goes(go):
    result = go(
        INITIALIZE
        + """
def start(self):
    self.set_universe_selection(Rotating())
""",
        first="""
        class Rotating(UniverseSelectionModel):
            calls = 0
            def get_next_refresh_time_utc(self):
                return datetime(2024, 1, 4) if self.calls == 1 else datetime.max
            def create_universes(self, algorithm):
                self.calls += 1
                ticker = "AAA" if self.calls == 1 else "BBB"
                return ManualUniverseSelectionModel(
                    Symbol.create(ticker, SecurityType.EQUITY, Market.USA)).create_universes(algorithm)
        """,
    )

    changes = result.algorithm.changes
    assert changes[0] == (2, ["AAA"], [])
    assert ["BBB"] in [added for _, added, _ in changes]
    assert ["AAA"] in [removed for _, _, removed in changes]


def _coarse(market: Path, rows: str) -> None:
    folder = market / "equity" / "usa" / "fundamental" / "coarse"
    folder.mkdir(parents=True)
    for day in DAYS[:3]:
        (folder / f"{day}.csv").write_text(rows)


ROWS = "AAA 2T,AAA,10,1000,10000,True,0.5,1\nBBB 2T,BBB,20,1000,20000,False,1,1\nCCC 2T,CCC,30,10,300,False,1,1\n"


def test_stocks_of_the_day_are_selected_at_midnight_after(go, market):
    _coarse(market, ROWS)
    result = go(
        INITIALIZE
        + """
def start(self):
    self.seen = []
    self.add_universe(self.coarse)

def coarse(self, stocks):
    self.seen.append((self.time, [(s.symbol.value, s.Price, s.adjusted_price, s.has_fundamental_data) for s in stocks]))
    return [s.symbol for s in sorted(stocks, key=lambda s: s.dollar_volume)[-1:]]
"""
    )

    moments = [str(moment) for moment, _ in result.algorithm.seen]
    assert moments == ["2024-01-03 00:00:00", "2024-01-04 00:00:00", "2024-01-05 00:00:00"]
    assert result.algorithm.seen[0][1][0] == ("AAA", 10.0, 5.0, True)
    assert result.algorithm.changes == [(3, ["BBB"], [])]


def test_universe_with_a_schedule_is_asked_on_its_dates_with_the_last_file(go, market):
    """A Saturday, too: with the file of Thursday, for Friday has none."""
    _coarse(market, ROWS)
    body = """
def start(self):
    self.seen = []
    self.universe_settings.schedule.on(self.date_rules.on([datetime(2024, 1, 3), datetime(2024, 1, 6)]))
    self.add_universe(lambda stocks: self.seen.append((str(self.time), len(stocks))) or [])
"""
    result = go(INITIALIZE + body)

    assert result.algorithm.seen == [("2024-01-03 00:00:00", 3), ("2024-01-06 00:00:00", 3)]


def test_schedule_with_a_date_before_the_start_is_asked_at_the_start(go, market):
    _coarse(market, ROWS)
    body = """
def start(self):
    self.seen = []
    self.set_start_date(2024, 1, 5)
    self.UniverseSettings.Schedule.On(self.date_rules.on([datetime(2024, 1, 3), datetime(2024, 1, 9)]))
    copied = UniverseSettings(self.universe_settings)
    copied.schedule.on(None)
    assert self.universe_settings.schedule.Initialized and not copied.schedule.initialized
    self.add_universe(lambda stocks: self.seen.append((str(self.time), len(stocks))) or [])
"""
    result = go(INITIALIZE + body)

    assert result.algorithm.seen == [("2024-01-05 00:00:00", 3), ("2024-01-09 00:00:00", 3)]


def test_top_takes_the_highest_dollar_volume(go, market):
    _coarse(market, ROWS)
    result = go(INITIALIZE + "\ndef start(self):\n    self.add_universe(self.universe.top(2))\n")

    assert result.algorithm.changes == [(3, ["AAA", "BBB"], [])]


def test_damaged_row_of_the_stocks_is_named(go, market):
    _coarse(market, "AAA 2T,AAA,ten\n")
    with pytest.raises(DataError, match=r"20240102.csv row 1: 'AAA 2T,AAA,ten'"):
        go(INITIALIZE + "\ndef start(self):\n    self.add_universe(self.universe.top(2))\n")


def test_custom_data_selects_when_its_points_end(go, market):
    (market / "picks.csv").write_text("20240103,AAA\n20240105,CCC\n")
    result = go(
        INITIALIZE + "\ndef start(self):\n    self.add_universe(Picks, 'picks', Resolution.DAILY,"
        " lambda points: [p.ticker for p in points])\n",
        first=f"""
        class Picks(PythonData):
            def get_source(self, config, date, live):
                return SubscriptionDataSource({str(market / "picks.csv")!r})
            def reader(self, config, line, date, live):
                day, ticker = line.split(",")
                pick = Picks()
                pick.symbol, pick.time, pick.ticker = config.symbol, datetime.strptime(day, "%Y%m%d"), ticker
                pick.end_time = pick.time + timedelta(days=1)
                return pick
        """,
    )

    assert result.algorithm.changes == [(4, ["AAA"], []), (6, ["CCC"], ["AAA"])]


COMBO = """
def initialize(self):
    self.set_start_date(2024, 1, 2)
    self.set_end_date(2024, 1, 9)
    self.set_benchmark(lambda time: 0)
    self.universe_settings.resolution = Resolution.DAILY
    self.aaa, self.bbb = (self.add_equity(t, Resolution.DAILY).symbol for t in ("AAA", "BBB"))
"""


def test_legs_of_a_combo_fill_together_at_their_own_limits(go):
    """AAA closes at 10.25, its next bar is 10.5 to 11.5; BBB sells at 21 or better from 20.5 to 21.5."""
    result = go(
        COMBO
        + """
def on_data(self, data):
    if self.time.day == 2:
        legs = [Leg.create(self.aaa, 1, 10.8), Leg.Create(self.bbb, -2, 21)]
        self.tickets = self.combo_leg_limit_order(legs, 5)
        self.open = [ticket.status for ticket in self.tickets]
"""
    )

    assert [str(status) for status in result.algorithm.open] == ["Submitted", "Submitted"]
    assert [order.quantity for order in result.orders] == [5, -10]
    assert [str(order.status) for order in result.orders] == ["Filled", "Filled"]
    # Base model: the worse of limit and the bar's far side, min(11.5, 10.8) and max(20.5, 21).
    assert [order.price for order in result.orders] == [10.8, 21.0]
    assert result.orders[0].group_order_manager is result.orders[1].group_order_manager
    assert result.orders[0].group_order_manager.order_ids == [1, 2]


def test_combo_whose_sum_misses_its_limit_stays_open_and_is_canceled_as_a_whole(go):
    """LEAN counts equities in hundreds: 1 x 0.105 + 1 x 0.205 = 0.31 for the lows of the 3rd."""
    result = go(
        COMBO
        + """
def on_data(self, data):
    if self.time.day == 2:
        legs = [Leg.create(self.aaa, 1), Leg.create(self.bbb, 1)]
        self.cheap = self.combo_limit_order(legs, 1, 0.30)
        self.dear = self.combo_limit_order(legs, 1, 0.32)
    if self.time.day == 4:
        self.cheap[0].cancel("enough")
"""
    )

    assert [str(order.status) for order in result.orders] == ["Canceled", "Canceled", "Filled", "Filled"]
    assert [order.price for order in result.orders] == [0.0, 0.0, 10.5, 20.5]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("self.combo_market_order([Leg.create(self.aaa, 2), Leg.create(self.bbb, 4)], 1)", "lowest terms"),
        ("self.combo_limit_order([Leg.create(self.aaa, 1)], 1, 0)", "one limit for all legs"),
        ("self.combo_leg_limit_order([Leg.create(self.aaa, 1)], 1)", "needs a limit for each leg"),
    ],
    ids=["ratio", "limit", "leg-limit"],
)
def test_combo_that_lean_refuses_is_refused(go, line, text):
    from llm_plugin.errors import AlgorithmError

    with pytest.raises(AlgorithmError, match=text):
        go(COMBO + f"\ndef on_data(self, data):\n    {line}\n")


def test_shares_beyond_the_list_cannot_be_sold_short_and_what_is_lent_costs_a_fee(go, market):
    folder = market / "equity" / "usa" / "shortable" / "broker" / "symbols"
    folder.mkdir(parents=True)
    (folder / "aaa.csv").write_text("".join(f"{day},100,,36\n" for day in DAYS))
    result = go(
        COMBO
        + """
def on_data(self, data):
    security = self.securities[self.aaa]
    if self.time.day == 2:
        security.set_shortable_provider(LocalDiskShortableProvider("Broker"))
        security.margin_interest_rate_model = ShortMarginInterestRateModel()
        self.refused = self.limit_order(self.aaa, -101, 1)
        self.taken = self.limit_order(self.aaa, -100, 1)
        self.more = self.limit_order(self.aaa, -1, 1)
"""
    )

    codes = [str(t.submit_request.response.error_code) for t in (result.algorithm.refused, result.algorithm.more)]
    assert codes == ["ExceedsShortableQuantity", "ExceedsShortableQuantity"]
    assert str(result.algorithm.taken.status) == "Filled"
    assert "exceeds shortable quantity 100 for Symbol AAA requested -101)" in result.orders[0].tag
    # 36 % a year of 360 days is 0.1 % a night. Sold on the 3rd, the clock starts with the slice of the 4th:
    # one night to the 5th (13.25), three to the 8th (14.25), one to the 9th (15.25), each on 100 shares.
    earned = result.algorithm.securities["AAA"].margin_interest_rate_model.amount
    assert earned == pytest.approx(-0.1 * (13.25 + 3 * 14.25 + 15.25))


def test_open_orders_of_raw_prices_are_updated_by_a_split(go, market):
    files = market / "equity" / "usa"
    (files / "map_files").mkdir()
    (files / "map_files" / "aaa.csv").write_text("20200101,aaa,Q\n20501231,aaa,Q\n")
    (files / "factor_files").mkdir()
    (files / "factor_files" / "aaa.csv").write_text("20200101,1,0.5,1\n20240103,1,0.5,11.25\n20501231,1,1,0\n")
    result = go(
        COMBO.replace("universe_settings.resolution", "universe_settings.data_normalization_mode").replace(
            "mode = Resolution.DAILY", "mode = DataNormalizationMode.RAW"
        )
        + """
def on_data(self, data):
    if self.time.day == 2 and self.time.hour == 16:
        self.ticket = self.limit_order(self.aaa, 10, 2)
"""
    )

    (order,) = result.orders
    # The split halves the price and doubles the units; LEAN does it by an update request.
    assert (order.quantity, order.limit_price) == (20, 1.0)
    assert len(result.algorithm.ticket.update_requests) == 1


def test_a_database_entry_of_one_run_is_not_seen_by_the_next(go):
    first = go(
        COMBO
        + """
def on_data(self, data):
    hours = self.market_hours_database.get_entry(Market.OANDA, Symbol.EMPTY, SecurityType.FOREX).exchange_hours
    self.market_hours_database.set_entry(Market.USA, "", SecurityType.EQUITY, hours)
    self.mine = self.market_hours_database.get_exchange_hours(Market.USA, "BBB", SecurityType.EQUITY) is hours
"""
    )
    second = go(COMBO)

    assert first.algorithm.mine
    hours = second.algorithm.market_hours_database.get_exchange_hours("usa", "BBB", 1)
    assert hours.holidays


def test_statistics_can_be_read_while_the_run_lasts(go):
    result = go(
        COMBO
        + """
def on_order_event(self, event):
    if event.status == OrderStatus.FILLED:
        self.set_summary_statistic("Mine", 3)
        summary = self.statistics.summary
        self.read = summary[PerformanceMetrics.TOTAL_ORDERS], summary["Mine"], [pair.key for pair in summary][:1]

def on_data(self, data):
    if not self.portfolio.invested and self.time.day == 2:
        self.market_order(self.aaa, 1)
"""
    )

    assert result.algorithm.read == ("1", "3", ["Total Orders"])
