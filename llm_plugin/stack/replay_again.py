"""One stored decision replayed from market data, by the code that wrote its label: same fills, exits and costs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.domain import Action, DecisionRequest, ExitReason, Outcome, QuestionKind, from_jsonable
from llm_plugin.errors import DataError
from llm_plugin.outcomes._rows import microseconds
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import EntryFill, ReplayEntry, ReplayTrade

if TYPE_CHECKING:
    from llm_plugin.data.bars import PriceBars
    from llm_plugin.engine.market.market_hours import ExchangeHours
    from llm_plugin.outcomes.store import OutcomeStore

__all__ = ["OTHER_QUOTE", "Replayer", "StoredReplay", "read_stored"]

CHUNK = 400
OTHER_QUOTE = "other quote in the data"
"""Not replayed, yet no good sign: the data are not those that the run saw."""
SAME_QUOTE = 1e-9  # relative; prices went through JSON, not through another rounding
FROM_OUTSIDE = {
    ExitReason.SIGNAL: "ended by a signal of the algorithm",
    ExitReason.RISK_MODEL: "ended by a risk model",
    ExitReason.DELISTED: "delisted",
}


@dataclass(frozen=True, slots=True)
class StoredReplay:
    """A question with its label; `steered` where the answer to a later question changed how it ended."""

    request: DecisionRequest
    outcome: Outcome
    steered: bool


def read_stored(store: OutcomeStore, run_id: str, symbol_id: str, decision_ids: Sequence[str]) -> list[StoredReplay]:
    """Read questions and labels of decisions, in their order; one whose label is gone is left out."""
    import sqlalchemy as sa

    from llm_plugin.learning.read import REPLAYED
    from llm_plugin.outcomes import schema

    decided, closed = schema.decisions, schema.outcomes
    found: dict[str, tuple[DecisionRequest, Outcome]] = {}
    for start in range(0, len(decision_ids), CHUNK):
        query = (
            sa.select(decided.c.decision_id, decided.c.request, closed.c.outcome)
            .join_from(decided, closed, closed.c.decision_id == decided.c.decision_id)
            .where(decided.c.decision_id.in_(decision_ids[start : start + CHUNK]))
            .where(closed.c.action == decided.c.signal_action, closed.c.kind.in_(REPLAYED))
        )
        for row in store.select(query):
            request = from_jsonable(DecisionRequest, json.loads(row.request))
            found[row.decision_id] = request, from_jsonable(Outcome, json.loads(row.outcome))
    steering = _steering(store, run_id, symbol_id)
    ordered = (found[key] for key in decision_ids if key in found)
    return [StoredReplay(request, outcome, bool(_between(steering, outcome).any())) for request, outcome in ordered]


class Replayer:
    """Replays decisions of one run and symbol.

    Args:
        bars: The market data.
        market_open: For each bar, whether a market order fills at once when it ends.
        increment: Step to which order prices are rounded.
        policy: Rules that move a stop.
        costs: Slippage and fees.
        problem: Why there are no bars, empty where there are.
    """

    def __init__(
        self,
        bars: PriceBars | None,
        market_open: NDArray[np.bool_],
        increment: float,
        policy: ExitPolicy,
        costs: Costs,
        problem: str = "",
    ) -> None:
        self._bars = bars
        self._open = market_open
        self._increment = increment
        self._policy = policy
        self._costs = costs
        self._problem = problem
        self._made: dict[int, Any] = {}

    @classmethod
    def open(
        cls,
        data_folder: Path,
        config: Mapping[str, Any],
        stored: Sequence[StoredReplay],
        brokerage: str,
        token: str,
    ) -> Replayer:
        """Set up the replays of a run's decisions about one symbol as the run did.

        Args:
            data_folder: LEAN's data.
            config: The run's own configuration, of its store.
            stored: The decisions.
            brokerage: Whose fees were paid.
            token: Bars that were read under the same one are not read again.

        Raises:
            ConfigError: The brokerage is not known.
            DataError: The run's configuration has no exits.
        """
        try:
            wanted = config["outcomes"]
            policy = ExitPolicy.from_mapping(wanted["exit"])
            costs = Costs(slippage_bps=float(wanted["slippage_bps"]), brokerage=brokerage)
        except KeyError as error:
            raise DataError(f"the run's stored configuration has no outcomes section with {error}") from error
        none = np.zeros(0, dtype=np.bool_)
        if not stored:
            return cls(None, none, 0.0, policy, costs)
        market = stored[0].request.market
        key = market.security_type, market.market, market.ticker, market.resolution
        try:
            bars, opened = _bars(data_folder, *key, adjusted=True, token=token)
            increment = 0.0 if market.security_type == "equity" else market.tick_size
            if market.security_type == "equity" and not any(_same_quote(bars, item.request) for item in stored):
                bars, opened = _bars(data_folder, *key, adjusted=False, token=token)
                increment = market.tick_size
        except DataError as error:  # the other symbols of the store can be checked all the same
            return cls(None, none, 0.0, policy, costs, f"no market data: {error}")
        return cls(bars, opened, increment, policy, costs)

    def replay(self, item: StoredReplay) -> Outcome | str:
        """Return what the data say became of a decision, or why they cannot say."""
        cause = self._why_not(item)
        request, bars = item.request, self._bars
        if cause or bars is None or request.exit is None:
            return cause
        decided = microseconds(request.signal.time_utc)
        place = int(np.searchsorted(bars.end_us, decided))
        daily_equity = (request.market.resolution, request.market.security_type) == ("daily", "equity")
        entry = ReplayEntry.from_request(
            request,
            quantity=item.outcome.quantity,
            fill=EntryFill.QUOTE if self._open[place] and not daily_equity else EntryFill.NEXT_OPEN,
            price_increment=self._increment,
        )
        trade = ReplayTrade(entry, request.exit, self._policy, self._costs)
        for index in range(place + 1, len(bars)):
            if trade.update(self._bar(index), bool(self._open[index])):
                return trade.outcome(item.outcome.kind)
        return "the data end before the trade"

    def _why_not(self, item: StoredReplay) -> str:
        """Return a cause that is known before anything is replayed."""
        reason = item.outcome.exit_reason
        if item.request.exit is None:
            return "no exit plan"
        if reason in FROM_OUTSIDE:
            return FROM_OUTSIDE[reason]
        if item.steered:
            return "changed by an answer about the open position"
        if self._bars is None:
            return self._problem
        if _place(self._bars, item.request) is None:
            return "no bar ends at its time"
        return "" if _same_quote(self._bars, item.request) else OTHER_QUOTE

    def _bar(self, index: int) -> Any:
        if index not in self._made and self._bars is not None:
            self._made[index] = self._bars.bar(index)
        return self._made[index]


def _steering(store: OutcomeStore, run_id: str, symbol_id: str) -> NDArray[np.int64]:
    """Return when open positions of the symbol were changed by an answer."""
    import sqlalchemy as sa

    from llm_plugin.outcomes import schema

    table = schema.decisions
    query = sa.select(table.c.time_us, table.c.decision).where(
        table.c.run_id == run_id, table.c.symbol_id == symbol_id, table.c.kind == QuestionKind.POSITION.value
    )
    times = [row.time_us for row in store.select(query) if json.loads(row.decision)["action"] != Action.HOLD.value]
    return np.array(sorted(times), dtype=np.int64)


def _between(times: NDArray[np.int64], outcome: Outcome) -> NDArray[np.int64]:
    first, last = microseconds(outcome.opened_utc), microseconds(outcome.closed_utc)
    found: NDArray[np.int64] = times[(times > first) & (times <= last)]
    return found


@lru_cache(maxsize=2)
def _bars(
    data_folder: Path, security_type: str, market: str, ticker: str, resolution: str, *, adjusted: bool, token: str
) -> tuple[PriceBars, NDArray[np.bool_]]:
    """Read bars and whether the market is open when each ends; chunks of one symbol follow each other."""
    from llm_plugin.data.bars import load_price_bars
    from llm_plugin.data.sessions import Sessions

    bars = load_price_bars(
        data_folder,
        security_type=security_type,
        market=market,
        ticker=ticker,
        resolution=resolution,
        adjusted=adjusted,
    )
    hours = _hours(data_folder, security_type, market, ticker)
    bars = bars if resolution == "daily" else _filled(bars, hours)
    if hours.is_market_always_open or not len(bars):
        return bars, np.ones(len(bars), dtype=np.bool_)
    ends = hours.time_zone.locals(bars.end_us)
    return bars, Sessions(hours, int(ends[0]), int(ends[-1])).overlaps(ends, ends + 1)


def _hours(data_folder: Path, security_type: str, market: str, ticker: str) -> ExchangeHours:
    from llm_plugin.engine.base.enums import SecurityType
    from llm_plugin.engine.market.market_hours import load_market_hours

    kind = SecurityType[security_type.upper()]
    return load_market_hours(data_folder).get_entry(market.lower(), ticker.upper(), kind).exchange_hours


def _filled(bars: PriceBars, hours: ExchangeHours) -> PriceBars:
    """Fill gaps as the run's feed did: where the market is open and the data have no bar, the last one comes again."""
    from llm_plugin.data.sessions import Sessions

    if len(bars) < 2:
        return bars
    period = int(np.median(bars.end_us - bars.start_us))
    missing = np.maximum(0, (bars.start_us[1:] - bars.end_us[:-1]) // period)
    source = np.repeat(np.arange(len(bars) - 1), missing)
    nth = np.arange(len(source)) - np.repeat(np.cumsum(missing) - missing, missing)
    start = bars.end_us[source] + nth * period
    if not hours.is_market_always_open and len(start):
        first, last = hours.time_zone.locals(start), hours.time_zone.locals(start + period)
        kept = Sessions(hours, int(first[0]), int(last[-1])).overlaps(first, last)
        source, start = source[kept], start[kept]
    whole = bars.take(np.concatenate([np.arange(len(bars)), source]))
    starts = np.concatenate([bars.start_us, start])
    ends = np.concatenate([bars.end_us, start + period])
    return replace(whole, start_us=starts, end_us=ends).take(np.argsort(starts, kind="stable"))


def _place(bars: PriceBars, request: DecisionRequest) -> int | None:
    moment = microseconds(request.signal.time_utc)
    place = int(np.searchsorted(bars.end_us, moment))
    return place if place < len(bars) and bars.end_us[place] == moment else None


def _same_quote(bars: PriceBars, request: DecisionRequest) -> bool:
    place = _place(bars, request)
    if place is None:
        return False
    known = request.market.bid, request.market.ask
    found = float(bars.bid_close[place]), float(bars.ask_close[place])
    return bool(np.allclose(found, known, rtol=SAME_QUOTE, atol=0.0))
