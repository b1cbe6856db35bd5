"""The figures of the loop's proof as tables: for the terminal, for a machine, and for the page of experiments."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import DataError
from llm_plugin.files import write_whole
from llm_plugin.proofs.loop_claims import Cell, LoopClaim, arm_returns, judge_loop, net_of, size_of
from llm_plugin.proofs.loop_config import LOOP_VARIANTS
from llm_plugin.proofs.planted_config import SEEDS
from llm_plugin.walkforward.claims import sharpe

__all__ = ["COLUMNS", "WORDS", "bench_figures", "loop_markdown", "loop_rows", "summarise_loop", "write_figures"]

TITLES = {
    "learning": "learning",
    "frozen": "frozen LLM",
    "none": "no LLM",
    "random": "random veto, equal rate",
    "tabular": "tabular, refitted",
    "oracle": "oracle (knows the rule)",
}
WORDS = {True: "as expected", False: "NOT as expected", None: "cannot be judged: seeds are missing"}
COLUMNS = (
    "run",
    "arm",
    "vetoed",
    "right",
    "R a signal",
    "Sharpe of a day",
    "learning gains, bps a day",
    "Sharpe",
    "seeds",
)


def summarise_loop(cells: Sequence[Cell]) -> dict[str, Any]:
    """Return all figures of the walk-forward cells, by kind of run and arm, as plain JSON types.

    Args:
        cells: Results of one configuration.

    Raises:
        DataError: Nothing is there, or the cells are of several configurations.
    """
    if not cells:
        raise DataError("no cell of the proof is complete: run `lean-llm prove loop`")
    configs = {str(cell["config_sha256"]) for cell in cells}
    if len(configs) > 1:
        raise DataError(f"cells of {len(configs)} configurations cannot be pooled: {sorted(c[:12] for c in configs)}")
    runs = {}
    for name in LOOP_VARIANTS:
        own = sorted((cell for cell in cells if cell["variant"] == name), key=lambda cell: int(cell["seed"]))
        if own:
            runs[name] = _run(own)
    have = {(cell["variant"], int(cell["seed"])) for cell in cells}
    return {
        "config": dict(cells[0]["config"]),
        "config_sha256": configs.pop(),
        "code_sha256": sorted({str(cell["code_sha256"]) for cell in cells}),
        "versions": dict(cells[0]["versions"]),
        "missing": [f"{name} seed {seed}" for name in LOOP_VARIANTS for seed in SEEDS if (name, seed) not in have],
        "seconds_per_cell": float(np.mean([sum(cell["seconds"].values()) for cell in cells])),
        "runs": runs,
    }


def _run(cells: Sequence[Cell]) -> dict[str, Any]:
    verdict = judge_loop(cells)
    cycles = [event for cell in cells for event in cell["events"] if event["kind"] == "cycle"]
    return {
        "shuffled": verdict.shuffled,
        "seeds": list(verdict.seeds),
        "as_expected": verdict.as_expected,
        "signals": sum(len(cell["decisions"]["net_r"]) for cell in cells),
        "shifts": len(cells[0]["shifts"]),
        "arms": {arm: _arm(cells, arm) for arm in TITLES},
        "claims": {claim.control: _claim(claim) for claim in verdict.claims},
        "deflated_sharpe": [to_jsonable(asdict(item)) for item in verdict.deflated],
        "cycles": dict(Counter(event["status"] for event in cycles)),
        "rollbacks": sum(event["kind"] == "rollback" for cell in cells for event in cell["events"]),
        "cycle_seconds_median": float(np.median([event["seconds"] for event in cycles])) if cycles else None,
        "by_segment": _segments(cells),
        "by_seed": [_seed(cell) for cell in cells],
    }


def _claim(claim: LoopClaim) -> dict[str, Any]:
    return {
        "positive": claim.positive,
        "holds": claim.holds,
        "pooled": to_jsonable(asdict(claim.pooled)),
        "seeds": [to_jsonable(asdict(gain)) for gain in claim.seeds],
    }


def _arm(cells: Sequence[Cell], arm: str) -> dict[str, Any]:
    sizes = np.concatenate([size_of(cell, arm) for cell in cells])
    good = np.concatenate([np.array(cell["decisions"]["good"]) for cell in cells])
    net = np.concatenate([net_of(cell) for cell in cells])
    random = arm == "random"
    return {
        "veto_fraction": None if random else float((sizes == 0).mean()),
        "agreement_with_rule": None if random else float(((sizes > 0) == good).mean()),
        "r_per_signal": float((sizes * net).mean()),
        "sharpe_day": float(np.mean([sharpe(arm_returns(cell, arm)) for cell in cells])),
    }


def _segments(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Return, by number of shifts so far, how often each arm agrees with the rule of that time."""
    rows = []
    for number in range(len(cells[0]["shifts"]) + 1):
        row: dict[str, Any] = {"segment": number}
        for arm in ("learning", "frozen", "tabular"):
            agreed = [
                ((size_of(cell, arm) > 0) == np.array(cell["decisions"]["good"]))[
                    np.array(cell["decisions"]["segment"]) == number
                ]
                for cell in cells
            ]
            row[arm] = float(np.concatenate(agreed).mean())
        rows.append(row)
    return rows


def _seed(cell: Cell) -> dict[str, Any]:
    cycles = [event for event in cell["events"] if event["kind"] == "cycle"]
    arms = ("learning", "frozen", "none", "random", "tabular", "oracle")
    return {
        "seed": int(cell["seed"]),
        "signals": len(cell["decisions"]["net_r"]),
        "days": len(cell["days"]),
        "r_per_signal": {arm: float((size_of(cell, arm) * net_of(cell)).mean()) for arm in arms},
        "cycles": len(cycles),
        "promoted": sum(event["status"] == "promoted" for event in cycles),
        "rollbacks": sum(event["kind"] == "rollback" for event in cell["events"]),
        "minutes": sum(cell["seconds"].values()) / 60,
        "decisions_hash": cell["arms"]["learning"]["decisions_hash"],
    }


def loop_rows(summary: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return one row per run and arm, in the order of `COLUMNS`."""
    rows = []
    for name, run in summary["runs"].items():
        for arm, figures in run["arms"].items():
            rows.append((name, TITLES[arm], *_cells_of(figures), *_gains(run["claims"].get(arm))))
    return rows


def _cells_of(figures: Mapping[str, Any]) -> tuple[str, ...]:
    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    figure = (share(figures["veto_fraction"]), share(figures["agreement_with_rule"]))
    return (*figure, f"{figures['r_per_signal']:+.3f}", f"{figures['sharpe_day']:+.3f}")


def _gains(claim: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if claim is None:
        return "", "", ""
    pooled = claim["pooled"]
    net, ratio = _interval(pooled["net_return"], 1e4, 1), _interval(pooled["sharpe"], 1.0, 3)
    return net, ratio, f"{claim['positive']}/{len(claim['seeds'])}"


def _interval(values: Mapping[str, Any], scale: float, digits: int) -> str:
    if values["mean"] is None:
        return f"cannot be judged ({values['reason']})"
    mean, low, high = (f"{scale * values[name]:+.{digits}f}" for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]"


def loop_markdown(summary: Mapping[str, Any], day: date) -> str:
    """Return the section of the page of experiments; its heading names date and configuration."""
    config = ", ".join(f"{key} {value}" for key, value in summary["config"].items() if value not in ([], None))
    versions = ", ".join(f"{name} {value}" for name, value in summary["versions"].items())
    lines = [
        f"## {day.isoformat()}: the loop over several shifts ({summary['config_sha256'][:12]})",
        "",
        f"Configuration: {config}. Versions: {versions}. Code: "
        f"{' and '.join(digest[:12] for digest in summary['code_sha256'])}.",
        f"Mean of {summary['seconds_per_cell'] / 60:.1f} minutes per cell on one core. Missing cells: "
        f"{', '.join(summary['missing']) or 'none'}.",
        "",
        "Gains are learning minus the other arm: net return in basis points a day at 1 % risk, and the Sharpe ratio "
        "of a day, with 95 % intervals pooled over seeds; `seeds` counts those that gained in both.",
        "",
    ]
    for name, run in summary["runs"].items():
        lines += _section(name, run)
    return "\n".join(lines).rstrip() + "\n"


def _section(name: str, run: Mapping[str, Any]) -> list[str]:
    told = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in sorted(run["cycles"].items()))
    rows = [(TITLES[arm], *_cells_of(f), *_gains(run["claims"].get(arm))) for arm, f in run["arms"].items()]
    segments = [
        (str(row["segment"]), *(f"{row[arm]:.0%}" for arm in ("learning", "frozen", "tabular")))
        for row in run["by_segment"]
    ]
    return [
        f"### {name}: {WORDS[run['as_expected']]}",
        "",
        f"{LOOP_VARIANTS[name].text}. {run['shifts']} shifts, seeds {', '.join(map(str, run['seeds']))}, "
        f"{run['signals']:,} decisions. Cycles: {told or 'none'}; {run['rollbacks']} roll-backs; median "
        f"{run['cycle_seconds_median'] or 0:.0f} s a cycle.",
        "",
        *_table(COLUMNS[1:], rows),
        "",
        "Agreement with the rule of the time, by number of shifts so far:",
        "",
        *_table(("shifts", "learning", "frozen", "tabular"), segments),
        "",
        *_table(
            ("seed", "signals", "days", "cycles", "promoted", "rolled back", *(TITLES[arm] for arm in TITLES)),
            [_seed_row(row) for row in run["by_seed"]],
        ),
        "",
    ]


def _seed_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = (row["signals"], row["days"], row["cycles"], row["promoted"], row["rollbacks"])
    return (str(row["seed"]), *(f"{n:,}" for n in counts), *(f"{row['r_per_signal'][arm]:+.3f}" for arm in TITLES))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * (len(columns) - 1)]
    return head + ["| " + " | ".join(row) + " |" for row in rows]


def bench_figures(summary: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the figures of the planted walk-forward under the names that `.bench/results.json` uses."""
    figures: dict[str, dict[str, Any]] = {}
    for run in summary["runs"].values():
        head = "walkforward" if not run["shuffled"] else "walkforward_shuffled"
        for control in ("frozen", "none", "random"):
            claim = run["claims"][control]
            for kind, unit, scale in (("net_return", "bps a day", 1e4), ("sharpe", "Sharpe of a day", 1.0)):
                interval = claim["pooled"][kind]
                for part in ("mean", "low", "high"):
                    if interval[part] is not None:
                        key = f"{head}_{kind}_over_{control}_{part}"
                        better = "lower" if run["shuffled"] else "higher"
                        figures[key] = figure(scale * interval[part], unit, 0.0, better)
            if not run["shuffled"]:
                figures[f"{head}_seeds_over_{control}"] = figure(claim["positive"], "seeds that gained", 4, "higher")
        if not run["shuffled"] and run["cycle_seconds_median"] is not None:
            figures[f"{head}_cycle_seconds"] = figure(run["cycle_seconds_median"], "s", 300.0, "lower")
    return figures


def figure(value: float, unit: str, bar: float, better: str) -> dict[str, Any]:
    """Return one figure as `.bench/results.json` holds it."""
    return {"value": round(float(value), 6), "unit": unit, "bar": bar, "better": better}


def write_figures(path: Path, figures: Mapping[str, Mapping[str, Any]]) -> None:
    """Merge figures into a results file.

    Raises:
        DataError: The file that is there is no JSON.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise DataError(f"{path} is damaged ({error}): remove it and run again") from None
    write_whole(path.with_suffix(f".{os.getpid()}"), json.dumps({**known, **figures}, indent=2, sort_keys=True) + "\n")
    path.with_suffix(f".{os.getpid()}").replace(path)
