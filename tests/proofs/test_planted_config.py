"""A configuration names itself, travels as JSON and refuses what makes no sense."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llm_plugin.bootstrap.config import BootstrapConfig
from llm_plugin.errors import ConfigError
from llm_plugin.proofs.planted_config import SEEDS, VARIANTS, ProofConfig, chosen_variants


def test_every_setting_changes_the_name_of_the_configuration() -> None:
    base = ProofConfig()
    others = [
        replace(base, bars=20_000),
        replace(base, context="trend"),
        replace(base, training_tokens=1_000),
        replace(base, threads=2),
        replace(base, signal_confidence=0.6),
        replace(base, overrides=("fusion.llm_weight=0.5",)),
        replace(base, checked_decisions=10),
        replace(base, checked_cuts=3),
    ]
    assert len(others) == len(base.to_json())
    assert len({config.sha256 for config in (base, *others)}) == len(others) + 1


def test_the_proof_trains_what_the_command_trains() -> None:
    assert ProofConfig().training_tokens == BootstrapConfig().max_training_tokens


def test_a_configuration_survives_json() -> None:
    config = ProofConfig(bars=5_000, overrides=("memory.k=2",))
    assert ProofConfig.from_json(config.to_json()) == config


def test_unknown_settings_and_impossible_values_are_named_all_at_once() -> None:
    with pytest.raises(ConfigError, match=r"'bar' is no setting of the proof \(did you mean 'bars'\?\)"):
        ProofConfig.from_json({"bar": 1})
    with pytest.raises(ConfigError, match=r"bars is 10: give 4000 or more") as caught:
        ProofConfig(bars=10, threads=0, signal_confidence=1.5)
    assert len(caught.value.problems) == 3


def test_the_markets_are_the_three_profiles_and_one_without_a_rule() -> None:
    chosen = chosen_variants([])
    assert [variant.name for variant in chosen] == list(VARIANTS)
    assert [variant.rule for variant in chosen] == [True, True, True, False]
    assert len(SEEDS) == 5
    assert [variant.name for variant in chosen_variants(["balanced", "balanced"])] == ["balanced"]
    with pytest.raises(ConfigError, match=r"'balnced' is unknown \(did you mean 'balanced'\?\)"):
        chosen_variants(["balnced"])
