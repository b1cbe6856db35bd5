"""Which files a run asked for and did not find, among those that the data folder should have."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["MissingFileWatch"]


class MissingFileWatch:
    """Records look-ups of absent files, however they are made; for a process of its own: hooks cannot be removed.

    Args:
        roots: Folders that the paths are relative to.
        absent: Files that belong there and are not there.
    """

    def __init__(self, roots: Iterable[Path], absent: Iterable[str]) -> None:
        names = list(absent)
        self._absent = {os.path.realpath(root / name): name for root in roots for name in names}
        self._folders: dict[str, list[str]] = {}
        for path, name in self._absent.items():
            self._folders.setdefault(str(Path(path).parent), []).append(name)
        self.asked: set[str] = set()

    def start(self) -> None:
        """Watch from now on; costs nothing where no file is absent."""
        if not self._absent:
            return
        sys.addaudithook(self._audit)
        os.stat = self._watched(os.stat)

    def _watched(self, stat: Callable[..., Any]) -> Callable[..., Any]:
        def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
            self._look(path)
            return stat(path, *args, **kwargs)

        return watched

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            self._look(args[0])
        elif event in ("os.scandir", "os.listdir"):
            path = args[0]
            if isinstance(path, (str, os.PathLike)):
                # Whoever lists a folder looks for what should be in it.
                self.asked.update(self._folders.get(_absolute(path), ()))

    def _look(self, path: Any) -> None:
        if isinstance(path, (str, os.PathLike)):
            name = self._absent.get(_absolute(path))
            if name is not None:
                self.asked.add(name)


def _absolute(path: str | os.PathLike[str]) -> str:
    # By text: `Path.resolve` would look at the file, and so come back here.
    return os.path.abspath(path)  # noqa: PTH100
