"""Every name of LEAN: classes, members, bases and the types of members, read once from quantconnect-stubs.

The index is kept as JSON under the plugin's home, by version of the stubs.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from llm_plugin.engine.base.names import snake
from llm_plugin.engine.data.lean_data import home_folder
from llm_plugin.errors import ConfigError, StoreUnavailable
from llm_plugin.files import write_whole

__all__ = ["LeanIndex", "is_valid_member", "lean_index"]

_FORMAT = 6
_PACKAGE = "quantconnect-stubs"
# What `from AlgorithmImports import *` brings of .NET itself.
_SYSTEM = ("System/__init__.pyi", "System/Drawing/__init__.pyi")
# Bases that say nothing about members; a class with any other foreign base has members that no stub tells.
_PLAIN_BASES = frozenset(
    "object Object Enum IntEnum Exception ValueType Protocol Generic IDisposable IEquatable IComparable IEnumerable "
    "IEnumerator IList IReadOnlyList ICollection IReadOnlyCollection EventArgs Attribute ICloneable IConvertible "
    "JsonConverter IEqualityComparer IComparer ABC MarshalByRefObject DynamicObject Iterable".split()
)


@dataclass
class LeanIndex:
    """LEAN's names.

    Attributes:
        version: Of the stubs.
        classes: Members by class: name -> type, a class of the index or empty.
        bases: Names of base classes by class.
    """

    version: str
    classes: dict[str, dict[str, str]] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    _children: dict[str, list[str]] = field(default_factory=dict, repr=False)

    def knows_all(self, name: str) -> bool:
        """Return whether the members of a class are known to the last: it and all of its bases stand in the index."""
        if name not in self.classes:
            return False
        return all(base in _PLAIN_BASES or self.knows_all(base) for base in self.bases[name] if base != name)

    def lineage(self, name: str) -> Iterator[str]:
        """Yield a class and its bases, each once."""
        waiting, seen = [name], set()
        while waiting:
            current = waiting.pop(0)
            if current in self.classes and current not in seen:
                seen.add(current)
                yield current
                waiting += self.bases[current]

    def find(self, name: str, member: str) -> str | None:
        """Return the type of a member in either spelling (empty if unknown), None if the class has no such member."""
        twin = snake(member)
        for kind in self.lineage(name):
            members = self.classes[kind]
            for spelling in (member, twin, twin.upper()):
                if spelling in members:
                    return members[spelling]
        return None

    def heirs(self, name: str) -> set[str]:
        """Return the classes that derive from one: what is declared as an order may be a limit order."""
        if not self._children:
            for kind, bases in self.bases.items():
                for base in bases:
                    self._children.setdefault(base, []).append(kind)
        waiting, found = [name], set()
        while waiting:
            for kind in self._children.get(waiting.pop(), ()):
                if kind not in found:
                    found.add(kind)
                    waiting.append(kind)
        return found

    def members(self, name: str) -> list[str]:
        """Return the public members of a class and its bases."""
        return [m for kind in self.lineage(name) for m in self.classes[kind] if not m.startswith("_")]


@lru_cache(maxsize=1)
def lean_index() -> LeanIndex:
    """Return the index of the installed stubs.

    Raises:
        ConfigError: quantconnect-stubs is not installed.
    """
    try:
        version = importlib.metadata.version(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError(
            "the judge needs LEAN's names, and quantconnect-stubs is not installed: pip install 'lean-llm-plugin[lean]'"
        ) from None
    path = home_folder() / "cache" / f"lean-names-{version}-{_FORMAT}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return LeanIndex(values["version"], values["classes"], values["bases"])
    except (OSError, ValueError, KeyError):
        index = _build(version)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"version": version, "classes": index.classes, "bases": index.bases}))
    except (OSError, StoreUnavailable):
        pass  # it is built again next time
    return index


_ARGUMENTS = re.compile(r"\[[^\[\]]*\]")
# What the stubs' generator could not name: the class that a base of type Any stands for.
_LOST_BASES = {"QuantConnect_Indicators_IndicatorBase": "WindowBase"}
_LINE = re.compile(
    r"^(?P<indent> *)(?:class (?P<kind>\w+)(?:\((?P<bases>.*)\))?:"
    r"|def (?P<method>\w+)\(.*\)(?: -> (?P<returns>.+))?:"
    r"|(?P<value>\w+)(?:: (?P<type>[^=]+?))?(?P<given> = .+)?"
    r"|@(?P<mark>[\w.]+))$"
)


def _build(version: str) -> LeanIndex:
    index = LeanIndex(version)
    for file in importlib.metadata.files(_PACKAGE) or []:
        name = str(file)
        if name in _SYSTEM or (name.startswith("QuantConnect/") and name.endswith("__init__.pyi")):
            _read_file(Path(str(file.locate())).read_text(encoding="utf-8"), index)
    for members in index.classes.values():
        for member, kind in members.items():
            if kind not in index.classes or kind.startswith("_"):
                members[member] = ""
    return index


def _read_file(text: str, index: LeanIndex) -> None:
    """Take over the classes of a stub file; it is written by a machine, one definition a line."""
    path: list[tuple[int, str]] = []
    is_setter = in_text = False
    for line in text.splitlines():
        bare = line.strip()
        if in_text or bare.startswith('"""'):
            if bare.count('"""') % 2:
                in_text = not in_text
            continue
        found = _LINE.match(line) if bare else None
        if found is None:
            continue
        depth = len(found["indent"])
        while path and path[-1][0] >= depth:
            path.pop()
        owner = path[-1][1] if path and path[-1][0] == depth - 4 else ""
        if found["mark"]:
            is_setter = found["mark"].endswith(".setter")
            continue
        if found["kind"]:
            _open_class(found, owner, index)
            path.append((depth, found["kind"]))
        elif owner:
            _take_member(found, owner, index, is_setter)
        is_setter = False


def _open_class(found: re.Match[str], owner: str, index: LeanIndex) -> None:
    name = found["kind"]
    if owner:
        _put(index.classes[owner], name, name)
    # Classes of one name in several namespaces are joined: a member of any of them is a member.
    index.classes.setdefault(name, {})
    bases = index.bases.setdefault(name, [])
    plain = found["bases"] or ""
    while "[" in plain:  # arguments of generic bases, from the inside out
        plain, count = _ARGUMENTS.subn("", plain)
        if not count:
            break
    for base in plain.split(","):
        head = base.strip().rpartition(".")[2]
        head = _LOST_BASES.get(head, head)
        if head and "=" not in base and head not in bases:
            bases.append(head)


def _take_member(found: re.Match[str], owner: str, index: LeanIndex, is_setter: bool) -> None:
    members = index.classes[owner]
    if found["method"]:
        if not is_setter:
            _put(members, found["method"], _simple_type(found["returns"]))
        else:
            members.setdefault(found["method"], "")
    elif found["value"] and found["type"]:
        _put(members, found["value"], _simple_type(found["type"]))
    elif found["value"] and found["given"]:
        _put(members, found["value"], owner if {"Enum", "IntEnum"} & set(index.bases[owner]) else "")


def _simple_type(text: str | None) -> str:
    text = (text or "").strip()
    return "" if "[" in text or not re.fullmatch(r"[\w.]+", text) else text.rpartition(".")[2]


def _put(members: dict[str, str], name: str, kind: str) -> None:
    # Overloads of different types tell none.
    members[name] = kind if members.get(name, kind) == kind else ""


def is_valid_member(member: str, source: str) -> bool:
    """Return whether the engine's claim that it lacks a member excuses a candidate.

    The claim comes out of the candidate's process: it holds only for a name that LEAN has and the candidate uses.

    Args:
        member: As the engine names it: `QCAlgorithm.add_option`, `OptionRight`, `QCAlgorithm.set_warm_up(...)`.
        source: The candidate.
    """
    head, _, rest = re.split(r"[( ]", member, maxsplit=1)[0].partition(".")
    leaf = rest.rpartition(".")[2] or head
    used = {word for word in re.findall(r"\w+", source)} | {snake(word) for word in re.findall(r"\w+", source)}
    if not {leaf, snake(leaf), snake(leaf).upper()} & used:
        return False
    index = lean_index()
    if not rest:
        return head in index.classes
    return any(index.find(kind, leaf) is not None for kind in (head, leaf) if kind in index.classes) or (
        head not in index.classes and any(leaf in members for members in index.classes.values())
    )
