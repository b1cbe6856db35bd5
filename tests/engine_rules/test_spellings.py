"""Both spellings of all that an object of the engine has, without a `__getattr__` that would slow every look."""

from __future__ import annotations

import ast
import inspect
import textwrap

from llm_plugin.engine.api import engine_names
from llm_plugin.engine.base.lean_lacking import LACKING_MEMBERS
from llm_plugin.engine.base.names import LeanObject, other_spellings, static_member

# Their objects look their members up themselves: a slice by ticker, custom data and commands by the user's own names.
DYNAMIC = {"Command", "PythonData", "Slice"}


def engine_classes(base=LeanObject):
    engine_names()
    for kind in base.__subclasses__():
        if kind.__module__.startswith("llm_plugin.engine"):
            yield kind
        yield from engine_classes(kind)


def test_no_class_of_the_engine_looks_members_up_the_slow_way():
    slow = {kind.__name__ for kind in engine_classes() if static_member(kind, "__getattr__") is not None}
    assert slow == DYNAMIC
    assert len(set(engine_classes())) > 400


def stored_on_self(kind):
    """The public attributes that the methods of a class set on `self`, read from the source."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
            if node.value.id == "self" and node.attr[0] != "_":
                yield node.attr


def test_every_attribute_of_an_object_has_its_other_spellings():
    checked = 0
    for kind in set(engine_classes()):
        if "<locals>" in kind.__qualname__ or kind.__qualname__ != kind.__name__:
            continue
        for name in stored_on_self(kind):
            for other in other_spellings(name):
                assert static_member(kind, other) is not None, (kind, other)
                checked += 1
    assert checked > 500


def test_every_member_has_its_other_spellings():
    checked = 0
    for kind in set(engine_classes()):
        for name in [n for n in vars(kind) if n[0] != "_" and n == n.lower()]:
            for other in other_spellings(name):
                assert static_member(kind, other) is not None, (kind, other)
                checked += 1
    assert checked > 3000


def test_a_refusal_hides_nothing_that_the_engine_has():
    checked = 0
    for kind in set(engine_classes()):
        for at, part in enumerate(kind.__mro__):
            for name, value in vars(part).items():
                if getattr(value, "refused", False):
                    checked += 1
                    behind = [vars(base).get(name) for base in kind.__mro__[at + 1 :]]
                    assert all(found is None or getattr(found, "refused", False) for found in behind), (kind, name)
    assert checked > 3000


def test_refusals_are_no_members_that_one_is_told_of():
    names = engine_names()
    for name in ("QCAlgorithm", "Security", "Cash"):
        kind, member = names[name], LACKING_MEMBERS[name].split()[0]
        assert member not in dir(kind)
        assert member not in dir(object.__new__(kind))
        assert not hasattr(object.__new__(kind), member)
        assert getattr(object.__new__(kind), member, 7) == 7


def test_the_spelling_of_a_value_follows_the_objects_own():
    class _Lean(LeanObject):
        __module__ = "llm_plugin.engine.planted"
        label = "class"

    one = _Lean()
    assert (_Lean.Label, one.Label) == ("class", "class")
    one.label = "own"
    assert (one.Label, _Lean.Label) == ("own", "class")
