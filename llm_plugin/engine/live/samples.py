"""Charts and closed trades of a paper run over restarts: the result files are those of the whole run."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.zones import MINUTE_US, from_us, to_us
from llm_plugin.engine.live.journal import AccountState
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.engine.results.charts import Candlestick, Chart, ChartPoint, SeriesType

__all__ = ["SampleBook"]

_DEFAULT, _USER = "default", "user"
Row = dict[str, Any]


class SampleBook:
    """Says which points are new, and puts back those of earlier processes."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], int] = {}

    def changes(self, run: Any) -> Row:
        """Return the points that came since the last call, and the sampler's own figures with them."""
        lines = []
        for owner, charts in self._owners(run):
            for chart in charts.values():
                for series in chart.series.values():
                    key = (owner, chart.name, series.name)
                    known, count = self._counts.get(key, 0), len(series.values)
                    if count != known:
                        self._counts[key] = count
                        # The last known point may have been replaced meanwhile.
                        lines.append(_line(key, series, max(0, known - 1)))
        if not lines:
            return {}
        return {"series": lines, "sampler": _figures(run.sampler.results)}

    def restore(self, run: Any, state: AccountState) -> None:
        """Put back charts and closed trades."""
        owners = dict(self._owners(run))
        for (owner, chart_name, name), line in state.series.items():
            charts = owners[owner]
            chart = charts.setdefault(chart_name, Chart(chart_name))
            series = chart.get_or_add(name, SeriesType(line["kind"]), line["index"], line["unit"])
            series.values = [_point(values) for values in line["values"]]
            if owner == _DEFAULT:
                run.sampler.results.restore(chart_name, series)
            self._counts[owner, chart_name, name] = len(series.values)
        self._rebuild_trades(run, state)

    @staticmethod
    def resume(run: Any, state: AccountState) -> None:
        """Let the daily figures go on from where they stopped."""
        results = run.sampler.results
        about = state.began
        if about:
            start, end = (to_us(datetime.fromisoformat(about[key])) for key in ("start", "end"))
            zone = run.core.clock.zone
            results._start = from_us(zone.utc(start))
            fresh = type(results)(results._start, (end - start) / MINUTE_US, results.starting_value, results._unit)
            results._period = fresh._period
            run.sampler.period_us = max(4 * MINUTE_US, (end - start) // 4000)
        saved = state.sampler
        if not saved:
            return
        results.starting_value = Decimal(saved["starting"])
        results._daily_value, results._peak = Decimal(saved["daily"]), Decimal(saved["peak"])
        results._sold = (Decimal(saved["sold"][0]), Decimal(saved["sold"][1]))
        results._last_turnover = _moment(saved["turnover"])
        results._next = _moment(saved["next"])
        if results._next is not None:
            run.sampler.next_us = to_us(results._next)

    @staticmethod
    def _owners(run: Any) -> list[tuple[str, dict[str, Any]]]:
        return [(_DEFAULT, run.sampler.results.charts), (_USER, run.algorithm.user_charts)]

    @staticmethod
    def _rebuild_trades(run: Any, state: AccountState) -> None:
        process = find_member(run.algorithm.trade_builder, "process_fill")
        if process is None:
            return
        known = {str(s.symbol.id): s.symbol for s in run.core.securities.values()}
        for identifier, moment, order_id, *texts in state.fills:
            price, quantity, paid, rate, multiplier = (Decimal(text) for text in texts)
            sid = SecurityIdentifier.parse(identifier)
            symbol = known.get(identifier) or Symbol(sid, state.tickers.get(identifier, sid.symbol))
            process(symbol, datetime.fromisoformat(moment), price, quantity, order_id, paid, rate, multiplier)


def _line(key: tuple[str, str, str], series: Any, first: int) -> Row:
    return {
        "owner": key[0],
        "chart": key[1],
        "name": key[2],
        "kind": int(series.series_type),
        "index": series.index,
        "unit": series.unit,
        "values": [_row(point) for point in series.values[first:]],
    }


def _row(point: Any) -> list[Any]:
    if isinstance(point, Candlestick):
        return [point.time.isoformat(), *(str(v) for v in (point.open, point.high, point.low, point.close))]
    return [point.time.isoformat(), None if point.y is None else str(point.y)]


def _point(values: list[Any]) -> Any:
    moment = datetime.fromisoformat(values[0])
    if len(values) == 5:
        return Candlestick(moment, *(Decimal(text) for text in values[1:]))
    return ChartPoint(moment, None if values[1] is None else Decimal(values[1]))


def _figures(results: Any) -> Row:
    return {
        "starting": str(results.starting_value),
        "daily": str(results._daily_value),
        "peak": str(results._peak),
        "sold": [str(value) for value in results._sold],
        "turnover": None if results._last_turnover is None else results._last_turnover.isoformat(),
        "next": None if results._next is None else results._next.isoformat(),
    }


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
