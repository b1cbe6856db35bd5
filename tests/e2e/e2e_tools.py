"""The command line in a process of its own, whole runs in this one, and market data cut at a date."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from llm_plugin.domain import Decision, Outcome, OutcomeKind, QuestionKind
from llm_plugin.lean.rows import decision_of, outcome_of

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = ROOT / "lean_algorithms"
MARKET = ROOT / "datasets" / "market"
EURUSD = Path("forex/oanda/hour/eurusd.zip")
FAKE = ("llm_model.provider=fake", "llm_model.name=fake")
"""The public fake model: it answers by the hash of the prompt, so that any change of the prompt shows."""

QUICK = (
    "signals.threshold=0.42",
    "outcomes.exit.timeout_bars=12",
    "outcomes.exit.stop_atr=1.5",
    "outcomes.exit.target_atr=2.0",
)
"""Many signals and short trades: a quarter of a year has enough of both."""


@dataclass
class Run:
    """What a run left in its folder."""

    folder: Path
    result: Any = None

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "decisions.jsonl").read_text().splitlines()]

    @cached_property
    def decisions(self) -> list[Decision]:
        return [decision_of(row) for row in self.rows if row["kind"] == "decision"]

    @property
    def entries(self) -> list[Decision]:
        return [decision for decision in self.decisions if decision.kind is QuestionKind.ENTRY]

    @cached_property
    def outcomes(self) -> list[Outcome]:
        return [outcome_of(row) for row in self.rows if row["kind"] == "outcome"]

    @property
    def realised(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.kind is OutcomeKind.REALISED]

    @cached_property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "summary.json").read_text())
        return found


@dataclass
class Done:
    """A finished command."""

    code: int
    out: str
    err: str
    output: Path = field(default_factory=Path)

    @property
    def text(self) -> str:
        """Both streams as one line: a terminal wraps where it likes."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def run(self) -> Run:
        """The only run below the output folder."""
        (folder,) = self.output.iterdir()
        return Run(folder)


def command(*arguments: Any) -> list[str]:
    """Return the command line of `lean-llm` in this interpreter."""
    return [sys.executable, "-c", "from llm_plugin.cli.app import run; run()", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the test's environment with a wide terminal, so that nothing is wrapped."""
    return {**os.environ, "COLUMNS": "400", "NO_COLOR": "1"}


def lean_llm(*arguments: Any, cwd: Path | None = None, timeout_seconds: float = 300) -> Done:
    """Run `lean-llm` to its end."""
    done = subprocess.run(
        command(*arguments),
        cwd=cwd or ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def backtest(output: Path, project: str | Path, *arguments: Any, start: str = "", end: str = "") -> Done:
    """Run `lean-llm backtest` of a shipped project or a folder; its run goes below `output`."""
    source = PROJECTS / project if isinstance(project, str) else project
    dates = [*(("--start", start) if start else ()), *(("--end", end) if end else ())]
    data = () if "--data" in arguments else ("--data", MARKET)
    done = lean_llm("backtest", source, *dates, *data, "--output", output, *arguments)
    done.output = output
    return done


def sets(*overrides: str) -> list[str]:
    """Return `--set` for each override."""
    return [word for override in overrides for word in ("--set", override)]


def in_process(
    folder: Path,
    project: str | Path,
    start: str,
    end: str,
    *overrides: str,
    data: Path = MARKET,
    on_progress: Any = None,
    **parameters: str,
) -> Run:
    """Run a project in this process with the real pipeline, so that its parts can be broken."""
    from llm_plugin.engine.runner import run_backtest
    from llm_plugin.settings import resolve

    folder.mkdir(parents=True)
    source = PROJECTS / project if isinstance(project, str) else project
    resolve(source / "llm_config.yaml", list(overrides)).write_json(folder / "config.json")
    given = {"llm-config": str(folder / "config.json"), "llm-run-dir": str(folder)}
    result = run_backtest(
        source,
        data_folder=data,
        results_folder=folder,
        parameters={**given, **{key.replace("_", "-"): value for key, value in parameters.items()}},
        start=date.fromisoformat(start),
        end=date.fromisoformat(end),
        on_progress=on_progress,
    )
    return Run(folder, result)


def market_with(target: Path, change: Any) -> Path:
    """Copy the sample and rewrite the lines of its hourly EURUSD file by `change(lines) -> lines`."""
    shutil.copytree(MARKET, target, ignore=shutil.ignore_patterns("minute", "equity"))
    shutil.copytree(MARKET / "equity", target / "equity", ignore=shutil.ignore_patterns("minute"))
    rewrite(target / EURUSD, change)
    return target


def rewrite(path: Path, change: Any) -> None:
    """Replace the only member of a zip by its changed lines."""
    with zipfile.ZipFile(path) as archive:
        (name,) = archive.namelist()
        lines = archive.read(name).decode().splitlines()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, "\n".join(change(lines)) + "\n")
    path.write_bytes(buffer.getvalue())


def copy_project(target: Path, project: str = "eurusd_ensemble") -> Path:
    """Copy a shipped project, so that a test can change its files."""
    return Path(shutil.copytree(PROJECTS / project, target, ignore=shutil.ignore_patterns("backtests", "*.resolved*")))
