"""The LEAN side uses only API that LEAN has: every member is looked up in quantconnect-stubs."""

from __future__ import annotations

import ast
import importlib.metadata
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

RECEIVERS = {
    "algorithm": "QCAlgorithm",
    "portfolio": "SecurityPortfolioManager",
    "transactions": "SecurityTransactionManager",
    "security": "Security",
    "securities": "SecurityManager",
    "exchange": "SecurityExchange",
    "hours": "SecurityExchangeHours",
    "symbol_properties": "SymbolProperties",
    "quote_currency": "Cash",
    "holding": "SecurityHolding",
    "ticket": "OrderTicket",
    "stop_ticket": "OrderTicket",
    "target_ticket": "OrderTicket",
    "event": "OrderEvent",
    "insight": "Insight",
    "insights": "InsightManager",
    "target": "PortfolioTarget",
    "split": "Split",
    "dividend": "Dividend",
    "delisting": "Delisting",
    "changes": "SecurityChanges",
    "object_store": "ObjectStore",
    "subscription_manager": "SubscriptionManager",
    "consolidator": "IDataConsolidator",
    "generated": "GeneratedInsightsCollection",
    "holdings": "SecurityHolding",
    "splits": "DataDictionary",
    "dividends": "DataDictionary",
    "bars": "DataDictionary",
    "quote_bars": "DataDictionary",
}
"""What a name holds, in our code and in the algorithms: the last part of the expression before the dot."""


def stub_folder() -> Path:
    files = importlib.metadata.files("quantconnect-stubs") or []
    file = next(file for file in files if str(file) == "QuantConnect/__init__.pyi")
    return Path(str(file.locate())).parent


@cache
def stub_classes() -> dict[str, tuple[set[str], set[str]]]:
    """Class name -> (members, base names); classes of one name are joined."""
    wanted = (
        "",
        "Algorithm",
        "Algorithm/Framework",
        "Securities",
        "Orders",
        "Data",
        "Storage",
        "Interfaces",
        "Indicators",
    )
    folder, classes = stub_folder(), {}
    for path in folder.rglob("__init__.pyi"):
        relative = path.parent.relative_to(folder).as_posix()
        if not any(relative == part or relative.startswith(f"{part}/") for part in (w or "." for w in wanted)):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                members, bases = classes.setdefault(node.name, (set(), set()))
                for item in node.body:
                    if isinstance(item, ast.FunctionDef):
                        members.add(item.name)
                        decorators = [ast.unparse(decorator) for decorator in item.decorator_list]
                        kind = "value" if any("property" in d or ".setter" in d for d in decorators) else "method"
                        if kind == "value" and _can_be_called(item):
                            members.add(f"{item.name}:method")
                        members.add(f"{item.name}:{kind}")
                    elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                        members.add(item.target.id)
                    elif isinstance(item, ast.Assign):
                        members.update(target.id for target in item.targets if isinstance(target, ast.Name))
                for base in node.bases:
                    head = base.value if isinstance(base, ast.Subscript) else base
                    bases.add(head.attr if isinstance(head, ast.Attribute) else ast.unparse(head))
    return classes


def _can_be_called(item: ast.FunctionDef) -> bool:
    """LEAN's overload groups are properties of a class with `__call__`."""
    return item.returns is not None and "._" in ast.unparse(item.returns)


@cache
def members(name: str) -> frozenset[str]:
    found, todo, seen = set(), [name], set()
    while todo:
        current = todo.pop()
        if current in seen or current not in stub_classes():
            continue
        seen.add(current)
        own, bases = stub_classes()[current]
        found |= own
        todo.extend(bases)
    return frozenset(found)


def misused(kind: str, node: ast.Attribute, called: set[int]) -> str:
    """Return how a member is used wrongly: a property that is called, a method that is only named."""
    known = members(kind)
    if id(node) in called and f"{node.attr}:value" in known and f"{node.attr}:method" not in known:
        return f"{kind}.{node.attr} is a property, not a method"
    if id(node) not in called and f"{node.attr}:method" in known and f"{node.attr}:value" not in known:
        return f"{kind}.{node.attr} is a method, not a property"
    return ""


def receivers(tree: ast.AST):
    """Yield (class, access) where the receiver's name says what it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            base = node.value
            name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
            if RECEIVERS.get(name.lstrip("_")) is not None:
                yield RECEIVERS[name.lstrip("_")], node


def uses(tree: ast.AST):
    """Yield (class, member, line) of every access whose receiver's name says what it is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            base = node.value
            name = base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else ""
            kind = RECEIVERS.get(name.lstrip("_"))
            if kind is None and name in stub_classes() and name[:1].isupper():
                kind = name
            if kind is not None and not node.attr.startswith("_"):
                yield kind, node.attr, node.lineno


def own_uses(tree: ast.AST):
    """Yield (QCAlgorithm, member, line) of every `self.x` that an algorithm neither defines nor assigns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "QCAlgorithm" for base in node.bases):
            accesses = [
                item
                for item in ast.walk(node)
                if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name) and item.value.id == "self"
            ]
            own = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            own |= {item.attr for item in accesses if isinstance(item.ctx, ast.Store)}
            own |= {target.id for item in node.body if isinstance(item, ast.Assign) for target in item.targets}
            for item in accesses:
                if item.attr not in own:
                    yield "QCAlgorithm", item.attr, item.lineno


def unknown(tree: ast.AST, *, algorithm: bool) -> tuple[int, list[str]]:
    checked, problems = 0, []
    for kind, member, line in [*uses(tree), *(own_uses(tree) if algorithm else ())]:
        checked += 1
        if member not in members(kind):
            problems.append(f"line {line}: {kind}.{member}")
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    wrong = ((node.lineno, misused(kind, node, called)) for kind, node in receivers(tree))
    problems += [f"line {line}: {text}" for line, text in wrong if text]
    return checked, problems


def lean_side_files():
    return sorted(path for path in (ROOT / "llm_plugin" / "lean").glob("*.py") if path.name != "vendor.py")


def algorithm_files():
    return sorted((ROOT / "lean_algorithms").glob("*/main.py"))


def test_the_lean_side_uses_only_members_that_lean_has():
    total, problems = 0, []
    for path in lean_side_files():
        checked, found = unknown(ast.parse(path.read_text(encoding="utf-8")), algorithm=False)
        total += checked
        problems += [f"{path.name} {item}" for item in found]
    assert total > 100
    assert problems == []


def test_the_algorithms_use_only_members_that_lean_has():
    files = algorithm_files()
    assert len(files) >= 3
    for path in files:
        checked, found = unknown(ast.parse(path.read_text(encoding="utf-8")), algorithm=True)
        assert checked >= 10, path
        assert found == [], path


@pytest.mark.parametrize(
    ("code", "offender"),
    [
        ("algorithm.buy_the_dip()", "QCAlgorithm.buy_the_dip"),
        ("self._algorithm.portfolio.moon", "SecurityPortfolioManager.moon"),
        ("ticket.update_stop()", "OrderTicket.update_stop"),
        ("Resolution.FORTNIGHT", "Resolution.FORTNIGHT"),
        ("ticket.quantity()", "OrderTicket.quantity is a property"),
        ("algorithm.liquidate", "QCAlgorithm.liquidate is a method"),
        ("class A(QCAlgorithm):\n    def initialize(self):\n        self.set_cashh(1)", "QCAlgorithm.set_cashh"),
    ],
)
def test_an_unknown_member_is_found(code, offender):
    _, problems = unknown(ast.parse(code), algorithm=True)
    assert any(offender in problem for problem in problems)
    clean = code.replace("buy_the_dip", "buy").replace("moon", "cash").replace("update_stop()", "update_stop_price(1)")
    clean = clean.replace("FORTNIGHT", "DAILY").replace("cashh", "cash")
    clean = clean.replace("quantity()", "quantity").replace("algorithm.liquidate", "algorithm.liquidate()")
    assert unknown(ast.parse(clean), algorithm=True)[1] == []


def test_no_module_imports_lean_when_it_is_imported():
    for path in lean_side_files():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] in ("AlgorithmImports", "QuantConnect", "clr")], (
                path
            )


def test_names_taken_from_algorithm_imports_exist():
    taken = set()
    for path in lean_side_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                base = node.value
                call = isinstance(base, ast.Call) and ast.unparse(base.func) == "lean_api"
                if call or (isinstance(base, ast.Name) and base.id == "lean"):
                    taken.add(node.attr)
    assert len(taken) >= 5
    assert taken <= set(stub_classes())
