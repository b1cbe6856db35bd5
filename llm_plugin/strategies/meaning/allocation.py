"""The witness of portfolios that are set anew at stated times: when, what and how much."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np

from llm_plugin.strategies.meaning.ledger import is_resting, to_us
from llm_plugin.strategies.meaning.scene import Scene
from llm_plugin.strategies.meaning.signals import Counts
from llm_plugin.strategies.meaning.sizes import volatility_shares
from llm_plugin.strategies.requirements import Rebalance

__all__ = ["AllocationWitness", "period_starts"]

Share: TypeAlias = tuple[float, float]
Shares: TypeAlias = dict[str, Share]
_NOTHING: Share = (0.0, 0.0)
_DUST = 0.01
_WEIGHT_RELATIVE = 0.1
_WEIGHT_ABSOLUTE = 0.025
_MOST_OPTIONS = 16
_RESIZED = 0.25
_ACTIVE = 0.2


def _key(every: str) -> Callable[[datetime], object]:
    keys: dict[str, Callable[[datetime], object]] = {
        "day": lambda moment: moment.date(),
        "week": lambda moment: moment.isocalendar()[:2],
        "month": lambda moment: (moment.year, moment.month),
        "quarter": lambda moment: (moment.year, (moment.month - 1) // 3),
        "year": lambda moment: moment.year,
    }
    return keys[every]


def period_starts(moments: tuple[datetime, ...], first: int, rebalance: Rebalance) -> list[int]:
    """Return the first bar of each period of the run; for `bars`, every so many bars from the first."""
    if rebalance.every == "bars":
        return list(range(first, len(moments), int(rebalance.bars or 1)))
    key = _key(rebalance.every)
    return [at for at in range(max(first, 1), len(moments)) if key(moments[at]) != key(moments[at - 1])]


@dataclass(frozen=True)
class _Window:
    """From when to when orders belong to a rebalance; `known`: bars whose close may have been the last one known."""

    begin_us: int
    end_us: int
    known: tuple[int, ...]
    bar: int
    optional: bool = False


class AllocationWitness:
    """A portfolio's run against its schedule.

    Args:
        scene: The run and its requirements.
        at: "start" or "end": where in the period the portfolio is set.
    """

    def __init__(self, scene: Scene, at: str) -> None:
        self.scene, self.at = scene, at
        self.wanted = scene.wanted
        self.lead = scene.bars[scene.wanted.symbols[0]]
        self.counts: dict[str, Counts] = {}
        self.windows = self._windows()

    def count(self, name: str) -> Counts:
        """Return the counts of one kind of check."""
        return self.counts.setdefault(name, Counts())

    def look(self) -> None:
        """Check the times of all orders, and the portfolio after each rebalance."""
        self._times()
        for number, window in enumerate(self.windows):
            self._portfolio(number, window)

    # Times.
    def _windows(self) -> list[_Window]:
        rebalance, lead = self.wanted.rebalance, self.lead
        if rebalance is None:
            return []
        if rebalance.every == "bars":
            starts = self._spaced(rebalance)
        else:
            starts = period_starts(lead.local_ends, lead.first, rebalance)
        per_bar = rebalance.every == "bars" or (rebalance.every == "day" and self.wanted.resolution == "daily")
        windows = [self._window(max(lead.first - 1, 0), lead.first + 1, lead.first, optional=True)]
        for at in starts:
            if per_bar:
                begin, end, bar = at, at + 1, at
            elif self.at == "start":
                begin, end, bar = at - 1, at + 1, at
            else:
                begin, end, bar = at - 2, at, at - 1
            if begin < 0 or bar >= len(lead) - 1:
                continue
            windows.append(self._window(begin, end, bar))
        return windows

    def _window(self, begin: int, end: int, bar: int, *, optional: bool = False) -> _Window:
        ends = self.lead.ends_us
        until = int(ends[end]) if end < len(ends) else int(ends[-1]) + 10**12
        return _Window(int(ends[begin]), until, tuple(range(begin, end)), bar, optional)

    def _spaced(self, rebalance: Rebalance) -> list[int]:
        """Return the bars of every so many bars, counted from the first order."""
        placed = sorted(self.lead.index_at(to_us(order.created_utc)) for order in self.scene.run.orders)
        begin = placed[0] if placed and placed[0] >= 0 else self.lead.first
        return list(range(begin, len(self.lead), int(rebalance.bars or 1)))

    def _times(self) -> None:
        counts, rebalance = self.count("rebalance"), self.wanted.rebalance
        last = int(self.lead.ends_us[-2])
        # Models of the framework keep shares where they were between rebalances: that is no new decision. Where nothing
        # happens at the rebalances themselves, it is one.
        kept = self._active_windows() >= _ACTIVE
        leaves = bool(self.wanted.exit) or self.wanted.stop is not None or self.wanted.target is not None
        for order in self.scene.run.orders:
            moment = to_us(order.created_utc)
            if moment >= last or is_resting(order) or order.symbol not in self.scene.bars:
                continue
            counts.seen += 1
            if any(window.begin_us <= moment < window.end_us for window in self.windows):
                continue
            before = self.scene.account.held(order.symbol, moment)
            closes = before * order.quantity < 0
            if kept and before and abs(order.quantity) <= _RESIZED * abs(before):
                continue
            if (leaves and closes) or self._first_possible(moment) or rebalance is None:
                continue
            where = (
                f"every {rebalance.bars} bars"
                if rebalance.every == "bars"
                else f"the {self.at} of each {rebalance.every}"
            )
            counts.fail(
                "rebalance",
                f"{order.symbol}: an order of {order.quantity:g} was sent at {order.created_utc:%Y-%m-%d %H:%M} UTC; "
                f"orders are expected only at {where} (last one before: {self._before(moment)})",
                symbol=order.symbol,
                utc=order.created_utc.isoformat(),
            )

    def _active_windows(self) -> float:
        """Return the share of rebalances with an order."""
        due = [window for window in self.windows if not window.optional]
        moments = [to_us(order.created_utc) for order in self.scene.run.orders]
        active = sum(any(window.begin_us <= moment < window.end_us for moment in moments) for window in due)
        return active / len(due) if due else 0.0

    def _first_possible(self, moment: int) -> bool:
        """Whether the order belongs to the very first rebalance, once everything was known."""
        first = min((to_us(order.created_utc) for order in self.scene.run.orders), default=moment)
        return moment <= first + 10

    def _before(self, moment: int) -> str:
        earlier = [window for window in self.windows if window.begin_us <= moment]
        return self.scene.when(self.wanted.symbols[0], earlier[-1].bar) if earlier else "none"

    # What is held.
    def _portfolio(self, number: int, window: _Window) -> None:
        later = [other.begin_us for other in self.windows[number + 1 :] if other.begin_us > window.begin_us]
        settled = self._settled(window)
        if settled is None or (later and settled > later[0] and self.at == "end"):
            return
        if window.optional and not self._held(settled):
            return
        found = [self._expected(at) for at in self._decided(window)]
        expected = [weights for weights in found if weights is not None]
        if not expected:
            return
        counts = self.count("ranking" if self.wanted.ranking is not None else "weights")
        counts.seen += 1
        problems = [self._differences(weights, window, settled) for weights in expected]
        best = min(problems, key=len)
        if not best:
            return
        if not self._held(settled) and not self._ordered_before(settled):
            counts.seen -= 1  # not begun yet: warming up
            return
        name = "ranking" if self.wanted.ranking is not None else "weights"
        counts.fail(
            name,
            f"after the rebalance of {self.scene.when(self.wanted.symbols[0], window.bar)}: {'; '.join(best)}"
            f"{self._ranks(window.known[-1])}",
            bar=self.scene.when(self.wanted.symbols[0], window.bar),
        )

    def _decided(self, window: _Window) -> tuple[int, ...]:
        """Return the bars that the window's orders may have looked at; without orders, all that were known in it."""
        moments = [to_us(order.created_utc) for order in self.scene.run.orders]
        mine = {self.lead.index_at(moment) for moment in moments if window.begin_us <= moment < window.end_us}
        return tuple(sorted(mine)) or window.known

    def _ordered_before(self, moment: int) -> bool:
        return any(to_us(order.created_utc) <= moment for order in self.scene.run.orders)

    def _settled(self, window: _Window) -> int | None:
        """Return when the window's orders were filled; with none, the end of the window."""
        mine = [o for o in self.scene.run.orders if window.begin_us <= to_us(o.created_utc) < window.end_us]
        times = [to_us(fill.utc) for order in mine for fill in order.fills]
        at = self.lead.index_at(max(times, default=window.end_us))
        if at >= len(self.lead) - 1:
            return None
        return max(times, default=window.end_us)

    def _held(self, moment: int) -> dict[str, float]:
        account = self.scene.account
        return {symbol: account.held(symbol, moment) for symbol in account.symbols if account.held(symbol, moment)}

    def _expected(self, at: int) -> list[Shares] | None:
        """Return the fair portfolios as of a bar, as weights; None where they are not known."""
        if at < 0:
            return None
        chosen = self._chosen_by_rank(at) if self.wanted.ranking is not None else self._chosen_by_weight(at)
        return chosen or None

    def _place(self, symbol: str, at: int) -> int:
        return self.scene.bars[symbol].index_at(int(self.lead.ends_us[at]))

    def _passes(self, symbol: str, at: int, side: int) -> tuple[bool, ...]:
        """Return the fair answers of the entry condition: one, or both where it hangs by a rounding or a warm-up."""
        text = self.wanted.entry.side(side)
        if text is None:
            return (True,)
        truth = self.scene.evaluator(symbol).condition(text, warm=self.scene.warm)
        place = self._place(symbol, at)
        if place < 0 or not truth.possible[place]:
            return (False,)
        return (True,) if truth.certain[place] else (True, False)

    def _chosen_by_weight(self, at: int) -> list[Shares]:
        wanted = self.wanted
        options: list[list[Share]] = []
        for symbol in wanted.symbols:
            fair: set[Share] = set()
            share = self._share(symbol, at)
            if wanted.weights is None:
                sides = [side for side in wanted.sides if wanted.entry.side(side) is not None]
            else:
                sides = [1 if wanted.weights.get(symbol, 0.0) >= 0 else -1]
            answers = [[(side, passed) for passed in self._passes(symbol, at, side)] for side in sides]
            for combination in itertools.product(*answers):
                held = [side for side, passed in combination if passed]
                fair.add(_signed(share, held[0]) if held else _NOTHING)
            options.append(sorted(fair))
        combined = itertools.islice(itertools.product(*options), _MOST_OPTIONS)
        return [dict(zip(wanted.symbols, weights, strict=True)) for weights in combined]

    def _values(self, at: int) -> list[dict[str, float]]:
        ranking = self.wanted.ranking
        if ranking is None:
            return []
        series = {
            symbol: self.scene.evaluator(symbol).values(ranking.by, warm=self.scene.warm)
            for symbol in self.wanted.symbols
        }
        ways = len(next(iter(series.values())))
        found = []
        for way in range(ways):
            row = {}
            for symbol, variants in series.items():
                place = self._place(symbol, at)
                value = float(variants[way][place]) if place >= 0 else float("nan")
                if not np.isnan(value):
                    row[symbol] = value
            found.append(row)
        return found

    def _chosen_by_rank(self, at: int) -> list[Shares]:
        ranking = self.wanted.ranking
        found: list[Shares] = []
        for values in self._values(at):
            if ranking is None or len(values) < ranking.top + ranking.bottom:
                continue
            for ordered in _orders_of(values):
                picked = [(s, 1, ranking.top) for s in ordered[: ranking.top]]
                picked += [(s, -1, ranking.bottom) for s in (ordered[-ranking.bottom :] if ranking.bottom else [])]
                answers = [self._passes(symbol, at, side) for symbol, side, _ in picked]
                for passed in itertools.islice(itertools.product(*answers), _MOST_OPTIONS):
                    weights = dict.fromkeys(self.wanted.symbols, _NOTHING)
                    for (symbol, side, count), holds in zip(picked, passed, strict=True):
                        weights[symbol] = _signed(self._share(symbol, at, count), side) if holds else _NOTHING
                    if weights not in found:
                        found.append(weights)
        return found

    def _share(self, symbol: str, at: int, count: int = 0) -> Share:
        """Return the smallest and the largest fair share of equity of a symbol that is held."""
        wanted, size = self.wanted, self.wanted.size
        if wanted.weights is not None:
            share = abs(wanted.weights.get(symbol, 0.0))
            return share, share
        if size is None:
            return (1.0 / count, 1.0 / count) if count else (1.0 / len(wanted.symbols), 1.0)
        if size.kind == "volatility_target":
            return volatility_shares(size, self._place(symbol, at), self.scene.evaluator(symbol)) or (0.0, 10.0)
        # Shares and cash are seen in the orders.
        return (size.value, size.value) if size.kind == "fraction" else (0.0, 10.0)

    def _differences(self, options: list[Shares], window: _Window, settled: int) -> list[str]:
        return min((self._difference(weights, window, settled) for weights in options), key=len)

    def _difference(self, weights: Shares, window: _Window, settled: int) -> list[str]:
        account = self.scene.account
        equity = account.equity(settled)
        problems = []
        strict = self.wanted.size is not None or self.wanted.weights is not None
        for symbol, (low, high) in weights.items():
            held = account.value(symbol, settled) / equity if equity > 0 else 0.0
            text = f"{low:.1%}" if high - low < 0.005 else f"{low:.1%} to {high:.1%}"
            slack = max(_WEIGHT_ABSOLUTE, _WEIGHT_RELATIVE * max(abs(low), abs(high)))
            wrong_side = held * (low + high) < 0 or (abs(held) > _DUST) != ((low, high) != _NOTHING)
            if wrong_side or (strict and not low - slack <= held <= high + slack):
                problems.append(f"{symbol} has {held:.1%} of the equity, {text} is expected")
            elif (low, high) != _NOTHING:
                problems += self._traded(symbol, window)
        return problems

    def _traded(self, symbol: str, window: _Window) -> list[str]:
        """Check the orders of a rebalance where the size is an amount: of the order, or of what is held after it."""
        size = self.wanted.size
        if size is None or size.kind not in ("shares", "cash"):
            return []
        problems = []
        for order in self.scene.orders(symbol):
            if not order.fills or not window.begin_us <= to_us(order.created_utc) < window.end_us:
                continue
            price, after = order.fills[0].price, self.scene.account.held(symbol, to_us(order.fills[-1].utc))
            wanted = size.value if size.kind == "shares" else size.value / price
            if all(abs(abs(seen) - wanted) > max(0.05 * wanted, 1.0) for seen in (order.quantity, after)) and after:
                problems.append(f"{symbol} was traded by {order.quantity:g} at {price:.6g}; {wanted:.1f} is expected")
        return problems

    def _ranks(self, at: int) -> str:
        ranking = self.wanted.ranking
        values = self._values(at)
        if ranking is None or not values or not values[0]:
            return ""
        shown = sorted(values[0].items(), key=lambda item: -item[1])
        return f" ({ranking.by}: {', '.join(f'{symbol} {value:.4g}' for symbol, value in shown)})"


def _signed(share: Share, side: int) -> Share:
    return share if side > 0 else (-share[1], -share[0])


def _orders_of(values: dict[str, float]) -> list[list[str]]:
    """Return the symbols from best to worst; near ties in both orders."""
    ordered = sorted(values, key=lambda symbol: -values[symbol])
    found = [ordered]
    for at in range(len(ordered) - 1):
        first, second = values[ordered[at]], values[ordered[at + 1]]
        if abs(first - second) <= 1e-6 * max(abs(first), abs(second), 1e-12):
            found.append([*ordered[:at], ordered[at + 1], ordered[at], *ordered[at + 2 :]])
    return found
