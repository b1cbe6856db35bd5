"""The study of false alarms decides as the check does, and a regime jump is found within the hour."""

from __future__ import annotations

import numpy as np
import pytest
from drift_trials import TableSource, checked_alarms, feature_table, input_alarms, jumped

from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.data.synth import SynthConfig, write_market
from llm_plugin.settings import DriftSettings

SMALL = DriftSettings(window_bars=40, history_windows=40)
HOUR = DriftSettings(window_bars=60)  # of minutes
AT = 14_000


@pytest.fixture(scope="module")
def minutes(tmp_path_factory: pytest.TempPathFactory) -> PriceBars:
    folder = tmp_path_factory.mktemp("minutes") / "data"
    write_market(folder, SynthConfig(seed=2, bars=16_000, resolution="minute"))
    return load_price_bars(folder, security_type="forex", market="oanda", ticker="eurusd", resolution="minute")


def test_study_alarms_where_the_check_alarms() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((2600, 14))
    for row in range(1, len(noise)):
        noise[row] += 0.8 * noise[row - 1]
    for start in (1900, 2100, 2350):
        noise[start : start + 60] += 6.0
    times = 1_400_000_000_000_000 + 60_000_000 * np.arange(len(noise), dtype=np.int64)
    source = TableSource(times, noise, tuple(f"f{column}" for column in range(14)))
    expected = input_alarms(source, 1800, SMALL)
    assert len(expected) >= 3
    assert checked_alarms(source, range(1800, 2600), SMALL) == expected


def test_regime_jump_is_found_within_the_hour(minutes: PriceBars) -> None:
    wild = feature_table(jumped(minutes, AT, moves=3.0, spread=3.0))
    assert checked_alarms(wild, [AT - 31, AT - 1, AT + 29, AT + 59], HOUR)[:1] in ([AT + 29], [AT + 59])


def test_no_jump_no_alarm(minutes: PriceBars) -> None:
    assert checked_alarms(feature_table(minutes), [AT - 31, AT - 1, AT + 29, AT + 59], HOUR) == []


def test_jump_changes_nothing_before_it(minutes: PriceBars) -> None:
    wild = jumped(minutes, AT, moves=3.0, spread=3.0)
    assert np.allclose(wild.bid_close[:AT], minutes.bid_close[:AT])
    assert np.allclose((wild.ask_close - wild.bid_close)[AT:], 3 * (minutes.ask_close - minutes.bid_close)[AT:])
