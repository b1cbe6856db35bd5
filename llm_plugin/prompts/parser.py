"""The answer form `ACTION | confidence | reason`: written for training, parsed strictly, failures counted by kind."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from llm_plugin.domain import Action

__all__ = ["MAX_REASON_WORDS", "AnswerParser", "ParsedAnswer", "format_answer", "parse_answer"]

MAX_REASON_WORDS = 10
Fault = Literal["", "empty", "form", "action", "illegal", "confidence", "reason"]
_NUMBER = re.compile(r"(?:0(?:\.[0-9]{1,6})?|1(?:\.0{1,6})?)")


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What an answer says; `fault` names why it does not count, and then `action` is None.

    Attributes:
        action: The action, None where the answer is faulty.
        confidence: 0 to 1.
        reason: At most ten words.
        fault: Empty, or empty | form | action | illegal | confidence | reason.
    """

    action: Action | None
    confidence: float = 0.0
    reason: str = ""
    fault: Fault = ""

    @property
    def ok(self) -> bool:
        """True where the answer counts."""
        return self.action is not None


def format_answer(action: Action, confidence: float, reason: str) -> str:
    """Return the completion that follows a prompt, with its leading space.

    >>> format_answer(Action.BUY, 0.634, "trend and momentum agree")
    ' BUY | 0.63 | trend and momentum agree'

    Raises:
        ValueError: A confidence outside 0 to 1.
    """
    if not 0 <= confidence <= 1:
        raise ValueError(f"confidence {confidence!r} must lie from 0 to 1")
    words = reason.replace("|", " ").split()[:MAX_REASON_WORDS]
    return f" {action.value} | {confidence:.2f} | {' '.join(words)}"


def parse_answer(text: str, legal: Collection[Action]) -> ParsedAnswer:
    """Parse one answer strictly: the first line only, three parts, a legal action, a plain number from 0 to 1.

    Args:
        text: What the model wrote.
        legal: The actions that may be chosen.
    """
    line = text.strip().partition("\n")[0].rstrip()
    if not line:
        return ParsedAnswer(None, fault="empty")
    parts = [part.strip() for part in line.split("|")]
    if len(parts) != 3:
        return ParsedAnswer(None, fault="form")
    name, number, reason = parts
    if name not in Action.__members__:
        return ParsedAnswer(None, fault="action")
    if Action(name) not in legal:
        return ParsedAnswer(None, fault="illegal")
    if not _NUMBER.fullmatch(number):
        return ParsedAnswer(None, fault="confidence")
    if len(reason.split()) > MAX_REASON_WORDS:
        return ParsedAnswer(None, fault="reason")
    return ParsedAnswer(Action(name), float(number), reason)


class AnswerParser:
    """Parses answers and counts what it saw, so that a model that stopped answering cannot go unnoticed."""

    def __init__(self) -> None:
        """Start at zero."""
        self.parsed = 0
        self.faults: Counter[str] = Counter()

    @property
    def success_rate(self) -> float | None:
        """Share of answers that counted, None before the first."""
        total = self.parsed + sum(self.faults.values())
        return self.parsed / total if total else None

    def parse(self, text: str, legal: Collection[Action]) -> ParsedAnswer:
        """Parse and count one answer."""
        answer = parse_answer(text, legal)
        if answer.ok:
            self.parsed += 1
        else:
            self.faults[answer.fault] += 1
        return answer
