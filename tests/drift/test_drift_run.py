"""A drift check of a store: from the command line, from market data, from the questions themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.domain import Action, Decision, Source, Verdict
from llm_plugin.drift.frequency import market_volatility, training_frequency
from llm_plugin.drift.points import of_newest_version, outcome_points
from llm_plugin.drift.run import run_drift_check, state_path
from llm_plugin.drift.sources import MarketInputs, compared_features
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.learning.read import matured_decisions
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.proofs.planted_cell import proof_settings
from llm_plugin.proofs.planted_config import VARIANTS, ProofConfig
from llm_plugin.proofs.planted_market import PlantedMarket, make_market, questions_on
from llm_plugin.proofs.walk import walk
from llm_plugin.reasoning.calibrator import Calibrator
from llm_plugin.reasoning.fake import FakeModel
from llm_plugin.settings import Settings
from llm_plugin.validator import Validator

runner = CliRunner()


@dataclass(frozen=True)
class Live:
    """A run on a planted market with a calibrated model."""

    market: PlantedMarket
    folder: Path
    settings: Settings
    store: OutcomeStore


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    config = ProofConfig(bars=5_000)
    market = make_market(folder / "data", config, VARIANTS["balanced"], 4)
    small = ("memory.backend=none", "drift.window_bars=40", "drift.history_windows=50")
    settings = proof_settings(market, config, small)
    with OutcomeStore(str(folder / "store.sqlite"), "group") as store:
        model = FakeModel(calibrator=Calibrator("platt", slope=0.0, offset=-0.2))
        validator = Validator.from_settings(settings, "proof", store=store, model=model, run_folder=folder)
        asked = questions_on(market)
        walk(validator, asked, market.bars, policy=market.policy, tick_size=market.instrument.tick_size)
        validator.close()
        yield Live(market, folder, settings, store)


def test_bars_outcomes_and_calibration_are_judged(live: Live) -> None:
    as_of = live.market.bars.bar(-1).end_utc
    report, state = run_drift_check(live.store, live.settings, as_of_utc=as_of, data_folder=live.folder / "data")
    judged = {finding.name: finding.standing for finding in report.findings}
    assert set(judged) == {"EURUSD hour bars", "net_r", "gain", "probability"}
    assert set(judged.values()) <= {"calm", "drift"}
    assert state.baselines["EURUSD hour bars"].end_us < as_of.timestamp() * 1e6
    assert state.checked_utc == as_of


def test_without_market_data_the_questions_are_compared(live: Live) -> None:
    as_of = live.market.bars.bar(-1).end_utc
    settings = live.settings.model_copy(update={"drift": live.settings.drift.model_copy(update={"window_bars": 16})})
    report, _ = run_drift_check(live.store, settings, as_of_utc=as_of)
    finding = report.findings[0]
    assert finding.name == "EURUSD hour questions"
    assert finding.standing in ("calm", "drift")


def test_calibrated_probabilities_are_told_from_plain_shares(live: Live) -> None:
    decisions = matured_decisions(live.store, as_of_utc=live.market.bars.bar(-1).end_utc)
    points = [point for point in outcome_points(decisions) if point.version]
    assert points
    assert {round(point.probability, 3) for point in points} == {0.45}
    answered = next(d for d in decisions if d.decision.llm_action is not None)
    share = answered.decision.action_probabilities[answered.decision.llm_action.value]  # type: ignore[union-attr]
    plain = replace(answered, decision=replace(answered.decision, llm_confidence=share))
    (point,) = outcome_points([plain])
    assert point.probability != point.probability
    assert of_newest_version(points) == points


def test_vetoed_loser_is_a_gain() -> None:
    from datetime import UTC, datetime

    from llm_plugin.drift.points import OutcomePoint

    now = datetime(2014, 1, 1, tzinfo=UTC)
    assert OutcomePoint("a", now, now, -1.0, approved=False).gain == 1.0
    assert OutcomePoint("a", now, now, -1.0, approved=True).gain == -1.0


def test_features_of_the_clock_are_not_compared(live: Live) -> None:
    names = compared_features()
    assert len(names) == 204
    assert not {"weekday_sin", "session_asia", "month_turn"} & set(names)
    market = questions_on(live.market)[0].request.market
    as_of = live.market.bars.bar(2000).end_utc
    table = MarketInputs(live.folder / "data", market, as_of).newest(100)
    assert table.values.shape == (100, 204)
    assert table.times_us[-1] == live.market.bars.end_us[2000]


def test_command_checks_and_leaves_the_loops_state_alone(live: Live, tmp_path: Path) -> None:
    arguments = ["drift", "check", "--store", str(live.folder), "--as-of", "2030-01-01"]
    result: Any = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    assert {finding["kind"] for finding in shown["findings"]} == {"inputs", "outcomes", "calibration"}
    assert not state_path().exists()
    kept = tmp_path / "kept.json"
    result = runner.invoke(app, [*arguments, "--keep", "--state", str(kept)])
    assert result.exit_code == 0, result.output
    assert "UTC: " in result.stdout
    assert json.loads(kept.read_text(encoding="utf-8"))["checked_utc"] == "2030-01-01T00:00:00Z"
    refused = runner.invoke(app, [*arguments, "--keep"])
    assert isinstance(refused.exception, ConfigError)
    assert "name it with --state" in str(refused.exception)


def test_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = runner.invoke(app, ["drift", "check", "--store", str(tmp_path / "gone.sqlite")])
    assert isinstance(result.exception, DataError)
    assert "gone.sqlite" in str(result.exception)


def test_frequency_follows_volatility() -> None:
    table = {name: training_frequency(name) for name in ("high", "normal", "low")}  # type: ignore[arg-type]
    assert [row.retrain.days for row in table.values()] == [3, 7, 14]
    assert [row.improve for row in table.values()] == [timedelta(hours=12), timedelta(days=1), timedelta(days=2)]
    with pytest.raises(DataError, match="volatility 'wild' is not one of high, normal, low"):
        training_frequency("wild")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("regimes", "expected"),
    [([1, 1, 0], "high"), ([-1, -1, 1], "low"), ([1, -1], "normal"), ([], "normal"), ([float("nan"), 1], "high")],
)
def test_volatility_is_that_of_most_bars(regimes: list[float], expected: str) -> None:
    assert market_volatility(regimes) == expected


def test_decision_of_no_model_is_nobodys() -> None:
    from questions import question

    request = question()
    decision = Decision(
        request.decision_id,
        request.run_id,
        request.kind,
        request.market.symbol_id,
        request.market.time_utc,
        Verdict.VETO,
        Action.HOLD,
        0.0,
        0.5,
        Source.RISK,
        Action.BUY,
        0.6,
    )
    from llm_plugin.learning.types import MaturedDecision

    closed = request.market.time_utc + timedelta(hours=1)
    row = MaturedDecision(request, decision, None, "", "", 1.0, None, closed, closed)
    (point,) = outcome_points([row])
    assert of_newest_version([point]) == []
