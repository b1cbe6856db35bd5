"""The account in whole units of a power of ten: exact, and cheap to value while nothing but prices changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.money import ONE, ZERO
from llm_plugin.engine.core import EngineCore
from llm_plugin.engine.feed.lazy_bars import FeedQuoteBar, FeedTradeBar
from llm_plugin.engine.loop.benchmark import SecurityBenchmark
from llm_plugin.engine.statistics.account_shape import AccountShape, Asset

__all__ = ["Ledger"]

_MARGINED = frozenset({SecurityType.CFD, SecurityType.FUTURE, SecurityType.CRYPTO_FUTURE})
_CURRENCY = frozenset({SecurityType.FOREX, SecurityType.CRYPTO})
_BARS = (FeedTradeBar, FeedQuoteBar)
# Sums of numbers below it need no more than the 28 digits that decimals have here.
_MOST = 10**26


def _parts(value: Decimal) -> tuple[int, int]:
    """Return a decimal as whole units and their decimals."""
    # The text is cheaper than `as_tuple`.
    text = str(value)
    if "E" in text:
        places = max(0, -int(value.as_tuple().exponent))
        return int(value.scaleb(places)), places
    point = text.find(".")
    return (int(text), 0) if point < 0 else (int(text[:point] + text[point + 1 :]), len(text) - 1 - point)


def _block_of(source: Any) -> Any:
    return source._block if isinstance(source, _BARS) else None


class _Term:
    """What is worth a fixed number of units per unit of a price: a position, or money of another currency."""

    __slots__ = ("block", "cache", "crypto", "factor", "held", "last", "places", "security", "total", "units")

    def __init__(self, security: Any, *, last: bool, held: bool, total: bool) -> None:
        self.security, self.last, self.held, self.total = security, last, held, total
        self.cache = security.cache
        self.crypto = security.type == SecurityType.CRYPTO and not last
        self.block = _block_of(self.source)
        self.units: list[int] = []
        self.places = self.factor = 0

    @property
    def source(self) -> Any:
        """What the price is taken from."""
        cache = self.cache
        if self.crypto and cache.trade is not None:
            return cache.trade
        return cache.last if self.last else cache.source

    def value(self) -> int:
        """What it is worth now; the price is known to be a bar's."""
        return int(self.units[self.source._row] * self.factor)

    def multiply(self, *factors: Decimal) -> bool:
        """Fix the units per unit of price; return whether that can be done."""
        if self.block is None:
            return False
        self.units, self.places = self.block.close_units
        self.factor = 1
        for value in factors:
            units, places = _parts(value)
            self.factor *= units
            self.places += places
        return True


class Ledger:
    """Values the account in whole units, for as long as cash, positions and rates are the objects it knows.

    Args:
        core: The run.
    """

    def __init__(self, core: EngineCore) -> None:
        self._core = core
        self._portfolio = core.portfolio
        self._books = core.cash_book, core.portfolio.unsettled_cash_book
        self._versions: list[tuple[Any, int]] = []
        self._cash: list[tuple[Any, Any, Any, Any]] = []
        self._seen: set[int] = set()
        self._holdings: list[tuple[Any, Any, Any]] = []
        self._multipliers: list[tuple[Any, Any]] = []
        self.terms: list[_Term] = []
        self.base = 0
        # The benchmark's security, where its units can be had.
        self.compared: Any = None
        self.benchmark_block: Any = None
        # Few of them are looked at one by one.
        self._benchmark_units: Any = ()
        # Of the last look.
        self.shape: AccountShape | None = None
        self.total = 0
        self.positions: tuple[int, ...] = ()

    def look(self) -> AccountShape | None:
        """Value the account at the prices of now; None where that takes decimals."""
        shape = self.shape
        if shape is None or not self.holds():
            shape = self._renew()
        if shape is not None and not self._value():
            # Other bars than before may do: one more look at everything.
            shape = self._renew()
            if shape is not None and not self._value():
                return None
        return shape

    @property
    def exact_total(self) -> Decimal:
        """The account's value at the last look, which could take it."""
        return Decimal(self.total).scaleb(-self.shape.scale) if self.shape is not None else ZERO

    def benchmark(self) -> Any:
        """The benchmark of now, in units of the shape's or as a decimal."""
        if self.benchmark_block is not None:
            return int(self._benchmark_units[self.compared.cache.source._row])
        return self.exact_benchmark()

    def exact_benchmark(self) -> Decimal:
        """The benchmark of now, exact."""
        benchmark = self._core.benchmark
        if type(benchmark) is SecurityBenchmark:
            return benchmark.exact_now
        return benchmark.exact(self._core.clock.time) if benchmark is not None else ZERO

    def holds(self) -> bool:
        """Whether cash, positions and rates are those of the last look."""
        for cash, amount, rate, legs in self._cash:
            if (
                cash.exact_amount is not amount
                or cash.legs is not legs
                or (cash._conversion_rate is not rate and not legs)
            ):
                return False
        for holding, quantity, sold in self._holdings:
            if holding.exact_quantity is not quantity or holding.exact_sale_volume is not sold:
                return False
        for properties, multiplier in self._multipliers:
            if properties.exact_multiplier is not multiplier:
                return False
        for counted, version in self._versions:
            if counted.version != version:
                return False
        return self.benchmark_block is self._block_of_benchmark()

    def _block_of_benchmark(self) -> Any:
        security = self.compared
        if security is None or security._fixed is not None:
            return None
        block = _block_of(security.cache.source)
        # Prices with so many decimals that their units take more than 64 bits are compared as decimals.
        return None if block is None or block.unit_column[0].dtype == object else block

    def _look_at_benchmark(self) -> int | None:
        """Return the decimals of the benchmark's units, None where it is taken as a decimal."""
        benchmark = self._core.benchmark
        self.compared = None
        if type(benchmark) is SecurityBenchmark:
            security = benchmark.security
            cash = security.quote_currency
            self._watch(cash)
            if not (security.type == SecurityType.CRYPTO or cash.legs or cash._conversion_rate != ONE):
                self.compared = security
        self.benchmark_block = self._block_of_benchmark()
        if self.benchmark_block is None:
            return None
        self._benchmark_units, places = self.benchmark_block.unit_column
        return int(places)

    def _value(self) -> bool:
        total, positions = self.base, []
        for term in self.terms:
            source = term.source if term.crypto else term.cache.last if term.last else term.cache.source
            if getattr(source, "_block", None) is not term.block or term.security._fixed is not None:
                return False
            value = term.units[source._row] * term.factor
            if not -_MOST < value < _MOST or (term.last and not value):
                # A currency without a price keeps its last rate.
                return False
            if term.total:
                total += value
            if term.held:
                positions.append(value)
        if not -_MOST < total < _MOST:
            return False
        self.total, self.positions = total, tuple(positions)
        return True

    # A new look at everything.
    def _renew(self) -> AccountShape | None:
        self.shape = None
        self._versions = [(counted, counted.version) for counted in (*self._books, self._portfolio.securities)]
        self.terms = []
        base = self._look_at_cash()
        assets = self._look_at_assets() if base is not None else None
        if base is None or assets is None:
            return None
        units, places = _parts(base)
        scale = max([places, *(term.places for term in self.terms)])
        self.base = units * 10 ** (scale - places)
        for term in self.terms:
            term.factor *= 10 ** (scale - term.places)
        places_of_benchmark = self._look_at_benchmark()
        sold = sum((sold for _, _, sold in self._holdings), ZERO)
        self.shape = AccountShape(scale, places_of_benchmark, assets, sold)
        return self.shape

    def _look_at_cash(self) -> Decimal | None:
        base = ZERO
        self._cash, self._seen = [], set()
        for book in self._books:
            for cash in book.values():
                legs, amount = cash.legs, cash.exact_amount
                self._watch(cash)
                if not legs:
                    base += cash.value_exact
                elif amount:
                    (security, inverted), *more = legs
                    term = _Term(security, last=True, held=False, total=True)
                    if inverted or more or not term.multiply(amount):
                        return None
                    self.terms.append(term)
        return base

    def _watch(self, cash: Any) -> None:
        if id(cash) not in self._seen:
            self._seen.add(id(cash))
            self._cash.append((cash, cash.exact_amount, cash._conversion_rate, cash.legs))

    def _look_at_assets(self) -> list[Asset] | None:
        assets: list[Asset] = []
        securities = self._portfolio.securities
        self._holdings = [
            (s.holdings, s.holdings.exact_quantity, s.holdings.exact_sale_volume) for s in securities.total
        ]
        self._multipliers = []
        held_count = 0
        for security in securities.each:
            holding, at = security.holdings, -1
            if holding.exact_quantity:
                at, held_count = held_count, held_count + 1
                if not self._add_position(security):
                    return None
            assets.append(Asset(security.symbol.value, security.type, holding.exact_sale_volume, at))
        return assets

    def _add_position(self, security: Any) -> bool:
        cash, properties = security.quote_currency, security.symbol_properties
        if security.type in _MARGINED or cash.legs:
            return False
        self._watch(cash)
        self._multipliers.append((properties, properties.exact_multiplier))
        term = _Term(security, last=False, held=True, total=security.type not in _CURRENCY)
        self.terms.append(term)
        return term.multiply(security.holdings.exact_quantity, properties.exact_multiplier, cash._conversion_rate)
