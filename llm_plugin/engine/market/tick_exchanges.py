"""Which exchange the letter on a tick stands for."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.market.exchanges import Exchange

__all__ = ["exchange_of"]

_MIAX_PEARL = Exchange("MIAX_PEARL", "H", "", "usa", SecurityType.EQUITY)
_NAMES = {
    "T": "NASDAQ", "Q": "NASDAQ", "NASDAQ": "NASDAQ", "NASDAQ_OMX": "NASDAQ",
    "S": "NASDAQ_SC", "NASDAQ_SC": "NASDAQ_SC",
    "Z": "BATS", "BATS": "BATS", "BATS Z": "BATS", "BATS_Z": "BATS",
    "P": "ARCA", "ARCA": "ARCA", "N": "NYSE", "NYSE": "NYSE", "D": "FINRA", "FINRA": "FINRA",
    "I": "ISE", "ISE": "ISE", "M": "CSE", "CSE": "CSE", "W": "CBOE", "CBOE": "CBOE", "A": "AMEX", "AMEX": "AMEX",
    "SIAC": "SIAC", "J": "EDGA", "EDGA": "EDGA", "K": "EDGX", "EDGX": "EDGX",
    "B": "NASDAQ_BX", "NASDAQ BX": "NASDAQ_BX", "NASDAQ_BX": "NASDAQ_BX",
    "X": "NASDAQ_PSX", "NASDAQ PSX": "NASDAQ_PSX", "NASDAQ_PSX": "NASDAQ_PSX",
    "Y": "BATS_Y", "BATS Y": "BATS_Y", "BATS_Y": "BATS_Y", "BYX": "BATS_Y", "BB": "BOSTON", "BOSTON": "BOSTON",
    "BSE": "BSE", "V": "IEX", "IEX": "IEX", "SMART": "SMART", "OTCX": "OTCX", "L": "LTSE", "LTSE": "LTSE",
    "U": "MEMX", "MM": "MEMX", "MEMX": "MEMX", "CSFB": "CSFB",
}  # fmt: skip
_PEARL = frozenset({"H", "MP", "MIAX PEARL", "MIAX_PEARL"})
_NATIONAL = frozenset({"C", "NSX", "NSE"})


def exchange_of(text: str, symbol: Any) -> Exchange:
    """Return the exchange of a code or name; the unknown one where it says nothing (and for other than equities)."""
    name = text.upper()
    if not name or symbol.security_type != SecurityType.EQUITY:
        return Exchange.UNKNOWN
    if name in _PEARL:
        return _MIAX_PEARL
    if name in _NATIONAL:
        national = {"usa": "NSX", "india": "NSE"}.get(symbol.id.market)
        return getattr(Exchange, national) if national is not None else Exchange.UNKNOWN
    known = _NAMES.get(name)
    return getattr(Exchange, known) if known is not None else Exchange.UNKNOWN
