"""An algorithm matches LEAN or raises by name: what LEAN has and the engine lacks is never taken in silence."""

from __future__ import annotations

import ast
import inspect
from enum import Enum
from pathlib import Path

import pytest

import llm_plugin.engine
from llm_plugin.conformance.stubs import (
    engine_attributes,
    members_of,
    render_lacking,
    render_members,
    shared_classes,
    stub_classes,
)
from llm_plugin.engine.api import engine_names
from llm_plugin.engine.base.lean_lacking import LACKING_MEMBERS
from llm_plugin.engine.base.lean_members import INSTANCE_ATTRIBUTES, OVERRIDABLE_METHODS, REFUSED_PROPERTIES
from llm_plugin.engine.base.names import LeanObject, pascal
from llm_plugin.errors import UnsupportedLeanApi

ENGINE = Path(inspect.getfile(llm_plugin.engine)).parent

# Results of a run, which user code reads from no object of LEAN's.
PLAIN = {"BarDirection", "CapacityEstimate", "Candlestick", "ChartPoint", "RegressionTestException"}
# Never an object: their members are asked of the class.
STATIC = {"Globals", "TimeZones"}
MAIN = (
    "QCAlgorithm", "Security", "SecurityHolding", "SecurityPortfolioManager", "SecurityTransactionManager", "Slice",
    "OrderTicket", "Order", "OrderEvent", "Symbol", "TradeBar", "QuoteBar", "CashBook", "Cash", "AlgorithmSettings",
    "UniverseSettings", "Insight", "AlphaModel", "FillModel", "FeeModel", "BuyingPowerModel", "Resolution", "Universe",
    "OrderType", "OrderStatus", "SecurityType", "BrokerageName", "DataNormalizationMode", "OrderProperties",
)  # fmt: skip


def lacking():
    """(class name, class, member) of every member that LEAN has and the engine lacks."""
    for name, kind in shared_classes():
        has = engine_attributes(kind) | set(getattr(kind, "__members__", ())) | set(dir(type(kind)))
        plain = {_letters(item) for item in has}
        for member in members_of(name):
            if _letters(member) not in plain and name not in PLAIN:
                yield name, kind, member


def _letters(name):
    """Spellings that differ by case and underscores only are one name: `T_3`, `ALWAYS_OPEN`."""
    return name.replace("_", "").lower()


def bare(kind):
    """An object of a class without the run that would make it."""
    return object.__new__(kind)


def test_the_main_types_are_looked_at():
    names = dict(shared_classes())
    assert set(MAIN) <= set(names) - PLAIN
    assert len(names) > 250


def test_every_member_that_the_engine_lacks_raises_by_name():
    checked, silent = 0, []
    for name, kind, member in lacking():
        if (issubclass(kind, Enum) and "value" not in members_of(name)[member]) or name == "Slice":
            continue  # a slice looks its members up by ticker: it is tested in a run, below
        checked += 1
        target = kind if issubclass(kind, Enum) or name in STATIC else bare(kind)
        for spelling in (member, pascal(member)):
            try:
                value = getattr(target, spelling)
            except UnsupportedLeanApi as error:
                if _letters(spelling) not in _letters(str(error.member)):
                    silent.append(f"{name}.{spelling} is told as {error.member}")
            except Exception as error:
                silent.append(f"{name}.{spelling} raises {type(error).__name__}: {error}")
            else:
                if name not in STATIC or value is None:
                    silent.append(f"{name}.{spelling} gives {value!r}")
    assert checked > 500
    assert silent == []


def test_a_slice_names_what_the_engine_lacks(run):
    asked = sorted({member for name, _, member in lacking() if name == "Slice"})
    assert len(asked) > 5
    result = run(
        f"""
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity("SPY", Resolution.DAILY)
            self.told = []

        def on_data(self, data):
            for name in {asked!r}:
                try:
                    self.told.append((name, "given", getattr(data, name)))
                except AttributeError as error:
                    self.told.append((name, type(error).__name__, str(error)))
        """
    )
    assert [name for name, _, _ in result.algorithm.told] == asked
    for name, kind, text in result.algorithm.told:
        assert kind == "MissingMember", (name, kind, text)
        assert name in text


def test_setting_what_lean_would_honour_raises_by_name():
    names, checked = engine_names(), 0
    for name, members in REFUSED_PROPERTIES.items():
        for member in members.split():
            for spelling in (member, pascal(member)):
                checked += 1
                with pytest.raises(UnsupportedLeanApi, match=spelling):
                    setattr(bare(names[name]), spelling, 42)
    assert checked > 150


def test_both_spellings_of_an_attribute_are_one():
    names, checked = engine_names(), 0
    for name, members in INSTANCE_ATTRIBUTES.items():
        kind = names[name]
        if not hasattr(bare(kind), "__dict__"):
            continue
        for member in members.split():
            target = bare(kind)
            setattr(target, pascal(member), "planted")
            assert vars(target) in ({member: "planted"}, {f"_{member}": "planted"}), (name, member)
            checked += 1
    assert checked > 100


def test_the_members_are_those_of_the_engine_as_it_is():
    """Else: `python -m llm_plugin.conformance.stubs && ruff format llm_plugin/engine/base`."""
    rendered: dict[str, dict[str, str]] = {}
    exec(compile(render_members(), "members", "exec"), rendered)
    assert rendered["REFUSED_PROPERTIES"] == REFUSED_PROPERTIES
    assert rendered["INSTANCE_ATTRIBUTES"] == INSTANCE_ATTRIBUTES
    assert rendered["OVERRIDABLE_METHODS"] == OVERRIDABLE_METHODS
    exec(compile(render_lacking(), "lacking", "exec"), rendered)
    assert rendered["LACKING_MEMBERS"] == LACKING_MEMBERS


def test_a_method_that_the_engine_never_calls_cannot_be_overridden():
    names, checked = engine_names(), 0
    for name, methods in OVERRIDABLE_METHODS.items():
        base = names[name]
        for method in methods.split():
            found = inspect.getattr_static(base, method, None)
            if found is not None and not getattr(found, "refused", False):
                continue
            checked += 1
            for spelling in (method, pascal(method)):
                with pytest.raises(UnsupportedLeanApi, match=rf"{method}.*Mine overrides it"):
                    type("Mine", (base,), {spelling: lambda self: None})
    assert checked > 3


def test_a_method_that_the_engine_calls_can_be_overridden():
    base = engine_names()["FeeModel"]
    mine = type("Mine", (base,), {"get_order_fee": lambda self, parameters: 1, "helper_of_mine": lambda self: 2})
    assert mine().GetOrderFee(None) == 1


def test_a_type_that_the_engine_lacks_is_named(run):
    missing = sorted(name for name in stub_classes() if name not in engine_names() and name.isidentifier())
    assert len(missing) > 200
    for name in ("MissingTypeOfNobody", next(name for name in missing if name.startswith("Rolling") or name > "S")):
        result = run(f"def initialize(self):\n    x = {name}()\n", errors=True)
        assert f"{name} is not supported by the embedded engine" in result.error


def test_enumeration_values_that_the_engine_lacks_are_named():
    checked = 0
    for name, kind in shared_classes():
        if issubclass(kind, Enum):
            for member, kinds in members_of(name).items():
                if "value" in kinds and member.upper() not in kind.__members__ and not member.islower():
                    checked += 1
                    with pytest.raises(UnsupportedLeanApi, match=f"{name}.{member}"):
                        getattr(kind, member)
    assert checked > 5


SETTINGS = ("settings", "universe_settings", "default_order_properties")


@pytest.mark.parametrize("target", SETTINGS)
@pytest.mark.parametrize("spelling", ["no_such_setting", "NoSuchSetting"])
def test_a_setting_that_does_not_exist_is_named(run, target, spelling):
    result = run(f"def initialize(self):\n    self.{target}.{spelling} = 1\n", errors=True)
    assert "no_such_setting" in result.error.lower().replace("nosuchsetting", "no_such_setting")


def test_a_model_of_a_security_that_the_engine_lacks_is_named(run):
    result = run(
        """
        def initialize(self):
            self.set_start_date(2013, 10, 7)
            self.set_end_date(2013, 10, 7)
            self.add_equity("SPY").price_variation_model = AdjustedPriceVariationModel()
        """,
        errors=True,
    )
    assert "PriceVariationModel is not supported" in result.error


def unread_parameters():
    """`Class.function(parameter)` of every parameter that a function of what users see takes and never reads."""
    functions = 0
    found = []
    seen = {part for kind in engine_names().values() if isinstance(kind, type) for part in kind.__mro__}
    exposed = {part.__name__ for part in seen if part.__module__.startswith("llm_plugin.engine")}
    for path in sorted(ENGINE.rglob("*.py")):
        for kind in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(kind, ast.ClassDef) or kind.name not in exposed:
                continue
            for item in kind.body:
                if isinstance(item, ast.FunctionDef) and (item.name[:1] != "_" or item.name in ("__init__", "__new__")):
                    functions += 1
                    name = f"{kind.name}.{item.name}"
                    found += [f"{name}({p})" for p in _unread(item) if not _is_stub(item)]
    return functions, found


def _unread(item: ast.FunctionDef) -> list[str]:
    given = [*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs]
    names = [one.arg for one in given] + [one.arg for one in (item.args.vararg, item.args.kwarg) if one]
    read = {node.id for node in ast.walk(item) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return [name for name in names if name not in read and name not in ("self", "cls")]


def _is_stub(item: ast.FunctionDef) -> bool:
    """A hook or a constant answer: one statement at most, so that nobody thinks that the parameter does something."""
    body = [part for part in item.body if not (isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant))]
    return len(body) <= 1 and all(isinstance(part, (ast.Raise, ast.Pass, ast.Return)) for part in body)


# Parameters that LEAN's own class takes and does not use either, and what has no effect in a backtest.
UNREAD_IN_LEAN_TOO = {
    "on_securities_changed(algorithm)": "a hook's signature",
    "update(algorithm)": "a hook's signature",
    "update(data)": "a hook's signature",
    "update(security)": "a hook's signature",
    "get_history_requirements(security)": "a hook's signature",
    "get_history_requirements(utc_time)": "a hook's signature",
    "manage_risk(targets)": "a hook's signature",
    "select(algorithm)": "a hook's signature",
    "select_symbols(algorithm)": "a hook's signature",
    "select_symbols(utc_time)": "a hook's signature",
    "trigger_times(hours)": "a hook's signature",
    "can_submit_order(unused)": "out parameter of .NET",
    "try_get_symbol(symbol)": "out parameter of .NET",
    "can_update_order(unused)": "out parameter of .NET",
    "can_update_order(security)": "a hook's signature",
    "can_update_order(order)": "a hook's signature",
    "can_update_order(request)": "a hook's signature",
    "set_leverage(security)": "a model belongs to one security",
    "get_order_fee(parameters)": "a hook's signature",
    "get_slippage_approximation(order)": "a hook's signature",
    "is_order_expired(order)": "a hook's signature",
    "apply_to_portfolio(fill)": "used by the class below it",
    "exact(time)": "a benchmark of a security has the present price only",
    "is_sufficient(filled)": "LEAN's cash model looks at the whole order too",
    "maximum_for_target(minimum_fraction)": "LEAN's cash model has no least order margin",
    "get_source(is_live_mode)": "a backtest is not live",
    "reader(is_live_mode)": "a backtest is not live",
    "ConstituentsUniverseData.reader(config)": "each row names its own security",
    "clone(fill_forward)": "bars by size are never filled forward",
    "take(sender)": "an event's signature",
    "lookup_subscription_config_data_types(is_canonical)": "canonical symbols are those of derivatives",
    "InteractiveBrokersFeeModel.__init__(unused)": "monthly volume of derivatives",
    "AlpacaBrokerageModel.__init__(account_type)": "LEAN's class has one kind of account",
    "get_price_factor(args)": "contracts of futures",
    "MarketImpactSlippageModel.__init__(delta)": "exponent of the shares outstanding, which is a company figure",
    "AlgorithmBase.__new__(args)": "for __init__",
    "AlgorithmBase.__new__(kwargs)": "for __init__",
    "DataConsolidator.__new__(args)": "for __init__",
    "DataConsolidator.__new__(kwargs)": "for __init__",
    "PythonIndicator.__new__(args)": "for __init__",
    "PythonIndicator.__new__(kwargs)": "for __init__",
    "QuoteBar.update(volume)": "quotes have none",
    "DefaultBrokerageMessageHandler.__init__(initial_delay)": "how long live trading waits for a reconnection",
    "DefaultBrokerageMessageHandler.__init__(open_threshold)": "the same before a market opens",
}


def test_no_parameter_is_accepted_and_forgotten():
    functions, found = unread_parameters()
    assert functions > 1000
    left = [i for i in found if i not in UNREAD_IN_LEAN_TOO and i.partition(".")[2] not in UNREAD_IN_LEAN_TOO]
    assert left == [], "make it work, raise UnsupportedLeanApi, or say above why it has no effect"


def test_a_forgotten_parameter_is_found():
    tree = ast.parse("def f(self, used, forgotten=1):\n    x = used\n    return x\n")
    assert isinstance(tree.body[0], ast.FunctionDef)
    assert _unread(tree.body[0]) == ["forgotten"]
    assert not _is_stub(tree.body[0])


def test_every_setting_is_read_somewhere():
    texts = {path: path.read_text(encoding="utf-8") for path in ENGINE.rglob("*.py")}
    loads = {
        node.attr
        for text in texts.values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    strings = {
        node.value
        for path, text in texts.items()
        if path.name != "settings.py"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    settings, universe = engine_names()["AlgorithmSettings"], engine_names()["UniverseSettings"]
    unread = {name for kind in (settings, universe) for name in kind._defaults if name not in loads | strings}
    assert unread == set(WITHOUT_EFFECT)


WITHOUT_EFFECT = {
    "data_subscription_limit": "LEAN itself reads it nowhere",
    "ignore_unknown_asset_holdings": "holdings of a live account",
}


def test_the_guard_of_attributes_costs_classes_nothing_but_a_name():
    assert type(LeanObject).__getattribute__ is type.__getattribute__
    assert LeanObject.__setattr__ is object.__setattr__
