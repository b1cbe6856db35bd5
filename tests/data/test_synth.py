"""Synthetic markets: reproducible, consistent with their own truth, and learnable exactly when a rule is planted."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.data.check import check_folder
from llm_plugin.data.lean_write import file_hashes
from llm_plugin.data.planted import CONTEXTS, SIGNALS, PlantedRule, PlantedSignal, planted_signal
from llm_plugin.data.synth import MANIFEST, SynthConfig, SynthManifest, load_manifest, write_market
from llm_plugin.data.synth_config import PROFILES
from llm_plugin.domain import PriceBar
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import EntryFill, ReplayEntry, ReplayTrade

Make = Callable[..., SynthManifest]
SMALL = 4_000
NO_RULES = ExitPolicy(break_even_at_r=None, trail_at_r=None)


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    @lru_cache(maxsize=32)
    def build(**settings: Any) -> SynthManifest:
        return write_market(tmp_path_factory.mktemp("synth") / "data", SynthConfig(**settings))

    return build


def _bars(manifest: SynthManifest) -> PriceBars:
    config = manifest.content["config"]
    return load_price_bars(
        manifest.folder,
        security_type=config["security_type"],
        market=manifest.content["market"],
        ticker=manifest.content["ticker"],
        resolution=config["resolution"],
    )


def _column(manifest: SynthManifest, name: str) -> np.ndarray:
    return np.array([row[name] for row in manifest.signals])


VARIANTS: list[dict[str, Any]] = [
    {"bars": SMALL},
    {"bars": SMALL, "profile": "low_win_rate_positive"},
    {"bars": SMALL, "profile": "high_win_rate_negative", "signal": "reversion"},
    {"bars": SMALL, "context": "volatility_trend", "shifts": (date(2007, 4, 1),)},
    {"bars": SMALL, "resolution": "minute"},
    {"bars": 2_000, "resolution": "second"},
    {"bars": 2_000, "resolution": "daily", "start": date(2000, 1, 1)},
    {"bars": SMALL, "security_type": "equity"},
    {"bars": SMALL, "security_type": "equity", "resolution": "minute"},
    {"bars": 2_000, "security_type": "equity", "resolution": "daily", "start": date(1999, 1, 1)},
]
IDS = [" ".join(str(value) for value in variant.values()) for variant in VARIANTS]


@pytest.mark.parametrize("variant", VARIANTS, ids=IDS)
def test_folder_passes_the_checker(make: Make, variant: dict[str, Any]) -> None:
    manifest = make(**variant)
    report = check_folder(manifest.folder)
    assert [str(finding) for finding in report.findings if finding.code != "unchecked"] == []
    assert len(_bars(manifest)) == variant["bars"]


@pytest.mark.parametrize("variant", VARIANTS, ids=IDS)
def test_signal_on_the_files_is_the_truth(make: Make, variant: dict[str, Any]) -> None:
    manifest = make(**variant)
    bars = _bars(manifest)
    events = planted_signal(bars, manifest.planted_rule)
    decided = [event for event in events if event.index + manifest.planted_rule.horizon < len(bars)]
    truth = manifest.signals
    assert len(decided) == len(truth) > 50
    for event, row in zip(decided, truth, strict=True):
        assert (event.index, event.side, event.context) == (row["index"], row["side"], row["context"])
        assert event.time_utc == datetime.fromisoformat(row["time_utc"])
        assert (event.exit.stop, event.exit.target) == pytest.approx((row["stop"], row["target"]), abs=1e-9)


def _replay(bars: PriceBars, index: int, event: Any, kind: str) -> tuple[float, int]:
    bar = bars.bar(index)
    entry = ReplayEntry(
        decision_id="d",
        run_id="r",
        symbol_id="s",
        ticker="T",
        action=event.action,
        decided_utc=bar.end_utc,
        reference_price=event.reference_price,
        bid=bar.bid_close,
        ask=bar.ask_close,
        quantity=1.0,
        security_type=kind,
        volatility_fraction=0.01,
        fill=EntryFill.QUOTE,
    )
    trade = ReplayTrade(entry, event.exit, NO_RULES, Costs(brokerage="none"))
    step = index
    while not trade.closed:
        step += 1
        trade.update(bars.bar(step), market_open=True)
    return trade.outcome().r_multiple, step


@pytest.mark.parametrize("variant", VARIANTS, ids=IDS)
def test_replay_of_the_plugin_finds_every_planned_outcome(make: Make, variant: dict[str, Any]) -> None:
    manifest = make(**variant)
    bars = _bars(manifest)
    events = {event.index: event for event in planted_signal(bars, manifest.planted_rule)}
    kind = manifest.content["config"]["security_type"]
    for row in manifest.signals[::3]:
        outcome, closed_at = _replay(bars, row["index"], events[row["index"]], kind)
        assert outcome == pytest.approx(row["r"], abs=1e-4)
        assert (outcome > 0) == row["win"]
        assert closed_at == row["exit_index"]


def test_trades_end_before_the_next_signal_and_the_timeout(make: Make) -> None:
    for variant in VARIANTS:
        manifest = make(**variant)
        index, ends = _column(manifest, "index"), _column(manifest, "exit_index")
        assert (ends[:-1] < index[1:]).all()
        bars = _bars(manifest)
        longest = (bars.end_us[ends] - bars.end_us[index]).max() / 3.6e9
        assert longest < manifest.content["exit"]["timeout_hours"]


def _tick_rows(folder: Path, kind: str) -> list[list[str]]:
    rows = []
    for path in sorted(folder.rglob(f"*_{kind}.zip")):
        with zipfile.ZipFile(path) as archive:
            rows += [line.split(",") for line in archive.read(archive.namelist()[0]).decode().splitlines()]
    return rows


@pytest.mark.parametrize("security_type", ["forex", "equity"])
def test_ticks_are_the_seconds_in_four_steps(make: Make, security_type: str) -> None:
    ticks = make(bars=1_500, security_type=security_type, resolution="tick")
    seconds = make(bars=1_500, security_type=security_type, resolution="second")
    assert ticks.content["signals"] == seconds.content["signals"]
    assert check_folder(ticks.folder).ok
    for kind in ("quote",) if security_type == "forex" else ("quote", "trade"):
        bars, rows = _tick_rows(seconds.folder, kind), _tick_rows(ticks.folder, kind)
        assert len(rows) == 4 * len(bars) == 6_000
        for index in range(0, 1_500, 7):
            four = rows[4 * index : 4 * index + 4]
            prices = [float(row[1]) for row in four]
            wanted = [prices[0], max(prices), min(prices), prices[3]]
            assert wanted == [float(value) for value in bars[index][1:5]]
            assert [int(row[0]) - int(bars[index][0]) for row in four] == [0, 250, 500, 750]


def test_same_settings_and_seed_give_the_same_bytes(tmp_path: Path) -> None:
    for variant in ({"bars": 1_500, "seed": 7}, {"bars": 1_500, "seed": 7, "security_type": "equity"}):
        first = write_market(tmp_path / f"a{len(variant)}", SynthConfig(**variant))  # type: ignore[arg-type]
        second = write_market(tmp_path / f"b{len(variant)}", SynthConfig(**variant))  # type: ignore[arg-type]
        assert file_hashes(first.folder) == file_hashes(second.folder)
        other = write_market(tmp_path / f"c{len(variant)}", replace(SynthConfig(**variant), seed=8))  # type: ignore[arg-type]
        assert first.files != other.files


def test_manifest_holds_the_hash_of_every_other_file(make: Make) -> None:
    manifest = make(bars=SMALL)
    hashes = file_hashes(manifest.folder)
    hashes.pop(MANIFEST)
    assert manifest.files == hashes
    assert load_manifest(manifest.folder).content == manifest.content


@pytest.mark.parametrize(
    ("profile", "wins", "expectancy"),
    [
        ("balanced", (0.40, 0.50), (0.0, 0.25)),
        ("low_win_rate_positive", (0.35, 0.45), (0.02, 0.30)),
        ("high_win_rate_negative", (0.70, 0.80), (-0.13, -0.01)),
    ],
)
@pytest.mark.parametrize("seed", [0, 1])
def test_profiles_are_what_they_say(
    make: Make, profile: str, wins: tuple[float, float], expectancy: tuple[float, float], seed: int
) -> None:
    realised = make(profile=profile, seed=seed).content["realised"]
    assert realised["first_half"]["signals"] > 1_400
    assert realised["second_half"]["signals"] > 700
    whole = realised["all"]
    assert wins[0] < whole["win_rate"] < wins[1]
    assert expectancy[0] < whole["expectancy_r"] < expectancy[1]
    assert whole["expectancy_good_r"] > 0 > whole["expectancy_bad_r"]
    assert whole["gain_of_knowing_r"] > 0.12
    assert whole["good_share"] == pytest.approx(PROFILES[profile].good_share, abs=0.06)


def test_the_traps_of_counting_wins_are_in_the_profiles(make: Make) -> None:
    low = make(profile="low_win_rate_positive", seed=0).content["realised"]["all"]
    assert low["win_rate_good"] < 0.52
    assert low["expectancy_good_r"] > 0.3
    high = make(profile="high_win_rate_negative", seed=0).content["realised"]["all"]
    assert high["win_rate_bad"] > 0.5
    assert high["expectancy_bad_r"] < -0.2


def _gain_of_learning(manifest: SynthManifest, feature: str) -> tuple[float, float]:
    """Learn the best cut of one figure on the first half; return the mean gain over approving all, and its error."""
    value, r = _column(manifest, feature), _column(manifest, "r")
    if feature == "hour_end_utc":
        value = abs(value - 12.0)
    elif feature != "volatility_ratio":
        value = (value - (50.0 if feature == "rsi" else 0.0)) * _column(manifest, "side")
    first = _column(manifest, "index") < manifest.content["bars"] // 2
    cuts = np.quantile(value[first], np.linspace(0.1, 0.9, 33))
    choices = [(sign, cut) for sign in (1, -1) for cut in cuts]
    score = [np.where(sign * (value[first] - cut) >= 0, r[first], 0.0).sum() for sign, cut in choices]
    sign, cut = choices[int(np.argmax(score))]
    gain = np.where(sign * (value[~first] - cut) >= 0, 0.0, -r[~first])
    return float(gain.mean()), float(gain.std() / math.sqrt(len(gain)))


@pytest.mark.parametrize("profile", list(PROFILES))
@pytest.mark.parametrize("seed", [0, 1])
def test_the_planted_rule_can_be_learned_from_the_first_half(make: Make, profile: str, seed: int) -> None:
    gain, error = _gain_of_learning(make(profile=profile, seed=seed), "volatility_ratio")
    assert gain - 1.96 * error > 0.05
    assert gain > 0.12


@pytest.mark.parametrize(
    ("context", "feature"), [("trend", "trend_strength"), ("rsi", "rsi"), ("hour", "hour_end_utc")]
)
def test_other_contexts_can_be_learned_too(make: Make, context: str, feature: str) -> None:
    gain, error = _gain_of_learning(make(context=context), feature)
    assert gain - 1.96 * error > 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_without_the_rule_there_is_nothing_to_learn(make: Make, seed: int) -> None:
    planted, none = make(seed=seed), make(seed=seed, rule=False)
    gain, error = _gain_of_learning(none, "volatility_ratio")
    assert gain < 1.96 * error
    with_rule, without = planted.content["realised"]["all"], none.content["realised"]["all"]
    assert without["win_rate"] == pytest.approx(with_rule["win_rate"], abs=0.04)
    assert without["win_rate_good"] == pytest.approx(without["win_rate_bad"], abs=0.06)


def test_contexts_change_places_at_each_shift(make: Make) -> None:
    shifts = (date(2009, 1, 1), date(2011, 1, 1))
    manifest = make(shifts=shifts)
    context, good = _column(manifest, "context"), _column(manifest, "good")
    win = _column(manifest, "win")
    year = np.array([int(time[:4]) for time in _column(manifest, "time_utc")])
    middle = (year >= 2009) & (year < 2011)
    assert (good[~middle] == context[~middle]).all()
    assert (good[middle] != context[middle]).all()
    for part, better in ((~middle, True), (middle, False)):
        assert (win[part & context].mean() > win[part & ~context].mean() + 0.2) == better


def test_the_context_is_a_feature_of_the_plugin(make: Make) -> None:
    from llm_plugin.features.catalog import market_feature_names
    from llm_plugin.features.reference import market_features

    manifest = make(bars=SMALL)
    table = market_features(_bars(manifest))[_column(manifest, "index")]
    names = list(market_feature_names())
    for mine, theirs in (("volatility_ratio", "atr_ratio_14_100"), ("rsi", "rsi_14")):
        assert table[:, names.index(theirs)] == pytest.approx(_column(manifest, mine), rel=0.02)


def test_signal_strength_can_be_set_and_keeps_the_win_rate(make: Make) -> None:
    strong = make(win_good=0.85).content["realised"]["all"]
    assert strong["win_rate_good"] == pytest.approx(0.85, abs=0.03)
    assert strong["win_rate_bad"] == pytest.approx(0.05, abs=0.03)


def test_prices_do_not_gap_and_spreads_are_costs(make: Make) -> None:
    bars = _bars(make(bars=SMALL))
    assert (bars.bid_open[1:] == bars.bid_close[:-1]).all()
    assert (bars.ask_close > bars.bid_close).all()
    assert 0.5e-4 < float((bars.ask_close - bars.bid_close).mean() / bars.close.mean()) < 1.2e-4


@settings(max_examples=15, deadline=None)
@given(cut=st.integers(500, 1_999))
def test_events_do_not_depend_on_later_bars(make: Make, cut: int) -> None:
    bars = _bars(make(bars=2_000))
    whole = [event for event in planted_signal(bars) if event.index < cut]
    assert planted_signal(bars.take(slice(0, cut))) == whole


def test_a_run_that_starts_later_sees_the_same_signals(make: Make) -> None:
    bars = _bars(make(bars=2_000))
    signal = PlantedSignal.after(bars.take(slice(0, 1_234)))
    later = [event for bar in bars.take(slice(1_234, None)) if (event := signal.update(bar)) is not None]
    assert later == [event for event in planted_signal(bars) if event.index >= 1_234]
    assert len(later) > 30


def test_the_signal_is_silent_for_its_horizon_and_the_warm_up(make: Make) -> None:
    events = planted_signal(_bars(make(bars=SMALL)))
    index = np.array([event.index for event in events])
    assert index[0] >= PlantedRule().warmup_bars
    assert (np.diff(index) > PlantedRule().horizon).all()


def test_a_breakout_is_a_close_beyond_the_range() -> None:
    rule = PlantedRule(warmup_bars=100)

    def bar(step: int, close: float) -> PriceBar:
        end = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=step)
        low, high = min(1.0, close) - 0.001, max(1.0, close) + 0.001
        return PriceBar(end - timedelta(hours=1), end, 1.0, high, low, close, 1.0, high, low, close)

    for close, side in ((1.0005, 0), (1.001, 0), (1.0011, 1), (0.9989, -1)):
        for name, sign in (("breakout", 1), ("reversion", -1)):
            signal = PlantedSignal(replace(rule, signal=name))
            assert [signal.update(bar(step, 1.0)) for step in range(150)] == [None] * 150
            event = signal.update(bar(150, close))
            assert (0 if event is None else event.side) == side * sign
            if event is not None:
                assert event.exit.target is not None
                assert event.side * (event.reference_price - event.exit.stop) > 0
                assert event.side * (event.exit.target - event.reference_price) > 0


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"profile": "balance"}, r"'balance' \(did you mean 'balanced'\?\)"),
        ({"resolution": "hours"}, r"'hours' \(did you mean 'hour'\?\); known: tick, second, minute, hour, daily"),
        ({"context": "moon"}, "context is 'moon'"),
        ({"signal": "cross"}, "signal is 'cross'"),
        ({"bars": 10}, "bars is 10: give 1000"),
        ({"seed": -1}, "seed is -1"),
        ({"win_good": 0.99}, r"win_good is 0.99: balanced allows 0.450 to 0.900"),
        ({"win_good": 0.3}, r"win_good is 0.3: balanced allows"),
        ({"spread_fraction": 0.5}, "spread_fraction is 0.5"),
        ({"volatility_fraction": 0.0}, "volatility_fraction is 0.0"),
        ({"start": "2007-01-01", "shifts": ["2006-01-01"]}, "2006-01-01.*must come after the start 2007-01-01"),
        ({"start": "1.1.2007"}, "write dates as YYYY-MM-DD"),
        ({"baars": 5}, r"'baars' is no setting.*did you mean 'bars'"),
        ({"context": "volatility_trend", "profile": "low_win_rate_positive"}, "volatility_trend.*needs another"),
    ],
)
def test_impossible_settings_are_named(values: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        SynthConfig.from_mapping(values)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        SynthConfig(bars=1, seed=-1, profile="x")
    assert len(caught.value.problems) == 3


def test_a_folder_in_use_is_refused(make: Make) -> None:
    with pytest.raises(DataError, match="is not empty"):
        write_market(make(bars=SMALL).folder)


def test_a_spread_that_eats_the_trade_is_refused(tmp_path: Path) -> None:
    config = SynthConfig(
        bars=1_000, profile="high_win_rate_negative", spread_fraction=0.001, volatility_fraction=0.0004
    )
    with pytest.raises(DataError, match=r"no path with outcome|are not what a replay finds"):
        write_market(tmp_path / "wide", config)


@pytest.mark.parametrize(
    ("content", "match"), [("{", "synth.json"), ("[]", "schema version None"), ('{"schema_version": "0"}', "'0'")]
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: str, match: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(DataError, match=match):
        load_manifest(tmp_path)


def test_manifest_explains_itself(make: Make) -> None:
    for context in CONTEXTS:
        content = make(bars=2_000, context=context).content
        assert CONTEXTS[context] in content["rule"]["good_context"]
        assert content["rule"]["signal"] in SIGNALS.values()
        assert json.loads(json.dumps(content)) == content
