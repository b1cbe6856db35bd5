"""Users' consolidators and indicators that call no `super().__init__`, normalization while running, event history."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from llm_plugin.engine.base.lazy_list import LazyList
from llm_plugin.engine.consolidators import CalendarInfo
from llm_plugin.engine.data.bars import Bar, QuoteBar

DAYS = """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 8)
    self.set_benchmark(lambda time: 1)
    self.spy = self.add_equity('SPY', Resolution.MINUTE)
    self.seen = []
    self.begin()

def begin(self):
    pass
"""

TIMED = """

class Timed(QuoteBarConsolidator):
    def __init__(self, hour):
        self.hour = hour
        self.working_bar = None

    def update(self, data):
        if self.working_bar is None:
            self.working_bar = QuoteBar(
                data.time, data.symbol, data.bid, data.last_bid_size, data.ask, data.last_ask_size)
        self.aggregate_bar(self.working_bar, data)

    def scan(self, time):
        if self.working_bar is not None and (time.hour, time.minute) == (self.hour, 0):
            self.working_bar.end_time = time
            self.on_data_consolidated(self.working_bar)
            self.working_bar = None


class Scratch(PythonConsolidator):
    def __init__(self):
        self.consolidated = None
        self.working_data = None
        self.input_type = QuoteBar
        self.output_type = QuoteBar
        self.count = 0

    def update(self, data):
        self.count += 1
        if self.count % 100 == 0:
            self.on_data_consolidated(self, data)

    def scan(self, time):
        pass


class Mean(PythonIndicator):
    def __init__(self, name):
        self.name = name
        self.value = 0
        self.items = []

    def update(self, item):
        self.items.append(item.value)
        self.value = sum(self.items) / len(self.items)
        return len(self.items) > 2

"""


def algorithm(body: str) -> str:
    indented = "\n".join(f"    {line}" if line else line for line in (DAYS + body).splitlines())
    return TIMED + "class Algorithm(QCAlgorithm):\n" + indented


def test_a_subclass_of_a_consolidator_need_not_call_its_init(run):
    """The bar of the day runs from the last 15:00 to the next one."""
    result = run(
        source=algorithm(
            """
def begin(self):
    timed = Timed(15)
    timed.data_consolidated += lambda _, bar: self.seen.append((bar.time.hour, bar.end_time.day, bar.end_time.hour))
    self.subscription_manager.add_consolidator('SPY', timed)
"""
        )
    )

    assert result.algorithm.seen == [(9, 7, 15), (15, 8, 15)]


def test_a_consolidator_from_scratch_feeds_its_handlers(run):
    result = run(
        source=algorithm(
            """
def begin(self):
    scratch = Scratch()
    scratch.data_consolidated += lambda sender, bar: self.seen.append(sender.count)
    self.subscription_manager.add_consolidator('SPY', scratch)
"""
        )
    )

    assert result.algorithm.seen == [100, 200, 300, 400, 500, 600, 700]


def test_an_indicator_of_the_user_s_can_be_composed_without_its_init(run):
    result = run(
        source=algorithm(
            """
def begin(self):
    self.fast = self.sma('SPY', 2)
    self.mean = IndicatorExtensions.of(Mean('mean'), self.fast)
    self.mean.updated += lambda sender, point: self.seen.append(point.value)

def on_data(self, data):
    if self.time.minute == 34:
        self.quit()
"""
        )
    )

    assert len(result.algorithm.seen) >= 2
    assert all(value > 100 for value in result.algorithm.seen)


def test_a_bar_that_is_built_up_leaves_the_data_alone_that_it_began_with():
    source = Bar(1, 2, 0.5, 1.5)
    bar = QuoteBar(datetime(2013, 10, 7), None, source, 10, None, 0)
    bar.update(0, 3, 4, 0, 20, 30)

    assert (source.high, source.close) == (2, 1.5)
    assert (bar.bid.high, bar.bid.close, bar.last_bid_size) == (3, 3, 20)
    assert (bar.ask.open, bar.ask.close, bar.last_ask_size) == (4, 4, 30)


def test_a_calendar_may_answer_with_a_date():
    info = CalendarInfo(date(2013, 10, 1), timedelta(days=31))

    assert (info.start, info.end) == (datetime(2013, 10, 1), datetime(2013, 11, 1))


def test_prices_change_their_normalization_with_the_next_bar(run):
    """SPY of October 2013: raw prices stand about 16 % above the adjusted ones."""
    result = run(
        DAYS
        + """
def on_data(self, data):
    if self.time.strftime('%d %H:%M') == '07 10:00':
        self.spy.set_data_normalization_mode(DataNormalizationMode.RAW)
    if self.time.strftime('%d %H:%M') in ('07 10:00', '07 10:01', '08 09:31'):
        self.seen.append(round(self.spy.price / 168, 1))
        self.seen.append(data.bars['SPY'].is_fill_forward)
"""
    )

    assert result.algorithm.seen == [0.9, False, 1.0, False, 1.0, False]
    assert str(result.algorithm.spy.data_normalization_mode) == "Raw"


def test_history_has_corporate_events(run):
    """SPY paid on 20 September 2013."""
    result = run(
        DAYS
        + """
def on_end_of_algorithm(self):
    frame = self.history(Dividend, self.spy.symbol, timedelta(days=60))
    self.seen = [len(frame), sorted(frame.columns), str(frame.index[0][1].date())]
    self.seen.append([x.distribution for x in self.history[Dividend](self.spy.symbol, timedelta(days=60))])
"""
    )

    count, columns, day, paid = result.algorithm.seen
    assert (count, columns, day) == (1, ["distribution", "referenceprice", "value"], "2013-09-20")
    assert paid == pytest.approx([0.84], abs=0.01)


def test_a_lazy_list_reads_no_further_than_asked():
    read: list[int] = []

    def source():
        for number in range(5):
            read.append(number)
            yield number

    numbers = LazyList(source())
    assert next(iter(numbers)) == 0
    assert read == [0]

    assert (len(numbers), numbers[-1], numbers[1:3], list(numbers)) == (5, 4, [1, 2], [0, 1, 2, 3, 4])
    assert numbers == [0, 1, 2, 3, 4]
    assert [*numbers, 5] == [0, 1, 2, 3, 4, 5]


def test_a_readiness_property_of_the_user_s_is_set_by_its_setter(run):
    result = run(
        source=algorithm(
            """
def begin(self):
    self.spread = Spread('spread')
    self.average = IndicatorExtensions.sma(self.spread, 2)

def on_data(self, data):
    self.spread.update(data.bars['SPY'])
    self.seen.append((self.spread.is_ready, self.average.samples, self.average.is_ready))
    if len(self.seen) == 2:
        self.quit()
"""
        ).replace("class Algorithm", SPREAD + "\n\nclass Algorithm")
    )

    assert result.algorithm.seen == [(True, 1, False), (True, 2, True)]


SPREAD = """
class Spread(PythonIndicator):
    def __init__(self, name):
        self.name = name
        self.value = 0
        self.is_ready = False

    @property
    def is_ready(self):
        return self._own

    @is_ready.setter
    def is_ready(self, value):
        self._own = value

    def update(self, bar):
        self.is_ready = True
        self.on_updated(IndicatorDataPoint(bar.end_time, bar.high - bar.low))
        return True
"""


def test_a_quote_bar_has_the_value_that_it_was_told_last():
    bar = QuoteBar(datetime(2013, 10, 7, 9, 31), None, Bar(10, 12, 9, 11), 1.0, Bar(12, 14, 11, 13), 1.0)
    assert bar.value == bar.close == 12

    bar.update(11.5, 8, 0, 0, 5, 0)
    assert (bar.value, bar.price, bar.bid.low, bar.bid.close, bar.ask.close) == (11.5, 11.5, 8, 8, 13)
    assert (bar.last_bid_size, bar.last_ask_size) == (5, 1.0)

    bar.update(0, 9, 15, 0, 0, 0)
    assert (bar.value, bar.clone().value, bar.ask.high, bar.close) == (15, 15, 15, 12)


def test_a_brokerage_model_of_the_user_s_need_not_call_its_init(run):
    """An order is refused while it would leave too little cash."""
    result = run(
        source="""
class Careful(DefaultBrokerageModel):
    def __init__(self, algorithm):
        self.algorithm = algorithm

    def can_submit_order(self, security, order, message):
        return self.algorithm.portfolio.cash - order.get_value(security) >= 50000

class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 7)
        self.set_brokerage_model(Careful(self))
        self.add_equity('SPY', Resolution.MINUTE)
        self.states = []

    def on_data(self, data):
        for share in (0.9, 0.4):
            self.set_holdings('SPY', share)
        self.states = [order.status for order in self.transactions.get_orders(lambda order: True)]
        self.quit()
"""
    )

    assert [str(state) for state in result.algorithm.states] == ["Invalid", "Filled"]


def test_securities_are_a_dictionary_and_the_portfolio_is_none_that_can_be_emptied(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            for ticker in ('SPY', 'IBM', 'AAPL'):
                self.add_equity(ticker, Resolution.MINUTE)

        def on_end_of_algorithm(self):
            active = self.active_securities
            self.names = [symbol.value for symbol in active.keys], [s.symbol.value for s in active.values()]
            self.holdings = len(self.portfolio.copy())
            try:
                self.portfolio.clear()
            except NotImplementedError as error:
                self.reason = str(error)
            copy = self.securities.copy()
            self.popped = self.securities.pop('SPY').symbol.value, self.securities.pop('XYZ', None)
            self.left = len(self.securities), len(copy)
            self.securities.clear()
            self.empty = len(self.securities)
        """
    )

    found = result.algorithm
    assert found.names == (["SPY", "IBM", "AAPL"], ["SPY", "IBM", "AAPL"])
    assert found.holdings == 3
    assert "cannot be cleared" in found.reason
    assert (found.popped, found.left, found.empty) == (("SPY", None), (2, 3), 0)
