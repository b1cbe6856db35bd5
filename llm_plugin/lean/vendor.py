"""`lean-llm vendor PROJECT`: the LEAN side inside a project folder, for LEANs that mount nothing else.

`lean backtest` mounts the project folder and `Library/` only. So the modules that run inside LEAN are copied to
`PROJECT/llm_plugin`, with a manifest of hashes written last: a copy without it is not complete, and a stale or edited
copy is reported by `check_vendored`.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from llm_plugin.errors import DataError

__all__ = ["MANIFEST", "VendorReport", "check_vendored", "vendor", "vendored_modules"]

MANIFEST = "VENDORED.json"
SCHEMA = "1"
ROOTS = ("lean/__init__.py", "features/__init__.py")
LEFT_OUT = ("settings", "validator", "signals", "walkforward", "engine/runner", "lean/vendor")
"""Imported lazily, and only where the validator itself runs in the algorithm's process."""


@dataclass(frozen=True, slots=True)
class VendorReport:
    """What `vendor` did.

    Attributes:
        target: The folder that was written.
        files: Copied files, relative to it.
        removed: Files of an earlier copy that are no longer needed.
        changed: Whether anything differs from before.
    """

    target: Path
    files: tuple[str, ...]
    removed: tuple[str, ...]
    changed: bool


def vendor(project: Path) -> VendorReport:
    """Copy the LEAN side into a project folder.

    Args:
        project: LEAN CLI project folder, with `main.py`.

    Raises:
        DataError: No project, or its `llm_plugin` folder was not written by this command.
    """
    if not (project / "main.py").is_file():
        raise DataError(f"{project} is no LEAN project folder: it has no main.py")
    target = project / "llm_plugin"
    before = _read_manifest(target)
    if target.exists() and before is None and any(target.iterdir()):
        raise DataError(f"{target} was not written by `lean-llm vendor` (no {MANIFEST}): move it away first")
    source = _package_folder()
    if target.resolve() == source:
        raise DataError(f"{target} is the installed package itself: name a project folder")
    hashes = {name: _sha256(source / name) for name in vendored_modules(source)}
    removed = tuple(sorted(set(before or {}) - set(hashes)))
    manifest = target / MANIFEST
    manifest.unlink(missing_ok=True)
    for name in removed:
        (target / name).unlink(missing_ok=True)
    for name in hashes:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, path)
    manifest.write_text(json.dumps({"schema": SCHEMA, "files": hashes}, indent=1) + "\n", encoding="utf-8")
    return VendorReport(target, tuple(hashes), removed, changed=hashes != before)


def check_vendored(project: Path) -> list[str]:
    """Return what is wrong with a project's copy: nothing, or sentences with the remedy; no copy is no problem."""
    target = project / "llm_plugin"
    if not target.exists():
        return []
    remedy = f"run `lean-llm vendor {project}`"
    recorded = _read_manifest(target)
    if recorded is None:
        return [f"{target} has no readable {MANIFEST}: the copy is incomplete; {remedy}"]
    problems = []
    source = _package_folder()
    current = {name: _sha256(source / name) for name in vendored_modules(source)}
    stale = sorted(name for name in {*recorded, *current} if recorded.get(name) != current.get(name))
    if stale:
        problems.append(f"{target} is stale ({len(stale)} files differ, as {stale[0]}): {remedy}")
    for name, digest in recorded.items():
        path = target / name
        if not path.is_file():
            problems.append(f"{path} is missing: {remedy}")
        elif _sha256(path) != digest:
            problems.append(f"{path} was edited: keep your change elsewhere, then {remedy}")
    return problems


def vendored_modules(source: Path) -> list[str]:
    """Return the files that the LEAN side imports, followed from its own modules, relative to the package."""
    todo = [*ROOTS, *(f"lean/{path.name}" for path in sorted((source / "lean").glob("*.py")))]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name in found or name.removesuffix(".py").removesuffix("/__init__").startswith(LEFT_OUT):
            continue
        found.add(name)
        parents = Path(name).parents
        todo.extend(str(parent / "__init__.py") for parent in parents if (source / parent / "__init__.py").is_file())
        todo.extend(_imports(source, source / name))
    return sorted(found)


def _imports(source: Path, path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.extend([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
        elif isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
    files = []
    for name in names:
        if name.split(".")[0] != "llm_plugin":
            continue
        inner = Path(*name.split(".")[1:])
        for candidate in (inner.with_suffix(".py"), inner / "__init__.py"):
            if str(inner) != "." and (source / candidate).is_file():
                files.append(candidate.as_posix())
    return files


def _package_folder() -> Path:
    spec = find_spec("llm_plugin")
    if spec is None or not spec.submodule_search_locations:
        raise DataError("the package llm_plugin is not installed here")
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _read_manifest(target: Path) -> dict[str, str] | None:
    try:
        data = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    files = data.get("files") if isinstance(data, dict) and data.get("schema") == SCHEMA else None
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else None


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
