"""Kill -9 a cycle before or after any write of it, start it again, and count what is lost, doubled or half there.

The child is a fork, so that a kill costs milliseconds; the kill is a real SIGKILL. The points are all writes of a
cycle: database commits, renames, flushes to the disk, folders made and files written.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from cycle_world import at, make_parts, open_parts, world_settings
from sqlalchemy.engine.default import DefaultDialect

from llm_plugin.cycle.run import run_cycle
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.registry.store import Registry

POINTS = ((os, "fsync"), *((pathlib.Path, name) for name in ("rename", "replace", "mkdir", "write_text", "open")))
PRELOADED = (
    "arch.bootstrap",
    "scipy.stats",
    "llm_plugin.gate.judge",
    "llm_plugin.gate.policy",
    "llm_plugin.learning.dataset",
)
EVENTS = ("challenger.registered", "gate.decided", "champion.promoted", "cycle.ended")


@dataclass(slots=True)
class KillCount:
    """What the kills did; `lost` must be 0. `faults` says what was wrong, `points` where it was killed."""

    kills: int = 0
    lost: int = 0
    faults: list[str] = field(default_factory=list)
    points: Counter[str] = field(default_factory=Counter)


def kill_and_count(folder: Path, kills: int, seed: int = 0) -> KillCount:
    """Kill cycles until so many kills were done; each is started again until it ends, and then looked at."""
    for name in PRELOADED:  # before the forks, so that each of them costs milliseconds
        importlib.import_module(name)
    template = folder / "template"
    template.mkdir(parents=True)
    parts, as_of = make_parts(template)
    parts.database.close()
    parts.stores[0].close()
    clean = folder / "clean"
    shutil.copytree(template, clean)
    writes = _forked(partial(_cycle, clean, as_of, None))["writes"]
    expected = state_of(clean)
    report, chance = KillCount(), random.Random(seed)
    assert faults_of(clean, expected) == [], faults_of(clean, expected)
    while report.kills < kills:
        world = folder / f"world-{report.kills:03d}"
        shutil.copytree(template, world)
        again = 1 + (chance.random() < 0.3)
        for _ in range(min(again, kills - report.kills)):
            point = chance.randrange(writes)
            done = _forked(partial(_cycle, world, as_of, point))
            if done.get("killed"):
                report.kills += 1
                report.points[_last_stage(world)] += 1
                report.faults += [f"after a kill at write {point}: {text}" for text in half_of(world)]
        end = _forked(partial(_cycle, world, as_of, None))
        wrong = [end["error"]] if "error" in end else faults_of(world, expected)
        report.faults += [f"{world.name}: {text}" for text in wrong]
        shutil.rmtree(world)
    report.lost = len(report.faults)
    return report


def _cycle(world: Path, as_of: Any, kill_at: int | None) -> dict[str, Any]:
    """Run one cycle in this process, dying at a write."""
    counter = _die_at(kill_at)
    store = OutcomeStore(str(world / "store.sqlite"))
    parts = open_parts(world, world_settings(), store)
    result = run_cycle(at(as_of, trigger="operator"), parts) if _unfinished(parts) else None
    return {"status": result.status if result else "done", "writes": counter[0]}


def _unfinished(parts: Any) -> bool:
    """A cycle that ended before it was killed is not started a second time by an operator who can see that."""
    return not any(row.status != "running" for row in parts.database.cycles())


def _die_at(kill_at: int | None) -> list[int]:
    counter = [0]

    def count() -> None:
        if counter[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        counter[0] += 1

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            count()
            value = real(*args, **kwargs)
            count()
            return value

        return call

    for owner, name in POINTS:
        setattr(owner, name, wrapped(getattr(owner, name)))
    DefaultDialect.do_commit = wrapped(DefaultDialect.do_commit)  # type: ignore[method-assign]
    return counter


def _forked(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run in a fork; what it returns comes back unless it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = json.dumps(work())
        except BaseException:
            text = json.dumps({"error": traceback.format_exc()})
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        text = stream.read().decode()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"killed": True}
    return dict(json.loads(text))


def state_of(world: Path) -> dict[str, Any]:
    """Return what an uninterrupted cycle leaves, without what differs by time."""
    registry = Registry(world / "registry")
    rows = (registry.folder / "journal.jsonl").read_text().splitlines()
    with LearningDatabase(str(world / "store.sqlite")) as database:
        pointer = registry.pointer()
        return {
            "champion": pointer.champion,
            "previous": pointer.previous,
            "challenger": pointer.challenger,
            "stages": dict(pointer.stages),
            "versions": [(row.id, row.parent, row.stage) for row in registry.versions()],
            "changes": [(row.sequence, row.what, row.version) for row in registry.history()],
            "doubled in the journal": len(rows) - len(set(rows)),
            "gates": [(row.window_id, row.challenger, row.number, row.verdict) for row in database.gates()],
            "cycles": [(row.cycle_id, row.status, row.reason, row.facts.get("dataset")) for row in database.cycles()],
            "events": [row.event for row in database.events()],
        }


def faults_of(world: Path, expected: dict[str, Any]) -> list[str]:
    """Return how a finished world differs from an uninterrupted one."""
    found = state_of(world)
    wrong = [f"{name}: {found[name]} instead of {expected[name]}" for name in expected if found[name] != expected[name]]
    if sorted(found["events"]) != sorted(f"lean-llm.{name}" for name in EVENTS):
        wrong.append(f"events {found['events']}")
    if (left := [path.name for path in (world / "registry" / "validator").rglob(".draft-*")]) and wrong:
        wrong.append(f"drafts {left}")
    return wrong + half_of(world)


def half_of(world: Path) -> list[str]:
    """Return what a server that looks now would trip over: a pointer it cannot read, a version that is not whole."""
    registry = Registry(world / "registry")
    wrong = registry.problems()
    try:
        registry.verify("champion")
        for version in registry.versions():
            registry.verify(version.id)
    except Exception as error:
        wrong.append(f"{type(error).__name__}: {error}")
    with OutcomeStore(str(world / "store.sqlite")) as store:
        if store.counts("run")["decisions"] != 400:
            wrong.append(f"outcomes: {store.counts('run')}")
    return wrong


def _last_stage(world: Path) -> str:
    with LearningDatabase(str(world / "store.sqlite")) as database:
        rows = database.cycles()
        done = [name for name in database.stages(rows[0].cycle_id) if not name.startswith("start")] if rows else []
        ended = rows and rows[0].status != "running"
    return "ended" if ended else f"after {done[-1]}" if done else "begun" if rows else "before"
