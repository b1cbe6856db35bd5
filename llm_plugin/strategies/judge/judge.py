"""One judge: takes a candidate through the gates, in a process in which no candidate's code ever runs."""

from __future__ import annotations

import resource
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from llm_plugin.engine.base.zones import DAY_US, to_us
from llm_plugin.strategies.judge.cell import Cell, Said
from llm_plugin.strategies.judge.compiles import check_source, missing_modules
from llm_plugin.strategies.judge.cutoff import Futures
from llm_plugin.strategies.judge.lookahead import choose_cuts, describe, first_difference
from llm_plugin.strategies.judge.replay import Replayed, replay
from llm_plugin.strategies.judge.script import BadScript, Script, read_script
from llm_plugin.strategies.judge.trusted import trusted_run
from llm_plugin.strategies.judge.verdict import GATES, Candidate, GateResult, JudgeLimits, Verdict

__all__ = ["Judge"]

_SIGNALS = {
    signal.SIGKILL: "killed for its memory or its processor time",
    signal.SIGXCPU: "it used all of its processor time",
    signal.SIGXFSZ: "it wrote a file that is too large",
    signal.SIGSYS: "it made a forbidden system call",
    signal.SIGSEGV: "it crashed",
}


@dataclass
class _Case:
    """A candidate on its way through the gates."""

    candidate: Candidate
    project: Path
    start: str = ""
    end: str = ""
    cash: float = 0.0
    script: Script = field(default_factory=Script)
    replayed: Replayed | None = None
    cpu_seconds: float = 0.0
    unsupported: tuple[str, ...] = ()

    @property
    def first_day(self) -> date:
        return date.fromisoformat(self.start or self.script.world.start) if self.script.world else date.min

    @property
    def last_day(self) -> date:
        return date.fromisoformat(self.end or self.script.world.end) if self.script.world else date.max


class Judge:
    """Judges one candidate after another.

    Args:
        data_folder: LEAN-format data.
        limits: What a run of a candidate may use.
        check_static: False lets gate 1 pass everything that parses: the tests' attacks must meet the walls behind it.
        **switches: `use_namespaces`, `use_audit` and `unsafe`, as `Cell` takes them.
    """

    def __init__(
        self, data_folder: Path, limits: JudgeLimits | None = None, *, check_static: bool = True, **switches: bool
    ) -> None:
        self._data = Path(data_folder).resolve()
        self._limits = limits or JudgeLimits()
        self._check_static = check_static
        self._cell = Cell(self._data, self._limits, **switches)
        self._futures = Futures(self._data, self._cell.work)
        self._count = 0

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def layers(self) -> list[str]:
        """What holds candidates back; known after the first run."""
        return self._cell.layers

    def close(self) -> None:
        """End the nursery."""
        self._cell.close()

    def judge(self, candidate: Candidate) -> Verdict:
        """Take a candidate through the gates.

        Args:
            candidate: What to judge.

        Raises:
            SandboxUnavailable: The sandbox cannot be built here.
        """
        began, cpu = time.perf_counter(), _cpu()
        self._count += 1
        project = self._cell.work / f"candidate-{self._count}"
        project.mkdir()
        (project / "main.py").write_text(candidate.source, encoding="utf-8", errors="replace", newline="\n")
        case = _Case(candidate, project, *_period(candidate))
        steps = (self._compiles, self._backtests, self._trades, self._means, self._honest)
        results: list[GateResult] = []
        try:
            for name, step in zip(GATES, steps, strict=True):
                if len(results) >= candidate.gates or case.unsupported or any(one.passed is False for one in results):
                    reason = "not asked for" if len(results) >= candidate.gates else "not reached"
                    results.append(GateResult(name, None, reason))
                    continue
                found = step(case)
                if found.name != name:  # the run tells that an earlier gate was passed by mistake
                    results = [found if one.name == found.name else one for one in results]
                    found = GateResult(name, None, "not reached")
                results.append(found)
        finally:
            shutil.rmtree(project, ignore_errors=True)
        replayed = case.replayed
        return Verdict(
            gates=tuple(results),
            unsupported=case.unsupported,
            orders=len(replayed.result.orders) if replayed is not None else 0,
            statistics=dict(replayed.result.statistics) if replayed is not None else {},
            seconds=time.perf_counter() - began,
            cpu_seconds=_cpu() - cpu + case.cpu_seconds,
            id=candidate.id,
        )

    # Gate 1.
    def _compiles(self, case: _Case) -> GateResult:
        source = case.candidate.source
        problems = check_source(source, names=self._check_static)
        if not problems and (absent := missing_modules(source)):
            case.unsupported = absent
            return GateResult("compiles", None, f"{', '.join(absent)}: LEAN's cloud has it, this machine does not")
        if problems:
            return GateResult("compiles", False, "; ".join(problems[:3]), {"problems": problems})
        return GateResult("compiles", True)

    # Gate 2.
    def _backtests(self, case: _Case) -> GateResult:
        said = self._run(case, self._data)
        try:
            case.script = read_script(said.payload, self._limits.most_requests)
        except BadScript as error:
            return GateResult("backtests", False, f"the run cannot be replayed: {error}")
        if (failed := self._ended(case, said)) is not None:
            return failed
        try:
            case.replayed = replay(
                case.script, self._data, start=case.first_day, end=case.last_day, scratch=self._cell.base
            )
        except (BadScript, ValueError, KeyError) as error:
            return GateResult("backtests", False, f"the run cannot be replayed: {error}")
        result = case.replayed.result
        if not result.bars:
            return GateResult("backtests", False, f"it saw no data: {_no_data(case)}")
        return GateResult("backtests", True, "", _facts(case))

    def _run(self, case: _Case, data: Path, cut_us: int | None = None) -> Said:
        said = self._cell.run(
            case.project, data, start=case.start, end=case.end, cash=case.cash, cut_us=cut_us
        )  # fmt: skip
        case.cpu_seconds += said.cpu_seconds
        return said

    def _ended(self, case: _Case, said: Said) -> GateResult | None:
        ending = case.script.ending
        if ending is None:
            reason = said.reason or _death(said.code)
            return GateResult("backtests", False, f"the run did not come to its end: {reason}")
        if ending.kind == "UnsupportedLeanApi":
            return self._lacking(case, ending.member, ending.message)
        if ending.kind:
            return GateResult("backtests", False, ending.message or ending.kind, {"error": ending.kind})
        return None

    def _lacking(self, case: _Case, member: str, message: str) -> GateResult:
        from llm_plugin.strategies.judge.lean_names import is_valid_member

        if is_valid_member(member, case.candidate.source):
            case.unsupported = (member,)
            return GateResult("backtests", None, f"the engine lacks {member}, a valid member of LEAN: {message}")
        return GateResult("compiles", False, f"LEAN has no {member}: {message}", {"problems": [message]})

    # Gate 3.
    def _trades(self, case: _Case) -> GateResult:
        replayed = case.replayed
        if replayed is None:
            return GateResult("trades", None, "nothing was replayed")
        filled = sum(1 for event in replayed.result.order_events if event.exact_fill_quantity)
        if filled:
            return GateResult("trades", True, "", {"fills": filled})
        asked = [action for action in case.script.actions if action.what == "order"]
        if not asked:
            return GateResult("trades", False, "it sent no order: its entry condition never held, or never was asked")
        refused = next((event.message for event in replayed.result.order_events if event.message), "")
        why = refused or "; ".join(replayed.lost[:2]) or "none was filled before the end"
        return GateResult("trades", False, f"none of its {len(asked)} orders was filled: {why}")

    # Gate 4.
    def _means(self, case: _Case) -> GateResult:
        task, replayed = case.candidate.task, case.replayed
        if task is None or getattr(task, "requirements", None) is None or replayed is None:
            return GateResult("means_it", None, "the task states no requirements")
        check = _meaning()
        if check is None:
            return GateResult("means_it", None, "requirements cannot be checked here")
        run = trusted_run(replayed, case.script, self._data, case.first_day, case.last_day)
        findings = check(case.candidate.source, task, run)
        if not findings:
            return GateResult("means_it", True)
        reason = "; ".join(f"{finding.requirement}: {finding.reason}" for finding in findings[:4])
        return GateResult("means_it", False, reason, {"findings": [_plain(finding) for finding in findings[:20]]})

    # Gate 5.
    def _honest(self, case: _Case) -> GateResult:
        if case.script.peeks:
            text = f"it opens market data behind the engine's back: {case.script.peeks[0]}"
            return GateResult("honest", False, text, {"peeks": list(case.script.peeks)})
        if case.script.refusals:
            text = f"it reached out of its sandbox: {case.script.refusals[0]}"
            return GateResult("honest", False, text, {"refusals": list(case.script.refusals)})
        world, replayed = case.script.world, case.replayed
        if world is None or replayed is None:
            return GateResult("honest", None, "nothing was replayed")
        zone = replayed.result.algorithm._engine.clock.zone
        start = zone.utc(to_us_of(case.first_day))
        end = zone.utc(to_us_of(case.last_day)) + DAY_US
        cuts = choose_cuts(case.script, case.candidate.source, start, end, self._limits.truncations)
        for cut in cuts:
            failed = self._cut(case, cut)
            if failed is not None:
                return failed
        return GateResult("honest", True, "", {"cuts": len(cuts)})

    def _cut(self, case: _Case, cut: int) -> GateResult | None:
        view = self._futures.view(cut, case.script.series)
        try:
            said = self._run(case, view, cut)
        finally:
            self._futures.drop(view)
        try:
            script = read_script(said.payload, self._limits.most_requests)
        except BadScript as error:
            return GateResult("honest", False, f"without the future it cannot be read: {error}")
        if script.peeks or script.refusals:
            return GateResult(
                "honest", False, f"with less future it reaches out: {(script.peeks + script.refusals)[0]}"
            )
        kind = script.ending.kind if script.ending is not None else said.reason or _death(said.code)
        difference = first_difference(case.script.actions, script.actions, cut)
        if difference is None:
            return None
        ended = script.ending.message if script.ending is not None else kind
        text = f"its decisions change when the future is cut off: {difference.text}" + (f" ({ended})" if ended else "")
        text += "; only data up to the decision's moment may be used, and randomness needs a fixed seed"
        return GateResult("honest", False, text, describe(difference, cut, kind))


def to_us_of(day: date) -> int:
    """Return the midnight of a day, in microseconds of an unnamed zone."""
    return to_us(datetime.combine(day, datetime.min.time()))


def _facts(case: _Case) -> dict[str, Any]:
    replayed = case.replayed
    if replayed is None:
        return {}
    result = replayed.result
    facts = {"bars": result.bars, "orders": len(result.orders), "order_list_hash": result.order_list_hash}
    notes = [*replayed.lost, *case.script.notes]
    return {**facts, "notes": notes} if notes else facts


def _no_data(case: _Case) -> str:
    if case.script.notes:
        return "; ".join(case.script.notes[:3])
    tickers = sorted({stream.ticker for stream in case.script.subscriptions})
    if not tickers:
        return "nothing is subscribed; add_equity, add_forex or another of them subscribes"
    return f"none of {', '.join(tickers[:10])} between {case.first_day} and {case.last_day} in this data folder"


def _period(candidate: Candidate) -> tuple[str, str, float]:
    task = candidate.task
    start, end = getattr(task, "start", None), getattr(task, "end", None)
    return (
        candidate.start or (start.isoformat() if start else ""),
        candidate.end or (end.isoformat() if end else ""),
        float(candidate.cash or getattr(task, "cash", None) or 0.0),
    )


def _meaning() -> Any:
    try:
        from llm_plugin.strategies.meaning import check_meaning
    except ModuleNotFoundError:
        return None
    return check_meaning


def _plain(finding: Any) -> Mapping[str, Any]:
    return {"requirement": finding.requirement, "reason": finding.reason}


def _death(code: int) -> str:
    if code < 0:
        try:
            return _SIGNALS.get(signal.Signals(-code), f"signal {signal.Signals(-code).name}")
        except ValueError:
            return f"signal {-code}"
    return f"its process ended itself with code {code}"


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
