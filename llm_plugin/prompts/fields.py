"""The fields a template may use: one function each, from the question, the session's statistics and the memory hits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from llm_plugin.domain import DecisionRequest
from llm_plugin.prompts.values import MISSING, Value

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryHit
    from llm_plugin.session import SessionStatistics

__all__ = ["FIELDS", "Field", "PromptContext", "feature_names", "field_values", "side", "trading_session"]


@dataclass(frozen=True, slots=True)
class PromptContext:
    """All that a prompt is made of.

    Attributes:
        request: The question.
        statistics: The session so far, as of the question; None where switched off.
        hits: Similar trades, nearest first, as of the question.
        session_text: The session line.
    """

    request: DecisionRequest
    statistics: SessionStatistics | None
    hits: Sequence[MemoryHit]
    session_text: str

    @property
    def features(self) -> Mapping[str, float]:
        """Named features of the market."""
        return self.request.market.features


@dataclass(frozen=True, slots=True)
class Field:
    """One template field."""

    description: str
    get: Callable[[PromptContext], float | str | None]
    text: bool = False


def feature_names() -> tuple[str, ...]:
    """Return the names of the built-in features; those that a user registers are named in `features.user`."""
    from llm_plugin.features.catalog import llm_feature_names, market_feature_names

    return (*market_feature_names(), *llm_feature_names())


def field_values(names: Sequence[str], context: PromptContext) -> dict[str, Value]:
    """Compute the named fields; a name that is no field is a feature, absent ones are missing."""
    from llm_plugin.prompts.observation import computed_features

    wanted = [name for name in names if name not in FIELDS and name not in context.features]
    extra = computed_features(context) if wanted else {}
    features = {**extra, **context.features}
    return {name: Value(FIELDS[name].get(context) if name in FIELDS else features.get(name)) for name in names}


def trading_session(time_utc: datetime) -> str:
    """Return asia, london, overlap, new_york or off for a time, by the local clocks of the two cities."""
    london = time(8) <= time_utc.astimezone(_zone("Europe/London")).time() < time(16, 30)
    new_york = time(8) <= time_utc.astimezone(_zone("America/New_York")).time() < time(17)
    if london or new_york:
        return "overlap" if london and new_york else "london" if london else "new_york"
    return "asia" if time(9) <= time_utc.astimezone(_zone("Asia/Tokyo")).time() < time(18) else "off"


@lru_cache(maxsize=8)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _feature(name: str) -> Callable[[PromptContext], float | None]:
    return lambda context: context.features.get(name)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _entry_side_price(context: PromptContext) -> float:
    market = context.request.market
    return market.ask if context.request.signal.action.side >= 0 else market.bid


def _stop_distance(context: PromptContext) -> float | None:
    plan = context.request.exit
    return None if plan is None else abs(_entry_side_price(context) - plan.stop)


def _target_distance(context: PromptContext) -> float | None:
    plan = context.request.exit
    if plan is None or plan.target is None:
        return None
    return abs(plan.target - _entry_side_price(context))


def _reward_risk(context: PromptContext) -> float | None:
    stop, target = _stop_distance(context), _target_distance(context)
    return None if not stop or target is None else target / stop


def _timeout(context: PromptContext) -> str:
    plan = context.request.exit
    if plan is None or plan.timeout is None:
        return MISSING
    return f"{plan.timeout.total_seconds() / 3600:g}h"


def _contract_specs(context: PromptContext) -> str:
    market = context.request.market
    return (
        f"{market.security_type}, lot {market.lot_size:g}, tick {market.tick_size:g}, "
        f"multiplier {market.contract_multiplier:g}, quoted in {market.quote_currency}"
    )


def _position(context: PromptContext) -> str:
    position = context.request.position
    if position.side == 0:
        return "flat"
    marks = [name for name, flag in (("break-even", position.at_break_even), ("trailing", position.trailing)) if flag]
    return " ".join([f"{'long' if position.side > 0 else 'short'} {abs(position.quantity):g}", *marks])


def _entry_price(context: PromptContext) -> float | None:
    return context.request.position.entry_price if context.request.position.side else None


def _unrealized(context: PromptContext) -> float | None:
    return context.request.position.unrealized_pnl if context.request.position.side else None


def _position_r(context: PromptContext) -> float | None:
    position = context.request.position
    if not position.side or not math.isfinite(position.stop) or position.stop == position.entry_price:
        return None
    move = (context.request.market.price - position.entry_price) * position.side
    return move / abs(position.entry_price - position.stop)


def side(request: DecisionRequest) -> int:
    """Return the direction that a question is about: the signal's, else the position's, else long."""
    return request.signal.action.side or request.position.side or 1


def _along(name: str, middle: float = 0.0) -> Callable[[PromptContext], float | None]:
    """A directional feature as seen by the trade: mirrored about `middle` for a short one."""

    def get(context: PromptContext) -> float | None:
        value = _finite(context.features.get(name))
        return None if value is None else middle + (value - middle) * side(context.request)

    return get


def _ahead(long: str, short: str) -> Callable[[PromptContext], float | None]:
    return lambda context: context.features.get(long if side(context.request) > 0 else short)


def _level(name: str, sign: int) -> Callable[[PromptContext], float | None]:
    def get(context: PromptContext) -> float | None:
        fraction = _finite(context.features.get(name))
        return None if fraction is None else context.request.market.price * (1 + sign * fraction)

    return get


_STRENGTH = ((20.0, "none"), (25.0, "weak"), (40.0, "strong"), (math.inf, "very strong"))


def _trend_strength(context: PromptContext) -> str:
    adx = _finite(context.features.get("adx_14"))
    return MISSING if adx is None else next(word for limit, word in _STRENGTH if adx < limit)


def _win_rate(context: PromptContext) -> float | None:
    return None if context.statistics is None else context.statistics.win_rate


def _losses(context: PromptContext) -> float | None:
    return None if context.statistics is None else context.statistics.consecutive_losses


def _memory(context: PromptContext) -> str:
    return ",".join(_hit(hit) for hit in context.hits) or "none"


def _hit(hit: MemoryHit) -> str:
    """Similarity in percent, the side, and the outcome in tenths of R, as 96:BUY:-10."""
    return f"{round(hit.similarity * 100)}:{hit.record.action.value}:{round(hit.record.r_multiple * 10)}"


def _memory_mean(context: PromptContext) -> float | None:
    hits = context.hits
    return sum(hit.record.r_multiple for hit in hits) / len(hits) if hits else None


def _memory_wins(context: PromptContext) -> float | None:
    hits = context.hits
    return sum(hit.record.r_multiple > 0 for hit in hits) / len(hits) if hits else None


def _session(context: PromptContext) -> str:
    return trading_session(context.request.market.time_utc)


def _local(pattern: str) -> Callable[[PromptContext], str]:
    return lambda context: context.request.market.time_utc.strftime(pattern)


FIELDS: dict[str, Field] = {
    "market": Field("ticker", lambda c: c.request.market.ticker, text=True),
    "contract_specs": Field("security type, lot, tick, multiplier, currency", _contract_specs, text=True),
    "session": Field(
        "asia, london, overlap, new_york or off", lambda c: trading_session(c.request.market.time_utc), True
    ),
    "time": Field("UTC time of the last completed bar", _local("%Y-%m-%d %H:%M"), text=True),
    "hour": Field("UTC hour", lambda c: c.request.market.time_utc.hour),
    "weekday": Field("Monday is 0", lambda c: c.request.market.time_utc.weekday()),
    "resolution": Field("resolution of the bars", lambda c: c.request.market.resolution, text=True),
    "price": Field("mid close of the last completed bar", lambda c: c.request.market.price),
    "signal_action": Field("what the signal wants", lambda c: c.request.signal.action.value, text=True),
    "signal_confidence": Field("its probability that the trade pays", lambda c: c.request.signal.confidence),
    "legal": Field("the actions to choose from", lambda c: " ".join(a.value for a in c.request.legal), text=True),
    "question": Field("entry or position", lambda c: c.request.kind.value, text=True),
    "stop_distance": Field("price distance of the stop", _stop_distance),
    "target_distance": Field("price distance of the target", _target_distance),
    "reward_risk": Field("target distance over stop distance", _reward_risk),
    "timeout": Field("longest holding time", _timeout, text=True),
    "adx": Field("average directional index, 14 bars", _feature("adx_14")),
    "trend_strength": Field("none, weak, strong or very strong, by ADX", _trend_strength, text=True),
    "rsi": Field("relative strength index, 14 bars", _feature("rsi_14")),
    "macd": Field("MACD histogram in ATR", _feature("macd_histogram")),
    "vwap_distance": Field("close minus the day's VWAP, in ATR", _feature("vwap_distance")),
    "volatility_regime": Field("-1 low, 0 normal, 1 high", _feature("volatility_regime")),
    "support": Field("price of the nearest swing level below", _level("support_distance_fraction", -1)),
    "resistance": Field("price of the nearest swing level above", _level("resistance_distance_fraction", 1)),
    "trend_along": Field("1 trend with the trade, -1 against it, 0 none", _along("trend_direction")),
    "rsi_along": Field("RSI; of the mirrored market for a short trade", _along("rsi_14", 50.0)),
    "macd_along": Field("MACD histogram in ATR, positive with the trade", _along("macd_histogram")),
    "momentum_along": Field("24-bar return in sigma, positive with the trade", _along("return_24")),
    "impulse_along": Field("3-bar return in sigma, positive with the trade", _along("return_3")),
    "band_along": Field("place in the Bollinger band, 1 = the side the trade goes to", _along("bollinger_b_20", 0.5)),
    "range_along": Field("the same in the 120-bar range", _along("range_position_120", 0.5)),
    "vwap_along": Field("distance from VWAP in ATR, positive with the trade", _along("vwap_distance")),
    "room_ahead": Field("distance in ATR to the level ahead", _ahead("resistance_distance", "support_distance")),
    "room_behind": Field("distance in ATR to the level behind", _ahead("support_distance", "resistance_distance")),
    "position": Field("flat, or side, quantity and stop state", _position, text=True),
    "position_side": Field("-1 short, 0 flat, 1 long", lambda c: c.request.position.side),
    "position_r": Field("open profit in R", _position_r),
    "bars_held": Field("bars since entry", lambda c: c.request.position.bars_held),
    "entry_price": Field("entry price of the position", _entry_price),
    "unrealized_pnl": Field("open profit in account currency", _unrealized),
    "balance": Field("account balance", lambda c: c.request.account.balance),
    "equity": Field("account equity", lambda c: c.request.account.equity),
    "peak_balance": Field("highest equity so far", lambda c: c.request.account.peak_equity),
    "drawdown": Field("fraction below the peak", lambda c: c.request.account.drawdown_fraction),
    "win_rate": Field("share of winning trades of the session", _win_rate),
    "consecutive_losses": Field("losses in a row", _losses),
    "memory": Field("similar past trades, each similarity in percent:action:tenths of R", _memory, text=True),
    "memory_r": Field("mean R of the similar trades", _memory_mean),
    "memory_wins": Field("share of winners among them", _memory_wins),
    "session_stats": Field("the session's line", lambda c: c.session_text, text=True),
}
