"""A gate decision for people: plain text for a terminal, markdown for an artifact."""

from __future__ import annotations

from llm_plugin.gate.decision import Check, GateDecision, GateSlice, PortfolioRun

__all__ = ["as_markdown", "as_text"]

_MARKS = {True: "passed", False: "FAILED", None: "–"}
_VERDICTS = {"pass": "passed", "fail": "failed", "cannot_judge": "cannot be judged"}


def as_text(decision: GateDecision) -> str:
    """Return a decision as lines of plain text."""
    width = max((len(check.name) for check in decision.checks), default=0)
    lines = [_headline(decision), *_facts(decision), ""]
    lines += [f"{_mark(check):7} {check.name:{width}}  {check.text}" for check in decision.checks]
    if decision.slices:
        lines += ["", *(_slice(row) for row in decision.slices)]
    if decision.portfolios:
        lines += ["", *(f"account of {_account(run)}" for run in decision.portfolios)]
    return "\n".join(lines)


def as_markdown(decision: GateDecision) -> str:
    """Return a decision as markdown with tables."""
    lines = [f"## {_headline(decision)}", "", *(f"- {fact}" for fact in _facts(decision)), ""]
    lines += ["| check | result | measured | bar |", "|---|---|---:|---:|"]
    lines += [
        f"| {_cell(check.name)} | {_mark(check)} | {_number(check.value)} | {_number(check.bar)} |"
        for check in decision.checks
    ]
    lines += ["", *(f"- **{check.name}** {_mark(check)}: {check.text}" for check in decision.checks)]
    if decision.slices:
        lines += ["", "| slice | decisions | days | gain in R | upper bound |", "|---|---:|---:|---:|---:|"]
        lines += [
            f"| {_cell(row.name)} | {row.count} | {row.days} | {row.gain:+.3f} | {_number(row.high)} |"
            for row in decision.slices
        ]
    if decision.portfolios:
        lines += ["", "| account of | trades | blocked | net return | Sharpe | drawdown |", "|---|" + "---:|" * 5]
        lines += [
            f"| {_cell(run.version)} | {run.trades} | {run.blocked} | {run.net_return:+.2%} | {_number(run.sharpe)} | "
            f"{run.max_drawdown:.2%} |"
            for run in decision.portfolios
        ]
    return "\n".join(lines) + "\n"


def _headline(decision: GateDecision) -> str:
    return (
        f"{decision.challenger or 'challenger'} against {decision.champion or 'champion'}: "
        + (_VERDICTS[decision.verdict])
    )


def _facts(decision: GateDecision) -> list[str]:
    facts = [
        f"gate {decision.gate_id}, judged {decision.judged_utc:%Y-%m-%d %H:%M} UTC",
        f"window {decision.window_id}: {decision.outcomes} outcomes on {decision.days} days"
        + (f", {decision.from_utc:%Y-%m-%d} to {decision.to_utc:%Y-%m-%d}" if decision.from_utc else ""),
        f"account: {decision.tried} tried before, level {decision.level:.3g}",
    ]
    if decision.gain is not None:
        facts.append(
            f"gain {decision.gain:+.3f} R a decision ({_number(decision.gain_low)} to {_number(decision.gain_high)}), "
            f"champion {_number(decision.champion_mean)} R, challenger {_number(decision.challenger_mean)} R"
        )
    if decision.disagreement is not None:
        facts.append(
            f"takes {decision.challenger_approval:.0%} of the signals, the champion {decision.champion_approval:.0%}; "
            f"they differ on {decision.disagreement:.0%}"
        )
    return facts


def _mark(check: Check) -> str:
    return "too few" if check.needed and check.passed is False else _MARKS[check.passed]


def _account(run: PortfolioRun) -> str:
    return (
        f"{run.version}: {run.trades} trades ({run.blocked} blocked), net return {run.net_return:+.2%}, "
        f"Sharpe {_number(run.sharpe)}, drawdown {run.max_drawdown:.2%}"
    )


def _slice(row: GateSlice) -> str:
    bound = "too small to be judged" if row.high is None else f"upper bound {row.high:+.3f} R"
    return f"slice {row.name}: {row.gain:+.3f} R ({bound}), {row.count} decisions on {row.days} days"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
