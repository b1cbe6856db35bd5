"""One planted shift, one cycle, five seeds: `python -m llm_plugin.proofs.shift --seeds 1,2,3,4,5 --out FOLDER`."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llm_plugin.errors import LeanLlmError
from llm_plugin.files import home, write_whole
from llm_plugin.proofs.shift_cell import ShiftConfig, run_shift

__all__ = ["load_shift", "main", "summarise"]

SEEDS = (1, 2, 3, 4, 5)
"""Seed 0 is the one that the recipe was developed on."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is not complete, print a line per seed and the medians; results lie as JSON in the folder."""
    options = _options(argv)
    seeds = [int(part) for part in options.seeds.split(",")]
    out = options.out or home() / "proofs" / "shift"
    config = ShiftConfig(threads=options.threads, overrides=tuple(options.set))
    results = []
    try:
        for seed in seeds:
            path = out / f"shift-seed{seed}.json"
            result = load_shift(path, config)
            if result is None:
                work = out / f"work-seed{seed}"
                result = run_shift(config, seed, work, on_stage=_Reporter(seed))
                write_whole(path, json.dumps(result, indent=1) + "\n")
                if not options.keep:
                    shutil.rmtree(work, ignore_errors=True)
            results.append(result)
            sys.stdout.write(line(result) + "\n")
            sys.stdout.flush()
    except LeanLlmError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    summary = summarise(results)
    write_whole(out / "summary.json", json.dumps(summary, indent=1) + "\n")
    sys.stdout.write("".join(f"{name} {value}\n" for name, value in summary.items()))
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m llm_plugin.proofs.shift", description=__doc__)
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)), help="seeds, separated by commas")
    parser.add_argument("--out", type=Path, help="folder of the results; what is complete there is kept")
    parser.add_argument("--threads", type=int, default=1, help="threads of everything")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting")
    parser.add_argument("--keep", action="store_true", help="keep each seed's working folder")
    return parser.parse_args(argv)


def load_shift(path: Path, config: ShiftConfig) -> dict[str, Any] | None:
    """Return a complete result of this configuration, None where there is none."""
    if not path.is_file():
        return None
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return result if result.get("config_sha256") == config.sha256 else None


def line(result: dict[str, Any]) -> str:
    """Return one seed's figures."""
    return (
        f"seed {result['seed']}: {result['status']}, accuracy {result['accuracy_before']:.3f} -> "
        f"{result['accuracy_after']:.3f}, trigger to swap {result['cycle_seconds']:.0f} s "
        f"({', '.join(f'{name} {value:.0f}' for name, value in result['stage_seconds'].items())})"
    )


def summarise(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of the claim."""
    after = [float(result["accuracy_after"]) for result in results]
    return {
        "seeds": [result["seed"] for result in results],
        "promoted": sum(result["status"] == "promoted" for result in results),
        "holdout_accuracy_before": statistics.median(float(result["accuracy_before"]) for result in results),
        "holdout_accuracy_after": statistics.median(after),
        "holdout_accuracy_after_min": min(after),
        "retrain_cycle_seconds": statistics.median(float(result["cycle_seconds"]) for result in results),
        "retrain_cycle_seconds_max": max(float(result["cycle_seconds"]) for result in results),
    }


class _Reporter:
    """A line per stage and, within one, at most one in ten seconds."""

    def __init__(self, seed: int) -> None:
        self._seed, self._stage, self._last = seed, "", 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._last >= 10:
            self._stage, self._last = stage, now
            sys.stderr.write(f"seed {self._seed}: {stage} {fraction:.0%}\n")


if __name__ == "__main__":
    sys.exit(main())
