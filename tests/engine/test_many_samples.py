"""Samples that are worked out together are those that are taken one by one, in every digit."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_plugin.engine.base.json_text import to_json_text
from llm_plugin.engine.base.zones import DAY_US, HOUR_US, from_us
from llm_plugin.engine.loop.late_samples import LateSamples
from llm_plugin.engine.loop.sampling import RunSampler
from llm_plugin.engine.portfolio.ledger import Ledger
from llm_plugin.engine.results.charts import ChartPoint, SeriesType, charts_to_json
from llm_plugin.engine.scheduling.schedule import PlannedEvent, ScheduledEvent, ScheduleManager
from llm_plugin.engine.statistics import ResultSampler
from llm_plugin.engine.statistics.account_shape import AccountShape, Asset, SampleRow
from llm_plugin.engine.statistics.columns import Column, SampledSeries
from llm_plugin.engine.statistics.many_samples import ManySamples
from llm_plugin.engine.statistics.sample_group import Part, SampleGroup, Span

START = 10_000 * DAY_US
FIGURES = ("_value", "_daily_value", "_peak", "_sold", "_last_turnover", "_next", "_latest", "starting_value")


def _sampler(start: str) -> ResultSampler:
    return ResultSampler(from_us(START), 400 * 24 * 60.0, Decimal(start))


def _shape(scale: int, sold: int, types: tuple[str, ...], held: tuple[bool, ...]) -> AccountShape:
    places, assets = 0, []
    for number, (kind, is_held) in enumerate(zip(types, held, strict=True)):
        volume = Decimal(sold * (number % 3)).scaleb(-2)
        assets.append(Asset(f"T{number % 4}", kind, volume, places if is_held else -1))
        places += is_held
    return AccountShape(scale, 3, assets, Decimal(sold).scaleb(-2))


@st.composite
def _samples(draw: st.DrawFn) -> list[SampleRow]:
    """Days and slices between them, over some states of the account."""
    rows: list[SampleRow] = []
    total = draw(st.sampled_from([1_000_000, 950, 3 * 10**9])) * 10**4
    types = tuple(draw(st.lists(st.sampled_from(["Equity", "Forex"]), min_size=1, max_size=5)))
    us = START
    for _ in range(draw(st.integers(1, 4))):
        scale = draw(st.sampled_from([2, 4, 9, 13, 17]))
        held = tuple(draw(st.booleans()) for _ in types)
        shape = _shape(scale, draw(st.integers(0, 10**7)), types, held)
        for _ in range(draw(st.integers(1, 6))):
            # Steps of a simple fraction put quotients on the middle between two roundings.
            change = draw(
                st.one_of(st.just(0), st.integers(-(10**6), 10**6), st.sampled_from([total // 800, -total // 80_000]))
            )
            total = max(1, total + change)
            units = total * 10 ** (scale - 4) if scale >= 4 else total // 10 ** (4 - scale) + 1
            parts = tuple(draw(st.integers(-(10**6), 10**6)) * units // 10**6 for kept in held if kept)
            if draw(st.booleans()):
                us += draw(st.sampled_from([HOUR_US, 3 * HOUR_US, 7 * HOUR_US]))
                rows.append((us, units, None, Decimal(0), shape, ()))
            us = (us // DAY_US + 1) * DAY_US
            capacity = Decimal(draw(st.integers(0, 5))) * 1000
            rows.append((us, units, draw(st.integers(0, 10**7)), capacity, shape, parts))
    return rows


def _seen(sampler: ResultSampler) -> tuple[Any, ...]:
    charts = to_json_text(charts_to_json(sampler.charts))
    points = {
        (chart.name, name): [repr(point) for point in series.values]
        for chart in sampler.charts.values()
        for name, series in chart.series.items()
    }
    return charts, list(points), points, [getattr(sampler, name) for name in FIGURES]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=_samples(), start=st.sampled_from(["1000000", "950.25", "12345678.901"]), cut=st.integers(0, 20))
def test_samples_in_a_row_are_samples_one_by_one(rows: list[SampleRow], start: str, cut: int) -> None:
    together, single = _sampler(start), _sampler(start)
    # In two goes: the second one begins where the first one ended.
    for part in (rows[:cut], rows[cut:]):
        if part:
            together.add_rows(part)
            together.settle()
        for row in part:
            single._take_row(row)
    assert _seen(together) == _seen(single)


@st.composite
def _prices(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Points of a stream every few hours, some of which repeat the row before."""
    count = draw(st.integers(1, 60))
    emits = START + np.cumsum(np.array(draw(st.lists(st.integers(1, 30), min_size=count, max_size=count)))) * HOUR_US
    units = np.array(draw(st.lists(st.integers(1, 10**6), min_size=count, max_size=count)), dtype=np.int64)
    new = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    rows = None if draw(st.booleans()) else np.maximum(np.cumsum(np.array(new)) - 1, 0)
    return emits, rows, units


def _value_at(part: Part, us: int) -> Any:
    emits, rows, units = part.prices if part.prices is not None else ([], None, [])
    points = [place for place, emit in enumerate(emits) if emit <= us]
    if not points or points[-1] < part.first:
        return part.value
    return int(units[points[-1] if rows is None else rows[points[-1]]]) * part.factor


def _row_at(span: Span, us: int, capacity: Decimal, *, daily: bool) -> SampleRow:
    values = [_value_at(part, us) for part in span.parts]
    total = span.base + sum(value for value, part in zip(values, span.parts, strict=True) if part.counts)
    if not daily:
        return us, total, None, Decimal(0), span.shape, ()
    held = tuple(value for value, part in zip(values, span.parts, strict=True) if part.held)
    return us, total, _value_at(span.benchmark, us), capacity, span.shape, held


@st.composite
def _span(draw: st.DrawFn, prices: list[Any]) -> Span:
    types = "Equity", "Forex", "Equity"
    held = draw(st.sampled_from([(True, False, True), (True, True, True), (False, False, False)]))
    scale = draw(st.sampled_from([2, 4, 9, 13, 17]))
    shape = _shape(scale, draw(st.integers(0, 10**7)), types, held)
    if not draw(st.booleans()):
        shape = AccountShape(scale, None, shape.assets, shape.sold)
    parts = [Part(draw(st.sampled_from(prices)), 3, 0, 10**scale, True, False)] if draw(st.booleans()) else []
    for number in range(sum(held)):
        source = draw(st.sampled_from([None, *prices]))
        factor, value = (draw(st.integers(-50_000, 50_000)) * 10**scale // 10**power for power in (6, 0))
        first = draw(st.integers(0, len(source[0]))) if source is not None else 0
        parts.append(Part(source, factor, first, value, number != 1, True))
    if shape.benchmark_scale is None:
        compared = Part(None, 1, 0, Decimal(draw(st.integers(0, 99))) / 8, False, False)
    else:
        compared = Part(draw(st.sampled_from([None, *prices])), 1, draw(st.integers(0, 9)), 4711, False, False)
    return Span(shape, draw(st.sampled_from([0, 300_000, 7_000_000])) * 10**scale, tuple(parts), compared)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_spans_of_samples_are_the_samples_of_their_moments(data: st.DataObject) -> None:
    prices = data.draw(st.lists(_prices(), min_size=2, max_size=2))
    together, single = _sampler("1000000"), _sampler("1000000")
    us, capacity, last = START, Decimal(0), -(1 << 62)
    for _ in range(data.draw(st.integers(1, 6))):
        span, days, equity, looks, rows = data.draw(_span(prices)), [], [], [], []
        before = capacity
        for _ in range(data.draw(st.integers(0, 8))):
            us += data.draw(st.integers(1, 20)) * HOUR_US
            kind = data.draw(st.sampled_from(["day", "day", "equity", "look"]))
            if kind == "day":
                us = -(-us // DAY_US) * DAY_US
                days.append(us)
            elif kind == "look":
                capacity = Decimal(data.draw(st.integers(1, 10**8))) / 3
                looks.append((us, capacity))
            elif us > last + 7 * HOUR_US:
                equity.append(us)
                last = us
            if kind == "day" or equity[-1:] == [us]:
                rows.append(_row_at(span, us, capacity, daily=kind == "day"))
        if data.draw(st.booleans()):
            together.add_span(span, days, equity, before, looks)
        else:
            together.add_rows(rows)
        if data.draw(st.sampled_from([True, False, False])):
            together.settle()
        for row in rows:
            single._take_row(row)
    assert _seen(together) == _seen(single)


def test_prices_are_let_go_of_once_samples_come_from_others() -> None:
    group, shape = SampleGroup(("Equity",)), _shape(2, 0, ("Equity",), (True,))
    kept = []
    for chunk in range(3):
        emits = START + np.arange(chunk * 9, chunk * 9 + 9) * DAY_US
        units = np.arange(9) + 10 * chunk
        part = Part((emits, None, units), 2, 0, 0, counts=True, held=True)
        span = Span(shape, 100, (part,), part._replace(factor=1))
        days = [int(us) + HOUR_US for us in emits]
        group.add_span(span, days, [], Decimal(0), [])
        kept.append(weakref.ref(units))
        del emits, units, part, span
    assert [ref() is None for ref in kept] == [True, True, False]
    assert group.found.days.tolist() == [100 + 2 * (row + 10 * chunk) for chunk in range(3) for row in range(9)]


def test_samples_in_a_row_are_worked_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = _shape(4, 0, ("Equity",), (True,))
    rows = [(START + day * DAY_US, 10**10 + day, 5000, Decimal(0), shape, (10**9,)) for day in range(1, 50)]
    sampler = _sampler("1000000")
    sampler.add_rows(rows[:20])
    sampler.add_rows(rows[20:])
    monkeypatch.setattr(ResultSampler, "_take_row", lambda self, row: pytest.fail(f"{row} was taken alone"))
    assert [len(series.points()) for series in sampler.charts["Exposure"].series.values()] == [49, 49]
    assert sampler.points("Strategy Equity", "Return")[0][1] == Decimal("1E-8")


def test_samples_of_an_account_without_value_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = _shape(2, 0, ("Equity",), (False,))
    sampler = _sampler("1000")
    sampler.add_rows([(START + day * DAY_US, 100 - day * 60, 5000, Decimal(0), shape, ()) for day in range(1, 4)])
    monkeypatch.setattr(ManySamples, "points", lambda self: pytest.fail("worked out together"))
    assert [value for _, value in sampler.points("Strategy Equity", "Equity")] == [
        Decimal("0.4"),
        Decimal("-0.2"),
        Decimal("-0.8"),
    ]


def test_a_column_reads_like_the_points_that_it_stands_for() -> None:
    series = SampledSeries("line", SeriesType.LINE, 0, "$")
    first = ChartPoint(datetime(2020, 1, 1), Decimal(5))
    series.append(first)
    series.extend(Column(_times(2, 3), _times(0, 1) + 1_000_000_100, 4))
    series.add_point(datetime(1970, 1, 4), 7)
    assert series.points()[1:] == [(datetime(1970, 1, 3), Decimal("100000.01")), (datetime(1970, 1, 4), Decimal(7))]
    assert to_json_text(series.to_json()["values"]) == "[[1577836800,5.0],[172800,100000.01],[259200,7.0]]"
    assert series.values == [first, *[ChartPoint(time, value) for time, value in series.points()[1:]]]
    series.add_point(datetime(1970, 1, 4), 8)
    assert [point.y for point in series.values] == [Decimal(5), Decimal("100000.01"), Decimal(8)]


def _times(*days: int) -> Any:
    return np.array(days, dtype=np.int64) * DAY_US


def test_times_of_an_event_are_taken_up_to_the_next_event() -> None:
    manager = ScheduleManager(SimpleNamespace(utc_us=lambda: 0))  # type: ignore[arg-type]
    fired: list[str] = []
    daily = PlannedEvent("daily", iter([[10, 20], [30], [40, 50]]), lambda: fired.append("daily"))
    manager.add(daily)
    manager.add(ScheduledEvent("other", iter([31]), lambda: fired.append("other")))
    manager.start(15)
    assert manager.take_first(daily, 20) == []
    assert manager.take_first(daily, 100) == [20, 30]
    assert manager.due_us == 31
    manager.run_before(45, lambda us: None)
    assert fired == ["other", "daily"]
    assert manager.take_first(daily, 50) == []
    assert manager.take_first(daily, 51) == [50]
    assert manager.next_us is None


DAILY = """
def initialize(self):
    self.set_start_date(2013, 1, 1)
    self.set_end_date(2013, 12, 31)
    self.set_cash(100000)
    self.spy = self.add_equity('SPY', Resolution.DAILY).symbol
    self.seen = []
    self.prepare()

def prepare(self):
    pass

def turn(self, days):
    if self.time.day % days == 0:
        self.market_order(self.spy, 300 if self.portfolio[self.spy].quantity <= 0 else -500)
"""
HOURLY = """
def initialize(self):
    self.set_start_date(2013, 10, 1)
    self.set_end_date(2013, 10, 31)
    self.pair = self.add_forex('EURUSD', Resolution.HOUR, Market.OANDA).symbol
    self.seen = []

def on_data(self, data):
    if self.time.hour == 5:
        self.market_order(self.pair, 20000 if self.portfolio[self.pair].quantity <= 0 else -70000)
"""
USES = {
    "a daily strategy": DAILY + "\ndef on_data(self, data):\n    self.turn(9)\n",
    "raw prices with dividends": DAILY
    + """
def prepare(self):
    self.securities[self.spy].set_data_normalization_mode(DataNormalizationMode.RAW)

def on_data(self, data):
    self.turn(11)
""",
    "an account that is read at midnight and paid into": DAILY
    + """
def prepare(self):
    self.schedule.on(self.date_rules.every_day(), self.time_rules.midnight, self.look)

def look(self):
    self.seen.append((self.time, self.portfolio.total_portfolio_value, self.benchmark.evaluate(self.time)))
    if self.time.day == 3:
        self.portfolio.cash_book['USD'].add_amount(12.3456)

def on_data(self, data):
    self.turn(7)
    value = self.portfolio.total_portfolio_value
    if self.time.day == 17:
        self.portfolio.cash_book['USD'].add_amount(100)
    if self.time.day == 5 and self.time.month % 4 == 0:
        self.seen.append(dict(self.statistics.summary.items()))
""",
    "a benchmark of its own and a warm-up": DAILY
    + """
def prepare(self):
    self.set_benchmark(lambda time: time.day * 1.5)
    self.set_warm_up(30, Resolution.DAILY)

def on_data(self, data):
    if not self.is_warming_up:
        self.turn(8)
""",
    "several securities, some of another currency": DAILY
    + """
def prepare(self):
    for ticker in ('AAPL', 'IBM', 'BAC'):
        self.add_equity(ticker, Resolution.DAILY)
    self.add_forex('EURUSD', Resolution.HOUR, Market.OANDA)
    self.set_cash('EUR', 5000)

def on_data(self, data):
    self.turn(6)
    if self.time.day == 4:
        for bar in data.bars.values():
            self.market_order(bar.symbol, 7 * (self.time.month % 5 - 2))
    if self.time.month == 6 and self.time.day == 12:
        self.remove_security('IBM')
    if self.time.month == 8 and self.time.day == 13:
        self.add_equity('WMI', Resolution.DAILY)
""",
    "somebody looks on the way": DAILY
    + """
def look(self):
    self.seen.append((self.time, self.portfolio.total_portfolio_value, self.benchmark.evaluate(self.time)))

def on_data(self, data):
    self.turn(13)
    if self.time.day == 7:
        self.seen.append((self.time, self.benchmark.evaluate(self.time), self.benchmark.security.price))
    if self.time.day == 14 and self.time.month % 3 == 0:
        self.seen.append(dict(self.statistics.summary.items()))
    if self.time.day == 20:
        self.portfolio.cash_book['USD'].add_amount(7.25)
    if self.time.day == 22 and self.time.month == 5:
        self.liquidate()
    if self.time.day == 3 and self.time.month in (6, 7):
        self.schedule.on(self.date_rules.tomorrow, self.time_rules.at(3, 30), self.look)
""",
    "an error on the way": DAILY
    + """
def on_data(self, data):
    self.turn(9)
    if self.time.month == 9 and self.time.day > 17:
        self.portfolio.cash_book['USD'].add_amount(1000)
        raise ValueError('enough')
""",
    "nothing that is held": DAILY
    + """
def on_data(self, data):
    if self.time.day == 12:
        self.portfolio.cash_book['USD'].add_amount(33.1)
    if self.time.month == 3 and self.time.day == 13:
        self.market_order(self.spy, 1)
""",
    "forex that turns": HOURLY,
    "minutes": """
def initialize(self):
    self.set_start_date(2013, 10, 7)
    self.set_end_date(2013, 10, 11)
    self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol
    self.seen = []

def on_data(self, data):
    if self.time.minute == 35:
        self.market_order(self.spy, 100 if self.time.hour % 2 else -150)
""",
}


def _trace(result: Any) -> list[Any]:
    return [
        result.status,
        result.statistics,
        to_json_text(charts_to_json(result.run_state.charts)),
        [str(item) for item in result.algorithm.seen],
        str(result.end_equity),
        result.run_state.runtime_statistics,
    ]


@pytest.mark.parametrize("use", list(USES))
def test_an_account_in_whole_units_cannot_be_told_from_one_in_decimals(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    rows: list[SampleRow] = []
    late_days: list[tuple[int, ...]] = []
    add_rows, add_span = ResultSampler.add_rows, ResultSampler.add_span

    def counted(self: ResultSampler, added: list[SampleRow]) -> None:
        rows.extend(added)
        add_rows(self, added)

    def counted_late(self: ResultSampler, span: Span, days: list[int], *rest: Any) -> None:
        late_days.extend(tuple(part.factor for part in span.parts if part.held) for _ in days)
        add_span(self, span, days, *rest)

    monkeypatch.setattr(ResultSampler, "add_rows", counted)
    monkeypatch.setattr(ResultSampler, "add_span", counted_late)
    late = _trace(run(USES[use], errors="error" in use))
    held = [*filter(None, late_days), *(row[5] for row in rows if row[5])]
    assert len(held) > 1
    assert len(late_days) + len(rows) > 3
    with monkeypatch.context() as patch:
        patch.setattr(LateSamples, "begin", lambda self, *args: False)
        late_days.clear()
        units = _trace(run(USES[use], errors="error" in use))
        assert not late_days
    assert late == units
    rows.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "look", lambda self: None)
        decimals = _trace(run(USES[use], errors="error" in use))
        assert not rows
    assert units == decimals


def test_midnights_and_slices_without_data_are_taken_without_going_through_them(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fired: list[int] = []
    opened: list[int] = []
    begin, midnight = LateSamples.begin, RunSampler._midnight

    def begun(self: LateSamples, *args: Any) -> bool:
        done = begin(self, *args)
        opened.append(args[1] if done else 0)
        return done

    def counted(self: RunSampler) -> None:
        fired.append(1)
        midnight(self)

    monkeypatch.setattr(LateSamples, "begin", begun)
    monkeypatch.setattr(RunSampler, "_midnight", counted)
    result = run(USES["a daily strategy"])
    points = result.run_state.charts["Benchmark"].series["Benchmark"].points()
    assert len(points) > 360
    assert len(fired) < 20
    assert all(opened)
    assert sum(opened) > 200
    # Every midnight once, and the last moment of the run.
    apart = {after - before for (before, _), (after, _) in pairwise(points[:-1])}
    assert apart == {timedelta(days=1), timedelta(hours=23), timedelta(hours=25)}
