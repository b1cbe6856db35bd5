"""A list that is read as far as somebody looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["LazyList"]


class LazyList(Sequence[Any]):
    """What an iterator gives, read as far as somebody looks."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source, self._read = source, list[Any]()

    def __iter__(self) -> Iterator[Any]:
        at = 0
        while at < len(self._read) or self._more():
            yield self._read[at]
            at += 1

    def _more(self) -> bool:
        for item in self._source:
            self._read.append(item)
            return True
        return False

    def _all(self) -> list[Any]:
        self._read.extend(self._source)
        return self._read

    def __len__(self) -> int:
        return len(self._all())

    def __getitem__(self, index: Any) -> Any:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return self._all() == (other._all() if isinstance(other, LazyList) else other)

    def __add__(self, other: Any) -> list[Any]:
        return self._all() + list(other)

    def __repr__(self) -> str:
        return repr(self._all())

    __hash__ = None  # type: ignore[assignment]
