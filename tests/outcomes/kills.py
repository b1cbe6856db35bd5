"""Kill a writing process again and again, and count what was acknowledged but is lost, doubled or torn."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from llm_plugin.domain import Outcome
from llm_plugin.outcomes.store import OutcomeStore

sys.path.insert(0, str(Path(__file__).parent))

from killed_writer import RUN, numbered

ROOT = Path(__file__).resolve().parents[2]
WRITER = Path(__file__).with_name("killed_writer.py")


@dataclass(slots=True)
class KillReport:
    """What the kills did; every figure but `acknowledged` must be 0."""

    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    torn: int = 0


def kill_and_count(url: str, kills: int, seed: int = 0) -> KillReport:
    """Start a writer, kill -9 it at a random moment, and look; `kills` times on the same store.

    The next writer starts two decisions before the last acknowledged one, so that each round also replays.
    """
    report, chance, first = KillReport(), random.Random(seed), 0
    acknowledged: set[tuple[str, int]] = set()
    for _ in range(kills):
        lines = _killed_writer(url, first, chance)
        acknowledged |= {(kind, int(number)) for kind, number in lines}
        first = max(0, max((number for _, number in acknowledged), default=0) - 2)
    report.acknowledged = len(acknowledged)
    with OutcomeStore(url) as store:
        _inspect(store, acknowledged, report)
    return report


def _killed_writer(url: str, first: int, chance: random.Random) -> list[tuple[str, str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WRITER), url, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        # It is writing, however slow the machine; from here on every moment may be its last.
        head = "".join(process.stdout.readline() for _ in range(chance.randint(6, 20)))
        time.sleep(chance.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        text = head + process.stdout.read()
    complete = text[: text.rfind("\n") + 1]
    pairs = [line.split() for line in complete.splitlines()]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def _inspect(store: OutcomeStore, acknowledged: set[tuple[str, int]], report: KillReport) -> None:
    stored = {row.request.decision_id: row for row in store.decisions(RUN)}
    found: dict[str, list[Outcome]] = {}
    for outcome in store.outcomes(RUN):
        found.setdefault(outcome.decision_id, []).append(outcome)
    for kind, number in acknowledged:
        request, decision, outcome = numbered(number)
        row = stored.get(request.decision_id)
        if kind == "decision":
            report.lost += row is None
            report.torn += row is not None and (row.request, row.prompt_text) != (request, f"prompt {number % 5}")
            report.torn += row is not None and row.decision.prompt_hash != decision.prompt_hash
        else:
            rows = found.get(request.decision_id, [])
            report.lost += not rows
            report.doubled += len(rows) > 1
            report.torn += rows[:1] not in ([], [outcome])
    for number in {number for _, number in acknowledged}:
        request, decision, outcome = numbered(number)
        known = ("outcome", number) in acknowledged
        report.doubled += store.save_decision(request, decision, f"prompt {number % 5}")
        report.doubled += known and store.save_outcome(outcome)
