"""Portfolio targets, their collection, and order sizes from them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_DOWN, Decimal
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.money import ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.framework.insights import InsightDirection
from llm_plugin.engine.models.buying_power import maximum_quantity_for_target

__all__ = ["IPortfolioTarget", "OrderSizing", "PortfolioTarget", "PortfolioTargetCollection", "distinct_by_symbol"]


class PortfolioTarget(LeanObject):
    """A quantity that a symbol's holdings shall reach."""

    __slots__ = ("_quantity", "symbol", "tag")

    def __init__(self, symbol: Any, quantity: Any, tag: str = "") -> None:
        self.symbol = symbol
        self._quantity = to_decimal(int(quantity) if isinstance(quantity, InsightDirection) else quantity)
        self.tag = tag

    @property
    def quantity(self) -> float:
        """The signed quantity."""
        return float(self._quantity)

    @property
    def exact_quantity(self) -> Decimal:
        """The signed quantity, exact."""
        return self._quantity

    @staticmethod
    def percent(
        algorithm: Any, symbol: Any, percent: Any, return_delta_quantity: Any = False, tag: str = ""
    ) -> PortfolioTarget | None:
        """The target that makes a symbol a fraction of the portfolio; None (and an error line) if it cannot be had."""
        if isinstance(return_delta_quantity, str):
            tag, return_delta_quantity = return_delta_quantity, False
        wanted = to_decimal(percent)
        settings = algorithm.settings
        least = to_decimal(settings.min_absolute_portfolio_target_percentage)
        most = to_decimal(settings.max_absolute_portfolio_target_percentage)
        if abs(wanted) > most or (wanted and abs(wanted) < least):
            algorithm.error(
                f"The portfolio target percent: {wanted}, does not comply with the current settings "
                f"max_absolute_portfolio_target_percentage: {most} or min_...: {least}. Skipping."
            )
            return None
        quantity = exact_delta_for_percent(algorithm, symbol, wanted)
        if quantity is None:
            return None
        if not return_delta_quantity:
            quantity += algorithm.securities[symbol].holdings.exact_quantity
        return PortfolioTarget(symbol, quantity, tag)

    def __repr__(self) -> str:
        text = f"{self.symbol}: {self._quantity.normalize():f}"
        return f"{text} ({self.tag})" if self.tag else text

    def __str__(self) -> str:
        return repr(self)


IPortfolioTarget = PortfolioTarget


def exact_quantity_of(target: Any) -> Decimal:
    """The exact quantity of any target, also one of a user's class."""
    return target._quantity if isinstance(target, PortfolioTarget) else to_decimal(target.quantity)


def exact_delta_for_percent(algorithm: Any, symbol: Any, percent: Decimal) -> Decimal | None:
    """The signed quantity to order so that a symbol becomes a fraction of the portfolio.

    Returns:
        The quantity in whole lots, 0 if nothing has to be done; None if it cannot be known, after an error line.
    """
    if not algorithm.securities.contains_key(symbol):
        algorithm.error(f"{symbol} is not in the algorithm's securities: add it before it is given a target.")
        return None
    security = algorithm.securities[symbol]
    if security.exact_price == 0:
        algorithm.error(
            f"{symbol}: The security does not have an accurate price as it has not yet received a bar of data. "
            "Before placing a trade (or using set_holdings) warm up your algorithm with set_warm_up, or use "
            "slice.contains_key(symbol) to confirm the Slice object has price before using the data."
        )
        return None
    portfolio, settings = algorithm.portfolio, algorithm.settings
    total = portfolio.exact_total
    if total == 0:
        return ZERO
    fixed = settings.free_portfolio_value
    free = to_decimal(fixed) if fixed is not None else total * to_decimal(settings.free_portfolio_value_percentage)
    adjusted = percent * (total - free) / total
    leverage = to_decimal(security.buying_power_model.get_leverage(security))
    minimum = to_decimal(settings.minimum_order_margin_portfolio_percentage)
    found = maximum_quantity_for_target(portfolio, security, adjusted / leverage, minimum)
    if found.is_error:
        algorithm.error(f"Unable to compute order quantity of {symbol}. Reason: {found.reason}")
        return None
    quantity: Decimal = found.quantity
    return quantity


def distinct_by_symbol(targets: Iterable[Any]) -> list[Any]:
    """The first target of each symbol."""
    found: dict[Any, Any] = {}
    for target in targets:
        found.setdefault(target.symbol, target)
    return list(found.values())


def projected_quantity(algorithm: Any, security: Any) -> Decimal:
    """Holdings plus what open orders will still add."""
    held: Decimal = security.holdings.exact_quantity
    return held + Decimal(algorithm.transactions.open_remaining(security.symbol))


class OrderSizing(LeanObject):
    """Order quantities from targets."""

    @staticmethod
    def exact_unordered(algorithm: Any, target: Any, account_for_fees: bool = False) -> Decimal:
        """What is still missing: target - holdings - open orders, in lots."""
        security = algorithm.securities[target.symbol]
        missing = exact_quantity_of(target) - projected_quantity(algorithm, security)
        if account_for_fees and missing > 0 and security.type == SecurityType.CRYPTO:
            missing += OrderSizing._base_currency_fee(algorithm, security, missing)
        return OrderSizing.exact_lots(security, missing)

    @staticmethod
    def _base_currency_fee(algorithm: Any, security: Any, quantity: Decimal) -> Decimal:
        from llm_plugin.engine.orders.order import MarketOrder

        fee = security.order_fee(MarketOrder(security.symbol, quantity, algorithm.utc_time)).value
        base = getattr(getattr(security, "base_currency", None), "symbol", None)
        return to_decimal(fee.amount) if base is not None and fee.currency == base else ZERO

    @staticmethod
    def exact_lots(security: Any, quantity: Decimal) -> Decimal:
        """Rounded to whole lots towards zero; a millionth of a lot is forgiven."""
        lot = security.symbol_properties.exact_lot
        whole: Decimal = (abs(quantity) / lot + Decimal("0.000001")).to_integral_value(ROUND_DOWN) * lot
        return whole if quantity >= 0 else -whole

    @staticmethod
    def get_unordered_quantity(algorithm: Any, target: Any, *more: Any) -> float:
        """What is still missing to reach a target."""
        return float(OrderSizing.exact_unordered(algorithm, target, any(item is True for item in more)))

    @staticmethod
    def adjust_by_lot_size(security: Any, quantity: Any) -> float:
        """Rounded to whole lots towards zero."""
        return float(OrderSizing.exact_lots(security, to_decimal(quantity)))

    @staticmethod
    def get_order_size_for_percent_volume(security: Any, maximum_percent: Any, desired: Any) -> float:
        """A quantity capped at a fraction of the current bar's volume."""
        return OrderSizing._capped(security, to_decimal(maximum_percent) * to_decimal(security.volume), desired)

    @staticmethod
    def get_order_size_for_maximum_value(security: Any, maximum_value: Any, desired: Any) -> float:
        """A quantity capped at a value in account currency."""
        properties = security.symbol_properties
        price = security.exact_price * security.quote_currency.exact_rate * properties.exact_multiplier
        return OrderSizing._capped(security, to_decimal(maximum_value) / price, desired) if price else 0.0

    @staticmethod
    def _capped(security: Any, cap: Decimal, desired: Any) -> float:
        wanted = to_decimal(desired)
        size = OrderSizing.exact_lots(security, min(cap, abs(wanted)))
        return float(size if wanted >= 0 else -size)


class PortfolioTargetCollection(LeanObject):
    """One target per symbol; the newest wins."""

    def __init__(self) -> None:
        self._targets: dict[Any, Any] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._targets)

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self._targets

    @property
    def keys(self) -> list[Any]:
        """The symbols."""
        return list(self._targets)

    @property
    def values(self) -> list[Any]:
        """The targets."""
        return list(self._targets.values())

    def add(self, *args: Any) -> None:
        """Add a target (a symbol before it is ignored)."""
        if args[-1] is not None:
            self._targets[args[-1].symbol] = args[-1]

    def add_range(self, targets: Iterable[Any]) -> None:
        """Add several."""
        for target in targets:
            self._targets[target.symbol] = target

    def remove(self, target: Any) -> bool:
        """Remove a target or a symbol's; False if there is none."""
        return self._targets.pop(getattr(target, "symbol", target), None) is not None

    def clear(self) -> None:
        """Remove all."""
        self._targets.clear()

    def contains_key(self, symbol: Any) -> bool:
        """Whether a symbol has a target."""
        return symbol in self._targets

    def contains(self, target: Any) -> bool:
        """Whether the target's symbol has one."""
        return target.symbol in self._targets

    def get(self, symbol: Any, default: Any = None) -> Any:
        """The target of a symbol."""
        return self._targets.get(symbol, default)

    def __getitem__(self, symbol: Any) -> Any:
        return self._targets[symbol]

    def __setitem__(self, symbol: Any, target: Any) -> None:
        self._targets[symbol] = target

    def __contains__(self, symbol: Any) -> bool:
        return symbol in self._targets

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __len__(self) -> int:
        return len(self._targets)

    def clear_fulfilled(self, algorithm: Any) -> None:
        """Remove those that the holdings have reached, to less than a lot."""
        for target in self.values:
            security = algorithm.securities[target.symbol]
            lot = security.symbol_properties.exact_lot
            if abs(exact_quantity_of(target) - security.holdings.exact_quantity) < lot:
                del self._targets[target.symbol]

    def order_by_margin_impact(self, algorithm: Any) -> list[Any]:
        """Those that can be traded now: first what reduces positions, then by value, large ones first."""
        if algorithm.is_warming_up:
            return []
        rows = []
        for target in self._targets.values():
            security = algorithm.securities[target.symbol]
            if not security.has_data or not security.is_tradable:
                continue
            wanted = OrderSizing.exact_lots(security, exact_quantity_of(target))
            existing = projected_quantity(algorithm, security)
            missing = wanted - existing
            if abs(missing) < security.symbol_properties.exact_lot:
                continue
            reduces = existing != 0 and abs(wanted) < abs(existing)
            rows.append((not reduces, -abs(missing * security.exact_price), target))
        rows.sort(key=lambda row: row[:2])
        return [target for _, _, target in rows]
