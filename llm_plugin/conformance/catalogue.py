"""Which algorithms of a LEAN checkout are in scope, with tier and expectation."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_plugin.conformance.scope import Scope, SourceNames, judge_scope, read_names
from llm_plugin.conformance.twins import Expectation, TwinIndex
from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["Candidate", "absent_files", "lean_parameters", "read_tiers", "survey"]


@dataclass(frozen=True)
class Candidate:
    """One Python file: what it is, what it should give."""

    name: str
    path: Path
    scope: Scope
    expectation: Expectation | None
    listed: bool = False

    @property
    def judged(self) -> bool:
        """True where LEAN's own tests run this file and say what must come out."""
        return self.expectation is not None and self.expectation.has_python


def survey(lean_repo: Path, only: Iterable[str] = (), tiers: Mapping[str, int] | None = None) -> list[Candidate]:
    """Return the in-scope algorithms of a checkout by name; those of `only` whatever their scope.

    Args:
        lean_repo: Root of a LEAN checkout.
        only: Names of algorithms; none means all that are in scope.
        tiers: Tiers that replace those of the rules.

    Raises:
        ConfigError: It is no LEAN checkout, or a name of `only` is not in it.
    """
    python, csharp = lean_repo / "Algorithm.Python", lean_repo / "Algorithm.CSharp"
    for folder in (python, csharp):
        if not folder.is_dir():
            raise ConfigError(f"{lean_repo} has no {folder.name}: give the root of a LEAN checkout")
    twins = TwinIndex(csharp)
    sources = {path.stem: read_names(path) for path in sorted(python.rglob("*.py"))}
    wanted = set(only)
    unknown = sorted(wanted - set(sources))
    if unknown:
        raise ConfigError([f"{name} is not in {python}{did_you_mean(name, sources)}" for name in unknown])
    found = []
    for name, names in sources.items():
        if (wanted and name not in wanted) or not names.has_algorithm:
            continue
        scope = judge_scope(names, _parents(names, sources))
        listed = tiers is not None and name in tiers
        if tiers is not None and name in tiers:
            scope = Scope(tiers[name], scope.reasons)
        if scope.is_in or wanted:
            found.append(Candidate(name, names.path, scope, twins.find(name), listed))
    return sorted(found, key=lambda item: item.name.lower())


def _parents(names: SourceNames, sources: Mapping[str, SourceNames]) -> tuple[SourceNames, ...]:
    seen: dict[str, SourceNames] = {}
    queue = list(names.imports)
    while queue:
        module = queue.pop()
        if module in sources and module not in seen:
            seen[module] = sources[module]
            queue.extend(sources[module].imports)
    return tuple(seen.values())


def read_tiers(path: Path) -> dict[str, int]:
    """Return name -> tier from a CSV with columns `algorithm` and `tier`.

    Raises:
        ConfigError: No such file, or the columns are not there.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; give a CSV with columns algorithm, tier") from None
    try:
        return {row["algorithm"]: int(row["tier"]) for row in rows}
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(f"{path} needs columns algorithm and tier (1 or 2): {error!r}") from None


# What algorithms read.
_FOLDERS = ("Data/", "Tests/TestData/")


def absent_files(listing: Path, lean_repo: Path) -> list[str]:
    """Return the files that a checkout should have, by a listing of paths (`git ls-tree -r --name-only`), and lacks."""
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{listing} cannot be read: {error.strerror}; give one path a line") from None
    return [line for line in lines if line.startswith(_FOLDERS) and not (lean_repo / line).exists()]


# What LEAN's launcher is configured with; its tests run with it.
_LEAN_PARAMETERS = {"intrinio-username": "", "intrinio-password": "", "ema-fast": "10", "ema-slow": "20"}


def lean_parameters(lean_repo: Path) -> dict[str, str]:
    """Return the parameters of the launcher's configuration; LEAN's own ones where a checkout lacks that file."""
    path = lean_repo / "Launcher" / "config.json"
    if not path.is_file():
        return dict(_LEAN_PARAMETERS)
    text = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8-sig"), flags=re.M)
    found = re.search(r'"parameters"\s*:\s*(\{[^{}]*\})', text)
    if found is None:
        return dict(_LEAN_PARAMETERS)
    return {str(name): str(value) for name, value in json.loads(found.group(1)).items()}
