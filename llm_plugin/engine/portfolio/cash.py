"""Cash of one currency and the book of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.fields import decimal_field, float_view
from llm_plugin.engine.base.money import CONTEXT, ONE, ZERO, to_decimal
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.base.pulse import beat

__all__ = [
    "CURRENCY_SYMBOLS",
    "Cash",
    "CashAmount",
    "CashBook",
    "ConvertibleCashAmount",
    "Currencies",
    "CurrencyConversion",
]

CURRENCY_SYMBOLS = {
    "USD": "$", "GBP": "₤", "JPY": "¥", "KRW": "₩", "EUR": "€", "NZD": "$", "AUD": "$", "CAD": "$", "CHF": "Fr",
    "HKD": "$", "SGD": "$", "XAG": "Ag", "XAU": "Au", "CNH": "¥", "CNY": "¥", "CZK": "Kč", "DKK": "kr", "HUF": "Ft",
    "INR": "₹", "MXN": "$", "NOK": "kr", "PLN": "zł", "SAR": "﷼", "SEK": "kr", "THB": "฿", "TRY": "₺", "TWD": "NT$",
    "ZAR": "R", "RUB": "₽", "BRL": "R$", "GNF": "Fr", "IDR": "Rp", "BTC": "₿", "BCH": "Ƀ", "BSV": "Ɓ", "LTC": "Ł",
    "ETH": "Ξ", "EOS": "ε", "XRP": "✕", "XLM": "*", "ETC": "ξ", "ZRX": "ZRX", "USDT": "₮", "ADA": "₳", "SOL": "◎",
    "DOT": "●", "DOGE": "Ð", "DAI": "◈", "ALGO": "Ⱥ", "ICP": "∞", "XMR": "ɱ", "XTZ": "ꜩ", "IOTA": "ɨ", "MIOTA": "ɨ",
    "MKR": "Μ", "ZEC": "ⓩ", "DASH": "Đ", "XNO": "Ӿ", "REP": "Ɍ", "STEEM": "ȿ", "THETA": "ϑ", "FIL": "⨎", "BAT": "⟁",
    "LSK": "Ⱡ", "NAV": "Ꞥ",
}  # fmt: skip

# One leg of a conversion: the security whose price converts, and whether it divides.
Leg = tuple[Any, bool]


class CashAmount(LeanObject):
    """An amount in a currency."""

    amount = decimal_field("amount", "The amount.", "exact_amount")

    def __init__(self, amount: Any, currency: str) -> None:
        self.exact_amount: Decimal = to_decimal(amount)
        self.currency = currency

    def __str__(self) -> str:
        return f"{self.exact_amount} {self.currency}"


class CurrencyConversion(LeanObject):
    """The way from one currency to another, over the prices of one or two securities."""

    def __init__(self, source: str, destination: str | None, securities: list[Any], rate: Decimal) -> None:
        self.source_currency, self.destination_currency = source, destination
        self.conversion_rate_securities = securities
        self.conversion_rate = float(rate)


class Cash(LeanObject):
    """What the account holds of one currency, and what a unit is worth in the account's currency."""

    amount = float_view("exact_amount", "Units of the currency.")

    def __init__(self, symbol: str, amount: Any = ZERO, conversion_rate: Any = ZERO) -> None:
        self.symbol = symbol
        self.exact_amount = to_decimal(amount)
        self.conversion_rate = conversion_rate
        self.legs: list[Leg] = []
        self.converted_to: str | None = None
        self.searched = False
        self._priced: list[Any] = []
        # (amount, rate) and the value that they gave.
        self._valued: tuple[Any, Any, Decimal] = (None, None, ZERO)

    @property
    def conversion_rate(self) -> float:
        """Account currency per unit."""
        return float(self.exact_rate)

    @conversion_rate.setter
    def conversion_rate(self, value: Any) -> None:
        self._conversion_rate = to_decimal(value)
        beat()

    @property
    def exact_rate(self) -> Decimal:
        """Account currency per unit, exact: from the last data of the conversion's securities."""
        if self.legs:
            last = [security.cache.last for security, _ in self.legs]
            priced = self._priced
            if len(last) == 1 == len(priced):
                changed = last[0] is not priced[0]
            else:
                changed = len(last) != len(priced) or any(a is not b for a, b in zip(last, priced, strict=True))
            if changed:
                self._priced = last
                self._update_rate()
        return self._conversion_rate

    @property
    def value_exact(self) -> Decimal:
        """Value in the account currency, exact."""
        amount, rate = self.exact_amount, self.exact_rate if self.legs else self._conversion_rate
        known = self._valued
        if known[0] is amount and known[1] is rate:
            return known[2]
        value = CONTEXT.multiply(amount, rate)
        self._valued = amount, rate, value
        return value

    value_in_account_currency = float_view("value_exact", "Value in the account currency.")

    @property
    def currency_symbol(self) -> str:
        """Sign of the currency."""
        return CURRENCY_SYMBOLS.get(self.symbol, self.symbol)

    @property
    def currency_conversion(self) -> CurrencyConversion:
        """The way to the account's currency; none of its rates needs a security where there is no leg."""
        securities = [security for security, _ in self.legs]
        return CurrencyConversion(self.symbol, self.converted_to, securities, self.exact_rate)

    def add_amount(self, amount: Any) -> float:
        """Add units."""
        self.exact_amount += to_decimal(amount)
        beat()
        return float(self.exact_amount)

    def set_amount(self, amount: Any) -> None:
        """Set the units."""
        self.exact_amount = to_decimal(amount)
        beat()

    def estimate_rate(self) -> float:
        """Return the conversion rate as a float, without exact arithmetic."""
        if not self.legs:
            return float(self._conversion_rate)
        rate = 1.0
        for security, inverted in self.legs:
            last = security.cache.last
            price = float(last.value) if last is not None else 0.0
            if price == 0:
                return float(self._conversion_rate)
            rate = rate / price if inverted else rate * price
        return rate

    def estimate(self) -> float:
        """Return the value in the account's currency as a float, without exact arithmetic."""
        return float(self.exact_amount) * self.estimate_rate() if self.exact_amount else 0.0

    def _update_rate(self) -> None:
        rate = ONE
        for security, inverted in self.legs:
            price = security.last_data_price
            if price == 0:
                return
            rate = CONTEXT.divide(rate, price) if inverted else CONTEXT.multiply(rate, price)
        if self.legs:
            # That follows from prices: it is no change.
            self._conversion_rate = rate

    def __repr__(self) -> str:
        return f"{self.symbol}: {self.exact_amount} @ {self.exact_rate}"


class ConvertibleCashAmount(LeanObject):
    """An amount of one of the book's currencies; as a number it is in the account's currency."""

    amount = float_view("exact_amount", "Units of the currency.")
    in_account_currency = float_view("exact_converted", "The amount in the account's currency.")

    def __init__(self, amount: Any, cash: Cash) -> None:
        self.exact_amount, self.cash = to_decimal(amount), cash

    @property
    def exact_converted(self) -> Decimal:
        """The amount in the account's currency, exact."""
        return CONTEXT.multiply(self.exact_amount, self.cash.exact_rate)

    def __float__(self) -> float:
        return float(self.exact_converted)


class Currencies(LeanObject):
    """Codes and signs of currencies."""

    USD, EUR, GBP, JPY, CHF = "USD", "EUR", "GBP", "JPY", "CHF"
    HKD, CNH, INR, KRW, IDR = "HKD", "CNH", "INR", "KRW", "IDR"
    NULL_CURRENCY = NullCurrency = "QCC"

    @staticmethod
    def get_currency_symbol(currency: str) -> str:
        """Return the sign of a currency, or its code."""
        return CURRENCY_SYMBOLS.get(currency, currency)


class CashBook(LeanObject):
    """Currencies by code."""

    def __init__(self, account_currency: str = "USD") -> None:
        self.account_currency = account_currency
        self._items: dict[str, Cash] = {account_currency: Cash(account_currency, ZERO, ONE)}
        self.version = 0

    def set_account_currency(self, currency: str) -> None:
        """Make another currency the account's."""
        self._items.pop(self.account_currency, None)
        self.account_currency = currency
        self._items[currency] = Cash(currency, ZERO, ONE)

    def add(self, symbol: str, amount: Any = ZERO, conversion_rate: Any = ZERO) -> Cash:
        """Add or replace a currency."""
        rate = ONE if symbol == self.account_currency else conversion_rate
        cash = self._items.get(symbol)
        if cash is None:
            cash = self._items[symbol] = Cash(symbol, amount, rate)
            self.version += 1
            beat()
        else:
            cash.set_amount(amount)
            cash.conversion_rate = rate
        return cash

    def ensure(self, symbol: str) -> Cash:
        """Return a currency's cash, adding it with amount 0."""
        return self._items[symbol] if symbol in self._items else self.add(symbol)

    @property
    def exact_total(self) -> Decimal:
        """Value of all currencies in the account's, exact."""
        total = ZERO
        for cash in self._items.values():
            total += cash.value_exact
        return total

    total_value_in_account_currency = float_view("exact_total", "Value of all currencies in the account's.")

    def exact_convert(self, amount: Decimal, currency: str) -> Decimal:
        """Convert to the account currency, exact."""
        if currency == self.account_currency or amount == 0:
            return amount
        return CONTEXT.multiply(amount, self._items[currency].exact_rate)

    def convert(self, amount: Any, source: str, destination: str) -> float:
        """Convert between two currencies of the book."""
        value = self.exact_convert(to_decimal(amount), source)
        rate = self._items[destination].exact_rate
        if rate == 0:
            raise ValueError(f"the conversion rate of {destination} is 0: no data for its currency pair yet")
        return float(CONTEXT.divide(value, rate))

    def convert_to_account_currency(self, amount: Any, currency: str | None = None) -> Any:
        """Convert an amount, or a CashAmount."""
        if isinstance(amount, CashAmount):
            return CashAmount(self.exact_convert(amount.exact_amount, amount.currency), self.account_currency)
        return float(self.exact_convert(to_decimal(amount), str(currency)))

    def __getitem__(self, symbol: str) -> Cash:
        try:
            return self._items[symbol]
        except KeyError:
            raise KeyError(f"the cash book has no {symbol!r}; it has {', '.join(self._items)}") from None

    def __contains__(self, symbol: object) -> bool:
        return symbol in self._items

    def contains_key(self, symbol: str) -> bool:
        """True if the currency is in the book."""
        return symbol in self._items

    def get(self, symbol: str, default: Cash | None = None) -> Cash | None:
        """Return a currency's cash, or the default."""
        return self._items.get(symbol, default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def count(self) -> int:
        """Number of currencies."""
        return len(self._items)

    def keys(self) -> list[str]:
        """Currency codes."""
        return list(self._items)

    def values(self) -> list[Cash]:
        """Cash of each currency."""
        return list(self._items.values())

    def items(self) -> list[tuple[str, Cash]]:
        """Codes and cash."""
        return list(self._items.items())
