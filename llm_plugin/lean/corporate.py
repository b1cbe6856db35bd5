"""Splits, dividends and delistings: where prices are as traded, whatever remembers a price follows them."""

from __future__ import annotations

from typing import Any

from llm_plugin.lean.compat import number, security_id, utc_now
from llm_plugin.lean.context import is_raw
from llm_plugin.lean.desk import Desk
from llm_plugin.lean.features import Feed

__all__ = ["follow_corporate_events"]

SPLIT_OCCURRED, DELISTED, SPLIT_ADJUSTED = 1, 1, 2


def follow_corporate_events(desk: Desk, data: Any) -> None:
    """Apply a slice's splits, dividends and delistings to levels, stored prices and features.

    Adjusted data show neither splits nor dividends in a backtest; live prices are as traded.
    """
    if data is None:
        return
    for split in _values(data, "splits"):
        feed = desk.hub.feeds.get(security_id(split.symbol))
        if feed is not None and number(split.type) == SPLIT_OCCURRED and _as_traded(desk, feed):
            factor = float(split.split_factor)
            desk.ledger.rescale(feed, factor, 1 / factor, split=True)
            desk.changed()
    for dividend in _values(data, "dividends"):
        feed = desk.hub.feeds.get(security_id(dividend.symbol))
        if feed is not None and _pays(desk, feed):
            reference = float(dividend.reference_price) or float(feed.security.price)
            factor = 1 - float(dividend.distribution) / reference
            if 0 < factor < 1:
                desk.ledger.rescale(feed, factor, 1.0, split=False)
                desk.changed()
    for delisting in _values(data, "delistings"):
        feed = desk.hub.feeds.get(security_id(delisting.symbol))
        if feed is not None and number(delisting.type) == DELISTED:
            price = feed.last.close if feed.last is not None else float(feed.security.price)
            desk.ledger.delist(feed, price, utc_now(desk.algorithm))
            desk.changed()


def _values(data: Any, name: str) -> list[Any]:
    found = getattr(data, name, None)
    return [] if found is None or not found.count else list(found.values())


def _as_traded(desk: Desk, feed: Feed) -> bool:
    return bool(desk.algorithm.live_mode) or is_raw(feed.security)


def _pays(desk: Desk, feed: Feed) -> bool:
    if _as_traded(desk, feed):
        return True
    return any(number(item.data_normalization_mode) == SPLIT_ADJUSTED for item in feed.security.subscriptions)
