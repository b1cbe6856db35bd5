"""A language model that hangs, dies or raves, in whole runs: verdicts by `on_failure`, and positions get closed."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e_tools import QUICK, Run, in_process

from llm_plugin.domain import Action, ExitReason, QuestionKind, Source, Verdict
from llm_plugin.errors import BackendUnavailable
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.reasoning import FakeModel, registry

SPAN = ("2013-01-14", "2013-02-22")
LATER = 24  # questions that are answered before the model fails
BASE = ("memory.backend=local", "llm_model.provider=failing", "validator.timeout_seconds=0.05", *QUICK)


class Failing(FakeModel):
    """Takes every signal for a while, then fails in the way that `fail` says."""

    def __init__(self, fail: Callable[[Any], Any]) -> None:
        super().__init__(lambda _, legal: {a: 9.0 if a.side else 1.0 for a in legal}, version="failing@1")
        self._fail = fail
        self.asked = 0

    def score(self, prompts: Any, legal: Any) -> Any:
        """Answer, or fail."""
        self.asked += 1
        answers = super().score(prompts, legal)
        return answers if self.asked <= LATER else self._fail(answers)


def hang(answers: Any) -> Any:
    time.sleep(0.3)
    return answers


def die(answers: Any) -> Any:
    raise BackendUnavailable("connection reset by peer")


def rave(answers: Any) -> Any:
    logs = dict.fromkeys(answers[0].log_probabilities, math.nan)
    return [_with(answers[0], log_probabilities=logs)]


def cheat(answers: Any) -> Any:
    """An action that nobody allowed."""
    return [_with(answers[0], log_probabilities={Action.MOVE_TO_BE: 0.0}, probabilities={Action.MOVE_TO_BE: 1.0})]


def _with(scores: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(scores, **changes)


FAILURES = {
    "hangs": (hang, "did not answer within 0.05 s"),
    "dies": (die, "connection reset by peer"),
    "answers-nan": (rave, "nan"),
    "answers-an-illegal-action": (cheat, "MOVE_TO_BE"),
}


@pytest.fixture
def run_with(shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Run with a model that fails in a given way."""

    def run(fail: Callable[[Any], Any], *overrides: str) -> Run:
        monkeypatch.setitem(registry._BACKENDS, "failing", lambda **_: Failing(fail))
        return in_process(tmp_path / "run", "eurusd_ensemble", *SPAN, *BASE, *overrides)

    return run


def failed(run: Run) -> list[Any]:
    return [d for d in run.decisions if d.source is Source.FALLBACK]


@pytest.mark.parametrize(("fail", "said"), FAILURES.values(), ids=FAILURES)
def test_a_failing_model_opens_nothing_and_closes_what_is_open(
    run_with: Callable[..., Run], fail: Callable[[Any], Any], said: str
) -> None:
    run = run_with(fail)
    assert run.result.status == "Completed"
    broken = failed(run)
    entries = [d for d in broken if d.kind is QuestionKind.ENTRY]
    assert len(entries) > 5
    assert {d.verdict for d in entries} == {Verdict.VETO}
    assert any(said in d.reason for d in broken)
    assert {d.model_version for d in broken} == {""}
    first = min(d.time_utc for d in broken)
    assert [d for d in run.entries if d.time_utc >= first and d.approved and d.source is not Source.LLM] == []
    assert [d for d in run.entries if d.time_utc < first and d.approved]
    assert not run.result.algorithm.portfolio.invested
    reasons = {o.exit_reason for o in run.realised if o.closed_utc >= first} | {o.exit_reason for o in run.realised}
    assert reasons & {ExitReason.STOP, ExitReason.TARGET, ExitReason.TIMEOUT}
    assert ExitReason.END_OF_DATA not in reasons


def test_following_the_signal_is_recorded_as_fallback_and_trades(run_with: Callable[..., Run]) -> None:
    run = run_with(die, "validator.on_failure=follow_signal")
    entries = [d for d in failed(run) if d.kind is QuestionKind.ENTRY]
    assert len(entries) > 5
    assert {d.verdict for d in entries} == {Verdict.APPROVE}
    taken = {o.decision_id for o in run.realised}
    assert taken & {d.decision_id for d in entries}


def test_a_hook_that_approves_when_its_code_raises_would_be_seen(
    run_with: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted offender: the same run with a validator that calls a failure an approval."""
    from llm_plugin.validator import pipeline

    honest = pipeline.Validator._unanswered

    def hopeful(self: Any, context: Any, source: Source, reason: str) -> Any:
        return pipeline.signal_decision(context.request, True, Source.LLM, reason=reason)

    monkeypatch.setattr(pipeline.Validator, "_unanswered", hopeful)
    run = run_with(die)
    assert failed(run) == []
    assert sum(d.approved for d in run.entries) > LATER
    assert honest is not hopeful


def test_every_decision_is_in_store_and_record_as_it_was(run_with: Callable[..., Run]) -> None:
    """Vetoes too; the planted offender is a log that writes APPROVE whatever was decided."""
    run = run_with(die)
    with OutcomeStore(f"sqlite:///{run.folder / 'store.sqlite'}") as store:
        (run_id,) = store.run_ids()
        stored = {row.decision.decision_id: row.decision.verdict for row in store.decisions(run_id)}
    recorded = {d.decision_id: d.verdict for d in run.decisions}
    assert stored == recorded
    assert set(recorded.values()) >= {Verdict.APPROVE, Verdict.VETO}
    assert dict.fromkeys(recorded, Verdict.APPROVE) != stored


def test_what_the_run_counted_is_in_its_folder(run_with: Callable[..., Run]) -> None:
    run = run_with(die)
    counted = json.loads((run.folder / "lean_side.json").read_text())
    assert counted["source_fallback"] == sum(d.kind is QuestionKind.ENTRY for d in failed(run))
