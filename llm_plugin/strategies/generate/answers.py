"""From a model's answer to one Python file: which block it is, whether it is whole, what to tell the model if not."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

__all__ = ["Looping", "StreamWatch", "Taken", "take_code"]

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([\w+#.-]*)[^\n]*$", re.MULTILINE)
_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL)
_ALGORITHM = re.compile(r"^class\s+\w+\s*\([^)]*QCAlgorithm\w*[^)]*\)\s*:", re.MULTILINE)
_CODE_START = re.compile(r"^(?:from|import)\s+\w|^class\s+\w+", re.MULTILINE)
_PYTHON = ("", "python", "py", "python3")


class Looping(Exception):
    """The model repeats itself; its answer was ended."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What an answer held.

    Attributes:
        code: The file; empty where there was none.
        problem: Why there is none, or why it is not whole: words that go back to the model; empty where all is well.
        notes: What was done: blocks that were left, prose that was cut away.
    """

    code: str
    problem: str = ""
    notes: tuple[str, ...] = ()


def take_code(text: str, stop_reason: str = "stop") -> Taken:
    """Find the algorithm in an answer.

    Args:
        text: Whatever the model wrote.
        stop_reason: `length` where the limit of tokens ended it.
    """
    text = _THINKING.sub("", text.replace("\r\n", "\n")).strip("\n")
    if not text.strip():
        return Taken("", "the answer is empty: answer with one Python code block that holds the whole main.py")
    blocks, cut = _blocks(text)
    if not blocks:
        return _bare(text, stop_reason)
    algorithms = [block for block in blocks if _ALGORITHM.search(block)]
    notes = []
    if len(blocks) > 1:
        notes.append(
            f"{len(blocks)} blocks of code: the {'last' if algorithms else 'first'} one with an algorithm taken"
        )
    if not algorithms:
        joined = "\n\n".join(blocks)
        if _ALGORITHM.search(joined):
            return _whole(joined, stop_reason, cut, ["the file was spread over several blocks: joined"])
        return Taken(
            blocks[0],
            "no block of code holds a class derived from QCAlgorithm: write the whole file in one block",
        )
    chosen = _longest_whole(algorithms)
    return _whole(chosen, stop_reason, cut and chosen == blocks[-1], notes)


def _longest_whole(algorithms: list[str]) -> str:
    """The last block that parses: later ones correct earlier ones; else the longest."""
    whole = [block for block in algorithms if _parses(block)]
    return whole[-1] if whole else max(algorithms, key=len)


def _blocks(text: str) -> tuple[list[str], bool]:
    """Return the Python blocks, and whether the last one has no end."""
    blocks, start, mark, kind = [], -1, "", ""
    for fence in _FENCE.finditer(text):
        if start < 0:
            start, mark, kind = fence.end() + 1, fence.group(1), fence.group(2).lower()
        elif fence.group(1).startswith(mark) and not fence.group(2):
            if kind in _PYTHON:
                blocks.append(text[start : fence.start()].rstrip() + "\n")
            start = -1
    cut = start >= 0
    if cut and kind in _PYTHON and text[start:].strip():
        blocks.append(text[start:].rstrip() + "\n")
    return [block for block in blocks if block.strip()], cut


def _bare(text: str, stop_reason: str) -> Taken:
    """Code without a fence, as a plain language model writes it; or prose."""
    start = _CODE_START.search(text)
    if start is None or not _ALGORITHM.search(text):
        return Taken("", "the answer holds no code: answer with one Python code block that holds the whole main.py")
    code = text[start.start() :].rstrip() + "\n"
    notes = ["words before the code were cut away"] if text[: start.start()].strip() else []
    if not _parses(code):
        shorter = _without_tail(code)
        if shorter is not None:
            code = shorter
            notes.append("words after the code were cut away")
    return _whole(code, stop_reason, False, notes)


def _without_tail(code: str) -> str | None:
    """Drop lines at column 0 from the end that are no Python: closing words of the model."""
    lines = code.split("\n")
    for end in range(len(lines) - 1, 0, -1):
        if lines[end] and not lines[end][0].isspace() and _parses("\n".join(lines[:end])):
            shorter = "\n".join(lines[:end]).rstrip() + "\n"
            return shorter if _ALGORITHM.search(shorter) else None
    return None


def _whole(code: str, stop_reason: str, cut: bool, notes: list[str]) -> Taken:
    if (stop_reason == "length" or cut) and not _parses(code):
        return Taken(
            code,
            f"the code is cut off after {len(code.splitlines())} lines: write a shorter file, without comments, "
            "and end the block",
            tuple(notes),
        )
    return Taken(code, "", tuple(notes))


def _parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class StreamWatch:
    """Sees an answer grow and ends it when its end is the same text over and over.

    A period of up to `longest` characters that fills the last `repeats` periods and at least `least` characters.
    """

    def __init__(self, *, least: int = 600, repeats: int = 8, longest: int = 400) -> None:
        self._least, self._repeats, self._longest = least, repeats, longest
        self._text = ""
        self._looked = 0
        self.characters = 0

    def __call__(self, piece: str) -> None:
        """Take the next piece.

        Raises:
            Looping: The end repeats itself.
        """
        self.characters += len(piece)
        self._text = (self._text + piece)[-self._longest * self._repeats :]
        if self.characters - self._looked < 64:
            return
        self._looked = self.characters
        period = self._period()
        if period:
            shown = self._text[-period:].strip()[:60]
            raise Looping(
                f"the model repeats itself ({shown!r}); the answer was ended after {self.characters} characters"
            )

    def _period(self) -> int:
        text = self._text
        for period in range(1, min(self._longest, len(text) // self._repeats) + 1):
            span = max(self._repeats * period, self._least)
            # Text is the same as itself shifted by a period exactly where it repeats with this period.
            if len(text) >= span and text[-span:-period] == text[-span + period :]:
                return period
        return 0
