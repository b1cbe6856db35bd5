"""Exit plans and the rules that move a stop while a position is open.

Pure functions and one small state object, standard library only. The bracket inside LEAN and the replay of a
decision both use `ManagedStop`, so a trade and its counterfactual twin move their stops on the same bar to the same
price. Stops move on completed bars and on closes only: the new stop lies behind the market when it is set and
works from the next bar on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from llm_plugin.domain import Action, ExitPlan, ExitReason
from llm_plugin.errors import ConfigError, DataError, did_you_mean

REQUIRED = ("atr_period", "stop_atr", "trail_distance_r")

__all__ = ["ExitPolicy", "ManagedStop", "plan_exit", "round_to_increment", "validate_plan"]


@dataclass(frozen=True, slots=True)
class ExitPolicy:
    """How positions end by default; None switches a rule off. R is the initial stop distance."""

    atr_period: int = 14
    stop_atr: float = 2.0
    target_atr: float | None = 3.0
    timeout_bars: int | None = 48
    break_even_at_r: float | None = None
    trail_at_r: float | None = None
    trail_distance_r: float = 1.0

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [
            f"outcomes.exit.{name} is {value!r}: give a number above 0"
            + ("" if name in REQUIRED else ", or null to switch the rule off")
            for name, value in asdict(self).items()
            if not _positive(value) and not (value is None and name not in REQUIRED)
        ]
        if problems:
            raise ConfigError(problems)

    def timeout(self, bar_period: timedelta) -> timedelta | None:
        """Return the vertical barrier as wall-clock time from the decision, closed hours included."""
        return None if self.timeout_bars is None else self.timeout_bars * bar_period

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ExitPolicy:
        """Build a policy from configuration values.

        Raises:
            ConfigError: An unknown key (with the nearest known one) or an impossible value.
        """
        known = [item.name for item in fields(cls)]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise ConfigError([f"outcomes.exit.{key} is not a setting{did_you_mean(key, known)}" for key in unknown])
        return cls(**values)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def round_to_increment(price: float, increment: float) -> float:
    """Round half to even to the instrument's price increment, as LEAN rounds order prices; 0 leaves it alone."""
    if increment <= 0 or not math.isfinite(price):
        return price
    step = Decimal(repr(increment))
    return float((Decimal(repr(price)) / step).to_integral_value(ROUND_HALF_EVEN) * step)


def plan_exit(
    side: int, price: float, atr: float, policy: ExitPolicy, bar_period: timedelta, price_increment: float = 0.0
) -> ExitPlan:
    """Plan stop, target and vertical barrier from the average true range.

    Args:
        side: +1 for a long, -1 for a short.
        price: Reference price of the decision; 1 R is its distance to the stop.
        atr: Average true range in price units, known at decision time.
        policy: Multiples of the range, and the vertical barrier in bars.
        bar_period: Length of one bar.
        price_increment: Smallest price step of the instrument, 0 for none.

    Raises:
        DataError: The price or the range is not a positive number.
    """
    if side not in (1, -1):
        raise ConfigError(f"side is {side!r}: an exit plan needs +1 (long) or -1 (short)")
    if not _positive(price) or not _positive(atr):
        raise DataError(f"cannot plan an exit from price {price!r} and ATR {atr!r}: wait until the features are ready")
    stop = round_to_increment(price - side * policy.stop_atr * atr, price_increment)
    target = None
    if policy.target_atr is not None:
        target = round_to_increment(price + side * policy.target_atr * atr, price_increment)
    plan = ExitPlan(stop=stop, target=target, timeout=policy.timeout(bar_period))
    validate_plan(side, price, plan)
    return plan


def validate_plan(side: int, reference_price: float, plan: ExitPlan) -> None:
    """Refuse a plan whose stop or target lies on the wrong side of the price.

    Raises:
        DataError: Naming the price that is wrong.
    """
    word = "long" if side > 0 else "short"
    if not math.isfinite(plan.stop) or side * (reference_price - plan.stop) <= 0:
        where = "below" if side > 0 else "above"
        raise DataError(f"stop {plan.stop!r} of a {word} must lie {where} the reference price {reference_price!r}")
    if plan.target is not None and not side * (plan.target - reference_price) > 0:
        where = "above" if side > 0 else "below"
        raise DataError(f"target {plan.target!r} of a {word} must lie {where} the reference price {reference_price!r}")
    if plan.timeout is not None and plan.timeout <= timedelta(0):
        raise DataError(f"timeout {plan.timeout!r} must be positive, or None for no vertical barrier")


class ManagedStop:
    """The stop of one open position and the rules that move it; prices are those of the exit side of the quote."""

    __slots__ = ("at_break_even", "entry_price", "policy", "reason", "risk", "side", "stop", "trail_locked", "trailing")

    def __init__(self, side: int, entry_price: float, risk: float, stop: float, policy: ExitPolicy) -> None:
        self.side = side
        self.entry_price = entry_price
        self.risk = risk
        self.stop = stop
        self.policy = policy
        self.trailing = False
        self.trail_locked = False  # DISABLE_TRAIL was chosen: the automatic rule must not undo it on the next bar
        self.at_break_even = False
        self.reason = ExitReason.STOP

    def on_close(self, price: float) -> bool:
        """Apply the automatic rules to a completed bar's close; True if the stop moved."""
        before = self.stop
        gain_r = self.side * (price - self.entry_price) / self.risk
        policy = self.policy
        if policy.break_even_at_r is not None and not self.at_break_even and gain_r >= policy.break_even_at_r:
            self._to_break_even(price)
        wanted = policy.trail_at_r is not None and gain_r >= policy.trail_at_r
        self.trailing = self.trailing or (wanted and not self.trail_locked)
        self._trail(price)
        return self.stop != before

    def apply(self, action: Action, price: float) -> bool:
        """Carry out MOVE_TO_BE, ENABLE_TRAIL or DISABLE_TRAIL at a bar's close; False if it changes nothing.

        A break-even stop on the wrong side of the market would close the position: that is refused.
        """
        if action is Action.MOVE_TO_BE:
            return not self.at_break_even and self._to_break_even(price)
        if action is Action.ENABLE_TRAIL and not self.trailing:
            self.trailing = True
            self.trail_locked = False
            self._trail(price)
            return True
        if action is Action.DISABLE_TRAIL and self.trailing:
            self.trailing = False
            self.trail_locked = True
            return True
        return False

    def rescale(self, factor: float) -> None:
        """Multiply every price by `factor` (a split or dividend under raw prices)."""
        self.entry_price *= factor
        self.risk *= factor
        self.stop *= factor

    def state(self) -> dict[str, Any]:
        """Return everything but the policy as plain JSON types."""
        names = ("side", "entry_price", "risk", "stop", "trailing", "trail_locked", "at_break_even")
        return {name: getattr(self, name) for name in names} | {"reason": self.reason.value}

    @classmethod
    def restore(cls, state: Mapping[str, Any], policy: ExitPolicy) -> ManagedStop:
        """Rebuild from `state()`."""
        stop = cls(int(state["side"]), state["entry_price"], state["risk"], state["stop"], policy)
        stop.trailing = bool(state["trailing"])
        stop.trail_locked = bool(state["trail_locked"])
        stop.at_break_even = bool(state["at_break_even"])
        stop.reason = ExitReason(state["reason"])
        return stop

    def _to_break_even(self, price: float) -> bool:
        if self.side * (price - self.entry_price) <= 0:
            return False
        self.at_break_even = True
        return self._raise_to(self.entry_price, ExitReason.BREAK_EVEN)

    def _trail(self, price: float) -> None:
        if self.trailing:
            self._raise_to(price - self.side * self.policy.trail_distance_r * self.risk, ExitReason.TRAIL)

    def _raise_to(self, level: float, reason: ExitReason) -> bool:
        if self.side * (level - self.stop) <= 0:
            return False
        self.stop = level
        self.reason = reason
        return True
