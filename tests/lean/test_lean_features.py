"""Feeds inside LEAN: own consolidators, history, warming up, splits and dividends, unavailable volume."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import lean_fakes as fakes
import pytest

from llm_plugin.domain import Action, ExitReason, OutcomeKind, Source
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.lean.features import AverageTrueRange, price_bar


def test_quote_bars_have_no_volume_and_it_is_not_zero():
    bar = price_bar(fakes.quote_bar(fakes.START, 1.29, 1.31, 1.3), fakes.NEW_YORK)
    assert math.isnan(bar.volume)
    assert (bar.bid_close, bar.ask_close) == (1.3, pytest.approx(1.3002))
    assert bar.end_utc == fakes.START


def test_trade_bars_have_one_price_and_a_volume():
    raw = SimpleNamespace(
        time=datetime(2013, 7, 1, 9), end_time=datetime(2013, 7, 1, 10), open=1, high=3, low=0.5, close=2, volume=7
    )
    bar = price_bar(raw, ZoneInfo("America/New_York"))
    assert (bar.bid_close, bar.ask_close, bar.volume) == (2.0, 2.0, 7.0)
    assert bar.end_utc == datetime(2013, 7, 1, 14, tzinfo=UTC)


def test_a_quote_bar_with_one_side_takes_it_for_both():
    raw = fakes.quote_bar(fakes.START, 1.29, 1.31, 1.3)
    raw.ask = None
    bar = price_bar(raw, fakes.NEW_YORK)
    assert bar.ask_high == bar.bid_high == 1.31
    raw.bid = None
    with pytest.raises(DataError, match="neither bid nor ask"):
        price_bar(raw, fakes.NEW_YORK)


def test_atr_is_wilders():
    bars = [price_bar(raw, fakes.NEW_YORK) for raw in fakes.flat_history(bars=20, width=0.002)]
    atr = AverageTrueRange(14)
    for n, bar in enumerate(bars):
        assert atr.ready is (n >= 14)
        atr.update(bar)
    assert atr.value == pytest.approx(0.002)
    wide = price_bar(fakes.quote_bar(fakes.START + timedelta(hours=1), 1.28, 1.32, 1.3), fakes.NEW_YORK)
    atr.update(wide)
    assert atr.value == pytest.approx((0.002 * 13 + 0.04) / 14)


def test_the_feed_is_filled_from_history_and_takes_no_bar_twice(make_plugin):
    algorithm, plugin, _ = make_plugin()
    feed = plugin.desk.hub.get(algorithm.symbol)
    assert feed.bars == 300
    raw = algorithm.bar(1.2995, 1.3005, 1.3)
    assert feed.bars == 301
    for consolidator in algorithm.consolidators["EURUSD"]:
        consolidator.data_consolidated(None, raw)
    assert feed.bars == 301
    assert len(feed.engine.seen) == 301


def test_a_first_bar_that_history_holds_already_counts_as_a_bar(lean, scripted):
    from llm_plugin.lean import LLMPlugin

    algorithm = fakes.FakeAlgorithm()
    plugin = LLMPlugin(algorithm, {"validator": {"mode": "none"}}, backend=scripted())
    feed = plugin.desk.hub.add(algorithm.securities["EURUSD"])
    algorithm.history_bars = fakes.flat_history(until=fakes.START + timedelta(hours=1))
    algorithm.bar(1.2995, 1.3005, 1.3)
    assert feed.bars == 300
    assert feed.last.end_utc == fakes.START + timedelta(hours=1)


def test_while_warming_up_no_question_is_asked(make_plugin):
    algorithm, plugin, backend = make_plugin()
    algorithm.is_warming_up = True
    assert plugin.signal("EURUSD") is None
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.source, decision.approved) == (Source.WARMING, False)
    assert not backend.requests


@pytest.mark.parametrize(("on_failure", "approved"), [("veto_entries", False), ("follow_signal", True)])
def test_not_ready_is_warming_with_the_verdict_of_on_failure(make_plugin, scripted, on_failure, approved):
    """A backend that answers all the same is overruled, and not told the outcome."""
    algorithm = fakes.FakeAlgorithm()
    algorithm.history_bars = fakes.flat_history(bars=20)
    config = {"validator": {"mode": "none", "on_failure": on_failure}}
    backend = scripted()
    backend.eager = True
    algorithm.is_warming_up = True
    _, plugin, _ = make_plugin(config=config, algorithm=algorithm, backend=backend)
    decision = plugin.validate("EURUSD", Action.BUY, 0.7)
    assert (decision.source, decision.approved) == (Source.WARMING, approved)
    algorithm.bar(1.297, 1.3, 1.2975)
    assert plugin.desk.counts["outcomes_shadow"] + plugin.desk.counts["outcomes_replay"] >= 2
    assert not backend.outcomes


def test_a_question_between_bars_sees_the_last_completed_bar(make_plugin):
    algorithm, plugin, backend = make_plugin()
    algorithm.bar(1.2995, 1.3005, 1.3001)
    algorithm.now += timedelta(minutes=20)  # a scheduled event
    plugin.validate("EURUSD", Action.BUY, 0.7)
    (request,) = backend.requests
    assert request.market.time_utc == algorithm.now - timedelta(minutes=20)
    assert request.signal.time_utc == algorithm.now
    assert request.market.bid == 1.3001


def test_consolidators_come_and_go_with_the_securities(make_plugin):
    algorithm, plugin, _ = make_plugin()
    symbol = algorithm.add(fakes.FakeSymbol("GBPUSD", "GBPUSD 8G"))
    security = algorithm.securities["GBPUSD"]
    plugin.on_securities_changed(SimpleNamespace(added_securities=[security], removed_securities=[]))
    (consolidator,) = algorithm.consolidators["GBPUSD"]
    assert consolidator.resolution == fakes.Resolution.HOUR
    plugin.on_securities_changed(SimpleNamespace(added_securities=[], removed_securities=[security]))
    assert not algorithm.consolidators["GBPUSD"]
    assert not consolidator.data_consolidated.handlers
    assert symbol.id_text not in plugin.desk.hub.feeds


def test_a_coarser_subscription_wins_over_features_resolution(make_plugin):
    algorithm, plugin, _ = make_plugin()
    algorithm.add(fakes.FakeSymbol("GBPUSD", "GBPUSD 8G"))
    algorithm.securities["GBPUSD"].subscriptions[0].resolution = 4
    feed = plugin.desk.hub.add(algorithm.securities["GBPUSD"])
    assert (feed.resolution, feed.seconds) == ("daily", 86400)


class Events:
    def __init__(self, **kinds):
        for name in ("splits", "dividends", "delistings"):
            setattr(self, name, Dictionary(kinds.get(name, [])))


class Dictionary(list):
    @property
    def count(self):
        return len(self)

    def values(self):
        return list(self)


def equity(make_plugin, normalization, answer=lambda _: 0.0):
    symbol = fakes.FakeSymbol("SPY", "SPY R735QTJ8XC9X", 1, "usa")
    algorithm = fakes.FakeAlgorithm(symbol=symbol)
    algorithm.securities["SPY"].subscriptions[0].data_normalization_mode = normalization
    algorithm.history_bars = [
        SimpleNamespace(**{**vars(raw), "bid": raw.bid, "ask": raw.bid}) for raw in fakes.flat_history()
    ]
    algorithm, plugin, backend = make_plugin(answer, algorithm=algorithm)
    plugin.validate("SPY", Action.BUY, 0.7)
    return algorithm, plugin, backend


def shadow_stop(plugin):
    return plugin.desk.ledger.replays.open["SPY R735QTJ8XC9X"][0].trade


RAW, ADJUSTED = 0, 1


@pytest.mark.parametrize(("mode", "factor"), [(RAW, 0.5), (ADJUSTED, 1.0)], ids=["raw", "adjusted"])
def test_a_split_rescales_levels_prices_and_features_under_raw_prices(make_plugin, mode, factor):
    algorithm, plugin, _ = equity(make_plugin, mode)
    feed = plugin.desk.hub.get(algorithm.symbol)
    atr, close = feed.atr.value, feed.last.close
    stop = shadow_stop(plugin).stop.stop
    plugin.on_data(Events(splits=[SimpleNamespace(symbol=algorithm.symbol, type=1, split_factor=0.5)]))
    assert shadow_stop(plugin).stop.stop == pytest.approx(stop * factor)
    assert (feed.atr.value, feed.last.close) == (pytest.approx(atr * factor), pytest.approx(close * factor))
    assert feed.engine.scale == factor


def test_the_warning_before_a_split_changes_nothing(make_plugin):
    algorithm, plugin, _ = equity(make_plugin, RAW)
    before = shadow_stop(plugin).stop.stop
    plugin.on_data(Events(splits=[SimpleNamespace(symbol=algorithm.symbol, type=0, split_factor=0.5)]))
    assert shadow_stop(plugin).stop.stop == before


@pytest.mark.parametrize(("mode", "factor"), [(RAW, 0.99), (ADJUSTED, 1.0)], ids=["raw", "adjusted"])
def test_a_dividend_rescales_levels_under_raw_prices(make_plugin, mode, factor):
    algorithm, plugin, _ = equity(make_plugin, mode)
    stop = shadow_stop(plugin).stop.stop
    dividend = SimpleNamespace(symbol=algorithm.symbol, distribution=0.013, reference_price=1.3)
    plugin.on_data(Events(dividends=[dividend]))
    assert shadow_stop(plugin).stop.stop == pytest.approx(stop * factor)


def test_live_prices_are_raw_whatever_the_mode(make_plugin):
    algorithm, plugin, _ = equity(make_plugin, ADJUSTED)
    algorithm.live_mode = True
    stop = shadow_stop(plugin).stop.stop
    plugin.on_data(Events(splits=[SimpleNamespace(symbol=algorithm.symbol, type=1, split_factor=0.5)]))
    assert shadow_stop(plugin).stop.stop == pytest.approx(stop / 2)


def test_a_delisting_closes_the_shadow(make_plugin):
    algorithm, plugin, backend = equity(make_plugin, ADJUSTED)
    plugin.on_data(Events(delistings=[SimpleNamespace(symbol=algorithm.symbol, type=0)]))
    assert not backend.outcomes
    plugin.on_data(Events(delistings=[SimpleNamespace(symbol=algorithm.symbol, type=1)]))
    (shadow,) = [o for o in backend.outcomes if o.kind is OutcomeKind.SHADOW]
    assert shadow.exit_reason is ExitReason.DELISTED


def test_volume_features_of_a_quote_only_instrument_are_absent(make_plugin, real_features):
    algorithm, plugin, backend = make_plugin()
    algorithm.bar(1.2995, 1.3005, 1.3001)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    (request,) = backend.requests
    names = set(request.market.features)
    assert len(names) > 150
    assert not [name for name in names if name.startswith(("volume", "vwap"))]
    assert not any(math.isnan(value) for value in request.market.features.values())


def test_user_features_append_and_see_their_peers(make_plugin, monkeypatch):
    from llm_plugin.features import registry

    fresh = registry.FeatureRegistry()
    monkeypatch.setattr(registry, "_DEFAULT", fresh)
    seen = []

    def peer_gap(context):
        seen.extend(peer.end_utc <= context.time_utc for peer in context.peers.values())
        peer = context.peers.get("GBPUSD")
        return math.nan if peer is None else context.bar.close - peer.close

    fresh.register("peer_gap", peer_gap, "gap to GBPUSD")
    fresh.register("not_wanted", lambda c: 1.0, "registered, but not in features.user")
    config = {"validator": {"mode": "none"}, "features": {"user": ["peer_gap"]}}
    algorithm, plugin, backend = make_plugin(config=config)
    other = algorithm.add(fakes.FakeSymbol("GBPUSD", "GBPUSD 8G"))
    plugin.desk.hub.get(other)
    algorithm.bar(1.5, 1.52, 1.51, symbol=other)
    algorithm.bar(1.2995, 1.3005, 1.3001, hours=0)
    algorithm.bar(1.2995, 1.3005, 1.3001)
    plugin.validate("EURUSD", Action.BUY, 0.7)
    features = backend.requests[0].market.features
    assert features["peer_gap"] == pytest.approx(1.3002 - 1.5101)
    assert "not_wanted" not in features
    assert seen
    assert all(seen)  # while one feed is filled from history, the other one's last bar lies in its future


def test_a_user_feature_that_is_not_registered_is_refused(make_plugin):
    config = {"validator": {"mode": "none"}, "features": {"user": ["fed_days"]}}
    with pytest.raises(ConfigError, match="'fed_days', which is not registered"):
        make_plugin(config=config)
