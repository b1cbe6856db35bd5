"""Which securities came and went."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llm_plugin.engine.base.names import LeanObject

__all__ = ["SecurityChanges"]


class SecurityChanges(LeanObject):
    """Securities added and removed since the last time."""

    none: SecurityChanges

    def __init__(self, added: Iterable[Any] = (), removed: Iterable[Any] = ()) -> None:
        self.added_securities = sorted(added, key=lambda security: security.symbol.value)
        self.removed_securities = sorted(removed, key=lambda security: security.symbol.value)

    @property
    def count(self) -> int:
        """Number of changes."""
        return len(self.added_securities) + len(self.removed_securities)

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        if not self.count:
            return "SecurityChanges: None"
        added = ",".join(s.symbol.value for s in self.added_securities)
        removed = ",".join(s.symbol.value for s in self.removed_securities)
        return f"SecurityChanges: Added: {added} Removed: {removed}"

    def __str__(self) -> str:
        return repr(self)


SecurityChanges.none = SecurityChanges()
SecurityChanges.None_ = SecurityChanges.none  # type: ignore[attr-defined]
