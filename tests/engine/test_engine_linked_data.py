"""Custom data: properties and hours given, links to securities, LEAN's own files, extra values."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.engine.algorithm.user_api import PythonData
from llm_plugin.errors import AlgorithmError, UnsupportedLeanApi

CLASSES = """
class Price(PythonData):
    def get_source(self, config, date, is_live):
        return SubscriptionDataSource(PATH, SubscriptionTransportMedium.LOCAL_FILE)

    def reader(self, config, line, date, is_live):
        day, value = line.split(',')
        point = Price()
        point.symbol = config.symbol
        point.time = datetime.strptime(day, '%Y%m%d')
        point.EndTime = point.time + timedelta(1)
        point.value = float(value)
        point['VolumeBTC'] = 7.5
        return point


class Linked(Price):
    def requires_mapping(self):
        return True

"""


@pytest.fixture
def custom(run, tmp_path: Path) -> Callable[..., object]:
    """`custom(lines of initialize, methods)`: 7 to 9 October 2013, a value a day: 101 on the 6th and so on."""

    def go(lines: str, methods: str = "", **options: object) -> object:
        path = tmp_path / "prices.csv"
        path.write_text("".join(f"2013100{day},{95 + day}\n" for day in range(1, 10)) + "20131010,105\n")
        head = [
            f"PATH = {json.dumps(str(path))}",
            CLASSES,
            "class Algorithm(QCAlgorithm):",
            "    def initialize(self):",
            "        self.set_start_date(2013, 10, 7)",
            "        self.set_end_date(2013, 10, 9)",
            "        self.set_benchmark(lambda time: 1)",
            "        self.seen = []",
            textwrap.indent(textwrap.dedent(lines), "        "),
            textwrap.indent(textwrap.dedent(methods), "    "),
        ]
        return run(source="\n".join(head), **options)

    return go


def test_what_begins_within_the_run_is_told_also_if_it_ends_after_it(custom):
    """The value of the 9th ends at the midnight after the end date."""
    result = custom(
        """
            self.add_data(Price, 'ABC', Resolution.DAILY)

        """,
        """
        def on_data(self, data):
            self.seen.append((self.time.day, data['ABC'].value, data['ABC'].volumebtc, data['ABC'].volume_btc))
        """,
    )

    assert result.algorithm.seen == [(7, 101, 7.5, 7.5), (8, 102, 7.5, 7.5), (9, 103, 7.5, 7.5), (10, 104, 7.5, 7.5)]


def test_properties_and_hours_given_are_those_of_the_security(custom):
    """A lot of 0.1 rounds 1.27 down to 1.2."""
    result = custom(
        """
            properties = SymbolProperties('Price', 'USD', 1, 0.01, 0.1, 'ABC')
            hours = SecurityExchangeHours.always_open(TimeZones.NEW_YORK)
            security = self.AddData(Price, 'ABC', properties, hours, leverage=1, fill_forward=False)
            assert security.symbol_properties == properties and security.exchange.hours == hours
            key = self.market_hours_database.get_database_symbol_key(security.symbol)
            assert key == 'ABC.Price', key

        """,
        """
        def on_data(self, data):
            if not self.portfolio.invested:
                self.order('ABC', 1.27)
        """,
    )

    assert [str(order.exact_quantity) for order in result.orders] == ["1.2"]
    assert str(result.orders[0].symbol.id).startswith("ABC.Price ")
    assert result.orders[0].symbol.value == "ABC"


def test_a_ticker_means_the_security_before_the_custom_data_of_its_name(custom):
    result = custom(
        """
            data = self.add_data(Price, 'SPY', Resolution.DAILY).symbol
            equity = self.add_equity('SPY', Resolution.DAILY).symbol
            self.seen = [self.symbol('SPY') == equity, self.symbol('SPY.Price') == data]
        """
    )

    assert result.algorithm.seen == [True, True]


def test_data_of_a_symbol_is_linked_to_it(custom):
    result = custom(
        """
            spy = self.add_equity('SPY', Resolution.DAILY).symbol
            linked, plain = self.add_data(Linked, 'SPY').symbol, self.add_data(Price, 'XYZ').symbol
            self.seen = [linked.has_underlying, linked.underlying == spy, linked.value, plain.has_underlying]
            self.seen.append(linked.id.date == spy.id.date)
        """
    )

    assert result.algorithm.seen == [True, True, "SPY", False, True]


def test_data_that_requires_mapping_of_an_unknown_ticker_is_refused(custom):
    with pytest.raises(AlgorithmError, match="requires mapping, but NOPE"):
        custom("self.add_data(Linked, 'NOPE')")


def test_fill_forward_of_custom_data_is_refused_by_name(custom):
    with pytest.raises(UnsupportedLeanApi, match="fill_forward"):
        custom("self.add_data(Price, 'ABC', Resolution.DAILY, fill_forward=True)")


def test_lean_s_own_files_can_be_the_source(run):
    result = run(
        source="""
        class Copy(PythonData):
            def get_source(self, config, date, is_live):
                equity = Symbol.create('SPY', SecurityType.EQUITY, config.market)
                return TradeBar().get_source(SubscriptionDataConfig(config, Copy, equity), date, is_live)

            def reader(self, config, line, date, is_live):
                bar = TradeBar.parse_equity(config, line, date)
                point = Copy()
                point.Symbol, point.time, point.value, point.close = config.symbol, bar.time, bar.value, bar.close
                return point

        class Algorithm(QCAlgorithm):
            def initialize(self):
                self.set_start_date(2013, 10, 7)
                self.set_end_date(2013, 10, 7)
                self.copy = self.add_data(Copy, 'SPY', Resolution.MINUTE).symbol
                self.count = 0

            def on_data(self, data):
                self.count += data.contains_key(self.copy)

            def on_end_of_algorithm(self):
                frame = self.history(Copy, self.copy, self.start_date, self.end_date, Resolution.MINUTE)
                self.seen = [self.count, len(frame), sorted(frame.columns)]
        """
    )

    count, rows, columns = result.algorithm.seen
    assert count == rows > 390
    assert columns == ["close", "value"]


def test_extra_values_are_found_in_any_spelling_and_missing_ones_are_named():
    point = PythonData()
    point["WeightedPrice"] = 5.0
    point.Value, point.EndTime = 3.0, "later"

    assert (point.weightedprice, point.weighted_price, point["WEIGHTEDPRICE"]) == (5, 5, 5)
    assert (point.value, point.end_time) == (3, "later")
    with pytest.raises(AttributeError, match="nothing"):
        point.nothing  # noqa: B018


def test_a_universe_of_custom_data_can_take_its_own_data_and_has_history(custom):
    """Its points reach the slices from the selection on, and `history` reads them by the universe's symbol."""
    result = custom(
        """
        universe = self.add_universe(Price, 'mine', Resolution.DAILY, lambda points: [p.symbol for p in points])
        self.mine = universe.symbol
        self.before = [p.value for p in self.history[Price](self.mine, datetime(2013, 10, 4), datetime(2013, 10, 7))]
        """,
        """
        def on_data(self, data):
            self.seen.append((self.time.day, data[self.mine].value))
        """,
    )

    assert result.algorithm.before == [99, 100, 101]
    assert result.algorithm.seen == [(7, 101), (8, 102), (9, 103), (10, 104)]
