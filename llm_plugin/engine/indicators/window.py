"""`RollingWindow`: the newest values first, with LEAN's rules for indices outside of what is held."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from llm_plugin.engine.base.names import LeanObject

__all__ = ["RollingWindow"]


class RollingWindow(LeanObject):
    """A window of the last `size` values; index 0 is the newest, -1 the oldest held.

    Reading an index that is not filled yet gives None; reading one beyond the size makes the window grow, as LEAN does.
    `RollingWindow[float](5)` is accepted, the type is not checked.
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"RollingWindow must have a size of at least 1, not {size}")
        self._items: deque[Any] = deque(maxlen=int(size))
        self._size = int(size)
        self._samples = 0
        self._removed: Any = None

    @classmethod
    def of(cls, size: int, newest_first: tuple[Any, ...], samples: int) -> RollingWindow:
        """Return the window that `samples` additions, of which these are the last, have made."""
        window = cls(size)
        for item in reversed(newest_first):
            window.add(item)
        window._samples = samples
        return window

    def __class_getitem__(cls, item: Any) -> type[RollingWindow]:
        return cls

    @property
    def size(self) -> int:
        """How many values fit."""
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"RollingWindow must have a size of at least 1, not {size}")
        self._items = deque(list(self._items)[: int(size)], maxlen=int(size))
        self._size = int(size)

    @property
    def count(self) -> int:
        """How many values are held."""
        return len(self._items)

    @property
    def samples(self) -> int:
        """How many values were ever added."""
        return self._samples

    @property
    def is_ready(self) -> bool:
        """Whether at least `size` values were added."""
        return self._samples >= self._size

    @property
    def most_recently_removed(self) -> Any:
        """The value that fell out last."""
        if self._samples <= self._size:
            raise ValueError("No items have been removed yet!")
        return self._removed

    def add(self, item: Any) -> None:
        """Put a value in front; the oldest falls out when the window is full."""
        self._samples += 1
        items = self._items
        if len(items) == self._size:
            self._removed = items[-1]
        items.appendleft(item)

    def reset(self) -> None:
        """Forget everything but the size."""
        self._items.clear()
        self._samples = 0
        self._removed = None

    def _position(self, index: int) -> int:
        if index >= 0:
            return index
        if self._size + index < 0:
            raise IndexError(f"Index {index} is outside of the window's size {self._size}")
        return len(self._items) + index

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return list(self._items)[index]
        at = self._position(index)
        if 0 <= at < len(self._items):
            return self._items[at]
        if at >= self._size:
            self.size = at + 1
        return None

    def __setitem__(self, index: int, value: Any) -> None:
        at = index
        if index < 0:
            if self._size + index < 0:
                raise IndexError(f"Index {index} is outside of the window's size {self._size}")
            at = self._size + index
        if at >= self._size:
            self.size = at + 1
        while len(self._items) <= at:
            self.add(None)
        self._items[at] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item: Any) -> bool:
        return item in self._items
