"""The capacity's weekly looks, made afterwards at the prices of their own time."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, Protocol

from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.models.buying_power import BuyingPowerModel, SecurityMarginModel
from llm_plugin.engine.models.cash_buying_power import CashBuyingPowerModel
from llm_plugin.engine.statistics import CapacityEstimate

__all__ = ["Account", "LateCapacity", "as_decimal"]

# What a position holds of the account is then a fixed share of its value, or nothing.
_MODELS = (BuyingPowerModel, SecurityMarginModel, CashBuyingPowerModel)


@lru_cache(maxsize=64)
def as_decimal(leverage: float) -> Decimal:
    """Return a leverage as the decimal that LEAN has; few of them are used often."""
    return to_decimal(leverage)


class Account(Protocol):
    """What the account was worth at moments that have gone by."""

    def first_from(self, us: int) -> int:
        """When the first moment at or after a time was."""

    def worth_at(self, us: int, security: Any) -> tuple[int, int]:
        """The account's value and that of a position, 0 where there is none, in the same whole units."""


class LateCapacity:
    """Does afterwards what the estimate would have done at each of the moments.

    Args:
        core: The run.
        estimate: The run's estimate.
    """

    def __init__(self, core: EngineCore, estimate: CapacityEstimate) -> None:
        self._core, self._estimate = core, estimate
        self._account: Account
        self._since = 0
        # (security, share of the position's value that it holds, leverage, whether there is a position).
        self._states: dict[Any, tuple[Any, Decimal, Decimal, bool]] = {}

    def begin(self, first_us: int, last_us: int, account: Account) -> bool:
        """Begin with a moment; return False where something has to be asked at its own time.

        Args:
            first_us: No moment before it counts.
            last_us: The last of the moments.
            account: What the account is worth at each of them.
        """
        core, estimate = self._core, self._estimate
        self._account, self._since = account, first_us
        self._states = {}
        for symbol in estimate.symbols if estimate.due_us <= last_us else ():
            security = core.securities.get(symbol)
            if security is None or type(security.buying_power_model) not in _MODELS:
                return False
            self._states[symbol] = _state_of(security)
        return True

    def look_before(self, us: int) -> list[tuple[int, Decimal]]:
        """Do what was due before a time; return when the capacity changed, and what it was afterwards."""
        estimate, looks = self._estimate, list[tuple[int, Decimal]]()
        if estimate.due_us >= us or estimate.is_idle:
            return looks
        first_from, worth_at, states = self._account.first_from, self._account.worth_at, self._states
        while estimate.due_us < us and not estimate.is_idle:
            due = first_from(max(estimate.due_us, self._since))
            if due >= us:
                break
            self._since = due + 1
            item = estimate.smallest(due)
            security, share, leverage, _ = states[item.symbol]
            total, position = worth_at(due, security)
            if total:
                # How many decimals a unit has makes no difference to their quotient.
                used = Decimal(abs(position)) * share * leverage / Decimal(total)
                estimate.take(due, item, used, self._is_invested)
                looks.append((due, estimate.exact))
        return looks

    def _is_invested(self, symbol: Any) -> bool:
        return self._states[symbol][3]


def _state_of(security: Any) -> tuple[Any, Decimal, Decimal, bool]:
    model = security.buying_power_model
    share = ZERO if isinstance(model, CashBuyingPowerModel) else model.maintenance
    return security, share, as_decimal(security.leverage), security.holdings.invested
