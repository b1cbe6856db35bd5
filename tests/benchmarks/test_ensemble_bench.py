"""Time of one row through the four members, both sides, at the sizes that ship."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import numpy as np

from llm_plugin.data.bars import load_price_bars
from llm_plugin.features.reference import market_features
from llm_plugin.signals import MEMBERS, Ensemble, EnsembleConfig, train_ensemble

ROWS, ROUNDS = 3000, 3


def test_ensemble_row(benchmark, record_figure, market_data: Path, tmp_path: Path):
    bars = load_price_bars(
        market_data,
        security_type="forex",
        market="oanda",
        ticker="EURUSD",
        resolution="hour",
        start=date(2010, 1, 1),
        end=date(2012, 1, 1),
    )
    # Fewer folds than the default: they change nothing about the finished models, whose size is what is timed.
    train_ensemble(bars, EnsembleConfig(folds=2), tmp_path / "model")
    ensemble = Ensemble.load(tmp_path / "model")
    rows = market_features(bars)[-ROWS:]
    rounds = []
    for _ in range(ROUNDS):
        times = []
        for row in rows:
            begin = time.perf_counter()
            ensemble.predict(row)
            times.append(time.perf_counter() - begin)
        rounds.append(np.array(times))
    p_long, p_short = benchmark(ensemble.predict, rows[-1])
    assert ensemble.members == MEMBERS
    assert 0 < p_long < 1
    assert 0 < p_short < 1
    record_figure("ensemble_row_ms", min(float(np.median(r)) for r in rounds) * 1e3, "ms", 0.1, "lower")
    record_figure("ensemble_row_p99_ms", min(float(np.quantile(r, 0.99)) for r in rounds) * 1e3, "ms", 0.1, "lower")
