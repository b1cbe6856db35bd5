"""Hard rules above the language model: they block entries, never exits, and no block lasts for ever.

The standing rules (losses in a row, win rate, drawdown buffer) start a block when their condition holds. The block
ends by the configured recovery, at the latest after `max_block_bars`, and the count starts anew: the same rule blocks
again only on what closed after the release. Market rules (VIX, levels, time of day, the user's own) block for as long
as their condition holds.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from llm_plugin.domain import DecisionRequest, QuestionKind
from llm_plugin.errors import ConfigError, DataError, did_you_mean

if TYPE_CHECKING:
    from llm_plugin.session import SessionStatistics
    from llm_plugin.settings import RiskSettings

__all__ = [
    "UNAVAILABLE",
    "RiskGate",
    "RiskVeto",
    "bar_length",
    "drawdown_buffer",
    "register_risk_rule",
    "risk_rule_names",
    "unregister_risk_rule",
]

_LOG = logging.getLogger("llm_plugin.risk")
UNAVAILABLE = "unavailable"
"""What a rule returns that lacks its input."""

_BARS = {"tick": 0, "second": 1, "minute": 60, "hour": 3600, "daily": 86400}
_DAY_ENDS = timedelta(hours=7)  # the trading day ends at 17:00 in New York


@dataclass(frozen=True, slots=True)
class RiskVeto:
    """Which rule blocked an entry, and why, with the figures."""

    rule: str
    reason: str


Rule = Callable[[DecisionRequest, "SessionStatistics", "RiskSettings"], object]
ShadowWins = Callable[[datetime, datetime], int]


def bar_length(resolution: str) -> timedelta:
    """Return the length of a bar.

    Raises:
        ConfigError: An unknown resolution.
    """
    if resolution not in _BARS:
        raise ConfigError(
            f"resolution {resolution!r} is unknown{did_you_mean(resolution, _BARS)}; known: {list(_BARS)}"
        )
    return timedelta(seconds=_BARS[resolution])


def drawdown_buffer(equity: float, peak: float, max_drawdown_fraction: float) -> float:
    """Return the share of the allowed drawdown that is left: 1 at the peak, 0 at the floor, below 0 under it.

    >>> round(drawdown_buffer(84.0, 100.0, 0.2), 3)
    0.2
    """
    floor = peak * (1 - max_drawdown_fraction)
    return (equity - floor) / (peak - floor) if peak > floor else math.nan


def _vix(request: DecisionRequest, _: SessionStatistics, settings: RiskSettings) -> str | None:
    value = request.market.features.get("vix", math.nan)
    if not math.isfinite(value):
        return UNAVAILABLE
    return f"VIX {value:g} is above {settings.vix_above:g}" if value > settings.vix_above else None


def _support_resistance(request: DecisionRequest, _: SessionStatistics, settings: RiskSettings) -> str | None:
    features, buying = request.market.features, request.signal.action.side > 0
    levels = {name: features.get(f"{name}_distance_fraction", math.nan) for name in ("support", "resistance")}
    if all(math.isnan(value) for value in levels.values()):
        return UNAVAILABLE
    name = "resistance" if buying else "support"
    if levels[name] <= settings.level_distance_fraction:
        return f"{name} is {levels[name]:.3%} away, nearer than {settings.level_distance_fraction:.3%}"
    return None


def _blackout(request: DecisionRequest, _: SessionStatistics, settings: RiskSettings) -> str | None:
    local = request.market.time_utc.astimezone(ZoneInfo(settings.blackout_timezone)).time()
    start, end = time.fromisoformat(settings.blackout_start), time.fromisoformat(settings.blackout_end)
    inside = start <= local < end if start < end else local >= start or local < end
    window = f"{settings.blackout_start}-{settings.blackout_end} {settings.blackout_timezone}"
    return f"{local:%H:%M} lies in {window}" if inside else None


_SHIPPED: dict[str, Rule] = {"vix": _vix, "support_resistance": _support_resistance, "blackout": _blackout}
_STANDING = ("consecutive_losses", "win_rate", "drawdown_buffer")
_REGISTERED: dict[str, Rule] = {}


def register_risk_rule(name: str, rule: Rule) -> None:
    """Add a rule that `risk.rules` can name.

    Args:
        name: A new name.
        rule: Called with the question, the session as of it and the `risk` settings. Returns why the entry is
            blocked as a text, None to let it pass, `UNAVAILABLE` where its input is missing. A rule that raises blocks.

    Raises:
        ConfigError: The name is taken.
    """
    if name in risk_rule_names() or name in _STANDING:
        raise ConfigError(f"a risk rule named {name!r} exists already; choose another name")
    _REGISTERED[name] = rule


def unregister_risk_rule(name: str) -> None:
    """Remove a registered rule; shipped ones stay."""
    _REGISTERED.pop(name, None)


def risk_rule_names() -> list[str]:
    """Return the names that `risk.rules` may hold, sorted."""
    return sorted({**_SHIPPED, **_REGISTERED})


@dataclass
class _Block:
    """One block of a standing rule: in force from `since` until `released`, and what was known at the release."""

    since: datetime
    released: bool = False
    trades: int = 0
    buffer: float = math.nan


class RiskGate:
    """Applies the rules of the configuration to entries and counts what it did, by rule."""

    def __init__(self, settings: RiskSettings, shadow_wins: ShadowWins | None = None) -> None:
        """Look the rules up.

        Args:
            settings: `risk` of the configuration.
            shadow_wins: (since, as of) -> shadow trades won in a row; needed by recovery shadow_wins.

        Raises:
            ConfigError: With every unknown rule; or recovery shadow_wins without a source of shadow trades.
        """
        known = {**_SHIPPED, **_REGISTERED}
        listed = ", ".join(sorted(known))
        problems = [
            f"risk.rules names {name!r}, which does not exist{did_you_mean(name, known)}; known: {listed}"
            for name in settings.rules
            if name not in known
        ]
        if settings.recovery == "shadow_wins" and shadow_wins is None:
            problems.append("risk.recovery = 'shadow_wins': needs a session tracker that sees shadow trades")
        if problems:
            raise ConfigError(problems)
        self.settings = settings
        self._rules = {name: known[name] for name in settings.rules}
        self._shadow_wins = shadow_wins
        self._blocks: dict[str, _Block] = {}
        self.checked = 0
        self.vetoes: Counter[str] = Counter()
        self.unavailable: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def check(self, request: DecisionRequest, statistics: SessionStatistics) -> RiskVeto | None:
        """Return the first rule that blocks an entry, None where it may pass or where the question is no entry."""
        if request.kind is not QuestionKind.ENTRY or not request.signal.action.side:
            return None
        if not self.settings.enable_risk_veto:
            return None
        self.checked += 1
        veto = self._standing(request, statistics) or self._market(request, statistics)
        if veto is not None:
            self.vetoes[veto.rule] += 1
        return veto

    def state(self) -> dict[str, Any]:
        """Return the blocks in force as plain JSON types, for a restart."""
        return {
            name: [block.since.isoformat(), block.released, block.trades, repr(block.buffer)]
            for name, block in self._blocks.items()
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take in what `state` returned.

        Raises:
            DataError: The state is damaged.
        """
        try:
            blocks = {
                name: _Block(datetime.fromisoformat(since), bool(released), int(trades), float(buffer))
                for name, (since, released, trades, buffer) in state.items()
            }
        except (TypeError, ValueError) as error:
            raise DataError(f"the state of the risk rules is damaged ({error}): {state!r}") from error
        unknown = sorted(set(blocks) - set(_STANDING))
        if unknown:
            raise DataError(f"the state of the risk rules names {unknown[0]!r}; known: {', '.join(_STANDING)}")
        self._blocks = blocks

    def _standing(self, request: DecisionRequest, statistics: SessionStatistics) -> RiskVeto | None:
        account, found = request.account, None
        buffer = drawdown_buffer(account.equity, account.peak_equity, self.settings.max_drawdown_fraction)
        for name in _STANDING:
            reason = self._reason(name, statistics, buffer)
            if reason is None:
                self._forget(name, statistics, buffer)
            elif self._in_force(name, request, statistics, buffer) and found is None:
                found = RiskVeto(name, reason)
        return found

    def _reason(self, name: str, statistics: SessionStatistics, buffer: float) -> str | None:
        """Why a rule's condition holds on what closed since its last release, None if it does not."""
        settings, block = self.settings, self._blocks.get(name)
        released = block is not None and block.released
        new = statistics.total_trades - (block.trades if block is not None and released else 0)
        if name == "consecutive_losses":
            losses = min(statistics.consecutive_losses, new) if released else statistics.consecutive_losses
            limit = settings.max_consecutive_losses
            return f"{losses} losses in a row, {limit} block" if losses >= limit else None
        if name == "win_rate":
            rate, floor = statistics.win_rate, settings.min_win_rate_threshold
            enough = statistics.trades >= settings.min_trades_for_win_rate
            if rate is None or not enough or rate >= floor or (released and new < settings.min_trades_for_win_rate):
                return None
            return f"win rate {rate:.1%} of {statistics.trades} trades is below {floor:.1%}"
        if buffer >= settings.dd_buffer_threshold or (block is not None and released and not new):
            return None
        if block is not None and released and buffer >= block.buffer:
            return None
        return f"{buffer:.1%} of the drawdown buffer is left, {settings.dd_buffer_threshold:.1%} is needed"

    def _forget(self, name: str, statistics: SessionStatistics, buffer: float) -> None:
        """Drop a block whose cause is gone; a release is remembered as long as it is needed to start the count anew."""
        block = self._blocks.get(name)
        if block is None:
            return
        gone = {
            "consecutive_losses": statistics.consecutive_losses < self.settings.max_consecutive_losses,
            "win_rate": (statistics.win_rate or 0.0) >= self.settings.min_win_rate_threshold,
            "drawdown_buffer": buffer >= self.settings.dd_buffer_threshold,
        }
        if not block.released or gone[name]:
            del self._blocks[name]

    def _in_force(self, name: str, request: DecisionRequest, statistics: SessionStatistics, buffer: float) -> bool:
        now, block = request.market.time_utc, self._blocks.get(name)
        if block is None or block.released:
            block = self._blocks[name] = _Block(now)
        if self._recovered(block.since, request):
            block.released, block.trades, block.buffer = True, statistics.total_trades, buffer
            return False
        return True

    def _recovered(self, since: datetime, request: DecisionRequest) -> bool:
        now, bar = request.market.time_utc, bar_length(request.market.resolution)
        if now - since >= max(self.settings.max_block_bars * bar, timedelta(seconds=1)):
            return True
        if self.settings.recovery == "cooldown_bars":
            return now - since >= max(self.settings.cooldown_bars * bar, timedelta(seconds=1))
        if self.settings.recovery == "next_session":
            return _trading_day(now) > _trading_day(since)
        wins = self._shadow_wins(since, now) if self._shadow_wins is not None else 0
        return wins >= self.settings.shadow_wins

    def _market(self, request: DecisionRequest, statistics: SessionStatistics) -> RiskVeto | None:
        for name, rule in self._rules.items():
            try:
                reason = rule(request, statistics, self.settings)
            except Exception as error:  # a rule that cannot be asked must not let anything pass
                self.failures[name] += 1
                _LOG.exception("risk rule %s raised on decision %s", name, request.decision_id)
                return RiskVeto(name, f"the rule raised {type(error).__name__}: {error}")
            if reason == UNAVAILABLE:
                self.unavailable[name] += 1
                if self.settings.on_unavailable == "veto":
                    return RiskVeto(name, "its input is unavailable (risk.on_unavailable is veto)")
            elif isinstance(reason, str):
                return RiskVeto(name, reason)
            elif reason is not None:
                self.failures[name] += 1
                return RiskVeto(name, f"the rule returned {reason!r}; it must be a text or None")
        return None


def _trading_day(moment: datetime) -> date:
    return (moment.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None) + _DAY_ENDS).date()
