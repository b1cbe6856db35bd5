"""Runs the cells of the proof in processes of their own; what is complete is kept, so that a run can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, DataError, LeanLlmError
from llm_plugin.proofs.planted_config import SCHEMA_VERSION, ProofConfig, Variant, cell_name
from llm_plugin.proofs.processes import Processes

__all__ = ["CellSpec", "OnCell", "load_cell", "load_cells", "run_cells"]


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
    processes = Processes("llm_plugin.proofs.worker", config.threads)

    def run(cell: CellSpec) -> str:
        out, log = folder / f"{cell.name}.json", folder / f"{cell.name}.log"
        spec = {"config": config.to_json(), "variant": cell.variant.name, "seed": cell.seed, "out": str(out)}
        return processes.run(spec, log, lambda stage, fraction: on_cell(cell, stage, fraction))

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        tasks = [(cell, pool.submit(run, cell)) for cell in waiting]
        try:
            problems = [f"{cell.name}: {text}" for cell, task in tasks if (text := task.result())]
        except BaseException:
            processes.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    if problems:
        raise LeanLlmError(f"{len(problems)} of {len(cells)} cells failed:\n" + "\n".join(problems))
    return load_cells(folder, config, cells)
