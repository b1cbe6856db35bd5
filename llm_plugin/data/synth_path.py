"""The price path of a planted market.

Between signals the price is a random walk with changing volatility and drift. When the base signal fires, an outcome
is drawn from the context's win rate, and random continuations are sampled until one of them has that outcome under
the plan's stop and target; its bars up to the exit are appended, and the walk goes on. So outcomes arise from the path
itself, and any replay that follows the quotes finds them again.

Prices are whole steps (points) of the bid; the ask is the bid plus the bar's spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from llm_plugin.data.planted import PlantedEvent, PlantedSignal
from llm_plugin.data.synth_calendar import BarTimes
from llm_plugin.data.synth_config import SynthConfig
from llm_plugin.errors import DataError

__all__ = ["PlannedTrade", "PlantedPath", "generate_path"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_SUBSTEPS = 6
_CANDIDATES = 48
_ATTEMPTS = 60
# By how much a target is passed and a stop is missed, so that a replay with slightly other fills agrees.
_MARGIN_R = 0.05
_OVERSHOOT_R = 0.1  # how far behind the stop the stop bar may close: LEAN's forex fill model fills there
_REVERSION_BARS = 4_000.0
_STREAM_MARKET, _STREAM_OUTCOME, _STREAM_TRADE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class PlannedTrade:
    """Ground truth of one signal."""

    event: PlantedEvent
    good: bool
    win: bool
    exit_index: int


@dataclass(frozen=True, slots=True)
class PlantedPath:
    """Bid points (open, high, low, close) of shape [bars, 4], the spread of each bar in points, and the truth."""

    bid: Ints
    spread: Ints
    trades: tuple[PlannedTrade, ...]


@dataclass(frozen=True, slots=True)
class _Environment:
    """Everything that is drawn before the walk starts; one entry per bar."""

    sigma: Floats
    drift: Floats
    spread: Ints
    noise: Floats


def _switching(rng: np.random.Generator, bars: int, mean_length: float, states: Floats) -> Floats:
    """Return a piecewise constant series with exponential lengths that never repeats a state."""
    values = np.empty(bars)
    position, state = 0, int(rng.integers(len(states)))
    while position < bars:
        length = 1 + int(rng.exponential(mean_length))
        values[position : position + length] = states[state]
        position += length
        state = (state + 1 + int(rng.integers(len(states) - 1))) % len(states)
    return values


def _environment(config: SynthConfig, horizon: int) -> _Environment:
    rng = np.random.default_rng([config.seed, _STREAM_MARKET])
    bars = config.bars + horizon
    regime = _switching(rng, bars, 60.0, np.array([1.0, 1.9]))
    sigma = config.bar_volatility * regime * np.exp(0.15 * rng.standard_normal(bars))
    drift = _switching(rng, bars, 120.0, np.array([-0.08, 0.0, 0.08])) * config.bar_volatility
    points = config.spread_fraction * config.first_price / config.price_increment
    if config.security_type == "equity" and config.resolution in ("hour", "daily"):
        points = 0.0  # LEAN has trades only at these resolutions
    usual = round(points)
    spread = rng.integers(max(0, usual - 1), usual + 2, size=bars) if points > 0 else np.zeros(bars, dtype=np.int64)
    noise = rng.standard_normal((bars, _SUBSTEPS))
    return _Environment(sigma, drift, spread.astype(np.int64), noise)


def _bars(open_points: int, steps: Floats) -> Ints:
    """Turn steps [..., bars, substeps] (points) into bid bars [..., bars, 4] without gaps between bars."""
    walk = open_points + np.cumsum(steps.reshape(*steps.shape[:-2], -1), axis=-1)
    walk = np.rint(walk.reshape(steps.shape)).astype(np.int64)
    close = walk[..., -1]
    first = np.full((*close.shape[:-1], 1), open_points, dtype=np.int64)
    opened = np.concatenate([first, close[..., :-1]], axis=-1)
    high = np.maximum(opened, walk.max(axis=-1))
    low = np.minimum(opened, walk.min(axis=-1))
    return np.stack([opened, high, low, close], axis=-1)


class _Walk:
    """The walk so far, and how it goes on."""

    def __init__(self, config: SynthConfig, times: BarTimes) -> None:
        self.config, self.times = config, times
        self.rule = config.planted_rule()
        self.environment = _environment(config, self.rule.horizon)
        self.signal = PlantedSignal(self.rule)
        self.outcomes = np.random.default_rng([config.seed, _STREAM_OUTCOME])
        self.bid = np.zeros((config.bars, 4), dtype=np.int64)
        self.first = round(config.first_price / config.price_increment)
        self.last = self.first
        self.scale = 1 / config.price_increment
        self.shifts = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in config.shifts]

    def price(self, points: int, spread: int) -> float:
        """Mid price exactly as a reader of the file computes it."""
        bid, ask = points / round(self.scale), (points + spread) / round(self.scale)
        return (bid + ask) / 2

    def natural_bar(self, index: int) -> None:
        """Append one bar of the random walk."""
        environment = self.environment
        pull = math.log(self.first / self.last) / _REVERSION_BARS
        step = environment.sigma[index] / math.sqrt(_SUBSTEPS) * environment.noise[index]
        step = self.last * (step + (environment.drift[index] + pull) / _SUBSTEPS)
        points, high, low = float(self.last), self.last, self.last
        for part in step.tolist():
            points += part
            whole = round(points)
            high, low = max(high, whole), min(low, whole)
        self.append(index, (self.last, high, low, whole))

    def append(self, index: int, bar: tuple[int, int, int, int]) -> None:
        """Store a bar."""
        if bar[2] <= 0:
            raise DataError(
                f"the price fell to {bar[2]} points at bar {index}: give a higher start price or less volatility"
            )
        self.bid[index] = bar
        self.last = bar[3]

    def observe(self, index: int) -> PlantedEvent | None:
        """Feed the bar to the signal."""
        _, high, low, close = self.bid[index].tolist()
        spread = int(self.environment.spread[index])
        side = self.signal.step(self.price(high, spread), self.price(low, spread), self.price(close, spread))
        if not side:
            return None
        end = datetime.fromtimestamp(int(self.times.end_utc_us[index]) / 1e6, UTC)
        return self.signal.event(side, end)

    def draw(self, event: PlantedEvent) -> tuple[bool, bool]:
        """Return whether the context is good at this time, and the outcome drawn for it."""
        flips = sum(event.time_utc >= shift for shift in self.shifts)
        good = event.context != bool(flips % 2)
        win_good, win_bad = self.config.win_rates
        chance = self.config.win_all if not self.config.rule else win_good if good else win_bad
        return good, bool(self.outcomes.random() < chance)

    def steer(self, event: PlantedEvent, win: bool) -> int:
        """Append the bars of a continuation with this outcome; return the index of its exit bar."""
        rng = np.random.default_rng([self.config.seed, _STREAM_TRADE, event.index])
        window = slice(event.index + 1, event.index + 1 + self.rule.horizon)
        environment = self.environment
        sigma, drift = environment.sigma[window, None], environment.drift[window, None]
        spread = environment.spread[window]
        toward = event.side if win else -event.side
        for attempt in range(_ATTEMPTS):
            noise = rng.standard_normal((_CANDIDATES, self.rule.horizon, _SUBSTEPS))
            tilt = drift + toward * 0.08 * attempt * sigma
            bars = _bars(self.last, self.last * (sigma * noise / math.sqrt(_SUBSTEPS) + tilt / _SUBSTEPS))
            found = _first_match(bars, spread, event, win, self.scale)
            if found is not None:
                candidate, length = found
                for offset in range(length):
                    opened, high, low, close = bars[candidate, offset].tolist()
                    self.append(event.index + 1 + offset, (opened, high, low, close))
                return event.index + length
        raise DataError(
            f"no path with outcome {'win' if win else 'loss'} found after bar {event.index}: "
            f"stop {event.exit.stop}, target {event.exit.target}; use less spread or more volatility"
        )


def _first_match(bars: Ints, spread: Ints, event: PlantedEvent, win: bool, scale: float) -> tuple[int, int] | None:
    """Return (candidate, bars to the exit) of the first candidate with the outcome, clear of both levels otherwise."""
    if event.exit.target is None:
        raise DataError("a planted trade needs a target")
    side, reference = event.side, event.reference_price * scale
    prices = bars if side > 0 else bars + spread[None, :, None]  # a long leaves at the bid, a short at the ask
    best, worst = (1, 2) if side > 0 else (2, 1)
    gain = side * (prices[..., best] - reference)
    pain = side * (prices[..., worst] - reference)
    closing = side * (prices[..., 3] - reference)
    risk = side * (reference - event.exit.stop * scale)
    reward = side * (event.exit.target * scale - reference)
    margin = _MARGIN_R * risk
    touches_target, passes_target = gain > reward - margin, gain > reward + margin
    touches_stop, passes_stop = pain < -risk + margin, pain < -risk - margin
    exits = touches_target | touches_stop
    first = exits.argmax(axis=1)
    rows = np.arange(len(bars))
    if win:
        fits = passes_target & ~touches_stop
    else:
        fits = passes_stop & ~touches_target & (closing >= -risk * (1 + _OVERSHOOT_R))
    matches = np.flatnonzero(exits.any(axis=1) & fits[rows, first])
    if not len(matches):
        return None
    candidate = int(matches[0])
    return candidate, int(first[candidate]) + 1


def generate_path(config: SynthConfig, times: BarTimes) -> PlantedPath:
    """Walk through all bars; signals too close to the end to be decided are not part of the truth."""
    walk = _Walk(config, times)
    trades: list[PlannedTrade] = []
    steered_until = -1
    for index in range(config.bars):
        if index > steered_until:
            walk.natural_bar(index)
        event = walk.observe(index)
        if event is not None and index + walk.rule.horizon < config.bars:
            good, win = walk.draw(event)
            steered_until = walk.steer(event, win)
            trades.append(PlannedTrade(event, good, win, steered_until))
    return PlantedPath(walk.bid, walk.environment.spread[: config.bars], tuple(trades))
