"""Market regimes of decisions: trend by ADX times volatility. Standard library only."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence

from llm_plugin.domain import MarketContext
from llm_plugin.learning.types import MaturedDecision

__all__ = ["draw_replay", "regime_of"]

ADX_TREND = 25.0
ADX_RANGE = 20.0
THIN = 0.5
VOLATILITY = {-1.0: "low", 0.0: "normal", 1.0: "high"}


def regime_of(market: MarketContext, adx_trend: float = ADX_TREND, adx_range: float = ADX_RANGE) -> str:
    """Return `trend`, `range` or `neutral`, then the volatility; neutral and unknown where features are unavailable.

    Args:
        market: As the decision saw it.
        adx_trend: From this ADX on it is a trend.
        adx_range: Below this ADX it is a range.
    """
    adx = market.features.get("adx_14", math.nan)
    direction = "trend" if adx >= adx_trend else "range" if adx < adx_range else "neutral"
    level = VOLATILITY.get(market.features.get("volatility_regime", math.nan), "unknown")
    return f"{direction}/{level}"


def draw_replay(
    older: Sequence[MaturedDecision], window: Sequence[MaturedDecision], count: int, *, only_missing: bool = False
) -> list[MaturedDecision]:
    """Draw older decisions to train on again, so that regimes which the window hardly shows are not forgotten.

    Each regime first gets what it lacks in the window against its share of all that is known; the rest is dealt out
    to the regimes in turn. Within a regime the order is that of a hash, so that the draw is spread over time and the
    same for the same decisions.

    Args:
        older: Matured decisions before the window.
        window: The decisions that are trained on anyway.
        count: How many to draw at most.
        only_missing: Draw only from regimes of which the window has less than half of what is usual: after a change
            the old answers to the window's own regimes are wrong.

    Returns:
        The drawn decisions by time.
    """
    pools: dict[str, list[MaturedDecision]] = defaultdict(list)
    for decision in sorted(older, key=lambda item: hashlib.sha256(item.decision_id.encode()).digest()):
        pools[regime_of(decision.request.market)].append(decision)
    quota = _lacking(pools, window, count, THIN if only_missing else 1.0)
    if not only_missing:
        _deal(quota, {name: len(pool) for name, pool in pools.items()}, min(count, len(older)))
    drawn = [decision for name, pool in pools.items() for decision in pool[: quota[name]]]
    return sorted(drawn, key=lambda item: (item.time_utc, item.decision_id))


def _lacking(
    pools: dict[str, list[MaturedDecision]], window: Sequence[MaturedDecision], count: int, thin: float
) -> Counter[str]:
    """Return what each regime lacks in the window, where it has less than `thin` of its share; at most `count`."""
    present = Counter(regime_of(decision.request.market) for decision in window)
    known = sum(len(pool) for pool in pools.values()) + len(window)
    missing = {}
    for name, pool in sorted(pools.items()):
        usual = (len(pool) + present[name]) / known * len(window)
        lacks = present[name] < thin * usual
        missing[name] = min(len(pool), math.floor(usual) - present[name]) if lacks else 0
    total = sum(missing.values())
    scale = min(1.0, count / total) if total else 0.0
    return Counter({name: max(0, math.floor(number * scale)) for name, number in missing.items()})


def _deal(quota: Counter[str], sizes: dict[str, int], count: int) -> None:
    """Raise the quotas in turn, the smallest first, until `count` is reached."""
    while sum(quota.values()) < count:
        open_names = [name for name in sorted(sizes) if quota[name] < sizes[name]]
        name = min(open_names, key=lambda item: (quota[item], item))
        quota[name] += 1
