"""Does each alpha trade as a LEAN algorithm? Runs on the embedded engine, many beside each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_plugin.alphas.catalogue import Alpha
from llm_plugin.alphas.source import AlgorithmPlan, algorithm_source
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.runs.many import Job, Outcome, run_many

__all__ = ["Trading", "trade_all", "write_project"]


@dataclass(frozen=True, slots=True)
class Trading:
    """How one alpha ran.

    Attributes:
        number: The alpha.
        status: LEAN's status of the run, or the kind of error.
        orders: Orders sent.
        filled: Orders that were filled.
        names: Securities that were filled at least once.
        seconds: Time of the run.
        error: Empty where it ended well.
    """

    number: int
    status: str
    orders: int
    filled: int
    names: int
    seconds: float
    error: str = ""

    @property
    def trades(self) -> bool:
        """Whether it ran to its end and at least two names were traded."""
        return self.status == "Completed" and not self.error and self.names >= 2


def write_project(alpha: Alpha, plan: AlgorithmPlan, folder: Path) -> list[Path]:
    """Write a LEAN CLI project folder for an alpha and return its files.

    Raises:
        ConfigError: The folder holds files already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "algorithm-language": "Python",
        "parameters": {},
        "description": f"WorldQuant alpha {alpha.number}, {plan.weighting}, every {plan.rebalance}",
    }
    files = {"main.py": algorithm_source(alpha, plan), "config.json": json.dumps(config, indent=4) + "\n"}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in files]


def trade_all(
    alphas: Sequence[Alpha],
    plan: AlgorithmPlan,
    data_folder: Path,
    work: Path,
    jobs: int = 2,
    on_done: Callable[[int, str], None] | None = None,
) -> list[Trading]:
    """Write each alpha as a project, run it, and say what was filled.

    Args:
        alphas: Which.
        plan: Universe and period.
        data_folder: A LEAN data folder that has the universe.
        work: A new or empty folder for projects and results.
        jobs: How many at a time.
        on_done: Called with the number of each as it ends, and what went wrong, if anything did.
    """
    waiting = []
    for alpha in alphas:
        project, run = work / "projects" / f"alpha_{alpha.number:03d}", work / "runs" / f"alpha_{alpha.number:03d}"
        write_project(alpha, plan, project)
        run.mkdir(parents=True)
        waiting.append(Job(str(alpha.number), str(project), str(data_folder.resolve()), str(run)))

    def told(name: str, event: Mapping[str, Any]) -> None:
        if on_done is not None and event.get("event") in ("done", "error"):
            on_done(int(name), str(event.get("message") or ""))

    outcomes, interrupted = run_many(waiting, jobs, told)
    if interrupted:
        raise KeyboardInterrupt
    return [_trading(outcome) for outcome in outcomes]


def _trading(outcome: Outcome) -> Trading:
    filled, names = (0, 0) if outcome.error else _fills(Path(outcome.run_folder))
    return Trading(
        int(outcome.name), outcome.status, outcome.orders, filled, names, round(outcome.seconds, 3), outcome.error
    )


def _fills(run: Path) -> tuple[int, int]:
    """Return how many orders were filled and of how many names, by the run's order events."""
    found = sorted(run.glob("*-order-events.json"))
    if len(found) != 1:
        raise DataError(f"{run} has {len(found)} files of order events, one is expected: run it again")
    events = json.loads(found[0].read_text(encoding="utf-8"))
    fills = [event for event in events if event["status"] == "filled"]
    return len({event["orderId"] for event in fills}), len({event["symbol"] for event in fills})
