"""The witness of entries and exits: each order against the stated conditions, and each condition against the orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llm_plugin.strategies.conditions.evaluate import Evaluator
from llm_plugin.strategies.conditions.truth import Truth
from llm_plugin.strategies.meaning.ledger import Spell, is_resting, to_us
from llm_plugin.strategies.meaning.levels import Levels, levels_of, protective_orders
from llm_plugin.strategies.meaning.scene import Scene
from llm_plugin.strategies.meaning.sizes import fair_quantities
from llm_plugin.strategies.requirements import Rules, Size, Stop
from llm_plugin.strategies.trusted_run import Finding, TrustedOrder

__all__ = ["Counts", "SymbolWitness"]

Bools = NDArray[np.bool_]
_SIZE_TOLERANCE = 0.06
_LOTS = {"equity": 1.0, "forex": 1000.0}
_OFFSETS = (0, 1, -1)
_SIDE = {1: "long", -1: "short"}


@dataclass
class Counts:
    """How often a requirement was seen to hold, and each time it did not."""

    seen: int = 0
    failures: list[Finding] = field(default_factory=list)

    def fail(self, requirement: str, reason: str, **evidence: object) -> None:
        """Note one failure."""
        self.failures.append(Finding(requirement, reason, evidence))


class SymbolWitness:
    """One symbol's run against its conditions.

    Args:
        scene: The run and its requirements.
        symbol: The symbol.
        entry: Its entry conditions; for a leg of a pair those of the leg.
        exit: Its exit conditions.
        share: The leg's part of the size.
    """

    def __init__(self, scene: Scene, symbol: str, entry: Rules, exit: Rules, share: float = 1.0) -> None:
        self.scene, self.symbol, self.share = scene, symbol, share
        self.entry, self.exit = entry, exit
        self.evaluator: Evaluator = scene.evaluator(symbol)
        self.bars = self.evaluator.bars
        self.orders = scene.orders(symbol)
        self.spells = scene.spells(symbol)
        self.counts: dict[str, Counts] = {}
        self._entry_truth = {side: self._truth(entry.side(side)) for side in (1, -1)}
        self._levels: dict[tuple[int, str], Levels | None] = {}

    def count(self, name: str) -> Counts:
        """Return the counts of one kind of check."""
        return self.counts.setdefault(name, Counts())

    def _truth(self, text: str | None) -> Truth | None:
        return self.evaluator.condition(text, warm=self.scene.warm) if text is not None else None

    def look(self) -> None:
        """Check all entries, exits, sizes, and what should have happened and did not."""
        for number, spell in enumerate(self.spells):
            self._entry_of(spell)
            self._size_of(spell)
            self._exit_of(number, spell)
            self._lateness(number, spell)
        self._protective_orders()
        self._missed_entries()

    # Entries.
    def _entry_of(self, spell: Spell) -> None:
        counts, truth = self.count("entry"), self._entry_truth[spell.direction]
        if truth is None:
            return  # a side that may not be held is another finding
        first = self.bars.index_at(to_us(spell.opened_by.created_utc))
        indices = range(max(first, 0), spell.decided + 1) if is_resting(spell.opened_by) else [spell.decided]
        counts.seen += 1
        if any(0 <= at < len(self.bars) and truth.possible[at] for at in indices):
            return
        text = str(self.entry.side(spell.direction))
        at = spell.decided
        values = self.evaluator.explain(text, at) if at >= 0 else "nothing known yet"
        counts.fail(
            "entry",
            f"{self.symbol}: the {_SIDE[spell.direction]} entry decided on the bar {self.scene.when(self.symbol, at)} "
            f"does not fit the condition '{text}': there {values}. {self._nearest(truth, at)}",
            symbol=self.symbol,
            bar=self.scene.when(self.symbol, at),
            condition=text,
        )

    def _nearest(self, truth: Truth, at: int) -> str:
        before = np.flatnonzero(truth.possible[: max(at, 0)])
        if len(before) and at - before[-1] <= 3:
            when = self.scene.when(self.symbol, int(before[-1]))
            return f"It held on {when}: the order comes {at - before[-1]} bar(s) late."
        return "Enter only on a bar on which it holds, with an order sent before the next bar ends."

    def _size_of(self, spell: Spell) -> None:
        size = self.scene.wanted.size
        if size is None and self.share != 1.0:
            size = Size("fraction", 1.0)
        if size is None:
            return
        counts = self.count("size")
        found = fair_quantities(size, spell, self.evaluator, self.scene.account, self.scene.wanted.stop, self.share)
        if found is None:
            return
        low, high = found
        counts.seen += 1
        unit = _LOTS.get(self.scene.wanted.security_type, 0.0)
        tolerance = _SIZE_TOLERANCE if size.kind != "volatility_target" else 2 * _SIZE_TOLERANCE
        if size.kind == "shares":
            tolerance = unit = 1e-6
        asked = abs(spell.opened_by.quantity) if not spell.resized_at else spell.quantity
        if spell.opened_by.quantity * spell.direction > 0 and abs(spell.opened_by.quantity) > spell.quantity * 1.01:
            asked = spell.quantity  # the order turned a position round
        if low * (1 - tolerance) - unit <= asked <= high * (1 + tolerance) + unit:
            return
        wanted = f"{low:.0f}" if high - low < 1 else f"{low:.0f} to {high:.0f}"
        counts.fail(
            "size",
            f"{self.symbol}: the entry decided on {self.scene.when(self.symbol, spell.decided)} is {asked:g} shares; "
            f"size {size.kind} {size.value:g} means {wanted} there (price {spell.price:.6g})",
            symbol=self.symbol,
            quantity=asked,
        )

    # Exits.
    def _position(self, spell: Spell, offset: int) -> Mapping[str, NDArray[np.float64]]:
        rows = np.arange(len(self.bars), dtype=np.float64)
        held = rows - spell.decided
        inside = held > 0
        moved = (self.bars.close / spell.price - 1) * 100 * spell.direction
        return {
            "position_bars": np.where(inside, held + offset, np.nan),
            "pnl_percent": np.where(inside, moved, np.nan),
            "entry_price": np.where(inside, spell.price, np.nan),
        }

    @cached_property
    def _asks_position(self) -> bool:
        texts = " ".join(text for text in (self.exit.long, self.exit.short) if text)
        return any(word in texts for word in ("position_bars", "pnl_percent", "entry_price"))

    def _exit_truths(self, spell: Spell) -> list[Truth]:
        text = self.exit.side(spell.direction)
        if text is None:
            return []
        if not self._asks_position:
            return [self.evaluator.condition(text, warm=self.scene.warm)]
        offsets = _OFFSETS if "position_bars" in text else (0,)
        return [self.evaluator.condition(text, self._position(spell, offset)) for offset in offsets]

    def _level(self, number: int, spell: Spell, wanted: Stop | None, *, target: bool) -> Levels | None:
        if wanted is None:
            return None
        key = (number, "target" if target else "stop")
        if key not in self._levels:
            end = len(self.bars) - 1 if spell.closed_at is None else min(spell.closed_at + 1, len(self.bars) - 1)
            self._levels[key] = levels_of(wanted, spell, self.evaluator, end, target=target)
        return self._levels[key]

    def _exit_of(self, number: int, spell: Spell) -> None:
        order, at = spell.closed_by, spell.closed_at
        if order is None or at is None or at < 0:
            return
        counts = self.count("exit")
        counts.seen += 1
        if at >= len(self.bars) - 2 or self._exit_explained(number, spell, order, at):
            return
        text = self.exit.side(spell.direction)
        parts = [f"'{text}' ({self._explain_exit(spell, text, at)})"] if text else []
        wanted = self.scene.wanted
        for name, stop in (("stop", wanted.stop), ("target", wanted.target)):
            level = self._level(number, spell, stop, target=name == "target")
            if stop is not None and level is not None:
                low, high = self.bars.fields["low"][at], self.bars.fields["high"][at]
                parts.append(
                    f"{name} {stop.kind} {stop.value:g} at {level.text(at)} (bar from {low:.6g} to {high:.6g})"
                )
        if wanted.holding_bars is not None:
            parts.append(f"{wanted.holding_bars} bars held ({at - spell.decided} were)")
        why = "; ".join(parts) or "an exit, and none was asked for"
        blamed = "stop" if wanted.stop is not None and is_resting(order) and order.kind != "limit" else "exit"
        counts.fail(
            blamed,
            f"{self.symbol}: the {_SIDE[spell.direction]} position opened on "
            f"{self.scene.when(self.symbol, spell.decided)} was closed on the bar {self.scene.when(self.symbol, at)} "
            f"at {spell.closed_price:.6g} by a {order.kind} order, but nothing asks for it there: {why}",
            symbol=self.symbol,
            bar=self.scene.when(self.symbol, at),
        )

    def _explain_exit(self, spell: Spell, text: str, at: int) -> str:
        return self.evaluator.explain(text, at, self._position(spell, 0))

    def _exit_explained(self, number: int, spell: Spell, order: TrustedOrder, at: int) -> bool:
        if not is_resting(order) or order.kind == "limit":
            # A limit at the market is sent on one bar and filled on the next.
            sent = self.bars.index_at(to_us(order.created_utc))
            places = {at, sent} if spell.decided < sent < at <= sent + 3 else {at}
            if any(truth.possible[place] for truth in self._exit_truths(spell) for place in places):
                return True
            opposite = self._entry_truth[-spell.direction]
            if opposite is not None and opposite.possible[at]:
                return True
            held = self.scene.wanted.holding_bars
            if held is not None and abs(at - spell.decided - held) <= 1:
                return True
        price = float(spell.closed_price or 0.0)
        for name, wanted in (("stop", self.scene.wanted.stop), ("target", self.scene.wanted.target)):
            level = self._level(number, spell, wanted, target=name == "target")
            # A level seen at the close of a bar, or by an order that waited: that one fills within a bar.
            if level is not None and level.explains(order, price, at, self.evaluator):
                return True
        return False

    # What should have happened.
    def _lateness(self, number: int, spell: Spell) -> None:
        last = len(self.bars) - 2
        begin = max(spell.decided + 1, 0)
        end = last if spell.closed_us is None else min(last, self.bars.index_at(spell.closed_us - 1))
        if end < begin:
            return
        rows = slice(begin, end + 1)
        for name, due in self._dues(number, spell, rows):
            if not due.any():
                continue
            at = begin + int(np.argmax(due))
            counts = self.count(f"{name} followed")
            counts.seen += 1
            if spell.closed_at is not None and spell.closed_at <= at:
                continue
            if self._asked_between(at, -spell.direction):
                continue
            counts.fail(
                name,
                f"{self.symbol}: the {_SIDE[spell.direction]} position opened on "
                f"{self.scene.when(self.symbol, spell.decided)} should have been closed on the bar "
                f"{self.scene.when(self.symbol, at)}: {self._due_text(name, number, spell, at)}; it was "
                + (f"closed on {self.scene.when(self.symbol, spell.closed_at)}" if spell.closed_at else "never closed"),
                symbol=self.symbol,
                bar=self.scene.when(self.symbol, at),
            )

    def _dues(self, number: int, spell: Spell, rows: slice) -> list[tuple[str, Bools]]:
        wanted = self.scene.wanted
        found: list[tuple[str, Bools]] = []
        truths = self._exit_truths(spell)
        if truths:
            certain = np.logical_and.reduce([truth.certain for truth in truths])[rows]
            again = self._entry_truth[spell.direction]
            if again is not None:
                certain = certain & ~again.possible[rows]
            found.append(("exit", certain))
        for name, stop in (("stop", wanted.stop), ("target", wanted.target)):
            level = self._level(number, spell, stop, target=name == "target")
            if level is not None:
                due = np.zeros(rows.stop - rows.start, dtype=np.bool_)
                seen = level.certain_at(self.bars.close)[rows.start - level.begin :][: len(due)]
                due[: len(seen)] = seen
                # A protective order is sent once the entry is filled: it cannot work on the bar that filled it.
                due[: max(self.bars.index_at(spell.filled_us) + 1 - rows.start, 0)] = False
                found.append((name, due))
        if wanted.holding_bars is not None:
            held = np.arange(rows.start, rows.stop) - spell.decided
            found.append(("holding_bars", held > wanted.holding_bars))
        return found

    def _due_text(self, name: str, number: int, spell: Spell, at: int) -> str:
        wanted = self.scene.wanted
        if name == "exit":
            text = str(self.exit.side(spell.direction))
            return f"the exit condition '{text}' holds there ({self._explain_exit(spell, text, at)})"
        if name == "holding_bars":
            return f"it had been held for {at - spell.decided} bars, {wanted.holding_bars} are asked for"
        stop = wanted.stop if name == "stop" else wanted.target
        level = self._level(number, spell, stop, target=name == "target")
        where = level.text(at) if level is not None else "?"
        kind = f"{stop.kind} {stop.value:g}" if stop is not None else ""
        return f"the {name} ({kind}) lies at {where}, the close is {self.bars.close[at]:.6g}"

    def _asked_between(self, at: int, direction: int) -> bool:
        """Whether an order on this side was asked for from the end of bar `at` to before the end of the next."""
        begin, end = int(self.bars.ends_us[at]), int(self.bars.ends_us[at + 1])
        return any(
            begin <= to_us(order.created_utc) < end
            and order.quantity * direction > 0
            and (order.kind == "limit" or not is_resting(order))
            for order in self.orders
        )

    def _protective_orders(self) -> None:
        for number, spell in enumerate(self.spells):
            for name, stop in (("stop", self.scene.wanted.stop), ("target", self.scene.wanted.target)):
                level = self._level(number, spell, stop, target=name == "target")
                if stop is None or level is None:
                    continue
                orders = protective_orders(spell, self.orders, self.bars, name)
                self.count("stop order").seen += len(orders)
                for order, price in orders:
                    if not level.holds(price):
                        self.count("stop order").fail(
                            name,
                            f"{self.symbol}: the {name} order of {order.created_utc:%Y-%m-%d %H:%M} UTC stands at "
                            f"{price:.6g}; {stop.kind} {stop.value:g} from the entry at {spell.price:.6g} "
                            f"means {level.text(spell.decided)}",
                            symbol=self.symbol,
                            price=price,
                        )

    def _missed_entries(self) -> None:
        busy = self._busy()
        closing = {side: self._truth_without_position(side) for side in (1, -1)}
        counts = self.count("entry followed")
        counts.seen += len(self.spells)
        for side in self.scene.wanted.sides:
            truth = self._entry_truth[side]
            if truth is None:
                continue
            open_to = truth.certain & ~busy
            other = self._entry_truth[-side]
            for blocked in (closing[side], other.possible if other is not None else None):
                if blocked is not None:
                    open_to &= ~blocked
            self._tell_missed(np.flatnonzero(open_to), side, counts)

    def _truth_without_position(self, side: int) -> Bools | None:
        text = self.exit.side(side)
        if text is None or self._asks_position:
            return None
        truth = self._truth(text)
        return truth.possible if truth is not None else None

    def _busy(self) -> Bools:
        """Return the bars on which nothing is expected: held, something under way, or just closed."""
        bars = self.bars
        busy = np.zeros(len(bars), dtype=np.bool_)
        busy[: bars.first] = busy[-2:] = True
        for spell in self.spells:
            begin = bars.index_at(to_us(spell.opened_by.created_utc))
            end = len(bars) if spell.closed_us is None else max(bars.index_at(spell.closed_us), spell.closed_at or 0)
            busy[max(begin, 0) : end + 1] = True
        for order in self.orders:
            if order.fills or not is_resting(order):
                busy[max(bars.index_at(to_us(order.created_utc)), 0)] = True
        return busy

    def _tell_missed(self, places: NDArray[np.intp], side: int, counts: Counts) -> None:
        told = -10
        for at in places.tolist():
            if not self._room(at):
                continue
            new, told = at > told + 1, at
            if not new:
                continue
            counts.seen += 1
            text = str(self.entry.side(side))
            after = next((spell for spell in self.spells if spell.decided > at), None)
            late = after is not None and after.decided - at <= 3
            came = (
                f"the order came only on {self.scene.when(self.symbol, after.decided)}"
                if late and after
                else "no order"
            )
            counts.fail(
                "entry",
                f"{self.symbol}: on the bar {self.scene.when(self.symbol, at)} the {_SIDE[side]} entry condition "
                f"'{text}' holds ({self.evaluator.explain(text, at)}) and nothing is held: an entry was expected "
                f"there, {came}",
                symbol=self.symbol,
                bar=self.scene.when(self.symbol, at),
                condition=text,
            )

    def _room(self, at: int) -> bool:
        """Whether other positions leave money and a place for an entry."""
        account, moment = self.scene.account, int(self.bars.ends_us[at])
        held = sum(1 for symbol in account.symbols if account.held(symbol, moment))
        most = self.scene.wanted.max_positions
        if most is not None and held >= most:
            return False
        if not held:
            return True
        equity = account.equity(moment)
        size = self.scene.wanted.size
        needed = size.value if size is not None and size.kind == "fraction" else 0.2
        return equity > 0 and 1 - account.gross(moment) / equity >= needed * self.share * 0.98
