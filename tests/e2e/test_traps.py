"""Traps that others fell into, each in a whole run: the offender is planted, its clean twin passes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from e2e_tools import EURUSD, FAKE, QUICK, backtest, in_process, lean_llm, market_with, sets

SPAN = {"start": "2013-01-02", "end": "2013-01-31"}


@pytest.mark.slow
def test_a_model_whose_training_data_is_unknown_is_warned_of(shared_home: Path, tmp_path: Path) -> None:
    options = ("--no-baseline", "memory.backend=local")
    strange = backtest(tmp_path / "strange", "eurusd_ensemble", options[0], *sets(options[1], *QUICK, *FAKE), **SPAN)
    warning = "its training data is unknown: it may have read about the days it is judged on"
    assert any(warning in note for note in strange.run.summary["notes"])
    assert warning in strange.text
    own = backtest(tmp_path / "own", "eurusd_ensemble", options[0], *sets(options[1], *QUICK), **SPAN)
    assert not any(warning in note for note in own.run.summary["notes"])
    assert {row["data_cutoff"] for row in own.run.summary["models"]} == {"2012-12-31T00:00:00Z"}


def test_costs_are_in_every_outcome(shared_home: Path, tmp_path: Path) -> None:
    """The planted offender: outcomes without costs would not feel a slippage of five basis points."""
    settings = ("memory.backend=none", "session.enabled=false", *QUICK, *FAKE)
    cheap = in_process(tmp_path / "cheap", "eurusd_ensemble", *SPAN.values(), *settings)
    dear = in_process(tmp_path / "dear", "eurusd_ensemble", *SPAN.values(), *settings, "outcomes.slippage_bps=5")
    costs = {name: [o.cost_r for o in run.outcomes if o.action.side] for name, run in (("c", cheap), ("d", dear))}
    assert len(costs["c"]) > 20
    assert min(costs["c"]) > 0
    assert np.mean(costs["d"]) > 2 * np.mean(costs["c"])
    first = {o.decision_id: o.r_multiple for o in cheap.outcomes if o.action.side}
    worse = [o.r_multiple - first[o.decision_id] for o in dear.outcomes if o.action.side and o.decision_id in first]
    assert (
        np.mean(worse) < 0 if worse else np.mean([o.r_multiple for o in dear.realised]) < np.mean(list(first.values()))
    )


def test_nothing_trained_is_no_success(tmp_path: Path) -> None:
    data = market_with(tmp_path / "data", lambda lines: lines[:200])
    short = lean_llm("train", "ensemble", "--data", data)
    (data / EURUSD).unlink()
    absent = lean_llm("train", "ensemble", "--data", data)
    for done in (short, absent):
        assert done.code not in (0, 130)
        assert "Error" in done.text
        assert "Traceback" not in done.text
    assert str(EURUSD) in absent.text
    assert not list((tmp_path / "home").rglob("manifest.json"))


def test_a_half_copied_model_is_not_used(shared_home: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(shared_home / "models" / "llm" / "bootstrap", tmp_path / "model"))
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    options = ("--no-baseline", *sets("memory.backend=local", f"llm_model.name={model}"))
    done = backtest(tmp_path / "runs", "eurusd_ensemble", *options, **SPAN)
    assert done.code == 4
    assert "model.safetensors" in done.text
