"""The research note: what was asked, what came out, what was checked, what was not, what it cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from llm_plugin.strategies.generate.attempts import Attempt, Request
from llm_plugin.strategies.generate.backtest import SHOWN, Backtest
from llm_plugin.strategies.generate.loop import Outcome
from llm_plugin.strategies.judge.verdict import GATES

__all__ = ["NOTE", "cautions", "gate_rows", "note_text", "unchecked"]

NOTE = "research-note.md"
_MEANING = {
    "compiles": "it parses, and every member of LEAN that it names exists",
    "backtests": "it ran to its end on real data",
    "trades": "at least one order was filled",
    "means_it": "its orders coincide with what the request says",
    "honest": "no look-ahead, no network, no files of the machine",
}


@dataclass
class _Lines:
    """Markdown, line by line."""

    lines: list[str]

    def part(self, title: str, *text: str) -> None:
        self.lines.extend(["", f"## {title}", "", *text])

    def table(self, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        self.lines.extend(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)])
        self.lines.extend("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows)


def gate_rows(attempt: Attempt | None) -> list[tuple[str, str, str]]:
    """Return (gate, `passed`, `failed` or `not judged`, reason) of the attempt that is handed over."""
    if attempt is None or attempt.verdict is None:
        return [(name, "not judged", "") for name in GATES]
    rows = []
    for gate in attempt.verdict.gates:
        state = {True: "passed", False: "failed", None: "not judged"}[gate.passed]
        reason = gate.reason
        if gate.name == "means_it" and attempt.broken:
            state, reason = "failed", "; ".join([*([reason] if reason else []), *attempt.broken])
        rows.append((gate.name, state, reason))
    return rows


def unchecked(request: Request) -> list[str]:
    """Return what nobody has held the strategy to."""
    if request.task is not None:
        return ["Whether the rule makes sense, and whether it will earn anything: no gate asks that."]
    told = [
        "The request was not read whole, so that gate 4 could not compare every order with it. "
        "Read the code against the request before you use it."
    ]
    told += [f"Not read: “{words}”" for words in request.unread]
    if request.facts:
        told.append(
            "Only looked up in the code: " + "; ".join(f"“{fact.words}”" for fact in dict.fromkeys(request.facts))
        )
    return told


def cautions(request: Request, outcome: Outcome, backtest: Backtest | None) -> list[str]:
    """Return the sentences that a reader must not overlook."""
    told = [
        "A backtest of one rule on one period proves nothing about the future; no claim of profit is made. "
        "The sample data has few symbols that survived until today.",
    ]
    tried = sum(attempt.verdict is not None for attempt in outcome.attempts)
    if tried > 1:
        told.append(f"{tried} versions were tried; none was chosen by its profit, only by the gates.")
    if backtest is not None and not backtest.own_dates:
        told.append(
            "On the dates that the file itself names there was no trade or an error: "
            "the figures are of the gates' period."
        )
    if outcome.meter.unpriced:
        told.append(f"The price of {outcome.meter.unpriced} answers is not known: the cost leaves them out.")
    return told + [note for note in request.notes]


def note_text(
    request: Request, outcome: Outcome, backtest: Backtest | None, settings: dict[str, Any], versions: dict[str, str]
) -> str:
    """Return the note as markdown."""
    best = outcome.best
    page = _Lines([f"# {'Generated strategy' if outcome.passed else 'NOT PASSED: the best attempt at a strategy'}"])
    page.lines += ["", f"> {_quoted(request.prompt)}", "", _headline(outcome, best)]
    plan = outcome.plans.get(best.model, "") if best is not None else ""
    if plan:
        page.part("Plan of the model", *(f"> {line}" if line.strip() else ">" for line in plan.strip().splitlines()))
    page.part("What was checked", f"On {request.start} to {request.end}, starting with {request.cash:,.0f}.", "")
    page.table(("gate", "means", "result", "reason"), [(n, _MEANING[n], s, r) for n, s, r in gate_rows(best)])
    if request.task is not None:
        page.lines += ["", "Read from the request, without a model, and watched in the run:", "", "```json"]
        page.lines += [_json(request.task.requirements.to_json()), "```"]
    page.part("What was not checked", *(f"- {text}" for text in unchecked(request)))
    page.part("Statistics", *_statistics(backtest, best))
    page.part("Caveats", *(f"- {text}" for text in cautions(request, outcome, backtest)))
    _came_to_be(page, outcome)
    page.part("To repeat it", f"Settings: `{_json(settings, None)}`", "")
    page.lines.append("Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()))
    return "\n".join(page.lines) + "\n"


def _headline(outcome: Outcome, best: Attempt | None) -> str:
    if outcome.passed and best is not None:
        return f"**Passed all gates** in attempt {best.number}, written by `{best.model}`."
    if best is None:
        return "**Nothing passed, and no answer held an algorithm.** There is no main.py in this folder."
    what, reason = best.what_failed()
    return f"**Did not pass.** main.py is attempt {best.number} by `{best.model}`. {what} {_quoted(reason)}"


def _statistics(backtest: Backtest | None, best: Attempt | None) -> list[str]:
    replayed = best.verdict.statistics if best is not None and best.verdict is not None else {}
    if backtest is None and not replayed:
        return ["There was nothing to run."]
    page = _Lines([])
    if backtest is not None:
        dates = "the dates that main.py sets" if backtest.own_dates else "the dates of the gates"
        page.lines.append(f"{backtest.period} ({dates}), fees included; [the report](backtests/generated/report.html).")
        if backtest.result.error:
            page.lines.append(f"The run ended with an error: {_quoted(backtest.result.error)}")
    page.lines.append("The judge's own replay of the orders, in a process without the strategy's code, is the proof.")
    page.lines.append("")
    run = dict(backtest.table()) if backtest is not None else {}
    names = [name for name in SHOWN if name in run or name in replayed]
    page.table(("statistic", "backtest", "judge's replay"), [(n, run.get(n, "–"), replayed.get(n, "–")) for n in names])
    return page.lines


def _came_to_be(page: _Lines, outcome: Outcome) -> None:
    page.part("How it came to be", "Every message and answer stands in `record.jsonl`.", "")
    rows = []
    for attempt in outcome.attempts:
        what, reason = attempt.what_failed()
        rows.append(
            (
                attempt.number,
                attempt.model,
                f"{attempt.reached} of 5",
                "passed" if attempt.passed else f"{what} {reason}",
            )
        )
    page.table(("attempt", "model", "gates", "what failed"), rows)
    page.lines += ["", *(f"- `{one.model}` was left: {_quoted(one.reason)}" for one in outcome.left)]
    if outcome.stopped:
        page.lines.append(f"- Stopped: {outcome.stopped}")
    meter = outcome.meter.to_json()
    page.lines += [
        "",
        f"{meter['answers']} answers, {meter['tokens_in']:,} tokens asked, {meter['tokens_out']:,} answered, "
        f"{meter['usd']:.4f} USD, {meter['seconds']:.0f} s.",
    ]


def _json(value: Any, indent: int | None = 1) -> str:
    import json

    return json.dumps(value, indent=indent, ensure_ascii=False, default=str)


def _quoted(text: str) -> str:
    return " ".join(text.split())


def _cell(value: Any) -> str:
    return _quoted(str(value)).replace("|", "\\|")[:400]
