"""Settings of a synthetic market and what they mean for the win rate in each context."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from llm_plugin.data.planted import CONTEXTS, PlantedRule
from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["PROFILES", "Profile", "SynthConfig"]

RESOLUTIONS = {"tick": 1, "second": 1, "minute": 60, "hour": 3_600, "daily": 86_400}
HORIZON_BARS = 10
_MAX_BARS = 2_000_000


@dataclass(frozen=True, slots=True)
class Profile:
    """Payoff and win rates of a base signal.

    Attributes:
        target_r: Target distance in stop distances.
        win_good: Probability that a trade in the good context reaches its target before its stop.
        win_bad: The same in the bad context.
        good_share: Share of signals in the good context (approximate: the bars decide).
        text: What it is for.
    """

    target_r: float
    win_good: float
    win_bad: float
    good_share: float
    text: str

    @property
    def win_all(self) -> float:
        """Win rate of the signal alone."""
        return self.good_share * self.win_good + (1 - self.good_share) * self.win_bad


PROFILES = {
    "balanced": Profile(1.5, 0.665, 0.235, 0.5, "about 45 % wins at 1.5 R; the signal alone earns a little"),
    "low_win_rate_positive": Profile(
        2.0, 0.49, 0.11, 0.75, "about 40 % wins at 2 R: even the good context loses more often than not, and pays"
    ),
    "high_win_rate_negative": Profile(
        0.3,
        0.925,
        0.545,
        0.5,
        "about 74 % wins at 0.3 R: even the bad context wins more often than not, and costs",
    ),
}
# Measured on the walk of `synth_path.py`: the threshold at which this share of signals is in the good context.
_THRESHOLDS = {
    0.5: {"volatility": 0.98, "trend": 0.4, "rsi": 10.0, "hour": 6.0, "volatility_trend": 0.98},
    0.75: {"volatility": 0.83, "trend": -2.0, "rsi": 16.5, "hour": 9.0},
}


@dataclass(frozen=True, slots=True)
class SynthConfig:
    """A synthetic market.

    Attributes:
        seed: Same settings and seed give the same bytes.
        security_type: `forex` (bid and ask) or `equity` (trades; minute and second also quotes).
        market: LEAN market; None takes oanda or usa.
        ticker: None takes eurusd or synt.
        resolution: tick, second, minute, hour or daily; ticks are four to a second, and a bar is then a second.
        bars: Number of bars.
        start: First date.
        profile: Key of `PROFILES`.
        rule: False plants the same outcomes without any relation to the context.
        signal: Base signal, key of `planted.SIGNALS`.
        context: What decides, key of `planted.CONTEXTS`.
        shifts: From each of these dates on, good and bad contexts change places.
        win_good: Probability q that a trade in the good context wins; None takes the profile's.
        win_bad: The same in the bad context; None lets it follow from `win_good`, so that the win rate of the signal
            alone stays.
        spread_fraction: Bid-ask spread as a fraction of the price.
        volatility_fraction: Standard deviation of a bar's return in the calm regime; None takes a usual one.
        start_price: None takes 1.3 (forex) or 100 (equity).
    """

    seed: int = 0
    security_type: str = "forex"
    market: str | None = None
    ticker: str | None = None
    resolution: str = "hour"
    bars: int = 40_000
    start: date = date(2007, 1, 1)
    profile: str = "balanced"
    rule: bool = True
    signal: str = "breakout"
    context: str = "volatility"
    shifts: tuple[date, ...] = ()
    win_good: float | None = None
    win_bad: float | None = None
    spread_fraction: float = 0.00008
    volatility_fraction: float | None = None
    start_price: float | None = None

    def __post_init__(self) -> None:
        """Refuse impossible settings, all at once."""
        object.__setattr__(self, "shifts", tuple(sorted(self.shifts)))
        problems = [
            f"{name} is {value!r}{did_you_mean(str(value), known)}; known: {', '.join(known)}"
            for name, known in (
                ("security_type", ("forex", "equity")),
                ("resolution", tuple(RESOLUTIONS)),
                ("profile", tuple(PROFILES)),
            )
            if (value := getattr(self, name)) not in known
        ]
        if not 1_000 <= self.bars <= _MAX_BARS:
            problems.append(f"bars is {self.bars!r}: give 1000 to {_MAX_BARS}")
        if self.seed < 0:
            problems.append(f"seed is {self.seed!r}: give a whole number from 0")
        if not 0 <= self.spread_fraction <= 0.001:
            problems.append(f"spread_fraction is {self.spread_fraction!r}: give 0 to 0.001")
        for name in ("volatility_fraction", "start_price"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                problems.append(f"{name} is {value!r}: give a number above 0, or leave it out")
        if not problems and self.context in CONTEXTS and self.context not in _THRESHOLDS[self._good_share]:
            problems.append(f"context {self.context!r} is good for half of the signals: {self.profile} needs another")
        if any(shift <= self.start for shift in self.shifts):
            problems.append(f"shifts {[str(day) for day in self.shifts]} must come after the start {self.start}")
        if not problems and not 0 <= self.win_rates[1] <= self.win_rates[0] <= 1:
            problems.append(self._win_problem())
        if problems:
            raise ConfigError(problems)
        self.planted_rule()

    @property
    def _good_share(self) -> float:
        return PROFILES[self.profile].good_share

    def _win_problem(self) -> str:
        if self.win_bad is not None:
            good = self.win_rates[0]
            return f"win_bad is {self.win_bad!r}: give 0 to {good:g}, what trades in the good context win (at most 1)"
        profile = PROFILES[self.profile]
        most = min(1.0, profile.win_all / profile.good_share)
        return f"win_good is {self.win_good!r}: {self.profile} allows {profile.win_all:.3f} to {most:.3f}"

    @property
    def win_rates(self) -> tuple[float, float]:
        """Win probability in the good and in the bad context, before any shift and with the rule."""
        profile = PROFILES[self.profile]
        good = profile.win_good if self.win_good is None else self.win_good
        if self.win_bad is not None:
            return good, self.win_bad
        bad = (profile.win_all - profile.good_share * good) / (1 - profile.good_share)
        return good, round(bad, 12)

    @property
    def win_all(self) -> float:
        """Win rate of the signal alone, before any shift: without the rule every trade wins with it."""
        share, (good, bad) = self._good_share, self.win_rates
        return PROFILES[self.profile].win_all if self.win_bad is None else share * good + (1 - share) * bad

    @property
    def lean_market(self) -> str:
        """The LEAN market."""
        return self.market or {"forex": "oanda", "equity": "usa"}[self.security_type]

    @property
    def lean_ticker(self) -> str:
        """The ticker, lower case."""
        return (self.ticker or {"forex": "eurusd", "equity": "synt"}[self.security_type]).lower()

    @property
    def bar_seconds(self) -> int:
        """Length of a bar."""
        return RESOLUTIONS[self.resolution]

    @property
    def price_increment(self) -> float:
        """Smallest price step."""
        return 0.00001 if self.security_type == "forex" else 0.01

    @property
    def first_price(self) -> float:
        """The first price."""
        return self.start_price or (1.3 if self.security_type == "forex" else 400.0)

    @property
    def bar_volatility(self) -> float:
        """Standard deviation of a bar's return in the calm regime, as a fraction."""
        if self.volatility_fraction is not None:
            return self.volatility_fraction
        hours = self.bar_seconds / 3_600
        return 0.0010 * math.sqrt(min(hours, 12.0)) if hours >= 1 else max(0.0010 * math.sqrt(hours), 0.00025)

    def planted_rule(self) -> PlantedRule:
        """Return the rule that the market is written by."""
        profile = PROFILES[self.profile]
        horizon, hours = HORIZON_BARS, self.bar_seconds / 3_600
        bars_per_week = 5 if self.resolution == "daily" else (120 if self.security_type == "forex" else 32) / hours
        days = math.ceil(7 * horizon / bars_per_week + 3)  # 3: a weekend and the hours before and after it
        return PlantedRule(
            signal=self.signal,
            context=self.context,
            threshold=_THRESHOLDS[profile.good_share].get(self.context, 0.0),
            trend_threshold=_THRESHOLDS[0.5]["trend"],
            horizon=horizon,
            target_atr=profile.target_r,
            timeout_hours=24.0 * days,
            price_increment=self.price_increment,
        )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> SynthConfig:
        """Build a configuration from plain values; dates may be ISO strings.

        Raises:
            ConfigError: An unknown key (with the nearest known one) or an impossible value.
        """
        known = [item.name for item in fields(cls)]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise ConfigError(
                [f"{key!r} is no setting of a synthetic market{did_you_mean(key, known)}" for key in unknown]
            )
        plain = dict(values)
        try:
            if isinstance(plain.get("start"), str):
                plain["start"] = date.fromisoformat(plain["start"])
            if "shifts" in plain:
                shifts = plain["shifts"] or ()
                plain["shifts"] = tuple(date.fromisoformat(day) if isinstance(day, str) else day for day in shifts)
        except ValueError as error:
            raise ConfigError(f"{error}: write dates as YYYY-MM-DD") from None
        return cls(**plain)
