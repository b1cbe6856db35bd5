"""Replay of many entries at once equals the replay one bar at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from llm_plugin.domain import Action, ExitPlan, ExitReason, PriceBar
from llm_plugin.errors import DataError
from llm_plugin.outcomes.batch import REASONS, BatchEntries, BatchOutcomes, replay_many
from llm_plugin.outcomes.costs import Costs
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.replay import EntryFill, ReplayEntry, ReplayTrade

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_US = 3_600_000_000


def random_bars(count: int, seed: int = 0, price: float = 1.2, step: float = 0.001) -> dict[str, np.ndarray]:
    """Hourly bars of a random walk with spread, gaps between bars and closed weekends."""
    rng = np.random.default_rng(seed)
    start = np.arange(count, dtype=np.int64) * HOUR_US
    start += (np.arange(count) // 120) * 48 * HOUR_US
    path = price + np.cumsum(rng.normal(0, step, count))
    open_ = path + rng.normal(0, step / 5, count)
    close = path + rng.normal(0, step, count)
    high = np.maximum(open_, close) + np.abs(rng.normal(0, step / 2, count))
    low = np.minimum(open_, close) - np.abs(rng.normal(0, step / 2, count))
    spread = np.abs(rng.normal(0, step / 10, count)) + step / 50
    mids = {"open": open_, "high": high, "low": low, "close": close}
    columns: dict[str, np.ndarray] = {"start_us": start, "end_us": start + HOUR_US}
    for name, values in mids.items():
        columns[f"bid_{name}"] = values - spread
        columns[f"ask_{name}"] = values + spread
    return columns


def bar_of(columns: dict[str, np.ndarray], i: int) -> PriceBar:
    """Return the i-th row as a bar."""
    times = (EPOCH + timedelta(microseconds=int(columns[name][i])) for name in ("start_us", "end_us"))
    sides = (float(columns[f"{side}_{n}"][i]) for side in ("bid", "ask") for n in ("open", "high", "low", "close"))
    return PriceBar(*times, *sides)


def some_entries(columns: dict[str, np.ndarray], count: int, seed: int = 1) -> BatchEntries:
    """Entries all over the bars, both sides, some without a target."""
    rng = np.random.default_rng(seed)
    bar = np.sort(rng.integers(0, len(columns["end_us"]), count))
    side = rng.choice([-1, 1], count)
    mid = ((columns["bid_close"] + columns["ask_close"]) / 2)[bar]
    distance = rng.uniform(0.001, 0.008, count)
    target = np.where(rng.random(count) < 0.2, np.nan, mid + side * distance * rng.uniform(0.5, 2.5, count))
    return BatchEntries(bar, side, mid - side * distance, target, None, rng.uniform(10, 5000, count))


CASES: dict[str, dict[str, Any]] = {
    "forex": {},
    "forex with slippage": {"costs": Costs(slippage_bps=0.7)},
    "forex next open": {"fill": EntryFill.NEXT_OPEN},
    "equity with fees": {"security_type": "equity", "costs": Costs(slippage_bps=1.0)},
    "equity next open": {"security_type": "equity", "fill": EntryFill.NEXT_OPEN, "costs": Costs(fee_bps=1.0)},
    "break-even": {"policy": ExitPolicy(break_even_at_r=0.5)},
    "trail": {"policy": ExitPolicy(trail_at_r=0.4, trail_distance_r=0.6)},
    "both": {"policy": ExitPolicy(break_even_at_r=0.3, trail_at_r=0.8, trail_distance_r=0.7)},
    "no barrier": {"timeout": None},
}


def one_by_one(columns: dict[str, np.ndarray], entries: BatchEntries, i: int, case: dict[str, Any]) -> ReplayTrade:
    """Replay the i-th entry with `ReplayTrade`."""
    at = int(entries.bar[i])
    decision_bar = bar_of(columns, at)
    target = None if np.isnan(entries.target[i]) else float(entries.target[i])
    assert entries.quantity is not None
    entry = ReplayEntry(
        decision_id=str(i),
        run_id="run",
        symbol_id="X",
        action=Action.BUY if entries.side[i] > 0 else Action.SELL,
        decided_utc=decision_bar.end_utc,
        reference_price=decision_bar.close,
        bid=decision_bar.bid_close,
        ask=decision_bar.ask_close,
        security_type=case.get("security_type", "forex"),
        quantity=float(entries.quantity[i]),
        fill=case.get("fill", EntryFill.QUOTE),
    )
    plan = ExitPlan(float(entries.stop[i]), target, case.get("timeout", timedelta(hours=30)))
    trade = ReplayTrade(entry, plan, case.get("policy"), case.get("costs"))
    for position in range(at + 1, len(columns["end_us"])):
        if trade.update(bar_of(columns, position)):
            break
    trade.end_of_data()
    return trade


@pytest.mark.parametrize("name", CASES)
def test_batch_equals_one_by_one(name: str) -> None:
    case = CASES[name]
    columns = random_bars(400)
    entries = some_entries(columns, 150)
    options = {"timeout": timedelta(hours=30)} | case
    batch = replay_many(columns, entries, **options)
    for i in range(len(entries.bar)):
        outcome = one_by_one(columns, entries, i, case).outcome()
        assert REASONS[batch.reason[i]] is outcome.exit_reason, i
        if outcome.exit_reason is not ExitReason.NOT_EXECUTED:
            assert batch.entry_price[i] == outcome.entry_price, i
            assert batch.exit_price[i] == outcome.exit_price, i
        assert EPOCH + timedelta(microseconds=int(batch.closed_us[i])) == outcome.closed_utc, i
        assert batch.bars_held[i] == outcome.bars_held, i
        for field in ("r_multiple", "pnl", "return_fraction", "mae_r", "mfe_r", "cost_r"):
            assert getattr(batch, field)[i] == pytest.approx(getattr(outcome, field), rel=1e-12, abs=1e-12), (i, field)
    assert len(set(batch.reason.tolist())) >= 3, "the case must cover several exits"


def test_label_never_depends_on_bars_after_its_close() -> None:
    columns = random_bars(400)
    entries = some_entries(columns, 200)
    whole = replay_many(columns, entries, timeout=timedelta(hours=30))
    cut = 250
    inside = entries.bar < cut
    part_entries = BatchEntries(entries.bar[inside], entries.side[inside], entries.stop[inside], entries.target[inside])
    part = replay_many({k: v[:cut] for k, v in columns.items()}, part_entries, timeout=timedelta(hours=30))
    known = part.matured
    assert known.sum() > 50
    np.testing.assert_array_equal(part.exit_bar[known], whole.exit_bar[inside][known])
    np.testing.assert_array_equal(part.exit_price[known], whole.exit_price[inside][known])


def _damage(columns: dict[str, np.ndarray], what: str) -> dict[str, np.ndarray]:
    damaged = {name: values.copy() for name, values in columns.items()}
    if what == "nan":
        damaged["bid_low"][7] = np.nan
    elif what == "order":
        damaged["start_us"][5] = 0
    elif what == "missing":
        del damaged["ask_open"]
    else:
        damaged["end_us"] = damaged["end_us"][:-1]
    return damaged


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "bid_low of bar 7"),
        ("order", "bar 5 starts before bar 4"),
        ("missing", "needs the columns ask_open"),
        ("length", "differ in length"),
    ],
)
def test_damaged_bars_are_refused_by_name(what: str, message: str) -> None:
    columns = random_bars(20)
    entries = some_entries(columns, 3)
    replay_many(columns, entries, timeout=None)
    with pytest.raises(DataError, match=message):
        replay_many(_damage(columns, what), entries, timeout=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bar": np.array([20])}, "names bar 20"),
        ({"side": np.array([0])}, "side of entry 0 is 0"),
        ({"stop": np.array([2.0])}, "stop .*2.0.* wrong side"),
        ({"stop": np.array([np.nan])}, "stop .*nan"),
        ({"target": np.array([0.5])}, "target .*0.5.* wrong side"),
    ],
)
def test_impossible_entries_are_refused_by_value(change: dict[str, np.ndarray], message: str) -> None:
    good = {"bar": np.array([3]), "side": np.array([1]), "stop": np.array([1.0]), "target": np.array([1.5])}
    columns = random_bars(20)
    assert isinstance(replay_many(columns, BatchEntries(**good), timeout=None), BatchOutcomes)
    with pytest.raises(DataError, match=message):
        replay_many(columns, BatchEntries(**(good | change)), timeout=None)
