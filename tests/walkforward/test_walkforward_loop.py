"""The loop by itself: when it asks the rule, what it refuses, what it writes down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_plugin.domain import QuestionKind
from llm_plugin.errors import LookaheadError, ModelError, RecordError, StoreUnavailable
from llm_plugin.walkforward.backend import LoopBackend
from llm_plugin.walkforward.loop import CycleReport, Loop, Rule, Served, WatchReport, require_cutoff
from llm_plugin.walkforward.timeline import Timeline, read_timeline, serving_at

START = datetime(2014, 1, 1, tzinfo=UTC)
HOLDING = timedelta(hours=10)


def at(hour: float) -> datetime:
    return START + timedelta(hours=hour)


@dataclass
class FakeCycles:
    """A rule that counts matured questions, and cycles that end as told."""

    every: int
    ends: list[CycleReport]
    asked: list[datetime] = field(default_factory=list)
    looks: list[datetime] = field(default_factory=list)
    ran: list[datetime] = field(default_factory=list)
    backs: list[str] = field(default_factory=list)
    used: datetime | None = None

    def due(self, now: datetime) -> Rule:
        self.looks.append(now)
        matured = sum(t <= now - HOLDING and (self.used is None or t > self.used) for t in self.asked)
        return Rule(matured >= self.every, matured, max(0, self.every - matured))

    def run(self, now: datetime, number: int) -> CycleReport:
        self.ran.append(now)
        report = self.ends[number - 1]
        self.used = report.used_until_utc or self.used
        return report

    def roll_back(self, now: datetime, reason: str) -> Served:
        self.backs.append(reason)
        return Served("base", None, at(-100))


@dataclass
class FakeModels:
    served: list[str] = field(default_factory=list)

    def serve(self, served: Served) -> None:
        self.served.append(served.version)


@dataclass
class FakeWatch:
    says: Mapping[int, WatchReport] = field(default_factory=dict)
    begun: list[tuple[str, str]] = field(default_factory=list)
    ended: int = 0
    looks: int = 0

    def begin(self, now: datetime, champion: str, previous: str) -> None:
        self.begun.append((champion, previous))

    def look(self, now: datetime) -> WatchReport | None:
        self.looks += 1
        return self.says.get(self.looks)

    def end(self) -> None:
        self.ended += 1


def walk(folder: Path, cycles: FakeCycles, questions: int, watch: FakeWatch | None = None) -> tuple[Loop, FakeModels]:
    """Ask one question an hour."""
    models = FakeModels()
    loop = Loop(
        Served("base", None, at(-100)),
        retrain_every=cycles.every,
        cycles=cycles,
        models=models,
        watcher=watch or FakeWatch(),
        timeline=Timeline(folder / "timeline.jsonl"),
    )
    for hour in range(questions):
        request: Any = SimpleNamespace(market=SimpleNamespace(time_utc=at(hour)))
        loop.before(request)
        cycles.asked.append(at(hour))
        loop.after(request, None)  # type: ignore[arg-type]
    return loop, models


def promoted(version: str, cutoff: datetime | None, used: datetime) -> CycleReport:
    return CycleReport("promoted", "gains", Served(version, Path(version), cutoff), "c", used)


def test_a_cycle_starts_at_the_first_question_at_which_enough_have_matured(tmp_path: Path) -> None:
    cycles = FakeCycles(20, [promoted("v1", at(29), at(19)), promoted("v2", at(49), at(39))])
    loop, models = walk(tmp_path, cycles, 50)
    assert cycles.ran == [at(29), at(49)]
    assert models.served == ["v1", "v2"]
    assert loop.served.version == "v2"
    assert len(cycles.looks) <= 6, "the rule reads the store: it is asked only where it can fire"


def test_the_time_axis_says_who_answered_when(tmp_path: Path) -> None:
    cycles = FakeCycles(20, [promoted("v1", at(29), at(19))])
    walk(tmp_path, cycles, 35)
    events = read_timeline(tmp_path)
    assert [event.kind for event in events] == ["start", "cycle", "swap"]
    assert serving_at(events, at(28)) == "base"
    assert serving_at(events, at(29)) == "v1"
    assert events[1].matured == 20
    assert events[1].decision == 29


def test_a_version_of_the_future_never_answers(tmp_path: Path) -> None:
    cycles = FakeCycles(20, [promoted("v1", at(29.5), at(19))])
    with pytest.raises(
        LookaheadError, match=r"v1 was made from data up to 2014-01-02T05:30:00.*it is\s2014-01-02T05:00"
    ):
        walk(tmp_path, cycles, 40)


def test_a_version_that_does_not_say_what_it_knows_never_answers() -> None:
    with pytest.raises(LookaheadError, match="v7 does not say up to when its data goes"):
        require_cutoff(Served("v7", Path("v7"), None), at(0))
    require_cutoff(Served("base", None, None), at(0))
    require_cutoff(Served("v7", Path("v7"), at(0)), at(0))


def test_a_base_of_the_future_ends_the_run_at_its_first_question(tmp_path: Path) -> None:
    loop = Loop(
        Served("base", None, at(1)),
        retrain_every=5,
        cycles=FakeCycles(5, []),
        models=FakeModels(),
        watcher=FakeWatch(),
        timeline=Timeline(tmp_path / "timeline.jsonl"),
    )
    request: Any = SimpleNamespace(market=SimpleNamespace(time_utc=at(0)))
    with pytest.raises(LookaheadError, match="base was made from data up to"):
        loop.before(request)


def test_too_few_outcomes_are_told_and_tried_again_after_as_many_more(tmp_path: Path) -> None:
    early = CycleReport("insufficient_data", "20 are known, 90 are needed", Served("base", None, at(-100)))
    cycles = FakeCycles(20, [early] * 10)
    walk(tmp_path, cycles, 95)
    assert cycles.ran == [at(29), at(49), at(69), at(89)]
    assert {event.status for event in read_timeline(tmp_path) if event.kind == "cycle"} == {"insufficient_data"}


def test_a_swap_is_watched_and_a_bad_one_goes_back(tmp_path: Path) -> None:
    cycles = FakeCycles(20, [promoted("v1", at(29), at(19)), promoted("v2", at(49), at(39))])
    watch = FakeWatch({40: WatchReport("rollback", "v1 is worse", {"value": 41.0})})
    loop, models = walk(tmp_path, cycles, 45, watch)
    assert watch.begun == [("v1", "base")]
    assert cycles.backs == ["v1 is worse"]
    assert models.served == ["v1", "base"]
    assert watch.ended == 1
    back = loop.timeline.events[-1]
    assert (back.kind, back.version, back.time_utc) == ("rollback", "base", at(39))
    assert back.figures == {"value": 41.0}


def test_a_watch_that_ends_well_changes_nothing(tmp_path: Path) -> None:
    cycles = FakeCycles(20, [promoted("v1", at(29), at(19))])
    watch = FakeWatch({38: WatchReport("watching"), 40: WatchReport("ended", "not shown to be worse")})
    loop, models = walk(tmp_path, cycles, 45, watch)
    assert models.served == ["v1"]
    assert loop.timeline.events[-1].kind == "watch_end"


def test_a_damaged_time_axis_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no arm that learns was run"):
        read_timeline(tmp_path)
    (tmp_path / "timeline.jsonl").write_text('{"kind": "swap"\n')
    with pytest.raises(RecordError, match="is damaged"):
        read_timeline(tmp_path)


def test_drift_stands_on_the_time_axis_once_until_a_cycle_answers_it(tmp_path: Path) -> None:
    class Drifting(FakeCycles):
        def due(self, now: datetime) -> Rule:
            rule = super().due(now)
            return Rule(rule.fires, rule.matured, 1, "decisions are worth less", at(3))

    walk(tmp_path, Drifting(20, [promoted("v1", at(29), at(19))]), 45)
    kinds = [event.kind for event in read_timeline(tmp_path)]
    assert kinds == ["start", "drift", "cycle", "swap", "drift"]


@pytest.mark.parametrize("error", [StoreUnavailable("no space"), AttributeError("gone")], ids=["store", "bug"])
def test_a_loop_that_breaks_ends_the_run_and_never_becomes_a_fall_back(error: Exception) -> None:
    def breaks(request: Any) -> None:
        raise error

    backend = LoopBackend(SimpleNamespace(run_id="run"), before=breaks)  # type: ignore[arg-type]
    request: Any = SimpleNamespace(kind=QuestionKind.ENTRY, market=SimpleNamespace(time_utc=at(5)))
    told = rf"the loop broke at 2014-01-01T05:00:00\+00:00: {type(error).__name__}: {error}"
    with pytest.raises(ModelError, match=told):
        backend.validate(request)
