"""Tick subscriptions: slices, prices, fills, filters and history, on trades and quotes written here."""

from __future__ import annotations

import textwrap
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.engine.base.enums import SecurityType, TickType
from llm_plugin.engine.data.tick_files import read_tick_file
from llm_plugin.engine.market.market_hours import load_market_hours
from llm_plugin.engine.runner import BacktestResult, run_backtest
from llm_plugin.errors import AlgorithmError

DAY = "20131007"
OPEN_MS = 34_200_000
FLAG_OPENING = "00000040"


def trade(ms: int, price: float, size: int = 100, *, code: str = "P", condition: str = "0", bad: int = 0) -> str:
    return f"{OPEN_MS + ms},{round(price * 10_000)},{size},{code},{condition},{bad}"


def quote(ms: int, bid: float, ask: float) -> str:
    return f"{OPEN_MS + ms},{round(bid * 10_000)},300,{round(ask * 10_000)},200,Q,1,0"


@pytest.fixture
def ticks(data_folder: Path, tmp_path: Path) -> Callable[..., BacktestResult]:
    """`ticks(body, trades, quotes)`: run an algorithm on the ticks of XYZ, whose primary exchange is ARCA."""

    def go(body: str, trades: list[str], quotes: list[str] | None = None, **options: Any) -> BacktestResult:
        world = tmp_path / "data"
        folder = world / "equity" / "usa" / "tick" / "xyz"
        folder.mkdir(parents=True)
        for name in ("market-hours", "symbol-properties"):
            (world / name).symlink_to(data_folder / name)
        maps = world / "equity" / "usa" / "map_files"
        maps.mkdir()
        (maps / "xyz.csv").write_text("20000101,xyz,P\n20501231,xyz,P\n")
        for side, lines in (("trade", trades), ("quote", quotes or [])):
            if lines:
                with zipfile.ZipFile(folder / f"{DAY}_{side}.zip", "w") as archive:
                    archive.writestr(f"{DAY}_xyz_Tick.csv", "\n".join(lines) + "\n")
        project = tmp_path / "project"
        project.mkdir()
        head = (
            "from AlgorithmImports import *\n\nclass Algorithm(QCAlgorithm):\n"
            "    def initialize(self):\n        self.set_start_date(2013, 10, 7)\n"
            "        self.set_end_date(2013, 10, 7)\n        self.set_benchmark(lambda time: 1)\n"
            "        self.xyz = self.add_equity('XYZ', Resolution.TICK)\n        self.seen = []\n"
        )
        (project / "main.py").write_text(head + textwrap.indent(textwrap.dedent(body), "    "))
        return run_backtest(project, data_folder=world, results_folder=None, **options)

    return go


def test_ticks_of_one_moment_come_in_one_slice(ticks):
    result = ticks(
        """
        def on_data(self, data):
            found = data['XYZ']
            self.seen.append((self.time.second, [t.price for t in found], len(data.Ticks['XYZ'])))
        """,
        [trade(1000, 10), trade(1000, 11), trade(2000, 12)],
        [quote(1000, 9.9, 10.1)],
    )

    assert result.algorithm.seen == [(1, [10, 11, 10], 3), (2, [12], 1)]


def test_only_regular_hours_count_unless_extended(ticks):
    early = [trade(-1000, 9), trade(0, 10), trade(23_400_000, 11)]
    body = "def on_data(self, data):\n    self.seen += [t.price for t in data.ticks['XYZ']]\n"

    result = ticks(body, early)

    assert result.algorithm.seen == [10]


def test_a_tick_tells_exchange_condition_and_size(ticks):
    result = ticks(
        """
        def on_data(self, data):
            tick = data['XYZ'][0]
            self.seen.append((tick.exchange, tick.Exchange == str(Exchange.ARCA), tick.sale_condition, tick.quantity))
        """,
        [trade(0, 10, 250, condition="2000")],
    )

    assert result.algorithm.seen == [("ARCA", True, "2000", 250)]


def test_a_suspicious_tick_is_seen_but_sets_no_price_and_feeds_no_consolidator(ticks):
    result = ticks(
        """
        def on_data(self, data):
            if not self.seen:
                self.bars = []
                self.consolidate('XYZ', timedelta(seconds=1), lambda bar: self.bars.append((bar.high, bar.volume)))
            self.seen.append((len(data['XYZ']), self.xyz.price))
        """,
        [trade(0, 10), trade(1000, 10), trade(1500, 99, bad=1), trade(2000, 11)],
    )

    assert result.algorithm.seen == [(1, 10), (1, 10), (1, 10), (1, 11)]
    assert result.algorithm.bars == [(10, 100)]


def test_market_orders_fill_at_the_quote_of_the_tick(ticks):
    result = ticks(
        """
        def on_data(self, data):
            if self.time.second == 2 and not self.portfolio.invested:
                self.market_order('XYZ', 5)
        """,
        [trade(1000, 10)],
        [quote(500, 9.9, 10.1), quote(2000, 9.95, 10.05)],
    )

    assert [str(order.exact_price) for order in result.orders] == ["10.05"]


def test_without_quotes_a_market_order_fills_at_the_last_trade(ticks):
    result = ticks("def on_data(self, data):\n    self.market_order('XYZ', 5)\n", [trade(0, 10.5)])

    assert float(result.orders[0].exact_price) == 10.5


def test_limit_orders_see_the_trades_of_a_moment_as_one_bar(ticks):
    """The second slice trades from 10 down to 9.8: a buy at 9.9 fills at its limit."""
    result = ticks(
        """
        def on_data(self, data):
            if self.time.second == 1:
                self.limit_order('XYZ', 5, 9.9)
        """,
        [trade(1000, 10), trade(2000, 10), trade(2000, 9.8)],
    )

    assert float(result.orders[0].exact_price) == 9.9


OPENING = """
def on_data(self, data):
    pass

def on_order_event(self, event):
    if event.status == OrderStatus.FILLED:
        self.seen.append((self.time.strftime('%H:%M:%S'), event.fill_price))

def on_warmup_finished(self):
    self.xyz.set_market_price(TradeBar(datetime(2013, 10, 4, 15, 59), self.xyz.symbol, 10, 10, 10, 10, 100))
    self.market_on_open_order('XYZ', 5)
"""


def test_market_on_open_takes_the_official_print_of_the_primary_exchange(ticks):
    """The first print is another exchange's; the third second has ARCA's opening print."""
    tape = [trade(0, 10, code="N", condition=FLAG_OPENING), trade(2000, 10.5, condition=FLAG_OPENING)]

    result = ticks(OPENING, tape)

    assert result.algorithm.seen == [("09:30:02", 10.5)]


def test_market_on_open_takes_the_last_trade_after_a_minute_without_a_print(ticks):
    result = ticks(OPENING, [trade(0, 10), trade(59_000, 11), trade(60_000, 12)])

    assert result.algorithm.seen == [("09:31:00", 12)]


def test_a_data_filter_decides_what_arrives(ticks):
    result = ticks(
        """
        def on_data(self, data):
            self.seen += [t.price for t in data['XYZ']]

        def post_initialize(self):
            super().post_initialize()

            class Below(SecurityDataFilter):
                def filter(self, vehicle, data):
                    return data.price < 11

            self.xyz.set_data_filter(Below())
        """,
        [trade(0, 10), trade(1000, 11), trade(2000, 10.5)],
    )

    assert result.algorithm.seen == [10, 10.5]


def test_history_of_ticks_is_a_frame_and_a_list(ticks):
    result = ticks(
        """
        def on_data(self, data):
            if self.time.second == 3:
                frame = self.history(self.xyz.symbol, timedelta(seconds=2), Resolution.TICK)
                self.seen = [frame.lastprice.dropna().tolist(), frame.bidprice.dropna().tolist()]
                self.seen.append([t.price for t in self.history[Tick](self.xyz.symbol, timedelta(seconds=2))])
        """,
        [trade(1000, 10), trade(2000, 11), trade(3000, 12)],
        [quote(2500, 10.9, 11.1)],
    )

    assert result.algorithm.seen == [[11, 12], [10.9], [11, 11, 12]]


def test_history_of_a_number_of_ticks_is_refused_by_name(ticks):
    body = "def on_data(self, data):\n    self.history(self.xyz.symbol, 5, Resolution.TICK)\n"

    with pytest.raises(AlgorithmError, match="periods"):
        ticks(body, [trade(0, 10)])


def test_history_exceptions_can_be_caught_by_their_dotnet_name(ticks):
    result = ticks(
        """
        def on_data(self, data):
            try:
                self.history[Tick](self.xyz.symbol, 1)
            except InvalidOperationException:
                self.seen.append('caught')
        """,
        [trade(0, 10)],
    )

    assert result.algorithm.seen == ["caught"]


@pytest.mark.parametrize(
    ("kind", "side", "line", "expected"),
    [
        (SecurityType.FOREX, TickType.QUOTE, "1000,1.1,1.2", {"bid_price": 1.1, "ask_price": 1.2}),
        (SecurityType.CRYPTO, TickType.TRADE, "1000.5,7000.25,0.5", {"value": 7000.25}),
        (SecurityType.CRYPTO, TickType.QUOTE, "1000,6999,1,7001,2,1", {"bid_price": 6999, "ask_price": 7001}),
    ],
)
def test_tick_files_of_other_types_have_their_own_columns(data_folder, tmp_path, kind, side, line, expected):
    path = tmp_path / "ticks.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ticks.csv", line + "\n")
    entry = load_market_hours(data_folder).get_entry("oanda" if kind == SecurityType.FOREX else "coinbase", "", kind)

    columns = read_tick_file(path, kind, side, entry, date(2018, 4, 4))

    assert {name: columns.floats(name)[0] for name in expected} == expected
    assert columns.suspicious.tolist() == [line.endswith("2,1")]
    assert columns.time_us[0] % 1_000_000 == (500 if "1000.5" in line else 0)


def test_a_damaged_tick_file_is_named(ticks):
    with pytest.raises(Exception, match=r"20131007_trade.zip row 2"):
        ticks("def on_data(self, data):\n    pass\n", [trade(0, 10), f"{OPEN_MS + 5},abc,100,P,0,0"])
