"""Events reach Prefect once each: after an outage, after a delivery that broke off, from two deliverers at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect_standin import Standin, prefect_standin

from llm_plugin.errors import BackendUnavailable
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.stack.events import LEASE, deliver_events, prefect_event


@pytest.fixture
def prefect() -> Iterator[Standin]:
    with prefect_standin() as server:
        yield server


@pytest.fixture
def database(tmp_path: Path) -> Iterator[LearningDatabase]:
    with LearningDatabase(str(tmp_path / "store.sqlite")) as opened:
        yield opened


def emit(database: LearningDatabase, count: int) -> None:
    """Put events into the outbox."""
    for number in range(count):
        database.emit("lean-llm.drift.found", "lean-llm.validator", {"number": number})


def numbers(prefect: Standin) -> list[int]:
    """What arrived, in order."""
    return [row["payload"]["number"] for row in prefect.events]


def test_the_backlog_arrives_in_order_and_once(prefect: Standin, database: LearningDatabase) -> None:
    emit(database, 120)
    assert deliver_events(database, prefect.url) == 120
    assert numbers(prefect) == list(range(120))
    assert deliver_events(database, prefect.url) == 0
    assert len(prefect.events) == 120


def test_an_event_says_what_when_and_about_whom(prefect: Standin, database: LearningDatabase) -> None:
    emit(database, 1)
    (waiting,) = database.pending_events()
    deliver_events(database, prefect.url)
    (arrived,) = prefect.events
    assert arrived == prefect_event(waiting)
    assert arrived["id"] == waiting.event_id
    assert arrived["event"] == "lean-llm.drift.found"
    assert arrived["resource"]["prefect.resource.id"] == "lean-llm.validator"
    assert arrived["occurred"].endswith("+00:00")


def test_without_prefect_the_backlog_waits(prefect: Standin, database: LearningDatabase) -> None:
    emit(database, 3)
    assert deliver_events(database, None) == 0
    with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1:9/api does not answer: 3 events wait for it"):
        deliver_events(database, "http://127.0.0.1:9/api")
    prefect.broken = True
    with pytest.raises(BackendUnavailable, match="500"):
        deliver_events(database, prefect.url)
    assert len(database.pending_events()) == 3
    prefect.broken = False
    assert deliver_events(database, prefect.url) == 3
    assert not database.pending_events()


def test_a_delivery_that_broke_off_before_the_mark_sends_nothing_twice(
    prefect: Standin, database: LearningDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit(database, 3)
    with monkeypatch.context() as patched:
        patched.setattr(database, "mark_delivered", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            deliver_events(database, prefect.url)
    assert numbers(prefect) == [0, 1, 2]
    assert len(database.pending_events()) == 3
    emit(database, 4)
    assert deliver_events(database, prefect.url) == 1
    assert numbers(prefect) == [0, 1, 2, 3]


def test_while_another_delivers_this_one_leaves_it_to_it(prefect: Standin, database: LearningDatabase) -> None:
    emit(database, 2)
    lease = database.acquire(LEASE, "another", 60.0)
    assert deliver_events(database, prefect.url) == 0
    assert not prefect.events
    database.release(lease)
    assert deliver_events(database, prefect.url) == 2


def test_many_deliverers_at_once_send_each_event_once(prefect: Standin, database: LearningDatabase) -> None:
    emit(database, 60)
    threads = [threading.Thread(target=deliver_events, args=(database, prefect.url)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deliver_events(database, prefect.url)
    assert sorted(numbers(prefect)) == list(range(60))


def _interrupted(*_: Any) -> None:
    raise KeyboardInterrupt


def test_beside_a_service_the_outbox_is_emptied_and_an_outage_waited_out(
    prefect: Standin, own_home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import time

    from llm_plugin.learning.stores import learning_url
    from llm_plugin.settings import resolve
    from llm_plugin.stack.delivery import delivering

    settings = resolve(env={}).settings
    prefect.broken = True
    monkeypatch.setenv("PREFECT_API_URL", prefect.url)
    with LearningDatabase(learning_url(settings)) as outbox, delivering(settings, every_seconds=0.02):
        emit(outbox, 3)
        deadline = time.monotonic() + 20
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.02)
        assert [message for message in caplog.messages if "events wait" in message]
        assert len(outbox.pending_events()) == 3
        prefect.broken = False
        while outbox.pending_events() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert numbers(prefect) == [0, 1, 2]
    assert str(own_home) in learning_url(settings)
