"""`--decisions-from`: a recorded run answers again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import lean_fakes as fakes
import pytest

from llm_plugin.domain import Action, DecisionBackend, Verdict
from llm_plugin.errors import ConfigError, RecordError
from llm_plugin.lean.backend import make_backend
from llm_plugin.lean.config import LeanConfig
from llm_plugin.lean.record import RecordedBackend
from llm_plugin.lean.rows import decision_of, decision_row, outcome_of, outcome_row, signal_of, time_key


@pytest.fixture
def recorded(make_plugin, tmp_path):
    """A run with one veto and one approval at different bars, and signals; returns its folder and requests."""
    verdicts = iter((0.0, 0.75))
    algorithm, plugin, backend = make_plugin(lambda request: next(verdicts))
    for price in (1.3001, 1.3002):
        algorithm.bar(price - 0.0005, price + 0.0005, price)
        plugin.signal("EURUSD")
        plugin.validate("EURUSD", Action.BUY, 0.6)
        algorithm.finish()
    plugin.on_end()
    return tmp_path / "run", backend.requests


def test_a_recorded_run_answers_every_question_again(recorded):
    folder, requests = recorded
    record = RecordedBackend.load(folder)
    assert isinstance(record, DecisionBackend)
    assert [record.validate(request).verdict for request in requests] == [Verdict.VETO, Verdict.ADJUST]
    assert record.signal(requests[0].market).action is Action.HOLD
    assert record.run_id == requests[0].run_id


def test_lookup_by_bar_where_the_run_id_is_another(recorded):
    folder, requests = recorded
    other = replace(requests[1], decision_id="another", run_id="another")
    decision = RecordedBackend.load(folder / "decisions.jsonl").validate(other)
    assert decision.size_multiplier == 0.75
    assert decision.decision_id == "another"


def test_the_ticker_is_an_alias_of_the_security_identifier(recorded):
    folder, requests = recorded
    market = replace(requests[1].market, symbol_id="EURUSD 5O")
    decision = RecordedBackend.load(folder).validate(replace(requests[1], decision_id="x", market=market))
    assert decision.symbol_id == "EURUSD 5O"
    assert decision.size_multiplier == 0.75


def test_an_unknown_bar_is_an_error_that_names_it(recorded):
    folder, requests = recorded
    record = RecordedBackend.load(folder)
    later = requests[0].market.time_utc + timedelta(hours=5)
    market = replace(requests[0].market, time_utc=later)
    with pytest.raises(RecordError, match=time_key(later)):
        record.validate(replace(requests[0], decision_id="x", market=market))
    with pytest.raises(RecordError, match=f"EURUSD.*{time_key(later)}"):
        record.signal(market)


def test_an_unknown_symbol_is_an_error_that_names_it(recorded):
    folder, requests = recorded
    market = replace(requests[0].market, symbol_id="GBPUSD 8G", ticker="GBPUSD")
    with pytest.raises(RecordError, match="GBPUSD 8G"):
        RecordedBackend.load(folder).signal(market)


def test_another_signal_than_the_recorded_one_is_an_error(recorded):
    folder, requests = recorded
    signal = replace(requests[0].signal, action=Action.SELL)
    with pytest.raises(RecordError, match=r"answered BUY .* asks about SELL"):
        RecordedBackend.load(folder).validate(replace(requests[0], signal=signal))


def test_no_float_is_a_key(recorded):
    record = RecordedBackend.load(recorded[0])
    keys = [*record._by_bar, *record._signals]
    assert len(keys) == 4
    assert not any(isinstance(part, float) for key in keys for part in key)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "neither signals nor decisions"), ("{\n", "line 1"), ('{"kind":"x"}\n', "row 1"), ("[1]\n", "line 1")],
    ids=["empty", "cut off", "unknown kind", "no object"],
)
def test_a_damaged_record_is_refused(tmp_path, text, message):
    (tmp_path / "decisions.jsonl").write_text(text)
    with pytest.raises(RecordError, match=message):
        RecordedBackend.load(tmp_path)


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(RecordError, match="nothing-here"):
        RecordedBackend.load(tmp_path / "nothing-here")


def test_rows_keep_everything(recorded, make_plugin):
    folder, requests = recorded
    rows = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
    assert [row["kind"] for row in rows[:4]] == ["signal", "decision", "signal", "decision"]
    decision = decision_of(rows[1])
    assert decision_row(requests[0], decision) == rows[1]
    assert signal_of(rows[0]).ticker == "EURUSD"
    outcomes = [row for row in rows if row["kind"] == "outcome"]
    assert outcomes
    assert [outcome_row(outcome_of(row)) for row in outcomes] == outcomes


def test_the_parameter_llm_decisions_from_chooses_the_record(recorded):
    algorithm = fakes.FakeAlgorithm({"llm-decisions-from": str(recorded[0])})
    assert isinstance(make_backend(algorithm, LeanConfig({}), "run", None), RecordedBackend)


def test_modes_that_cannot_be_served_say_what_to_do():
    with pytest.raises(ConfigError, match="lean-llm serve"):
        make_backend(fakes.FakeAlgorithm(), LeanConfig({"validator": {"mode": "service"}}), "run", None)
    with pytest.raises(ConfigError, match="llm-decisions-from"):
        make_backend(fakes.FakeAlgorithm(), LeanConfig({"validator": {"mode": "record"}}), "run", None)


def test_the_same_algorithm_gives_the_same_decisions_from_its_record(recorded, make_plugin, tmp_path):
    folder, _ = recorded
    parameters = {"llm-decisions-from": str(folder), "llm-run-dir": str(tmp_path / "again")}
    algorithm = fakes.FakeAlgorithm(parameters)
    algorithm.history_bars = fakes.flat_history()
    from llm_plugin.lean import LLMPlugin

    plugin = LLMPlugin(algorithm, {"validator": {"mode": "record"}})
    plugin.desk.hub.get(algorithm.symbol)
    for price in (1.3001, 1.3002):
        algorithm.bar(price - 0.0005, price + 0.0005, price)
        plugin.signal("EURUSD")
        plugin.validate("EURUSD", Action.BUY, 0.6)
        algorithm.finish()
    plugin.on_end()
    first, again = ((f / "decisions.jsonl").read_text() for f in (folder, tmp_path / "again"))
    assert first == again
    assert plugin.desk.hub.get(algorithm.symbol).engine is None
