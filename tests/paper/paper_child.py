"""A paper deployment in a process of its own, which can be killed at one named row of its account's journal.

`paper_child.py PROJECT FOLDER DATA [ORDER STATUS | save N]`: SIGKILL right after the row with that order event was
written, or after the N-th save of the plugin's state.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from llm_plugin.engine.algorithm.object_store import ObjectStore
from llm_plugin.engine.live.journal import Journal
from llm_plugin.engine.live.seam import Pace
from llm_plugin.report.finish import finish
from llm_plugin.runs.paper import Deployment, PaperOptions, trade
from llm_plugin.runs.prepare import Prepared

OVERRIDES = (
    "validator.mode=none",
    "signals.kind=none",
    "memory.backend=none",
    "features.resolution=hour",
    "outcomes.exit.stop_atr=1.0",
    "outcomes.exit.target_atr=0.8",
    "outcomes.exit.timeout_bars=7",
    "outcomes.exit.trail_at_r=0.5",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_event(order_id: int, status: int) -> None:
    append = Journal.append

    def appended(self: Journal, row: dict[str, Any], *, durable: bool = False) -> None:
        append(self, row, durable=durable)
        for event in row.get("events", ()):
            if event["order_id"] == order_id and event["status"]["value"] == status:
                die()

    Journal.append = appended  # type: ignore[method-assign]


def kill_at_save(number: int) -> None:
    save, count = ObjectStore.save_bytes, [0]

    def saved(self: ObjectStore, key: str, contents: Any = None) -> bool:
        done = save(self, key, contents)
        count[0] += 1
        if count[0] == number:
            die()
        return done

    ObjectStore.save_bytes = saved  # type: ignore[method-assign]


def main(project: str, folder: str, data: str, *kill: str) -> None:
    if kill and kill[0] == "save":
        kill_at_save(int(kill[1]))
    elif kill:
        kill_at_event(int(kill[0]), int(kill[1]))
    options = PaperOptions(
        Path(project), Path(data), 0.0, overrides=OVERRIDES, parameters={"llm-run-id": "same"}, write_every_seconds=1e9
    )
    summary = trade(options, Deployment(Path(folder), False), Pace(0), prepare=lambda *_: Prepared(), report=finish)
    print(summary["orders_hash"], summary["statistics"]["Total Orders"])


if __name__ == "__main__":
    main(*sys.argv[1:])
