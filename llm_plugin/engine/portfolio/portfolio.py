"""Portfolio: cash, holdings values, margin, the accounting of fills."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import OrderDirection, SecurityType
from llm_plugin.engine.base.fields import float_view
from llm_plugin.engine.base.money import CONTEXT, ZERO
from llm_plugin.engine.base.names import LeanObject, find_member
from llm_plugin.engine.base.pairs import Pair
from llm_plugin.engine.base.pulse import beat
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.models.buying_power import reserved_by
from llm_plugin.engine.models.settlement import (
    ApplyFundsSettlementModelParameters,
    ImmediateSettlementModel,
    settle_at_once,
)
from llm_plugin.engine.orders.order import OrderEvent
from llm_plugin.engine.portfolio.cash import CashAmount, CashBook
from llm_plugin.engine.portfolio.holdings import SecurityHolding
from llm_plugin.engine.securities.manager import SecurityManager
from llm_plugin.engine.securities.security import Security

if TYPE_CHECKING:
    from llm_plugin.engine.orders.transactions import TransactionManager

__all__ = ["SecurityPortfolioManager"]

_MILLISECOND = timedelta(milliseconds=1)
_MARGINED = frozenset({SecurityType.CFD, SecurityType.FUTURE, SecurityType.CRYPTO_FUTURE})
_CURRENCY = frozenset({SecurityType.FOREX, SecurityType.CRYPTO})


class SecurityPortfolioManager(LeanObject):
    """`self.portfolio` of an algorithm: account figures, and the holding of each symbol by item."""

    transactions: TransactionManager

    def __init__(self, securities: SecurityManager, cash_book: CashBook) -> None:
        self.securities = securities
        self.cash_book = cash_book
        self.unsettled_cash_book = CashBook(cash_book.account_currency)
        self.margin_call_model: Any = None
        # UTC time -> profit after twice the closing order's fee, and the times of wins and losses.
        self.records: dict[datetime, Decimal] = {}
        self.winning: list[datetime] = []
        self.losing: list[datetime] = []
        self._total: Decimal | None = None

    # Account figures.
    def invalidate(self) -> None:
        """Drop the cached portfolio value."""
        self._total = None

    @property
    def exact_total(self) -> Decimal:
        """Cash and holdings in the account currency, exact."""
        if self._total is not None:
            return self._total
        total = self.cash_book.exact_total + self.unsettled_cash_book.exact_total
        for security in self.securities.each:
            holding = security.holdings
            if not holding.exact_quantity or security.type in _CURRENCY:
                continue
            total += holding.exact_unrealized if security.type in _MARGINED else holding.exact_value
        self._total = total
        return total

    total_portfolio_value = float_view("exact_total", "Cash and holdings in the account currency.")

    @property
    def exact_margin_used(self) -> Decimal:
        """Margin held by positions, exact."""
        total = ZERO
        for security in self.securities.values():
            if security.holdings.exact_quantity:
                total += reserved_by(security)
        return total

    total_margin_used = float_view("exact_margin_used", "Margin held by positions.")

    def exact_margin_remaining_of(self, total: Decimal) -> Decimal:
        """Return free margin of a given portfolio value."""
        return total - self.unsettled_cash_book.exact_total - self.exact_margin_used

    @property
    def exact_remaining(self) -> Decimal:
        """Free margin, exact."""
        return self.exact_margin_remaining_of(self.exact_total)

    margin_remaining = float_view("exact_remaining", "Free margin.")
    cash = float_view("exact_cash", "Settled cash in the account currency.")
    unsettled_cash = float_view("exact_unsettled", "Unsettled cash in the account currency.")

    @property
    def exact_cash(self) -> Decimal:
        """Settled cash, exact."""
        return self.cash_book.exact_total

    @property
    def exact_unsettled(self) -> Decimal:
        """Unsettled cash, exact."""
        return self.unsettled_cash_book.exact_total

    def _sum(self, name: str) -> Decimal:
        total = ZERO
        for security in self.securities.total:
            total += getattr(security.holdings, name)
        return total

    @property
    def total_holdings_value(self) -> float:
        """Sum of the absolute values of all holdings."""
        return float(sum((abs(s.holdings.exact_value) for s in self.securities.values()), ZERO))

    @property
    def total_absolute_holdings_cost(self) -> float:
        """Sum of the absolute costs of all holdings."""
        return float(sum((abs(s.holdings.exact_cost) for s in self.securities.values()), ZERO))

    total_unlevered_absolute_holdings_cost = total_absolute_holdings_cost

    @property
    def total_unrealized_profit(self) -> float:
        """Unrealised profit of all holdings."""
        return float(self._sum("exact_unrealized"))

    total_unrealised_profit = total_unrealized_profit

    @property
    def total_profit(self) -> float:
        """Realised profit before fees."""
        return float(self._sum("exact_profit"))

    @property
    def exact_fees(self) -> Decimal:
        """Fees paid, exact."""
        return self._sum("exact_fees")

    total_fees = float_view("exact_fees", "Fees paid.")

    @property
    def total_net_profit(self) -> float:
        """Realised profit after fees."""
        return self.total_profit - self.total_fees  # type: ignore[no-any-return]

    @property
    def exact_sales(self) -> Decimal:
        """Traded value, exact."""
        return self._sum("exact_sale_volume")

    total_sale_volume = float_view("exact_sales", "Traded value, buys and sells.")

    @property
    def invested(self) -> bool:
        """True with any position."""
        return any(s.holdings.invested for s in self.securities.values())

    @property
    def hold_stock(self) -> bool:
        """True with any position."""
        return self.invested

    def set_cash(self, *args: Any) -> None:
        """`set_cash(amount)`, or `set_cash(currency, amount[, conversion rate])`."""
        if len(args) == 1:
            self.cash_book[self.cash_book.account_currency].set_amount(args[0])
        else:
            currency, amount, *rate = args
            known = self.cash_book.get(currency)
            old = known.exact_rate if known is not None else ZERO
            self.cash_book.add(currency, amount, rate[0] if rate else old)
        self.invalidate()

    def get_margin_remaining(self, symbol: Any, direction: OrderDirection = OrderDirection.BUY) -> float:
        """Return free margin for an order of a side."""
        security = self.securities[symbol]
        return float(security.buying_power_model.margin_remaining(self, security, direction))

    def get_buying_power(self, symbol: Any, direction: OrderDirection = OrderDirection.HOLD) -> float:
        """Return free margin for an order of a side."""
        return self.get_margin_remaining(symbol, direction)

    # Accounting of fills.
    def process_fill(self, fill: OrderEvent) -> None:
        """Account for a fill: cash, fee, profit, position."""
        security = self.securities[fill.symbol]
        holding, kind = security.holdings, security.type
        quantity, price = fill.exact_fill_quantity, fill.exact_fill_price
        holding.exact_sale_volume += holding.exact_quantity_value(abs(quantity), price)
        fee = ZERO
        value = fill.order_fee.value
        amount = value.exact_amount
        if amount:
            self.cash_book.ensure(value.currency)
            fee = self.cash_book.exact_convert(amount, value.currency)
            holding.exact_fees += fee
            fill.order_fee.apply_to_portfolio(self, fill)
        if kind not in _MARGINED:
            paid = -quantity * price * security.symbol_properties.exact_multiplier
            self._settle(security, fill, paid, security.quote_currency.symbol)
        if kind in _CURRENCY and security.base_currency is not None:
            self._settle(security, fill, quantity, security.base_currency.symbol)
        if holding.exact_quantity * quantity < 0:
            self._close(security, fill, fee)
        self._move(holding, quantity, price)
        self.invalidate()

    def _settle(self, security: Security, fill: OrderEvent, amount: Decimal, currency: str) -> None:
        model = security.settlement_model
        if type(model) is ImmediateSettlementModel:
            settle_at_once(self, amount, currency)
            return
        apply = find_member(model, "apply_funds")
        if apply is None:
            raise ValueError(f"{type(model).__name__} has no apply_funds")
        cash = CashAmount(amount, currency)
        apply(ApplyFundsSettlementModelParameters(self, security, fill.utc_time, cash, fill))

    def _close(self, security: Security, fill: OrderEvent, fee: Decimal) -> None:
        holding = security.holdings
        held = holding.exact_quantity
        closed = min(abs(fill.exact_fill_quantity), abs(held))
        signed = closed if held > 0 else -closed
        multiplier = security.symbol_properties.exact_multiplier
        cost = signed * holding.exact_average_price * multiplier
        local = signed * fill.exact_fill_price * multiplier - cost
        if security.type in _MARGINED:
            self._settle(security, fill, local, security.quote_currency.symbol)
        profit = CONTEXT.multiply(local, security.quote_currency.exact_rate)
        holding.exact_profit += profit
        holding.exact_last_trade_profit = profit
        self.add_record(fill.utc_time, profit - 2 * fee)

    def add_record(self, utc_time: datetime, profit: Decimal) -> None:
        """Store a closed trade's profit; the key moves on while it exists."""
        while utc_time in self.records:
            utc_time += _MILLISECOND
        self.records[utc_time] = profit
        (self.winning if profit > 0 else self.losing).append(utc_time)

    @staticmethod
    def _move(holding: SecurityHolding, quantity: Decimal, price: Decimal) -> None:
        before, average = holding.exact_quantity, holding.exact_average_price
        after = before + quantity
        if before == 0:
            average = price
        elif before * quantity > 0:
            average = CONTEXT.divide(average * before + quantity * price, after)
        elif after == 0:
            average = ZERO
        elif after * before < 0:
            average = price
        holding.exact_average_price, holding.exact_quantity = average, after
        beat()

    def apply_dividend(self, security: Security, distribution: Decimal) -> None:
        """Pay a dividend in cash (raw and split-adjusted prices)."""
        holding = security.holdings
        total = holding.exact_quantity * distribution
        if total:
            security.quote_currency.add_amount(total)
            holding.exact_dividends += CONTEXT.multiply(total, security.quote_currency.exact_rate)
            self.invalidate()

    def apply_split(self, security: Security, factor: Decimal, reference_price: Decimal = ZERO) -> None:
        """Split a position of raw prices; the fraction of a share is paid out."""
        holding = security.holdings
        split = CONTEXT.divide(holding.exact_quantity, factor)
        whole = Decimal(int(split))
        left = split - whole
        price = holding.exact_average_price * factor
        if left:
            known = security.exact_price if security.cache.last is not None else reference_price
            security.quote_currency.add_amount(left * known * factor)
        holding.set_holdings(price, whole)
        security.apply_split(factor)
        self.invalidate()

    # Holdings by symbol.
    def __getitem__(self, key: Any) -> SecurityHolding:
        return self.securities[key].holdings

    def __contains__(self, key: Any) -> bool:
        return key in self.securities

    def contains_key(self, key: Any) -> bool:
        """True if the symbol is subscribed."""
        return key in self.securities

    def get(self, key: Any, default: Any = None) -> Any:
        """Return a holding or the default."""
        security = self.securities.get(key)
        return security.holdings if security is not None else default

    def __iter__(self) -> Iterator[Any]:
        return iter(Pair(symbol, security.holdings) for symbol, security in self.securities.items())

    def __len__(self) -> int:
        return len(self.securities)

    @property
    def count(self) -> int:
        """Number of securities."""
        return len(self.securities)

    def keys(self) -> list[Symbol]:
        """Symbols."""
        return self.securities.keys()

    Keys = property(keys)

    def values(self) -> list[SecurityHolding]:
        """Holdings."""
        return [security.holdings for security in self.securities.values()]

    Values = property(values)

    def items(self) -> list[tuple[Symbol, SecurityHolding]]:
        """Symbols and holdings."""
        return [(symbol, security.holdings) for symbol, security in self.securities.items()]

    def copy(self) -> dict[Symbol, SecurityHolding]:
        """Return symbols and holdings as a dictionary of the caller's."""
        return dict(self.items())

    def clear(self) -> None:
        """Nothing can be taken out: `remove_security` and `liquidate` do that.

        Raises:
            NotImplementedError: Always, as in LEAN.
        """
        raise NotImplementedError("the portfolio cannot be cleared: use liquidate() and remove_security()")

    def pop(self, key: Any, *default: Any) -> Any:
        """Nothing can be taken out.

        Raises:
            NotImplementedError: Always, as in LEAN.
        """
        raise NotImplementedError(f"{key} cannot be taken out of the portfolio: use liquidate() and remove_security()")
