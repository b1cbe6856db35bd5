"""Runs the cells of the proof in processes of their own; what is complete is kept, so that a run can be resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, DataError, LeanLlmError
from llm_plugin.proofs.planted_config import SCHEMA_VERSION, ProofConfig, Variant, cell_name

__all__ = ["CellSpec", "OnCell", "load_cell", "load_cells", "run_cells"]

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class CellSpec:
    """One cell: a kind of market and a seed."""

    variant: Variant
    seed: int

    @property
    def name(self) -> str:
        """Of its file."""
        return cell_name(self.variant.name, self.seed)


OnCell = Callable[[CellSpec, str, float], None]
"""Called with the cell, its stage and the fraction of that stage."""


def load_cell(path: Path, config: ProofConfig) -> dict[str, Any] | None:
    """Return a complete result of this configuration, None where there is none.

    Raises:
        DataError: The file is damaged.
    """
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        own = (result["schema_version"], result["config_sha256"]) == (SCHEMA_VERSION, config.sha256)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is damaged ({type(error).__name__}: {error}); delete it, the cell is run again"
        ) from None
    return result if own else None


def load_cells(folder: Path, config: ProofConfig, cells: Sequence[CellSpec]) -> list[dict[str, Any]]:
    """Return what is complete of these cells."""
    found = [load_cell(folder / f"{cell.name}.json", config) for cell in cells]
    return [result for result in found if result is not None]


def run_cells(
    folder: Path,
    config: ProofConfig,
    cells: Sequence[CellSpec],
    *,
    jobs: int,
    on_cell: OnCell = lambda cell, stage, fraction: None,
) -> list[dict[str, Any]]:
    """Run what is not complete, `jobs` cells at a time, and return all results.

    Args:
        folder: One JSON per cell lies here; results of this configuration are kept.
        config: Settings of the proof.
        cells: What to run.
        jobs: Processes at a time; times `config.threads` it should not exceed the cores.
        on_cell: Progress; called from several threads.

    Raises:
        ConfigError: More threads than cores, which is ten times slower, or no job.
        LeanLlmError: Cells failed; the others have been run, and their results are kept.
    """
    cores = os.cpu_count() or 1
    if jobs < 1 or jobs * config.threads > cores:
        raise ConfigError(f"{jobs} jobs of {config.threads} threads do not fit {cores} cores: let the product fit")
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if load_cell(folder / f"{cell.name}.json", config) is None]
    running = _Running(folder, config, on_cell)
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        tasks = [(cell, pool.submit(running.run, cell)) for cell in waiting]
        try:
            problems = [f"{cell.name}: {text}" for cell, task in tasks if (text := task.result())]
        except BaseException:
            running.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if problems:
        raise LeanLlmError(f"{len(problems)} of {len(cells)} cells failed:\n" + "\n".join(problems))
    return load_cells(folder, config, cells)


class _Running:
    """The processes that are alive."""

    def __init__(self, folder: Path, config: ProofConfig, on_cell: OnCell) -> None:
        self._folder, self._config, self._on_cell = folder, config, on_cell
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, cell: CellSpec) -> str:
        """Run one cell; return what went wrong, empty if nothing did."""
        threads = {name: str(self._config.threads) for name in _THREADS}
        spec = {"config": self._config.to_json(), "variant": cell.variant.name, "seed": cell.seed}
        spec["out"] = str(self._folder / f"{cell.name}.json")
        log = self._folder / f"{cell.name}.log"
        with log.open("w", encoding="utf-8") as stream:
            with self._lock:
                if self._stopped:
                    return "stopped"
                process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-m", "llm_plugin.proofs.worker", json.dumps(spec)],
                    stdout=subprocess.PIPE,
                    stderr=stream,
                    text=True,
                    env={**os.environ, **threads},
                )
                self._processes.add(process)
            self._relay(cell, process)
            code = process.wait()
        with self._lock:
            self._processes.discard(process)
        if code == 0:
            log.unlink()
            return ""
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"exit code {code}: {lines[-1] if lines else 'no message'} (all of it in {log})"

    def stop(self) -> None:
        """End the processes."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                process.terminate()

    def _relay(self, cell: CellSpec, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout:
            for line in process.stdout:
                stage, _, fraction = line.rstrip("\n").rpartition("\t")
                if stage:
                    self._on_cell(cell, stage, float(fraction))
