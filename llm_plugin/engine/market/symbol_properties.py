"""LEAN's symbol-properties database: quote currency, lot size, tick size."""

from __future__ import annotations

import csv
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.fields import decimal_field
from llm_plugin.engine.base.money import ONE, to_decimal
from llm_plugin.engine.base.names import LeanObject, snake
from llm_plugin.engine.market.market_hours import database_key
from llm_plugin.errors import DataError

__all__ = ["SymbolProperties", "SymbolPropertiesDatabase", "load_symbol_properties"]

_CENT = Decimal("0.01")


class SymbolProperties(LeanObject):
    """What one unit of a symbol is."""

    contract_multiplier = decimal_field("contract_multiplier", "Units in one contract.", "exact_multiplier", beats=True)
    minimum_price_variation = decimal_field("minimum_price_variation", "Smallest step of the price.", "exact_tick")
    lot_size = decimal_field("lot_size", "Smallest step of a quantity.", "exact_lot")
    exact_multiplier: Decimal
    exact_tick: Decimal
    exact_lot: Decimal

    def __init__(
        self,
        description: str = "",
        quote_currency: str = "USD",
        contract_multiplier: Any = ONE,
        minimum_price_variation: Any = _CENT,
        lot_size: Any = ONE,
        market_ticker: str = "",
        minimum_order_size: Any = None,
        price_magnifier: Any = ONE,
        strike_multiplier: Any = ONE,
    ) -> None:
        self.description = description
        self.quote_currency = quote_currency
        self.contract_multiplier = contract_multiplier
        self.minimum_price_variation = minimum_price_variation
        self.lot_size = lot_size
        self.market_ticker = market_ticker
        self.exact_minimum_order = None if minimum_order_size is None else to_decimal(minimum_order_size)
        self.price_magnifier = float(price_magnifier)
        self.strike_multiplier = float(strike_multiplier)

    @classmethod
    def get_default(cls, quote_currency: str) -> SymbolProperties:
        """Return the properties of a symbol that the database lacks."""
        return cls(quote_currency=quote_currency)

    def copy(self) -> SymbolProperties:
        """Return properties with the same values, which can be set without a change to these."""
        return SymbolProperties(
            self.description,
            self.quote_currency,
            self.exact_multiplier,
            self.exact_tick,
            self.exact_lot,
            self.market_ticker,
            self.exact_minimum_order,
            self.price_magnifier,
            self.strike_multiplier,
        )

    @property
    def minimum_order_size(self) -> float | None:
        """Smallest quantity of an order, None where there is no limit."""
        return None if self.exact_minimum_order is None else float(self.exact_minimum_order)


# Market, ticker, kind.
Key = tuple[str, str, str]


class SymbolPropertiesDatabase(LeanObject):
    """Rows by market, ticker and type."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # What the file says, shared by all runs; what this run has asked for or set, which is its own.
        self._rows: dict[Key, SymbolProperties] = {}
        self._own: dict[Key, SymbolProperties] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise DataError(f"{path} is missing: the data folder must be one in LEAN's format") from None
        for number, row in enumerate(csv.reader(lines), 1):
            if len(row) >= 8 and not row[0].startswith("#") and row[0] != "market":
                self._rows[(row[0], row[1].upper(), row[2])] = self._parse(row, number)

    def _parse(self, row: list[str], number: int) -> SymbolProperties:
        def number_at(index: int, default: Decimal | None) -> Decimal | None:
            return Decimal(row[index]) if len(row) > index and row[index].strip() else default

        try:
            return SymbolProperties(
                row[3],
                row[4],
                number_at(5, ONE),
                number_at(6, _CENT),
                number_at(7, ONE),
                row[8] if len(row) > 8 else "",
                number_at(9, None),
                number_at(10, ONE),
                number_at(11, ONE),
            )
        except InvalidOperation:
            raise DataError(f"{self._path} row {number}: {row} has a field that is not a number") from None

    def find(self, market: str, ticker: str, security_type: SecurityType) -> SymbolProperties | None:
        """Return the row of a symbol or of its market, None where there is neither."""
        kind = snake(str(security_type)).replace("_", "")
        for key in ((market, ticker.upper(), kind), (market, "[*]", kind)):
            if key not in self._own and key in self._rows:
                # The file's rows are those of all runs of this process.
                self._own[key] = self._rows[key].copy()
            if key in self._own:
                return self._own[key]
        return None

    def get_symbol_properties(
        self, market: Any, symbol: Any, security_type: SecurityType, default_quote_currency: str = "USD"
    ) -> SymbolProperties:
        """Return the properties of a symbol, or defaults in the given currency."""
        found = self.find(str(market), database_key(symbol), security_type)
        return found if found is not None else SymbolProperties(quote_currency=default_quote_currency)

    def set_entry(self, market: str, ticker: Any, security_type: SecurityType, properties: SymbolProperties) -> bool:
        """Set a row for this run."""
        name = database_key(ticker).upper()
        self._own[(market, name, snake(str(SecurityType(security_type))).replace("_", ""))] = properties
        return True

    def contains(self, market: str, ticker: str, security_type: SecurityType) -> bool:
        """True if the symbol itself has a row."""
        key = (market, ticker.upper(), snake(str(security_type)).replace("_", ""))
        return key in self._own or key in self._rows

    def entries(self, market: str, security_type: SecurityType) -> list[tuple[str, SymbolProperties]]:
        """Return (ticker, properties) of the symbols of a market, in the order of the file."""
        kind = snake(str(security_type)).replace("_", "")
        rows = {**self._rows, **self._own}
        return [(key[1], row) for key, row in rows.items() if key[0] == market and key[2] == kind and key[1] != "[*]"]

    def copy(self) -> SymbolPropertiesDatabase:
        """Return a copy that a run can edit."""
        twin = object.__new__(SymbolPropertiesDatabase)
        twin.__dict__.update(self.__dict__, _own={})
        return twin


@lru_cache(maxsize=8)
def _cached(path: Path, modified_ns: int) -> SymbolPropertiesDatabase:
    return SymbolPropertiesDatabase(path)


def load_symbol_properties(data_folder: Path) -> SymbolPropertiesDatabase:
    """Return the database of a data folder."""
    path = Path(data_folder) / "symbol-properties" / "symbol-properties-database.csv"
    if not path.is_file():
        raise DataError(f"{path} is missing: the data folder must be one in LEAN's format")
    return _cached(path, path.stat().st_mtime_ns).copy()
