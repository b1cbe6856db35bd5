"""The parts of the loop's proof: what each is, which figures it gives, and whether they are as they must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.proofs.loop_config import LoopProofConfig
from llm_plugin.proofs.loop_report import bench_figures, figure, loop_markdown, summarise_loop
from llm_plugin.proofs.loop_run import LoopTask
from llm_plugin.proofs.planted_config import SEEDS
from llm_plugin.walkforward.plan import content_key, project_sha256

__all__ = ["PARTS", "Choice", "bench_results", "loop_tasks", "summarise_parts", "write_page"]

PARTS = ("shift", "walkforward", "shuffled", "eurusd", "benches")
BENCHES = (
    "test_cycle_kills_bench.py",
    "test_gate_bench.py",
    "test_watch_bench.py",
    "test_drift_bench.py",
    "test_swap_bench.py",
)
BENCH_FIGURES = ("cycle_kills", "gate_", "rollback_", "drift_", "swap_")
BARS: dict[str, tuple[str, float]] = {
    "holdout_accuracy_before": ("lower", 0.6),
    "holdout_accuracy_after": ("higher", 0.85),
    "holdout_accuracy_after_min": ("higher", 0.75),
    "retrain_cycle_seconds": ("lower", 300.0),
    "gate_false_pass_rate": ("lower", 0.05),
    "gate_power": ("higher", 0.6),
    "rollback_detect_outcomes_median": ("lower", 80),
    "rollback_false_alarm_rate": ("lower", 0.05),
    "drift_false_alarms_per_month": ("lower", 1.0),
    "cycle_kills_lost": ("lower", 0),
    "swap_failed": ("lower", 0),
    "swap_pause_p99_ms": ("lower", 50),
}
"""Better, and what has to be reached."""


@dataclass(frozen=True)
class Choice:
    """What the command line asks for.

    Attributes:
        parts: Names of parts; empty = all.
        seeds: Seeds; empty = 1 to 5.
        project: LEAN project of the part on real data.
        data: LEAN's data folder; None looks for it as a backtest does.
        retrain_every: Matured decisions between two cycles there.
        overrides: Settings of the planted walk-forward.
    """

    parts: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    project: Path = Path("lean_algorithms/eurusd_ensemble")
    data: Path | None = None
    retrain_every: int = 200
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse unknown parts."""
        unknown = [name for name in self.parts if name not in PARTS]
        if unknown:
            known = ", ".join(PARTS)
            raise ConfigError(
                [f"part {name!r} is unknown{did_you_mean(name, PARTS)}; known: {known}" for name in unknown]
            )

    def has(self, part: str) -> bool:
        """Whether a part is wanted."""
        return not self.parts or part in self.parts


def loop_tasks(choice: Choice, config: LoopProofConfig | None = None) -> list[LoopTask]:
    """Return the tasks of the chosen parts, the longest first.

    Raises:
        DataError: The project of the part on real data, or its data, is not there.
    """
    config = config or LoopProofConfig(overrides=choice.overrides)
    seeds = choice.seeds or SEEDS
    tasks: list[LoopTask] = []
    for part, variant in (("walkforward", "shifts"), ("shuffled", "shuffled")):
        if choice.has(part):
            tasks += [_cell(config, variant, seed) for seed in seeds]
    if choice.has("eurusd"):
        tasks.append(_real(choice))
    if choice.has("shift"):
        tasks += [_shift(seed) for seed in seeds]
    if choice.has("benches") and (root := checkout(Path.cwd())) is not None:
        for name in BENCHES:
            if (root / "tests" / "benchmarks" / name).is_file():
                tasks.append(_bench(root, name))
    return tasks


def _cell(config: LoopProofConfig, variant: str, seed: int) -> LoopTask:
    spec = {"task": "cell", "config": config.to_json(), "variant": variant, "seed": seed}
    return LoopTask(f"{variant}-seed{seed}", spec, content_key(config.sha256, variant, seed))


def _shift(seed: int) -> LoopTask:
    from llm_plugin.proofs.shift_cell import ShiftConfig

    return LoopTask(f"shift-seed{seed}", {"task": "shift", "seed": seed}, content_key(ShiftConfig().sha256, seed))


def _real(choice: Choice) -> LoopTask:
    from llm_plugin.data.locate import find_data_folder
    from llm_plugin.runs.locate import project_folder

    project = project_folder(choice.project)
    spec = {
        "task": "walkforward",
        "name": "eurusd",
        "project": str(project),
        "data": str(find_data_folder(project, choice.data)),
        "retrain_every": choice.retrain_every,
        "seed": 0,
    }
    return LoopTask("eurusd", spec, content_key(project_sha256(project), choice.retrain_every), cores=2)


def _bench(root: Path, name: str) -> LoopTask:
    stem = name.removeprefix("test_").removesuffix("_bench.py")
    spec = {"task": "benches", "root": str(root), "files": [name], "figures": list(BENCH_FIGURES)}
    return LoopTask(
        f"bench-{stem}", spec, content_key((root / "tests" / "benchmarks" / name).read_text(encoding="utf-8"))
    )


def checkout(folder: Path) -> Path | None:
    """Return the checkout that a folder lies in, None outside one."""
    return next((p for p in (folder, *folder.parents) if (p / "tests" / "benchmarks" / "conftest.py").is_file()), None)


def bench_results(folder: Path) -> Path | None:
    """Return where a checkout keeps its figures, None outside one."""
    root = checkout(folder)
    return None if root is None else root / ".bench" / "results.json"


def summarise_parts(tasks: Sequence[LoopTask], results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return figures, words and verdicts of all parts as plain JSON types.

    Args:
        tasks: What was wanted.
        results: What is complete, by name.
    """
    kinds = {task.name: str(task.spec["task"]) for task in tasks}
    cells = [result for name, result in results.items() if kinds[name] == "cell"]
    planted = summarise_loop(cells) if cells else None
    shifts = [result for name, result in sorted(results.items()) if kinds[name] == "shift"]
    real = results.get("eurusd")
    figures: dict[str, dict[str, Any]] = {}
    expected: dict[str, bool | None] = {}
    words: list[str] = []
    if planted is not None:
        figures |= bench_figures(planted)
        expected |= {f"walk-forward, {name}": run["as_expected"] for name, run in planted["runs"].items()}
    if shifts:
        figures |= _shift_figures(shifts)
        expected["planted shift"] = _shift_expected(figures, len(shifts))
    if real is not None:
        words += [f"EURUSD: {line}" for line in real["words"]]
        figures |= _real_figures(real)
    for name, result in results.items():
        if kinds[name] == "benches":
            figures |= {key: dict(value) for key, value in result.items()}
    return {
        "walkforward": planted,
        "shift": shifts,
        "eurusd": real,
        "figures": figures,
        "as_expected": expected,
        "words": words,
        "missing": [task.name for task in tasks if task.name not in results],
    }


def _shift_figures(shifts: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    import numpy as np

    after = [float(item["accuracy_after"]) for item in shifts]
    values = {
        "holdout_accuracy_before": float(np.median([float(item["accuracy_before"]) for item in shifts])),
        "holdout_accuracy_after": float(np.median(after)),
        "holdout_accuracy_after_min": min(after),
        "retrain_cycle_seconds": float(np.median([float(item["cycle_seconds"]) for item in shifts])),
    }
    units = {"retrain_cycle_seconds": "s"}
    return {
        name: figure(value, units.get(name, "accuracy against the planted rule"), BARS[name][1], BARS[name][0])
        for name, value in values.items()
    }


def _shift_expected(figures: Mapping[str, Mapping[str, Any]], seeds: int) -> bool | None:
    if seeds < len(SEEDS):
        return None
    names = ("holdout_accuracy_before", "holdout_accuracy_after", "holdout_accuracy_after_min", "retrain_cycle_seconds")
    return all(_reached(figures[name]) for name in names)


def _reached(one: Mapping[str, Any]) -> bool:
    return bool(one["value"] < one["bar"] if one["better"] == "lower" else one["value"] > one["bar"])


def _real_figures(summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures on real data have no bar: they are what they are."""
    figures = {}
    for claim in summary["claims"]:
        for part in ("mean", "low", "high"):
            value = claim["net_return"][part]
            if value is not None:
                name = f"walkforward_eurusd_net_return_over_{claim['control']}_{part}"
                figures[name] = figure(1e4 * value, "bps a day", 0.0, "higher")
    return figures


def write_page(page: Path, summary: Mapping[str, Any], day: date) -> None:
    """Put the sections that there are into the page of experiments.

    Raises:
        DataError: The page does not exist or has no title.
    """
    from llm_plugin.proofs.loop_real import real_markdown
    from llm_plugin.proofs.planted_report import write_section

    if summary["eurusd"] is not None:
        write_section(page, real_markdown(summary["eurusd"], day))
    if summary["walkforward"] is not None:
        write_section(page, loop_markdown(summary["walkforward"], day))
