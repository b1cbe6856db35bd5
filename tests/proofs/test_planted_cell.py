"""The harness itself: it sees a rule that is there, sees none that is not, and refuses models that know too much."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from proof_fakes import SEES_THE_RULE, guessing, knowing, trainer

from llm_plugin.errors import BackendUnavailable, LookaheadError
from llm_plugin.proofs import planted_cell
from llm_plugin.proofs.planted_cell import ARMS, code_sha256, proof_settings, run_cell
from llm_plugin.proofs.planted_claims import claim, sizes_of, utility
from llm_plugin.proofs.planted_config import VARIANTS, ProofConfig
from llm_plugin.proofs.planted_market import PlantedMarket
from llm_plugin.reasoning import FakeModel

TINY = ProofConfig(bars=4_500, overrides=SEES_THE_RULE, checked_decisions=20, checked_cuts=4)


@pytest.fixture(scope="module")
def knows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    work = tmp_path_factory.mktemp("cell") / "work"
    return run_cell(TINY, VARIANTS["balanced"], 1, work, train=trainer(knowing))


def test_a_result_is_complete_and_plain(knows: dict[str, Any]) -> None:
    assert json.loads(json.dumps(knows)) == knows
    count = len(knows["decisions"]["net_r"])
    assert count > 100
    assert set(knows["arms"]) == set(ARMS)
    for arm in knows["arms"].values():
        assert len(arm["size"]) == count
        assert sum(arm["sources"].values()) == count
        assert set(arm["size"]) <= {0.0, 0.5, 0.75, 1.0}
    assert set(knows["arms"]["llm"]["sources"]) <= {"llm", "cache"}
    assert knows["point_in_time"]["changed"] == []
    assert len(knows["point_in_time"]["cuts"]) == 4
    assert knows["config_sha256"] == TINY.sha256
    assert knows["code_sha256"] == code_sha256()
    assert knows["versions"]["torch"]


def test_a_model_that_knows_the_rule_decides_as_the_oracle(knows: dict[str, Any]) -> None:
    assert (sizes_of(knows, "llm") > 0).tolist() == (sizes_of(knows, "oracle") > 0).tolist()
    assert utility(knows, "llm").mean() > utility(knows, "none").mean() + 0.1


def test_the_folder_of_a_cell_is_emptied(tmp_path: Path) -> None:
    tiny = replace(TINY, bars=4_000, checked_cuts=1)
    run_cell(tiny, VARIANTS["balanced"], 2, tmp_path / "work", train=trainer(guessing))
    assert not (tmp_path / "work").exists()


def test_a_model_of_the_second_part_is_refused(tmp_path: Path) -> None:
    late = trainer(knowing, late=timedelta(days=30))
    with pytest.raises(LookaheadError, match="train on the first part alone"):
        run_cell(TINY, VARIANTS["balanced"], 1, tmp_path / "work", train=late)


def test_fall_backs_are_no_proof(tmp_path: Path) -> None:
    def failing(_: PlantedMarket) -> FakeModel:
        return FakeModel(error=RuntimeError("no weights today"), fail_from_call=50)

    with pytest.raises(BackendUnavailable, match=r"arm llm: \{'fallback': \d+\} of \d+ .*no weights today"):
        run_cell(TINY, VARIANTS["balanced"], 1, tmp_path / "work", train=trainer(failing))


def test_a_validator_that_sees_outcomes_early_ends_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted offender: questions carry how the bars that exist go on."""
    honest = planted_cell.questions_on

    def leaking(market: PlantedMarket, bars: Any = None) -> Any:
        known = market.bars if bars is None else bars
        made = []
        for question in honest(market, bars):
            later = known.close[question.bar + 1 : question.bar + 11]
            move = float(later[-1] - known.close[question.bar]) if len(later) else 0.0
            context = question.request.market
            leaked = {**context.features, "atr_ratio_14_100": 1.0 + move * question.request.signal.action.side}
            request = replace(question.request, market=replace(context, features=leaked))
            made.append(replace(question, request=request))
        return made

    monkeypatch.setattr(planted_cell, "questions_on", leaking)
    with pytest.raises(LookaheadError, match="changed when the market was cut off"):
        run_cell(TINY, VARIANTS["balanced"], 1, tmp_path / "work", train=trainer(knowing))


def test_arms_differ_in_what_they_are_called(market: PlantedMarket) -> None:
    config = ProofConfig()
    llm = proof_settings(market, config, ARMS["llm"])
    assert (llm.memory.backend, llm.session.enabled, llm.risk.enable_risk_veto) == ("local", True, False)
    assert (llm.outcomes.exit.stop_atr, llm.outcomes.exit.target_atr, llm.outcomes.exit.timeout_bars) == (1.0, 1.5, 96)
    alone = proof_settings(market, config, ARMS["llm_alone"])
    assert (alone.memory.backend, alone.session.enabled) == ("none", False)
    assert proof_settings(market, config, ARMS["llm_and_risk"]).risk.enable_risk_veto
    assert proof_settings(market, config, ARMS["tabular"]).validator.arm == "tabular"
    assert llm.fusion == type(llm.fusion)(), "fusion is proved as it is shipped"


@pytest.mark.slow
@pytest.mark.parametrize(("make", "variant", "sees"), [(knowing, "balanced", True), (guessing, "balanced", False)])
def test_the_harness_tells_knowing_from_guessing(tmp_path: Path, make: Any, variant: str, sees: bool) -> None:
    config = replace(TINY, bars=12_000, checked_cuts=2)
    cell = run_cell(config, VARIANTS[variant], 1, tmp_path / "work", train=trainer(make))
    for control in ("none", "random"):
        made = claim([cell], "llm", control).pooled
        assert made.low is not None
        assert (made.low > 0) is sees, (control, made)


@pytest.mark.slow
def test_nothing_is_gained_by_the_same_model_where_no_rule_was_planted(tmp_path: Path) -> None:
    config = replace(TINY, bars=12_000, checked_cuts=2)
    cell = run_cell(config, VARIANTS["balanced_without_rule"], 1, tmp_path / "work", train=trainer(knowing))
    assert np.mean(sizes_of(cell, "llm") > 0) > 0.3
    for control in ("none", "random"):
        made = claim([cell], "llm", control).pooled
        assert made.low is not None
        assert made.low <= 0, (control, made)
