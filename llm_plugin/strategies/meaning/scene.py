"""What every witness looks at: a task's requirements, the run, its bars and its account."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from pathlib import Path

from llm_plugin.strategies.conditions.bars import Bars, load_bars
from llm_plugin.strategies.conditions.evaluate import Evaluator, longest_window
from llm_plugin.strategies.language import names_in, tree
from llm_plugin.strategies.meaning.ledger import Account, Spell, spells_of, to_us
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.trusted_run import TrustedOrder, TrustedRun
from llm_plugin.strategies.vocabulary import CALENDAR

__all__ = ["Scene", "conditions_of", "uses_calendar"]


def conditions_of(wanted: Requirements) -> list[str]:
    """Return every condition and expression of some requirements."""
    texts = [wanted.entry.long, wanted.entry.short, wanted.exit.long, wanted.exit.short]
    if wanted.ranking is not None:
        texts.append(wanted.ranking.by)
    return [text for text in texts if text is not None]


def uses_calendar(wanted: Requirements) -> bool:
    """Whether a condition asks for the date or the time of day."""
    return any(names_in(tree(text)) & set(CALENDAR) for text in conditions_of(wanted))


def _lookback(wanted: Requirements) -> int:
    periods = [part.period or 0 for part in (wanted.stop, wanted.target, wanted.size) if part is not None]
    return max(longest_window(conditions_of(wanted)) * 4, *(4 * period for period in periods), 20) + 20


@lru_cache(maxsize=96)
def _evaluator(
    folder: str,
    symbols: tuple[str, ...],
    kind: str,
    resolution: str,
    period: tuple[date, date],
    lookback: int,
    mode: str,
    time_zone: str,
    symbol: str,
    decision_calendar: bool,
) -> Evaluator:
    bars = load_bars(
        Path(folder),
        symbols,
        security_type=kind,
        resolution=resolution,
        start=period[0],
        end=period[1],
        lookback_bars=lookback,
        price_mode=mode,
        time_zone=time_zone,
    )
    return Evaluator(bars, symbol, decision_calendar=decision_calendar)


@dataclass
class Scene:
    """One run under one reading of the calendar.

    Attributes:
        wanted: The requirements.
        run: The trusted run.
        decision_calendar: Whether calendar fields are those of the day of the order instead of the last bar's.
    """

    wanted: Requirements
    run: TrustedRun
    decision_calendar: bool = False
    bars: dict[str, Bars] = field(init=False)
    account: Account = field(init=False)
    warm: bool = field(init=False)

    def __post_init__(self) -> None:
        self.bars = {symbol: self.evaluator(symbol).bars for symbol in self.wanted.symbols}
        self.account = Account(self.run, self.bars)
        self.warm = self._was_warmed_up()

    def _was_warmed_up(self) -> bool:
        """Whether orders came before anything fed from the first bar of the run could have been ready."""
        wanted = self.wanted
        if wanted.security_type != "equity":
            return False  # history has no filled-forward bars: what came before the run differs
        texts = [wanted.entry.long, wanted.entry.short, wanted.ranking.by if wanted.ranking is not None else None]
        reach = longest_window([text for text in texts if text is not None])
        for order in self.run.orders:
            bars = self.bars.get(order.symbol)
            if bars is not None and bars.index_at(to_us(order.created_utc)) < bars.first + reach - 2:
                return True
        return False

    def evaluator(self, symbol: str) -> Evaluator:
        """Return the conditions of a symbol; computed values are shared by all runs of the same task."""
        wanted, run = self.wanted, self.run
        return _evaluator(
            str(run.data_folder),
            wanted.symbols,
            wanted.security_type,
            wanted.resolution,
            (run.start, run.end),
            _lookback(wanted),
            run.price_mode,
            run.time_zone,
            symbol,
            self.decision_calendar,
        )

    def orders(self, symbol: str) -> list[TrustedOrder]:
        """Return a symbol's orders."""
        return [order for order in self.run.orders if order.symbol == symbol]

    def spells(self, symbol: str) -> list[Spell]:
        """Return a symbol's spells."""
        return spells_of(self.orders(symbol), self.bars[symbol])

    def when(self, symbol: str, at: int) -> str:
        """Return a bar's end as text."""
        bars = self.bars[symbol]
        if not 0 <= at < len(bars):
            return "before the first bar"
        moment = bars.local_ends[at]
        return f"{moment:%Y-%m-%d}" if self.wanted.resolution == "daily" else f"{moment:%Y-%m-%d %H:%M}"
