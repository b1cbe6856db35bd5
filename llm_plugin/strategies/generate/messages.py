"""What models are told: the task, the plan, the gate that failed. The record names the version of these words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from llm_plugin.strategies.models import Message

__all__ = ["VERSION", "code_messages", "plan_messages", "repair_messages"]

VERSION = "1"

_SYSTEM = """You write trading algorithms for QuantConnect LEAN in Python.

Rules of the file main.py:
- It begins with `from AlgorithmImports import *` and holds one class derived from QCAlgorithm.
- Members in snake_case: initialize, on_data, add_equity, set_holdings, self.rsi(symbol, 14, ...), self.schedule.on.
- initialize sets start date, end date and cash. Warm up what needs history (self.set_warm_up) and check is_ready.
- Decide only from data that has arrived. No network, no files, no input, no imports beyond the standard library, numpy
  and pandas.
- A stop is checked against the position's entry price, or is a stop order that is cancelled when the position closes.
- Do exactly what is asked: the symbols, periods, thresholds, sides and sizes of the request, nothing added."""

_PLAN = """{prompt}

First a plan, no code: at most ten short lines. Name the symbols, the resolution, each indicator with its parameters,
when to enter, when to exit, the stop, the size, and what could go wrong in LEAN."""

_CODE = "Now write it: answer with one Python code block that holds the whole main.py and nothing else."

_DIRECT = """{prompt}

Answer with one Python code block that holds the whole main.py and nothing else."""

_REPAIR = """{what}

{reason}

Correct this and keep the rest. Answer with one Python code block that holds the whole corrected main.py."""

_PERIOD = "The algorithm is tried on {start} to {end}; set these dates unless the request names others."


def _system(start: date, end: date) -> Message:
    period = _PERIOD.format(
        start=f"{start.year}, {start.month}, {start.day}", end=f"{end.year}, {end.month}, {end.day}"
    )
    return Message("system", f"{_SYSTEM}\n\n{period}")


def plan_messages(prompt: str, start: date, end: date) -> list[Message]:
    """Return the question for a plan."""
    return [_system(start, end), Message("user", _PLAN.format(prompt=prompt.strip()))]


def code_messages(prompt: str, plan: str | None, start: date, end: date, *, chat: bool = True) -> list[Message]:
    """Return the question for the code.

    Args:
        prompt: The request.
        plan: What the model planned; None asks for code at once.
        start: First day of the gates' run.
        end: Last day.
        chat: False gives the request alone, as a model knows it that was trained on instruction and completion.
    """
    if not chat:
        return [Message("user", prompt.strip())]
    if plan is None:
        return [_system(start, end), Message("user", _DIRECT.format(prompt=prompt.strip()))]
    return [*plan_messages(prompt, start, end), Message("assistant", plan.strip() or "-"), Message("user", _CODE)]


def repair_messages(first: Sequence[Message], answer: str, what: str, reason: str) -> list[Message]:
    """Return the question for a correction: the first question, the last answer, what is wrong with it.

    Earlier turns are left out: the conversation does not grow with the attempts.

    Args:
        first: The question for the code.
        answer: What the model wrote, as it will read it again.
        what: Which gate failed, or that there was no code.
        reason: The gate's own words.
    """
    return [
        *first,
        Message("assistant", answer.strip() or "-"),
        Message("user", _REPAIR.format(what=what.strip(), reason=reason.strip())),
    ]
