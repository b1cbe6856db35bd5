"""The outcome store on a real PostgreSQL server, where Debian's packages have put one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from kills import kill_and_count
from postgresql_here import running_server

from llm_plugin.domain import Decision, DecisionRequest, Outcome, OutcomeKind
from llm_plugin.errors import DataError, StoreUnavailable
from llm_plugin.outcomes.store import OutcomeStore

pytestmark = pytest.mark.integration
Make = Callable[..., tuple[DecisionRequest, Decision]]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, Callable[[str], None]]]:
    """A cluster of its own; its URL and its control."""
    with running_server() as found:
        yield found


def test_decisions_and_outcomes_are_kept_once(
    server: tuple[str, Callable[[str], None]], make_decision: Make, make_outcome: Callable[..., Outcome]
) -> None:
    with OutcomeStore(server[0]) as store:
        for i in range(20):
            request, decision = make_decision(i, prompt_hash=f"h{i % 3}")
            assert store.save_decision(request, decision, f"prompt {i % 3}")
            assert not store.save_decision(request, decision, f"prompt {i % 3}")
            assert store.save_outcome(make_outcome(decision))
            assert not store.save_outcome(make_outcome(decision))
        with pytest.raises(DataError, match="no such decision"):
            store.save_outcome(make_outcome(make_decision(99)[1]))
        store.save_session("run", {"losses": 1})
        store.save_session("run", {"losses": 2})
        assert store.session("run") == {"losses": 2}
    with OutcomeStore(server[0], commit="group") as again:
        assert again.counts("run")["realised"] == 20
        assert len(again.outcomes("run", matured_before=make_decision(60)[1].time_utc)) == 13
        stored = again.decision(make_decision(4)[1].decision_id)
        assert stored is not None
        assert stored.prompt_text == "prompt 1"
        assert again.save_outcome(make_outcome(make_decision(4)[1], kind=OutcomeKind.REPLAY, held=timedelta(hours=1)))


def test_writer_killed_at_any_moment_loses_nothing(server: tuple[str, Callable[[str], None]]) -> None:
    report = kill_and_count(server[0], kills=4)
    assert report.acknowledged > 4
    assert (report.lost, report.doubled, report.torn) == (0, 0, 0)


def test_lost_server_is_said_plainly_and_writing_goes_on_when_it_is_back(
    server: tuple[str, Callable[[str], None]], make_decision: Make
) -> None:
    url, pg_ctl = server
    with OutcomeStore(url) as store:
        store.save_decision(*make_decision(200))
        pg_ctl("stop")
        with pytest.raises(StoreUnavailable, match="nothing was half-written"):
            store.save_decision(*make_decision(201))
        pg_ctl("start")
        assert store.save_decision(*make_decision(201))
        assert not store.save_decision(*make_decision(200))
