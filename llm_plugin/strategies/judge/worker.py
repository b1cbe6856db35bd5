"""A judging process: candidates as JSON lines on stdin, verdicts as JSON lines on stdout.

`python -m llm_plugin.strategies.judge.worker`. It is trusted: candidates run in the nursery that it starts.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from llm_plugin.errors import LeanLlmError
from llm_plugin.strategies.judge.verdict import Candidate, JudgeLimits

__all__ = ["from_plain", "judge_here", "main", "to_plain"]

_here: dict[str, Any] = {}


def to_plain(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate as plain values."""
    task = candidate.task
    return {
        **{name: value for name, value in vars(candidate).items() if name != "task"},
        "task": task.to_json() if task is not None else None,
    }


def from_plain(values: Mapping[str, Any]) -> Candidate:
    """Read what `to_plain` gave."""
    task = values["task"]
    if task is not None:
        from llm_plugin.strategies.tasks import Task

        task = Task.from_json(task)
    return Candidate(**{**values, "task": task})


def judge_here(settings: str, candidate: str) -> str:
    """Judge in this process, with a judge that stays for the next one; texts in and out, so that Dask can carry them.

    Args:
        settings: JSON of data folder, limits and switches.
        candidate: JSON of a candidate.
    """
    judge = _here.get(settings)
    if judge is None:
        import atexit

        for old in _here.values():
            old.close()
        _here.clear()
        judge = _here[settings] = _open(json.loads(settings))
        atexit.register(judge.close)
    return json.dumps(judge.judge(from_plain(json.loads(candidate))).to_json())


def _open(settings: Mapping[str, Any]) -> Any:
    from llm_plugin.strategies.judge.judge import Judge

    return Judge(Path(settings["data_folder"]), JudgeLimits(**settings["limits"]), **settings["switches"])


def settings_text(data_folder: Path, limits: JudgeLimits, switches: Mapping[str, bool]) -> str:
    """Return the settings of a judge as a text."""
    return json.dumps({"data_folder": str(data_folder), "limits": asdict(limits), "switches": dict(switches)})


def main() -> int:
    """Serve until stdin ends."""
    channel = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides: it closes stdin
    judge = _open(json.loads(sys.stdin.readline()))
    with judge:
        for line in sys.stdin:
            try:
                answer = {"verdict": judge.judge(from_plain(json.loads(line))).to_json()}
            except LeanLlmError as error:
                answer = {"error": type(error).__name__, "message": str(error)}
            channel.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
