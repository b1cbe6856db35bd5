"""Runs small algorithms on a market that the test writes, or on the project's sample."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_market import TinyMarket

from llm_plugin.engine.runner import BacktestResult, run_backtest


@pytest.fixture
def market(tmp_path: Path, market_data: Path) -> TinyMarket:
    """An empty market."""
    return TinyMarket(tmp_path / "market", market_data)


@pytest.fixture
def run(tmp_path: Path, market_data: Path) -> Callable[..., BacktestResult]:
    """Run the source of an algorithm's methods on the sample: `run(body)`; on another market: `run(body, market)`."""

    def go(body: str, market: TinyMarket | None = None, *, errors: bool = False, **options: object) -> BacktestResult:
        text = "class Algorithm(QCAlgorithm):\n" + textwrap.indent(textwrap.dedent(body), "    ")
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        (project / "main.py").write_text("from AlgorithmImports import *\n\n" + text, encoding="utf-8")
        folder = market.folder if market is not None else market_data
        options.setdefault("results_folder", None)
        return run_backtest(project, data_folder=folder, raise_errors=not errors, **options)  # type: ignore[arg-type]

    return go
