"""pandas is imported by the runs that use it, and by no other; who uses it gets the ordinary one."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from llm_plugin.engine.base.late_modules import LateModule, late_module, when_imported
from llm_plugin.engine.importer import lean_imports

DATA = Path(__file__).parents[2] / "datasets" / "market"
SOURCE = """
from AlgorithmImports import *


class Algorithm(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 11)
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self.told = []

    def on_data(self, data):
        if not self.portfolio.invested:
            self.set_holdings(self.spy, 1)
            WORK
"""
RUN = """
import sys
from pathlib import Path
from llm_plugin.engine.runner import run_backtest
result = run_backtest(Path(sys.argv[1]), data_folder=Path(sys.argv[2]), results_folder=Path(sys.argv[1]) / "results")
print(result.algorithm.told, len(result.orders), "pandas" in sys.modules)
if "pandas" in sys.modules:
    import pandas
    print(pandas.Index.get_loc.__module__, pandas.DataFrame.__getitem__.__module__)
"""
OWN_FRAME = "f = FRAME({'x': [1]}, index=INDEX([self.spy], dtype=object)); self.told.append(int(f.loc['SPY'].x))"
PANDAS_OWN = "pandas.core.indexes.base pandas.core.frame"


def _told(folder: Path, work: str) -> list[str]:
    (folder / "main.py").write_text(SOURCE.replace("WORK", work))
    command = [sys.executable, "-c", RUN, str(folder), str(DATA)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ("pass", ["[] 1 False"]),
        (
            "frame = self.history(self.spy, 3); "
            "self.told += [isinstance(frame, pd.DataFrame), len(frame.loc['SPY']), pd.DataFrame is type(frame)]",
            ["[True, 3, True] 1 True", PANDAS_OWN],
        ),
        (OWN_FRAME.replace("FRAME", "pd.DataFrame").replace("INDEX", "pd.Index"), ["[1] 1 True", PANDAS_OWN]),
        (
            "import pandas; " + OWN_FRAME.replace("FRAME", "pandas.DataFrame").replace("INDEX", "pandas.Index"),
            ["[1] 1 True", PANDAS_OWN],
        ),
    ],
    ids=["a run without frames", "history", "the name of the star import", "an import in the midst of the run"],
)
def test_a_run_imports_pandas_when_it_uses_it(tmp_path: Path, work: str, told: list[str]) -> None:
    assert _told(tmp_path, work) == told


@pytest.fixture
def heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that nobody has imported."""
    (tmp_path / "heavy_module.py").write_text("'''Heavy.'''\nVALUE = 7\n\n\nclass Thing:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavy_module"
    sys.modules.pop("heavy_module", None)


def test_a_late_module_is_imported_by_the_first_look_and_acts_as_the_module(heavy: str) -> None:
    late = late_module(heavy)
    assert isinstance(late, ModuleType)
    assert late.__name__ == heavy
    assert heavy not in sys.modules

    assert late.VALUE == 7

    module = sys.modules[heavy]
    assert late.Thing is module.Thing
    assert "Thing" in dir(late)
    assert late.__file__ == module.__file__
    late.VALUE = 8
    assert module.VALUE == 8
    del late.VALUE
    assert not hasattr(module, "VALUE")
    assert pickle.loads(pickle.dumps(late)) is module
    assert late_module(heavy) is module
    with pytest.raises(AttributeError, match="no attribute 'Thong'"):
        _ = late.Thong


def test_what_waits_for_a_module_comes_right_after_its_import_and_once(heavy: str) -> None:
    seen: list[str] = []
    finders = list(sys.meta_path)
    with when_imported(heavy, lambda: seen.append(f"outer {sys.modules[heavy].VALUE}")):
        with when_imported(heavy, lambda: seen.append(f"inner {sys.modules[heavy].VALUE}")):
            assert importlib.util.find_spec(heavy) is not None
            assert seen == []
            assert LateModule(heavy).VALUE == 7
            assert seen == ["outer 7", "inner 7"]
            importlib.import_module(heavy)
        with when_imported(heavy, lambda: seen.append("at once")):
            pass
    assert seen == ["outer 7", "inner 7", "at once"]
    assert sys.meta_path == finders


def test_nothing_waits_after_the_block(heavy: str) -> None:
    seen: list[str] = []
    with when_imported(heavy, lambda: seen.append("late")):
        spec = importlib.util.find_spec(heavy)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    importlib.import_module(heavy)
    assert seen == []


def test_modules_of_an_environment_in_the_projects_folder_outlive_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = tmp_path / ".venv" / "lib"
    libraries.mkdir(parents=True)
    (libraries / "installed_there.py").write_text("")
    (tmp_path / "helper_there.py").write_text("")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    monkeypatch.syspath_prepend(libraries)
    try:
        with lean_imports(tmp_path):
            importlib.import_module("installed_there")
            importlib.import_module("helper_there")
        assert "installed_there" in sys.modules
        assert "helper_there" not in sys.modules
    finally:
        sys.modules.pop("installed_there", None)
