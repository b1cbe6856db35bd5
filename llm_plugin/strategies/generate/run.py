"""The whole way: check the prompt, read it, let models write, judge, back-test, hand over a folder that is whole."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.errors import (
    BackendUnavailable,
    ConfigError,
    DataError,
    ModelError,
    SandboxUnavailable,
    StoreUnavailable,
)
from llm_plugin.files import write_whole
from llm_plugin.strategies.generate import messages
from llm_plugin.strategies.generate.asking import Show
from llm_plugin.strategies.generate.attempts import Attempt, Judge, Request
from llm_plugin.strategies.generate.backtest import Backtest, run_backtest, write_report
from llm_plugin.strategies.generate.config import GenerateConfig
from llm_plugin.strategies.generate.inventory import DEFAULT_PERIOD, choose_period, read_inventory
from llm_plugin.strategies.generate.loop import Opener, Outcome, run_chain
from llm_plugin.strategies.generate.note import NOTE, cautions, gate_rows, note_text
from llm_plugin.strategies.generate.prompts import PromptRefused, check_prompt
from llm_plugin.strategies.generate.reading import Reading, read_prompt
from llm_plugin.strategies.generate.record import Record
from llm_plugin.strategies.judge.verdict import JUDGE_VERSION
from llm_plugin.strategies.models import ModelOptions, StrategyModel, check_model, open_model

__all__ = ["NOT_PASSED", "Handed", "default_folder", "generate", "make_request", "partial_folder"]

NOT_PASSED = "NOT-PASSED.md"
VERSIONS = "versions.json"
JudgeMaker = Callable[[Path], AbstractContextManager[Judge]]


@dataclass(frozen=True)
class Handed:
    """What was handed over.

    Attributes:
        folder: The project.
        passed: Whether it passed every gate.
        outcome: Attempts, models that were left, costs.
        request: What it was held to.
        backtest: Its run; None where there was nothing to run.
    """

    folder: Path
    passed: bool
    outcome: Outcome
    request: Request
    backtest: Backtest | None

    def to_json(self) -> dict[str, Any]:
        """Return the summary as plain values."""
        best = self.outcome.best
        return {
            "folder": str(self.folder),
            "passed": self.passed,
            "model": best.model if best is not None else None,
            "attempt": best.number if best is not None else None,
            "attempts": len(self.outcome.attempts),
            "gates": [{"name": n, "result": s, "reason": r} for n, s, r in gate_rows(best)],
            "left": [{"model": one.model, "reason": one.reason} for one in self.outcome.left],
            "stopped": self.outcome.stopped,
            "requirements": self.request.task.requirements.to_json() if self.request.task is not None else None,
            "unread": list(self.request.unread),
            "statistics": dict(self.backtest.result.statistics) if self.backtest is not None else {},
            "cost": self.outcome.meter.to_json(),
        }


def generate(
    prompt: str,
    output: Path,
    config: GenerateConfig,
    data_folder: Path,
    *,
    judge: JudgeMaker,
    show: Show,
    requirements: Path | None = None,
    opener: Opener | None = None,
    remarks: tuple[str, ...] = (),
) -> Handed:
    """Turn a prompt into a project folder.

    Args:
        prompt: The request in words.
        output: The folder to make; it appears whole, or not at all.
        config: Models, turns, budget, period.
        data_folder: LEAN-format data.
        judge: Opens a judge for a data folder.
        show: Called with events for the person.
        requirements: A JSON file of `Requirements` that takes the place of what is read from the prompt.
        opener: Opens a model by its text; default: `open_model`.
        remarks: Sentences that belong into the note.

    Raises:
        PromptRefused: No strategy can do what is asked.
        ConfigError: The folder exists, holds other unfinished work, or a model's text has no known form.
        BackendUnavailable: No model answered; what there is of a record is kept, and the same command goes on from it.
        ModelError: No model could be opened.
    """
    _check_output(output)
    if opener is None:
        for step in config.models:
            check_model(step.model)
    request = make_request(prompt, config, data_folder, requirements)
    request = replace(request, notes=(*request.notes, *remarks))
    for note in request.notes:
        show("note", text=note)
    show("request", request=request)
    folder = partial_folder(output)
    with Record(folder, _header(request, config)) as record:
        if record.resumed:
            show("note", text=f"goes on from {folder}: {record.resumed} answers and verdicts are known already")
        try:
            outcome = _run(request, config, judge, record, show, opener or _open)
            _refuse_silence(outcome, folder)
            backtest = _write(folder, output, request, config, outcome, show)
            passed = outcome.passed
            versions = json.loads((folder / VERSIONS).read_text(encoding="utf-8"))
            record.add("handed_over", passed=passed, versions=versions, **outcome.meter.to_json())
        except KeyboardInterrupt:
            record.add("stopped", reason="Ctrl-C")
            raise
    try:
        if output.is_dir():
            output.rmdir()  # an empty one
        folder.rename(output)
    except OSError as error:
        raise StoreUnavailable(
            f"cannot rename {folder} to {output}: {error.strerror}; it is whole, rename it"
        ) from error
    return Handed(output, passed, outcome, request, _moved(backtest, output))


def make_request(prompt: str, config: GenerateConfig, data_folder: Path, requirements: Path | None = None) -> Request:
    """Check and read a prompt, and choose the period of the gates' run.

    Raises:
        PromptRefused: No strategy can do what is asked.
        DataError: The file of requirements is wrong.
    """
    notes = check_prompt(prompt)
    inventory = read_inventory(data_folder)
    reading = read_prompt(prompt, inventory)
    if reading.unknown:
        lacking = (
            f"there is no market data for {', '.join(reading.unknown)} in {data_folder}, which has "
            f"{', '.join(inventory.tickers[:20])}: ask for one of these, or name another folder with --data"
        )
        if not reading.symbols:
            raise PromptRefused(lacking)
        notes.append(lacking)
    given = requirements is not None
    held = _requirements_file(requirements) if requirements is not None else reading.requirements
    start, end = _period(config, reading, inventory)
    cash = reading.cash or config.cash
    task = None
    if held is not None:
        from llm_plugin.strategies.tasks import Task

        name = hashlib.sha256(prompt.encode()).hexdigest()[:12]
        task = Task(f"generate-{name}", "generate", 1, prompt, held, start, end, cash)
    facts = () if given else reading.facts
    return Request(prompt, start, end, cash, data_folder, task, facts, () if given else reading.unread, tuple(notes))


def partial_folder(output: Path) -> Path:
    """Return where a project grows until it is whole."""
    return output.with_name(output.name + ".partial")


def default_folder(prompt: str, parent: Path) -> Path:
    """Return a folder named by the prompt that is free, or whose work is unfinished."""
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    name = "-".join(words)[:48].strip("-") or "strategy"
    for suffix in ("", *(f"-{number}" for number in range(2, 1000))):
        folder = parent / f"{name}{suffix}"
        if not folder.exists():
            return folder
    raise ConfigError(f"{parent} holds 999 strategies of this name: name a folder with -o")


def _run(
    request: Request, config: GenerateConfig, judge: JudgeMaker, record: Record, show: Show, opener: Opener
) -> Outcome:
    with judge(request.data_folder) as opened:
        try:
            return run_chain(request, config, opened, record, show, opener)
        except KeyboardInterrupt:
            show("note", text="stopping; a file that is being judged is left, everything before it is kept")
            raise


def _open(text: str, options: ModelOptions) -> StrategyModel:
    return open_model(text, options=options)


def _check_output(output: Path) -> None:
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise ConfigError(f"{output} exists: name a new folder with -o, or remove it")


def _header(request: Request, config: GenerateConfig) -> dict[str, Any]:
    return {
        "prompt": request.prompt,
        "seed": config.seed,
        "plan": config.plan,
        "start": request.start,
        "end": request.end,
        "cash": request.cash,
        "data": str(request.data_folder),
        "requirements": request.task.requirements.to_json() if request.task is not None else None,
        "messages": messages.VERSION,
        "judge": JUDGE_VERSION,
    }


def _period(config: GenerateConfig, reading: Reading, inventory: Any) -> tuple[date, date]:
    chosen = (
        (reading.start, reading.end)
        if reading.start is not None and reading.end is not None
        else choose_period(inventory, reading.symbols, reading.resolution or _coarsest(reading, inventory))
        if reading.symbols
        else DEFAULT_PERIOD
    )
    start, end = config.start or chosen[0], config.end or chosen[1]
    if end <= start:
        raise ConfigError(f"the period {start} to {end} of the gates' run is empty: set both --start and --end")
    return start, end


def _coarsest(reading: Reading, inventory: Any) -> str:
    found = inventory.resolutions(reading.symbols[0])
    return str(found[0]) if found else "daily"


def _requirements_file(path: Path) -> Any:
    from llm_plugin.strategies.requirements import Requirements

    try:
        return Requirements.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise DataError(f"--requirements {path}: cannot be read: {error}") from error


def _refuse_silence(outcome: Outcome, folder: Path) -> None:
    """No answer at all is not a failed strategy: nothing is handed over."""
    if outcome.attempts or outcome.stopped:
        return
    kept = f" {folder} keeps what was answered: run the same command again." if outcome.meter.answers else ""
    if not outcome.meter.answers:
        shutil.rmtree(folder, ignore_errors=True)
    reasons = "; ".join(f"{one.model}: {one.reason}" for one in outcome.left)
    if any(one.later for one in outcome.left):
        raise BackendUnavailable(f"no model answered ({reasons}).{kept}")
    raise ModelError(f"no model can be asked ({reasons}).{kept}")


def _write(
    folder: Path, output: Path, request: Request, config: GenerateConfig, outcome: Outcome, show: Show
) -> Backtest | None:
    best, backtest = outcome.best, None
    settings = json.loads(config.model_dump_json())
    if best is not None:
        write_whole(folder / "main.py", best.code if outcome.passed else _marked(best))
        write_whole(folder / "config.json", json.dumps(_lean_config(request, outcome), indent=4) + "\n")
        show("backtest")
        backtest = _backtest(folder, request, show)
    if best is not None and backtest is not None:
        facts = {
            "project": output.name,
            "prompt": request.prompt,
            "passed": outcome.passed,
            "gates": gate_rows(best),
            "models": best.model,
        }
        write_report(backtest, facts, cautions(request, outcome, backtest))
    versions = _versions(folder)
    write_whole(folder / NOTE, note_text(request, outcome, backtest, settings, versions))
    if not outcome.passed:
        write_whole(folder / NOT_PASSED, _warning(best))
    return backtest


def _backtest(folder: Path, request: Request, show: Show) -> Backtest | None:
    try:
        return run_backtest(folder, request.data_folder, request.start, request.end)
    except SandboxUnavailable as error:  # the judge was told to go on without one; the report never is
        show("note", text=f"no backtest report: {error}")
        return None


def _versions(folder: Path) -> dict[str, str]:
    from llm_plugin.runs.backtest import write_versions

    path = folder / VERSIONS
    write_versions(path)
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _lean_config(request: Request, outcome: Outcome) -> dict[str, Any]:
    mark = "" if outcome.passed else "NOT PASSED: "
    return {
        "algorithm-language": "Python",
        "parameters": {},
        "description": mark + " ".join(request.prompt.split())[:300],
        "local-id": uuid.uuid5(uuid.NAMESPACE_URL, request.prompt).int % 900_000_000 + 100_000_000,
    }


def _marked(best: Attempt) -> str:
    what, reason = best.what_failed()
    told = [f"# {line}" for line in f"{what}\n{reason}".splitlines() if line.strip()]
    return "\n".join(
        ["# NOT PASSED: do not trade this. It is the best attempt, kept to be corrected.", *told, "", best.code]
    )


def _warning(best: Attempt | None) -> str:
    if best is None:
        return f"# Nothing passed\n\nNo answer held an algorithm. {NOTE} says what the models wrote instead.\n"
    what, reason = best.what_failed()
    return f"# Nothing passed\n\nmain.py is the best attempt: do not trade it.\n\n{what}\n\n{reason}\n\nSee {NOTE}.\n"


def _moved(backtest: Backtest | None, output: Path) -> Backtest | None:
    if backtest is None:
        return None
    from llm_plugin.strategies.generate.backtest import FOLDER

    folder = output / FOLDER
    files = {name: folder / path.name for name, path in backtest.result.files.items()}
    return Backtest(replace(backtest.result, files=files), backtest.own_dates, folder)
