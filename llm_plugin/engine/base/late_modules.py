"""A heavy module that is imported when somebody looks into it, and not before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["LateModule", "late_module", "when_imported"]


class LateModule(ModuleType):
    """Stands for a module: what is read, set or listed is the module's own, which the first look imports.

    It is not in `sys.modules`: nobody else's import meets it, and threads wait for each other as in any import.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        for own in ("__doc__", "__loader__", "__package__", "__spec__"):
            del self.__dict__[own]

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(import_module(self.__name__), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(import_module(self.__name__), name)

    def __dir__(self) -> list[str]:
        return dir(import_module(self.__name__))

    def __reduce__(self) -> tuple[Callable[[str], ModuleType], tuple[str]]:
        return import_module, (self.__name__,)


def late_module(name: str) -> ModuleType:
    """Return the module if it has been imported, else one that stands for it."""
    return import_module(name) if name in sys.modules else LateModule(name)


class _Waiting(MetaPathFinder):
    """Finds nothing of its own; lets something be done right after one module has been executed."""

    def __init__(self, name: str, then: Callable[[], object]) -> None:
        self._name, self._then = name, then
        self.is_over = False

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in self._others())), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_tell(module: ModuleType) -> None:
                execute(module)
                # A loader may serve several modules, and a thread outlive the block.
                if module.__name__ == self._name and not self.is_over:
                    self._then()

            spec.loader.exec_module = execute_and_tell
        return spec

    def _others(self) -> list[Any]:
        finders = list(sys.meta_path)
        later = finders[finders.index(self) + 1 :] if self in finders else []
        return [finder for finder in later if hasattr(finder, "find_spec")]


@contextmanager
def when_imported(name: str, then: Callable[[], object]) -> Iterator[None]:
    """Call something as soon as a module is there: at once, or right after its import inside the `with` block.

    Args:
        name: Of the module, no submodule.
        then: What is called.
    """
    if name in sys.modules:
        then()
        yield
        return
    waiting = _Waiting(name, then)
    sys.meta_path.insert(0, waiting)
    try:
        yield
    finally:
        waiting.is_over = True
        if waiting in sys.meta_path:
            sys.meta_path.remove(waiting)
