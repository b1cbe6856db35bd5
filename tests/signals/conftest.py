"""One small ensemble for all tests that only read it."""

from __future__ import annotations

import pytest
from signal_bars import market, small

from llm_plugin.signals import train_ensemble


@pytest.fixture(scope="session")
def bars():
    """2,600 hours of a market with a rule."""
    return market(3, 2600, rule=True)


@pytest.fixture(scope="session")
def folder(bars, tmp_path_factory):
    """A trained model folder."""
    out = tmp_path_factory.mktemp("models") / "small"
    train_ensemble(bars, small(name="small"), out)
    return out
