"""Symbols and LEAN's security identifiers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.names import LeanObject
from llm_plugin.engine.market.security_definitions import Identified

__all__ = ["MARKET_CODES", "Market", "SecurityIdentifier", "Symbol", "SymbolCache"]

MARKET_CODES = {
    "empty": 0,
    "usa": 1,
    "fxcm": 2,
    "oanda": 3,
    "dukascopy": 4,
    "bitfinex": 5,
    "cboe": 10,
    "india": 11,
    "gdax": 12,
    "kraken": 13,
    "bitstamp": 14,
    "okcoin": 15,
    "binance": 16,
    "poloniex": 17,
    "coinone": 18,
    "hitbtc": 19,
    "bittrex": 20,
    "cme": 23,
    "ftx": 34,
    "ftxus": 35,
    "binanceus": 36,
    "bybit": 37,
    "coinbase": 38,
    "interactivebrokers": 39,
}
_NAMES = {code: name for name, code in MARKET_CODES.items()}
_OA_EPOCH = date(1899, 12, 30)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Market(LeanObject):
    """Names of markets."""

    USA = Usa = "usa"
    OANDA = Oanda = "oanda"
    FXCM = "fxcm"
    DUKASCOPY = Dukascopy = "dukascopy"
    BITFINEX = Bitfinex = "bitfinex"
    CBOE = "cboe"
    INDIA = India = "india"
    GDAX = "coinbase"
    KRAKEN = Kraken = "kraken"
    BITSTAMP = Bitstamp = "bitstamp"
    BINANCE = Binance = "binance"
    BINANCE_US = BinanceUS = "binanceus"
    BYBIT = Bybit = "bybit"
    FTX = "ftx"
    FTXUS = "ftxus"
    COINBASE = Coinbase = "coinbase"
    INTERACTIVE_BROKERS = InteractiveBrokers = "interactivebrokers"
    CME = "cme"


def _base36(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text or "0"


class SecurityIdentifier(LeanObject):
    """LEAN's identifier: first ticker, listing date, market and type in one string (`SPY R735QTJ8XC9X`)."""

    __slots__ = ("_text", "date", "market", "security_type", "symbol")

    DEFAULT_DATE = DefaultDate = datetime(1899, 12, 30)
    # Set below, once the class exists.
    EMPTY: SecurityIdentifier
    NONE: SecurityIdentifier

    def __init__(self, ticker: str, security_type: SecurityType, market: str, first_date: date | None = None) -> None:
        if market not in MARKET_CODES:
            raise ValueError(f"market {market!r} is unknown; known: {', '.join(sorted(MARKET_CODES))}")
        self.symbol = ticker
        self.security_type = security_type
        self.market = market
        self.date = datetime.combine(first_date, datetime.min.time()) if first_date else self.DEFAULT_DATE
        days = (first_date - _OA_EPOCH).days if first_date else 0
        properties = int(security_type) + MARKET_CODES[market] * 100 + days * 10**14
        self._text = f"{ticker} {_base36(properties)}"

    @classmethod
    def parse(cls, text: str) -> SecurityIdentifier:
        """Read an identifier's string.

        Raises:
            ValueError: The string is not an identifier of a supported kind.
        """
        ticker, _, code = text.rpartition(" ")
        try:
            number = int(code, 36)
            market = _NAMES[number // 100 % 1000]
            kind = SecurityType(number % 100)
        except (ValueError, KeyError):
            raise ValueError(f"{text!r} is not a security identifier such as 'SPY R735QTJ8XC9X'") from None
        if not ticker:
            raise ValueError(f"{text!r} is not a security identifier such as 'SPY R735QTJ8XC9X'")
        days = number // 10**14 % 10**5
        first = date.fromordinal(_OA_EPOCH.toordinal() + days) if days else None
        return cls(ticker, kind, market, first)

    @classmethod
    def generate_equity(cls, ticker: str, market: str = "usa", first_date: date | None = None) -> SecurityIdentifier:
        """Make an equity's identifier."""
        return cls(ticker.upper(), SecurityType.EQUITY, market, first_date)

    @classmethod
    def generate_constituent_identifier(
        cls, symbol: str, security_type: SecurityType, market: str
    ) -> SecurityIdentifier:
        """Make the identifier of a universe of listed stocks."""
        return cls(symbol, SecurityType(security_type), market)

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__

    def to_string(self) -> str:
        """Return the identifier's string."""
        return self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return str(other) == self._text if isinstance(other, SecurityIdentifier | str) else False


class SymbolCache(LeanObject):
    """Tickers as the user knows them -> symbols; one per run."""

    __slots__ = ("_by_id", "_by_ticker")

    def __init__(self) -> None:
        self._by_ticker: dict[str, Symbol] = {}
        self._by_id: dict[str, Symbol] = {}

    def add(self, ticker: str, symbol: Symbol) -> None:
        """Remember the last symbol added under a ticker."""
        self._by_ticker[ticker.upper()] = symbol
        self._by_id[str(symbol.id)] = symbol

    @staticmethod
    def try_get_symbol(ticker: str, symbol: Any = None) -> tuple[bool, Symbol | None]:
        """Return (found, symbol) of a ticker in the run at hand; the second argument is LEAN's place for the symbol."""
        from llm_plugin.engine.core import current_find

        find = current_find()
        found = find(ticker) if find is not None else None
        return found is not None, found

    @staticmethod
    def get_symbol(ticker: str) -> Symbol:
        """Return the symbol of a ticker in the run at hand.

        Raises:
            ValueError: Nothing is called so.
        """
        known, found = SymbolCache.try_get_symbol(ticker)
        if not known or found is None:
            raise ValueError(f"SymbolCache.get_symbol: {ticker!r} is not known to this run")
        return found

    def find(self, key: Any) -> Symbol | None:
        """Return the symbol of a ticker, an identifier or a symbol; None where unknown."""
        if isinstance(key, Symbol):
            return key
        text = str(key)
        found = self._by_ticker.get(text.upper()) or self._by_id.get(text)
        if found is None:
            # `BTC` finds `BTC.Bitcoin`, if nothing else is called so.
            start = f"{text.upper()}."
            matches = [symbol for name, symbol in self._by_ticker.items() if name.startswith(start)]
            found = matches[0] if len(matches) == 1 else None
        return found


class Symbol(Identified):
    """A security's identity and its current ticker; equal to its ticker and to its identifier string."""

    __slots__ = ("_alias", "_hash", "_sid", "id", "security_type", "underlying", "value")

    # `Symbol.none` and `Symbol.empty` are set below, once the class exists.
    none: Symbol
    empty: Symbol

    def __init__(self, sid: SecurityIdentifier, value: str, alias: str | None = None) -> None:
        self.id = sid
        self.value = value.upper()
        self.security_type = sid.security_type
        self.underlying: Symbol | None = None
        self._sid = str(sid)
        self._hash = hash(self._sid)
        self._alias = alias if alias is not None else self._sid

    @classmethod
    def create(cls, ticker: str, security_type: SecurityType, market: str, alias: str | None = None) -> Symbol:
        """Make a symbol from its ticker; equities get the first ticker and date of their map file when subscribed."""
        from llm_plugin.engine.data.map_files import current_symbol_factory

        return current_symbol_factory()(ticker, SecurityType(security_type), market, alias)

    @classmethod
    def create_base(cls, base_type: type, underlying: Symbol, market: str | None = None) -> Symbol:
        """Make the symbol of custom data that stands for another one."""
        from llm_plugin.engine.data.custom_data import custom_symbol

        return custom_symbol(base_type, underlying.value, underlying, market or "usa")

    @property
    def sid(self) -> str:
        """The identifier as a string."""
        return self._sid

    @property
    def canonical(self) -> Symbol:
        """The symbol itself: it is no derivative."""
        return self

    @property
    def has_underlying(self) -> bool:
        """True for custom data that stands for another symbol."""
        return self.underlying is not None

    def is_canonical(self) -> bool:
        """False: derivatives are not supported."""
        return False

    def __str__(self) -> str:
        return self._alias

    def __repr__(self) -> str:
        return self._alias

    def to_string(self) -> str:
        """Return the ticker under which the symbol was added."""
        return self._alias

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, Symbol):
            return self._sid == other._sid
        if isinstance(other, str):
            return other == self._sid or other.upper() in (self.value, self._alias.upper())
        return False

    def __lt__(self, other: Any) -> bool:
        return self.value < (other.value if isinstance(other, Symbol) else str(other).upper())

    def __gt__(self, other: Any) -> bool:
        return self.value > (other.value if isinstance(other, Symbol) else str(other).upper())

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def compare_to(self, other: Any) -> int:
        """Return -1, 0 or 1 by ticker."""
        return -1 if self < other else int(self > other)


SecurityIdentifier.EMPTY = SecurityIdentifier("", SecurityType.BASE, "empty")
SecurityIdentifier.NONE = SecurityIdentifier("NONE", SecurityType.BASE, "empty")
Symbol.empty = Symbol(SecurityIdentifier.EMPTY, "", "")
Symbol.none = Symbol(SecurityIdentifier.NONE, "NONE", "NONE")
