"""Which security a candidate means: names out of its process, bound to the trusted data."""

from __future__ import annotations

import re
from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.data.map_files import load_map_file
from llm_plugin.engine.market.symbols import SecurityIdentifier, Symbol
from llm_plugin.errors import AlgorithmError

__all__ = ["named_symbol", "subscribed_symbol"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def named_symbol(core: Any, kind: int, ticker: str, market: str) -> Symbol:
    """Return the symbol of a ticker.

    Raises:
        AlgorithmError: It is no name: names become parts of paths.
    """
    if not _NAME.fullmatch(ticker) or not _NAME.fullmatch(market):
        raise AlgorithmError(f"{ticker[:40]!r} on {market[:40]!r} is no name of a security")
    found: Symbol = core.make_symbol(ticker, SecurityType(kind), market)
    return found


def subscribed_symbol(core: Any, kind: int, ticker: str, market: str, sid: str) -> Symbol:
    """Return the symbol that a candidate subscribed to, with the identity that it had there.

    Raises:
        AlgorithmError: No name, or an identity that never had this ticker.
    """
    symbol = named_symbol(core, kind, ticker, market)
    if str(symbol.id) == sid:
        return symbol
    # A ticker that belonged to another company at the time.
    symbol = Symbol(SecurityIdentifier.parse(sid), ticker)
    same_kind = (int(symbol.security_type), symbol.id.market) == (kind, market)
    if not same_kind or not _was_called(core, symbol):
        raise AlgorithmError(f"{sid} is no identifier of {ticker}")
    return symbol


def _was_called(core: Any, symbol: Symbol) -> bool:
    first, market = symbol.id.symbol.upper(), symbol.id.market
    if first == symbol.value:
        return True
    if not _NAME.fullmatch(first):
        return False
    for one, other in ((first, symbol.value), (symbol.value, first)):
        found = load_map_file(core.data_folder, market, one)
        if found is not None and other in {name.upper() for _, name in found.rows}:
            return True
    return False
