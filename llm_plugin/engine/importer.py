"""`from AlgorithmImports import *` and the older imports of LEAN algorithms, for the time of a run.

User projects are loaded by path; their own modules are importable while they run and forgotten afterwards, so that
two projects with a `main.py` never meet.
"""

from __future__ import annotations

import importlib.util
import math
import sys
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from llm_plugin.engine.base.late_modules import late_module
from llm_plugin.engine.base.names import MissingMember
from llm_plugin.errors import AlgorithmError, ConfigError, LeanLlmError, UnsupportedLeanApi

__all__ = ["lean_imports", "lean_names", "load_algorithm_class"]

# Roots of older imports (`from QuantConnect.Algorithm import *`) and of LEAN's framework folders
# (`from Alphas.ConstantAlphaModel import ConstantAlphaModel`).
_FRAMEWORK = ("Alphas", "Portfolio", "Risk", "Execution", "Selection")
_NAMESPACES = frozenset(
    "Algorithm Alphas Auxiliary Benchmarks Brokerages Cfd Collections Common Configuration Consolidators Crypto Custom "
    "Data DataFeeds Drawing Engine Equity Execution Fees Fills Forex Framework Generic Globalization IO Indicators "
    "Interfaces Json Lean Linq Logging Market Orders Parameters Portfolio Python Risk Scheduling Securities Selection "
    "Slippage Statistics Storage Text Threading UniverseSelection Util Volatility".split()
)
_ROOTS = ("AlgorithmImports", "QuantConnect", "Alphas", "Portfolio", "Risk", "Execution", "Selection", "clr", "System",
          "Newtonsoft")  # fmt: skip


class _Namespace(ModuleType):
    """A module with the engine's names; a missing one is reported by name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise MissingMember(f"{self.__name__}.{name}")


class _Finder(MetaPathFinder, Loader):
    def __init__(self, names: dict[str, Any], project: Path) -> None:
        self._names, self._project = names, project

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] not in _ROOTS:
            return None
        # The project's own file or folder of that name comes first.
        own = self._project.joinpath(*name.split("."))
        if own.is_dir() or own.with_suffix(".py").is_file():
            return None
        root, *rest = name.split(".")
        if root in _FRAMEWORK and len(rest) <= 1:
            known = not rest or rest[0] in self._names
        else:
            known = all(part in _NAMESPACES for part in rest)
        if not known:
            raise UnsupportedLeanApi(name, "neither your project nor the engine has it")
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Namespace(spec.name)
        module.__dict__.update(self._names)
        module.__dict__["__all__"] = list(self._names)
        if spec.name == "clr":
            module.__dict__["AddReference"] = lambda *_: None
            module.__dict__["__all__"] = ["AddReference"]
        return module

    def exec_module(self, module: ModuleType) -> None:
        return None


def lean_names() -> dict[str, Any]:
    """Return everything that `from AlgorithmImports import *` brings."""
    import datetime as datetime_module
    import json
    import time
    from collections import deque
    from decimal import Decimal

    import numpy as np

    from llm_plugin.engine.api import engine_names

    names: dict[str, Any] = {name: getattr(typing, name) for name in typing.__all__ if not name.startswith("_")}
    names |= {
        "datetime": datetime_module.datetime,
        "date": datetime_module.date,
        "timedelta": datetime_module.timedelta,
        "time": datetime_module.time,
        "timezone": datetime_module.timezone,
        "np": np,
        "pd": late_module("pandas"),
        "math": math,
        "json": json,
        "deque": deque,
        "Decimal": Decimal,
        "sys": sys,
        "sleep": time.sleep,
    }
    names |= engine_names()
    return names


@contextmanager
def lean_imports(project: Path) -> Iterator[dict[str, Any]]:
    """Make LEAN's modules and the project's own ones importable inside the `with` block."""
    names = lean_names()
    finder = _Finder(names, project)
    before = dict(sys.modules)
    hidden = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in _ROOTS}
    sys.meta_path.insert(0, finder)
    folder = str(project)
    sys.path.insert(0, folder)
    try:
        yield names
    finally:
        sys.meta_path.remove(finder)
        sys.path.remove(folder)
        for name in list(sys.modules):
            if name in before:
                continue
            module = sys.modules[name]
            origin = getattr(module, "__file__", None) or ""
            if name.partition(".")[0] in _ROOTS or _is_own(str(origin), folder):
                del sys.modules[name]
        sys.modules.update(hidden)


def _is_own(origin: str, folder: str) -> bool:
    """Whether a file is the project's; a virtual environment in its folder is not."""
    return origin.startswith(folder) and not (sys.prefix.startswith(folder) and origin.startswith(sys.prefix))


def load_algorithm_class(main: Path, base: type, wanted: str | None = None) -> type:
    """Load a user's file and return its algorithm class.

    Args:
        main: The Python file.
        base: QCAlgorithm.
        wanted: Name of the class, where the file has several.

    Raises:
        ConfigError: No such file, or no (single) algorithm class in it.
        AlgorithmError: The file cannot be executed.
    """
    if not main.is_file():
        raise ConfigError(f"{main} does not exist: a LEAN project has a main.py")
    spec = importlib.util.spec_from_file_location(main.stem, main)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{main} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[main.stem] = module
    try:
        spec.loader.exec_module(module)
    except LeanLlmError:
        raise
    except SyntaxError as error:
        raise AlgorithmError(f"{error.filename}:{error.lineno}: {error.msg}") from error
    except Exception as error:
        from llm_plugin.engine.user_errors import translate

        raise translate(error, main.parent) from error
    own = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if wanted is not None:
        own = [value for value in own if value.__name__ == wanted]
    # A base class of another one in the file is not meant.
    leaves = [value for value in own if not any(value in other.__mro__[1:] for other in own)]
    if len(leaves) != 1:
        found = ", ".join(value.__name__ for value in own) or "none"
        raise ConfigError(f"{main} must define one algorithm class that derives from QCAlgorithm; found: {found}")
    return leaves[0]
