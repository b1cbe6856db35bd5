"""Exchanges by name, as order properties and ticks name them."""

from __future__ import annotations

from typing import Any, ClassVar

from llm_plugin.engine.base.enums import SecurityType
from llm_plugin.engine.base.names import LeanObject

__all__ = ["Exchange"]

# Name: code, market; those that trade something else than equities only name it.
_EQUITY = (SecurityType.EQUITY,)
_EXCHANGES: dict[str, tuple[str, str, str, tuple[SecurityType, ...]]] = {
    **{
        name: (name, code, "usa", _EQUITY)
        for name, code in (
            ("MEMX", "MM"), ("LTSE", "L"), ("NASDAQ", "Q"), ("NASDAQ_SC", "S"), ("BATS", "Z"), ("ARCA", "P"),
            ("NYSE", "N"), ("SMART", "SMART"), ("OTCX", "OTCX"), ("IEX", "IEX"), ("FINRA", "D"), ("ISE", "I"),
            ("CSE", "M"), ("NASDAQ_BX", "B"), ("SIAC", "SIAC"), ("EDGA", "J"), ("EDGX", "K"), ("NASDAQ_PSX", "X"),
            ("BATS_Y", "Y"), ("BOSTON", "BB"), ("AMEX", "A"), ("CSFB", "CSFB"),
        )
    },
    "NSX": ("NSE", "C", "usa", _EQUITY),
    "CBOE": ("CBOE", "W", "usa", (SecurityType.EQUITY, SecurityType.OPTION, SecurityType.INDEX_OPTION)),
    "BSE": ("BSE", "BSE", "india", _EQUITY),
    "NSE": ("NSE", "NSE", "india", _EQUITY),
}  # fmt: skip


class Exchange(LeanObject):
    """Where an order goes or a trade happened; compares equal by code and market."""

    UNKNOWN: ClassVar[Exchange]

    def __init__(self, name: str, code: str, description: str, market: str, *security_types: SecurityType) -> None:
        self.name, self.code, self.description, self.market = name, code or name, description, market
        self.security_types = [SecurityType(kind) for kind in security_types]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return other in (self.name, self.code)
        if not isinstance(other, Exchange):
            return NotImplemented
        return (self.code, self.market, self.security_types) == (other.code, other.market, other.security_types)

    def __hash__(self) -> int:
        return hash((self.code, self.market))

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return self.name

    def json_fields(self) -> dict[str, Any]:
        """Return what the order list holds of it, by C#'s names."""
        return {
            "Code": self.code,
            "Name": self.name,
            "Market": self.market,
            "SecurityTypes": [int(kind) for kind in self.security_types],
        }


Exchange.UNKNOWN = Exchange("", "", "UNKNOWN", "")
for _name, (_shown, _code, _market, _types) in _EXCHANGES.items():
    setattr(Exchange, _name, Exchange(_shown, _code, "", _market, *_types))
