"""Presets and their values."""

from __future__ import annotations

import pytest

from llm_plugin.errors import ConfigError
from llm_plugin.writer.settings import PRESETS, preset_named, with_values


def test_preset_of_a_7b_base_is_what_was_asked_for() -> None:
    found = PRESETS["7b"].sft
    assert (found.rank, found.alpha, found.dropout, found.targets) == (16, 32, 0.05, "attention")
    assert (found.epochs, found.micro_batch, found.accumulation, found.learning_rate) == (3.0, 4, 8, 2e-4)
    assert (found.log_steps, found.save_steps) == (10, None)  # null saves every epoch
    assert len(PRESETS["7b"].bases) == 3


def test_values_are_read_as_their_settings_want_them() -> None:
    found = with_values(
        PRESETS["standin"], {"rank": "8", "learning_rate": "2e-4", "quantization": "nf4", "standin.steps": "300"}
    )
    assert (found.sft.rank, found.sft.learning_rate, found.sft.quantization) == (8, 2e-4, "nf4")
    assert found.standin is not None
    assert found.standin.steps == 300


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        with_values(PRESETS["standin"], {"rnak": "8", "dropout": "2", "standin.hidden": "30"})
    text = str(told.value)
    assert "rnak is no setting (did you mean 'rank'?)" in text
    assert "dropout is 2" in text
    assert "standin.hidden is 30" in text


def test_stand_in_values_need_a_stand_in() -> None:
    with pytest.raises(ConfigError, match=r"preset 7b trains no stand-in: leave out standin\.steps"):
        with_values(PRESETS["7b"], {"standin.steps": "3"})


def test_unknown_preset_is_named() -> None:
    with pytest.raises(ConfigError, match=r"preset 'standing' is unknown \(did you mean 'standin'\?\)"):
        preset_named("standing")
