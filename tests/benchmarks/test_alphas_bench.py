"""All 101 alphas: equal in two implementations, and trading as LEAN algorithms over 120 names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from llm_plugin.alphas.catalogue import COUNT, alphas
from llm_plugin.alphas.check import compare_all, real_panel, synthetic_panel, synthetic_universe
from llm_plugin.alphas.figures import figures
from llm_plugin.alphas.plans import universe_plan
from llm_plugin.alphas.trade import trade_all

RecordFigure = Callable[[str, float, str, float, str], None]


def test_every_alpha_is_equal_and_trades(record_figure: RecordFigure, market_data: Path, tmp_path: Path) -> None:
    universe = synthetic_universe(tmp_path / "universe")
    panels = {"real": real_panel(market_data), "synthetic": synthetic_panel(universe)}
    comparisons = list(compare_all(alphas(), panels))
    results = trade_all(alphas(), universe_plan(universe), universe.folder, tmp_path / "work")
    counts = figures(comparisons, results)
    for name, value in counts.items():
        record_figure(name, value, "alphas", COUNT, "higher")
    assert counts == {"alphas_equal": COUNT, "alphas_trade": COUNT}
