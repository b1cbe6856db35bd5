"""LEAN's own examples, from a checkout that the user has: described by their own comments, kept by reference."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from llm_plugin.errors import ConfigError
from llm_plugin.strategies.curate.examples import Example
from llm_plugin.strategies.curate.rows import Row, code_hash
from llm_plugin.strategies.grammar.draft import split_of

__all__ = ["description", "lean_examples", "lean_text"]

FOLDER = "Algorithm.Python"
_SUMMARY = re.compile(r"^\s*#+\s*<summary>(.*?)</summary>", re.DOTALL | re.MULTILINE)
_LEAST_WORDS = 6
_LONGEST = 12_000
_ASK = "Write a LEAN algorithm in Python. "
# What a test of the engine says of itself is no request that anybody would make.
_ABOUT_TESTS = re.compile(r"regression|unit test|asserts? |reproduc|github issue|this test|expected behaviou?r", re.I)
# Endings that make variants of one example.
_VARIANT = re.compile(r"(Algorithm|Regression|Daily|Hourly|Minute|Framework|Template|\d+)")


def lean_examples(repo: Path) -> list[Example]:
    """Return the examples of a checkout that say what they do, are in the engine's scope and need no other file.

    Raises:
        ConfigError: It is no LEAN checkout.
    """
    from llm_plugin.conformance.catalogue import survey

    if not (repo / FOLDER).is_dir() or not (repo / "Data").is_dir():
        raise ConfigError(f"{repo} has no {FOLDER} or no Data: give the root of a LEAN checkout with --lean-repo")
    found = []
    for each in survey(repo):
        text = each.path.read_text(encoding="utf-8-sig")
        said = description(text)
        if said and len(text) <= _LONGEST:
            found.append(_example(repo, each.path, text, said))
    return found


def description(text: str) -> str:
    """Return what an example says that it does, from its header comment or docstring; empty if it does not say."""
    summary = _SUMMARY.search(text)
    said = re.sub(r"(?m)^\s*#+", " ", summary[1]) if summary else _docstring(text)
    said = re.sub(r"<[^>]+>", " ", said)
    said = re.sub(r"\s+", " ", said).strip()
    return "" if len(said.split()) < _LEAST_WORDS or _ABOUT_TESTS.search(said) else said


def _docstring(text: str) -> str:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return ""
    classes = [part for part in tree.body if isinstance(part, ast.ClassDef)]
    return next((said for part in classes if (said := ast.get_docstring(part))), "")


def _example(repo: Path, path: Path, text: str, said: str) -> Example:
    core = _VARIANT.sub("", path.stem) or path.stem
    code = _without_header(text)
    row = Row(
        id=f"lean-{path.stem}"[:100],
        instruction=_ASK + said,
        completion=code,
        family="lean_examples",
        split=split_of("lean_examples", core),
        source="lean",
        sha256=code_hash(code),
        core=f"lean|{core}",
        reference=path.relative_to(repo).as_posix(),
    )
    return Example(row, 2)


def _without_header(text: str) -> str:
    """Return the code without the licence and the comment that became the instruction."""
    lines = text.splitlines()
    first = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), 0)
    kept = [line.rstrip() for line in lines[first:] if not line.startswith("###")]
    return "\n".join(kept).strip() + "\n"


def lean_text(repo: Path, reference: str, sha256: str) -> str:
    """Return the code that a reference means, as it was curated.

    Raises:
        ConfigError: The checkout lacks the file, or has another version of it.
    """
    path = repo / reference
    if not path.is_file():
        raise ConfigError(f"{repo} has no {reference}: give the checkout that the dataset was curated from")
    code = _without_header(path.read_text(encoding="utf-8-sig"))
    if code_hash(code) != sha256:
        raise ConfigError(f"{path} is not the version that was curated: check out that commit, or curate again")
    return code
