"""The C# twin of an algorithm: what LEAN publishes as its expected status, statistics and order list hash."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from llm_plugin.errors import ConfigError

__all__ = ["Expectation", "TwinIndex"]

_CLASS = re.compile(r"\bclass\s+(\w+)(?:<[^>{]*>)?\s*(?::\s*([^{]+?))?\s*(?:where[^{]*)?\{")
_PAIR = re.compile(r'\{\s*"((?:[^"\\]|\\.)*)"\s*,\s*"((?:[^"\\]|\\.)*)"\s*\}|\[\s*"([^"]*)"\s*\]\s*=\s*"([^"]*)"')
_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|@"(?:[^"]|"")*"|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\]|\\.)+\'', re.S)
_MEMBERS = ("CanRunLocally", "Languages", "AlgorithmStatus", "ExpectedStatistics")


@dataclass(frozen=True)
class Expectation:
    """What LEAN's own test of an algorithm demands."""

    twin: Path
    status: str
    statistics: dict[str, str]
    runs_locally: bool
    has_python: bool

    @property
    def order_list_hash(self) -> str | None:
        """The published hash of all orders."""
        return self.statistics.get("OrderListHash")


@dataclass
class _Class:
    path: Path
    bases: tuple[str, ...]
    members: dict[str, str] = field(default_factory=dict)


class TwinIndex:
    """All regression classes of a folder of C# sources.

    Args:
        folder: `Algorithm.CSharp` of a LEAN checkout.

    Raises:
        ConfigError: The folder has no C# files.
    """

    def __init__(self, folder: Path) -> None:
        self._classes: dict[str, _Class] = {}
        files = sorted(folder.rglob("*.cs"))
        if not files:
            raise ConfigError(f"{folder} has no .cs files: give the root of a LEAN checkout")
        for path in files:
            self._read(path)

    def __len__(self) -> int:
        return len(self._classes)

    def find(self, name: str) -> Expectation | None:
        """Return what is expected of the algorithm of that name, or None: LEAN publishes nothing for it.

        Args:
            name: Stem of the Python file; LEAN's tests find the twin by it.
        """
        found = self._classes.get(name)
        if found is None:
            return None
        text = {member: self._member(name, member) for member in _MEMBERS}
        statistics = {a or c: b or d for a, b, c, d in _PAIR.findall(text["ExpectedStatistics"] or "")}
        if not statistics:
            return None
        status = re.search(r"AlgorithmStatus\.(\w+)", text["AlgorithmStatus"] or "")
        return Expectation(
            twin=found.path,
            status=status.group(1) if status else "Completed",
            statistics=statistics,
            runs_locally="true" in (text["CanRunLocally"] or ""),
            has_python="Language.Python" in (text["Languages"] or ""),
        )

    def _member(self, name: str, member: str) -> str | None:
        seen: set[str] = set()
        queue = [name]
        while queue:
            current = queue.pop(0)
            found = self._classes.get(current)
            if found is None or current in seen:
                continue
            seen.add(current)
            if member in found.members:
                return found.members[member]
            queue.extend(found.bases)
        return None

    def _read(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        # Strings keep their length and comments become blanks, so that braces in them count for nothing.
        code = _TOKEN.sub(_without_braces, text)
        clean = _TOKEN.sub(_without_comments, text)
        for match in _CLASS.finditer(code):
            body = (match.end(), _closing(code, match.end()))
            bases = tuple(re.sub(r"<.*", "", part).strip() for part in (match.group(2) or "").split(","))
            found = _Class(path, tuple(part for part in bases if part))
            for member in _MEMBERS:
                value = _member_text(code, clean, body, member)
                if value is not None:
                    found.members[member] = value
            self._classes.setdefault(match.group(1), found)


def _without_braces(match: re.Match[str]) -> str:
    token = match.group(0)
    return " " * len(token) if token.startswith("/") else token[0] + "_" * (len(token) - 2) + token[-1]


def _without_comments(match: re.Match[str]) -> str:
    token = match.group(0)
    return " " * len(token) if token.startswith("/") else token


def _closing(code: str, start: int) -> int:
    depth = 1
    for position in range(start, len(code)):
        if code[position] == "{":
            depth += 1
        elif code[position] == "}":
            depth -= 1
            if depth == 0:
                return position
    return len(code)


def _member_text(code: str, clean: str, body: tuple[int, int], member: str) -> str | None:
    """Return the text of a property of this class itself, not of a class inside it; None: abstract or absent."""
    for match in re.finditer(rf"\b{member}\b\s*(=>|\{{)", code[: body[1]]):
        if match.start() < body[0] or _depth(code, body[0], match.start()) != 0:
            continue
        begin = match.end()
        if match.group(1) == "{":
            begin = _closing(code, begin) + 1
            if not code[begin:].lstrip().startswith("="):
                # A property with a body of its own: `get { return true; }`.
                inner = clean[match.end() : begin]
                return inner if "return" in inner or "=>" in inner else None
        return clean[begin : _statement_end(code, begin)]
    return None


def _depth(code: str, start: int, end: int) -> int:
    return code.count("{", start, end) - code.count("}", start, end)


def _statement_end(code: str, start: int) -> int:
    depth = 0
    for position in range(start, len(code)):
        letter = code[position]
        depth += (letter in "{([") - (letter in "})]")
        if letter == ";" and depth <= 0:
            return position
    return len(code)
