"""Runs small algorithms on the market sample of the project (LEAN's Data folder, Apache-2.0)."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.engine.runner import BacktestResult, run_backtest

SAMPLE = Path(__file__).parents[2] / "datasets" / "market"


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """LEAN-format data: `LEAN_DATA_FOLDER`, else the project's sample."""
    folder = Path(os.environ.get("LEAN_DATA_FOLDER", SAMPLE))
    if not (folder / "equity" / "usa" / "minute" / "spy").is_dir():
        pytest.skip(f"{folder} has no SPY minute bars: set LEAN_DATA_FOLDER to a LEAN Data folder")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the bar cache out of the user's home."""
    monkeypatch.setenv("LEAN_LLM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(data_folder: Path, tmp_path: Path) -> Callable[..., BacktestResult]:
    """Run the source of an algorithm's methods: `run(body)`, or of a whole file: `run(source=...)`."""

    def go(body: str = "", *, source: str | None = None, errors: bool = False, **options: object) -> BacktestResult:
        text = source
        if text is None:
            text = "class Algorithm(QCAlgorithm):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text("from AlgorithmImports import *\n\n" + textwrap.dedent(text))
        options.setdefault("results_folder", None)
        options.setdefault("data_folder", data_folder)
        return run_backtest(project, raise_errors=not errors, **options)  # type: ignore[arg-type]

    return go


@pytest.fixture
def spy_minute() -> Callable[..., str]:
    """Source of an `initialize` for SPY minute bars, 7 to 11 October 2013: `spy_minute(more lines)`."""
    return _spy_minute


def _spy_minute(extra: str = "") -> str:
    return (
        "def initialize(self):\n"
        "    self.set_start_date(2013, 10, 7)\n"
        "    self.set_end_date(2013, 10, 11)\n"
        "    self.set_cash(100000)\n"
        "    self.spy = self.add_equity('SPY', Resolution.MINUTE).symbol\n" + textwrap.indent(extra, "    ") + "\n"
    )
