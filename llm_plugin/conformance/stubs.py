"""The members of LEAN's classes, read from quantconnect-stubs, and what of them the engine has.

`python -m llm_plugin.conformance.stubs` writes `lean_members.py` and `lean_lacking.py` in `llm_plugin/engine/base`
anew; it needs the development dependency quantconnect-stubs, a run does not.
"""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from pathlib import Path

from llm_plugin.errors import ConfigError

__all__ = [
    "StubClass",
    "engine_attributes",
    "members_of",
    "render_lacking",
    "render_members",
    "shared_classes",
    "stub_classes",
]

# User classes may derive from these, and the engine calls what they override.
OVERRIDABLE = (
    "AlphaModel", "BuyingPowerModel", "DefaultBrokerageModel", "ExecutionModel", "FeeModel", "FillModel",
    "PortfolioConstructionModel", "RiskManagementModel", "SecurityMarginModel", "UniverseSelectionModel",
)  # fmt: skip
# Members that .NET and pythonnet give to every object.
_PLUMBING = frozenset(
    "compare_to dispose equals finalize get_enumerator get_event get_hash_code get_meta_object get_method get_type "
    "has_attr invoke_void_method memberwise_clone reference_equals set_property set_python_instance "
    "set_python_wrapper to_string python_wrapper".split()
)
_FOLDER = Path(__file__).resolve().parents[1] / "engine" / "base"


@dataclass
class StubClass:
    """Members of a class by name: any of `method`, `property`, `settable`, `value`."""

    members: dict[str, set[str]] = field(default_factory=dict)
    bases: set[str] = field(default_factory=set)


@lru_cache(maxsize=1)
def stub_classes() -> dict[str, StubClass]:
    """Return LEAN's classes by name; classes of one name are joined.

    Raises:
        ConfigError: quantconnect-stubs is not installed.
    """
    try:
        files = importlib.metadata.files("quantconnect-stubs") or []
    except importlib.metadata.PackageNotFoundError:
        raise ConfigError("quantconnect-stubs is not installed: install the extra 'lean'") from None
    classes: dict[str, StubClass] = {}
    for file in files:
        if str(file).startswith("QuantConnect/") and str(file).endswith("__init__.pyi"):
            for node in ast.parse(Path(str(file.locate())).read_text(encoding="utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    _read(node, classes.setdefault(node.name, StubClass()))
    return classes


def _read(node: ast.ClassDef, found: StubClass) -> None:
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            marks = [ast.unparse(mark) for mark in item.decorator_list]
            kind = "settable" if any(".setter" in mark for mark in marks) else "method"
            if any("property" in mark for mark in marks):
                kind = "property"
            found.members.setdefault(item.name, set()).add(kind)
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.members.setdefault(item.target.id, set()).add("value")
        elif isinstance(item, ast.Assign):
            for target in item.targets:
                if isinstance(target, ast.Name):
                    found.members.setdefault(target.id, set()).add("value")
    for base in node.bases:
        head = base.value if isinstance(base, ast.Subscript) else base
        found.bases.add(head.attr if isinstance(head, ast.Attribute) else ast.unparse(head))


@lru_cache(maxsize=2048)
def members_of(name: str) -> dict[str, set[str]]:
    """Return the public members of a class and its bases."""
    found: dict[str, set[str]] = {}
    queue, seen = [name], set()
    while queue:
        current = queue.pop()
        known = stub_classes().get(current)
        if known is None or current in seen:
            continue
        seen.add(current)
        for member, kinds in known.members.items():
            if not member.startswith("_") and member not in _PLUMBING:
                found.setdefault(member, set()).update(kinds)
        queue.extend(known.bases)
    return found


def shared_classes() -> Iterator[tuple[str, type]]:
    """Yield the engine's classes that LEAN has too, by name."""
    from llm_plugin.engine.api import engine_names

    names = engine_names()
    for name in sorted(set(names) & set(stub_classes())):
        if isinstance(names[name], type):
            yield name, names[name]


def engine_attributes(kind: type) -> set[str]:
    """Return what an engine class has: members, annotations and all that its methods assign to an instance."""
    from llm_plugin.engine.base.names import OtherSpelling

    found = {name for name in dir(kind) if type(inspect.getattr_static(kind, name, None)).__name__ not in _GUARDS}
    for part in kind.__mro__:
        if part.__module__.startswith("llm_plugin"):
            found |= _own_attributes(part) | {m.name for m in vars(part).values() if isinstance(m, OtherSpelling)}
    return found


@lru_cache(maxsize=2048)
def _own_attributes(part: type) -> frozenset[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
    assigned = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)
    }
    return frozenset(assigned | set(getattr(part, "__annotations__", {})))


_GUARDS = frozenset({"OtherSpelling", "RefusedMember", "RefusedProperty", "SettableSpelling"})


def _split_settable(name: str, kind: type) -> tuple[set[str], set[str]]:
    """Return the settable members that the engine lacks, and those that are plain attributes of its instances."""
    if issubclass(kind, Enum) or kind.__setattr__ is not object.__setattr__:
        return set(), set()
    settable = {member for member, kinds in members_of(name).items() if "settable" in kinds}
    has, fixed = engine_attributes(kind), set(dir(kind))
    guarded = {m for m in fixed if type(inspect.getattr_static(kind, m, None)).__name__ in _GUARDS}
    lacking = {member for member in settable if member not in has}
    plain = {member for member in settable - lacking if member not in fixed - guarded}
    return lacking, plain


def _lacking_members(refused: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the members that the engine lacks and no one sets, less those that a base of the class lacks too."""
    from llm_plugin.engine.base.names import LeanObject

    found: dict[str, set[str]] = {}
    kinds = {name: kind for name, kind in shared_classes() if issubclass(kind, LeanObject)}
    for name, kind in kinds.items():
        has = engine_attributes(kind) | set(dir(type(kind)))
        found[name] = {m for m in members_of(name) if m not in has and m.lower() not in has} - refused[name]
    return {
        name: members - {m for base, of in kinds.items() if of in kinds[name].__mro__[1:] for m in found[base]}
        for name, members in found.items()
    }


def render_members() -> str:
    """Return the text of `lean_members.py`."""
    refused, plain = {}, {}
    for name, kind in shared_classes():
        refused[name], plain[name] = _split_settable(name, kind)
    methods = {name: {m for m, kinds in members_of(name).items() if "method" in kinds} for name in OVERRIDABLE}
    return _module(
        "Members of LEAN's classes that the engine must not take in silence.",
        _table("Settable in LEAN, absent in the engine: reading or setting one raises.", "REFUSED_PROPERTIES", refused),
        _table(
            "Settable in LEAN and plain attributes here: the other spelling leads to them.",
            "INSTANCE_ATTRIBUTES",
            plain,
        ),
        _table("Methods that LEAN calls where a user's class overrides them.", "OVERRIDABLE_METHODS", methods),
    )


def render_lacking() -> str:
    """Return the text of `lean_lacking.py`."""
    refused = {name: _split_settable(name, kind)[0] for name, kind in shared_classes()}
    return _module(
        "Members of LEAN's classes that the engine lacks and that no user sets.",
        _table("A base's are not said again: reading one raises.", "LACKING_MEMBERS", _lacking_members(refused)),
    )


def _module(title: str, *tables: str) -> str:
    names = sorted(table.partition("\n")[2].partition(":")[0] for table in tables)
    quoted = ", ".join(f'"{name}"' for name in names)
    return "\n".join(
        [
            f'"""{title}\n\nWritten by `python -m llm_plugin.conformance.stubs`.\n"""\n',
            f"from __future__ import annotations\n\n__all__ = [{quoted}]\n",
            *tables,
        ]
    )


def _table(comment: str, name: str, rows: dict[str, set[str]]) -> str:
    lines = [f"# {comment}", f"{name}: dict[str, str] = {{"]
    for key in sorted(rows):
        if rows[key]:
            words = textwrap.wrap(" ".join(sorted(rows[key])), 107)
            if len(words) == 1 and len(words[0]) + len(key) < 108:
                lines.append(f'    "{key}": "{words[0]}",')
            else:
                lines.append(f'    "{key}": (')
                lines += [f'        "{word} "' for word in words[:-1]] + [f'        "{words[-1]}"', "    ),"]
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    (_FOLDER / "lean_members.py").write_text(render_members(), encoding="utf-8")
    (_FOLDER / "lean_lacking.py").write_text(render_lacking(), encoding="utf-8")
