"""Industry identifiers of securities, from the security database of the data folder."""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.names import LeanObject
from llm_plugin.errors import UnsupportedLeanApi

__all__ = ["DefinitionsApi", "Identified"]

_FIELDS = ("cusip", "composite_figi", "sedol", "isin", "cik")


@lru_cache(maxsize=8)
def _definitions(path: Path) -> dict[str, dict[str, Any]]:
    """Return the identifiers by the security's own one; nothing where there is no database."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.reader(line for line in lines if line.strip() and not line.startswith("#")):
            values: dict[str, Any] = dict(zip(_FIELDS, (value.strip() or None for value in row[1:]), strict=False))
            if values.get("cik") is not None:
                values["cik"] = int(values["cik"])
            found.setdefault(row[0], values)
    return found


def _look_up(sid: str, name: str) -> Any:
    from llm_plugin.engine.core import current_context

    path = Path(current_context().data_folder) / "symbol-properties" / "security-database.csv"
    return _definitions(path).get(sid, {}).get(name)


class Identified(LeanObject):
    """The part of a symbol that the security database knows; None where it does not."""

    __slots__ = ()

    @property
    def sid(self) -> str:
        """Text of the identifier."""
        raise NotImplementedError

    @property
    def cusip(self) -> str | None:
        """CUSIP."""
        return _look_up(self.sid, "cusip")  # type: ignore[no-any-return]

    @property
    def composite_figi(self) -> str | None:
        """Composite FIGI."""
        return _look_up(self.sid, "composite_figi")  # type: ignore[no-any-return]

    @property
    def sedol(self) -> str | None:
        """SEDOL."""
        return _look_up(self.sid, "sedol")  # type: ignore[no-any-return]

    @property
    def isin(self) -> str | None:
        """ISIN."""
        return _look_up(self.sid, "isin")  # type: ignore[no-any-return]

    @property
    def cik(self) -> int | None:
        """Central Index Key."""
        return _look_up(self.sid, "cik")  # type: ignore[no-any-return]


class DefinitionsApi(LeanObject):
    """The same of a symbol by methods of the algorithm; a symbol by its identifier is refused."""

    def cusip(self, symbol: Any) -> str | None:
        """CUSIP of a symbol."""
        return _of(symbol, "cusip")  # type: ignore[no-any-return]

    def composite_figi(self, symbol: Any) -> str | None:
        """Composite FIGI of a symbol."""
        return _of(symbol, "composite_figi")  # type: ignore[no-any-return]

    def sedol(self, symbol: Any) -> str | None:
        """SEDOL of a symbol."""
        return _of(symbol, "sedol")  # type: ignore[no-any-return]

    def isin(self, symbol: Any) -> str | None:
        """ISIN of a symbol."""
        return _of(symbol, "isin")  # type: ignore[no-any-return]

    def cik(self, symbol: Any) -> int | None:
        """Central Index Key of a symbol."""
        return _of(symbol, "cik")  # type: ignore[no-any-return]


def _of(symbol: Any, name: str) -> Any:
    if not isinstance(symbol, Identified):
        raise UnsupportedLeanApi(f"QCAlgorithm.{name}", f"of the identifier {symbol!r}: give a symbol")
    return getattr(symbol, name)
