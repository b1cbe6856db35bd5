"""A change that the check finds is where the next training window begins."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
from matured_samples import store_series
from questions import START

from llm_plugin.drift.run import run_drift_check
from llm_plugin.learning.pairs import build_pairs, training_rows
from llm_plugin.learning.split import read_window
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.settings import Settings, resolve

CHANGE = 400


def settings() -> Settings:
    return resolve(overrides=["learning.holdout=60"], env={}).settings


def test_window_begins_at_the_change_and_learns_from_it_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    share = np.where(np.arange(CHANGE + 260) < CHANGE, 0.75, 0.25)
    results = np.where(rng.random(len(share)) < share, 1.2, -1.1).tolist()
    with OutcomeStore(str(tmp_path / "store.sqlite"), "group") as store:
        store_series(store, results)
        moment = START + timedelta(hours=len(results) + 30)
        report, state = run_drift_check(store, settings(), as_of_utc=moment)
        assert "outcomes" in report.kinds
        since = report.change_point_utc
        assert since is not None
        assert abs(since - (START + timedelta(hours=CHANGE))) <= timedelta(hours=20)
        learning = settings().learning
        split = read_window(store, learning, as_of_utc=moment, since_utc=since)
        assert split.train_start_utc >= since
        pairs = build_pairs(training_rows(split, learning), learning)
        assert min(row.time_utc for row in pairs.rows) >= since
        assert sum(row.net_r < 0 for row in pairs.rows) > 0.6 * len(pairs.rows)
        again, _ = run_drift_check(store, settings(), as_of_utc=moment + timedelta(minutes=30), state=state)
        assert not again.found
