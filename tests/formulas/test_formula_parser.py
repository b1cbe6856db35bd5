"""The formula language: what it reads, how tightly operators bind, and what it says about mistakes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.errors import DataError
from llm_plugin.formulas import (
    Binary,
    Call,
    FormulaError,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
    children,
    depth,
    parse,
    to_text,
    walk,
)

a, b, c = Name("a"), Name("b"), Name("c")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("2.", Number(2)),
        (".001", Number(0.001)),
        ("1e-3", Number(0.001)),
        ("SPY.close", Name("SPY.close")),
        ("SPY.sma(20)", Call("SPY.sma", (Number(20),))),
        ("last_trading_day_of_month()", Call("last_trading_day_of_month", ())),
        ("a - b - c", Binary("-", Binary("-", a, b), c)),
        ("a / b * c", Binary("*", Binary("/", a, b), c)),
        ("a + b * c", Binary("+", a, Binary("*", b, c))),
        ("a ^ b ^ c", Binary("^", a, Binary("^", b, c))),
        ("-a ^ b", Unary("-", Binary("^", a, b))),
        ("a ^ -b * c", Binary("*", Binary("^", a, Unary("-", b)), c)),
        ("a + b < c", Binary("<", Binary("+", a, b), c)),
        ("a < b and b < c", Binary("and", Binary("<", a, b), Binary("<", b, c))),
        ("a && b || c", Binary("or", Binary("and", a, b), c)),
        ("a or b and c", Binary("or", a, Binary("and", b, c))),
        ("not a == b", Unary("not", Binary("==", a, b))),
        ("NOT a AND b", Binary("and", Unary("not", a), b)),
        ("!a && b", Binary("and", Unary("not", a), b)),
        ("a ? b : c ? a : b", Ternary(a, b, Ternary(c, a, b))),
        ("a ? b ? c : a : b", Ternary(a, Ternary(b, c, a), b)),
        ("a < b ? a : b", Ternary(Binary("<", a, b), a, b)),
        ("(-1* 1)", Binary("*", Unary("-", Number(1)), Number(1))),
        ("IndNeutralize(vwap, IndClass.sector)", Call("IndNeutralize", (Name("vwap"), Name("IndClass.sector")))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_formula_is_read_as_it_is_meant(text: str, node: Node) -> None:
    assert parse(text) == node


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("", "the formula is empty", 0),
        ("  ", "the formula is empty", 0),
        ("(a", r"a bracket is not closed here \(opened at character 1\)", 2),
        ("a)", "this bracket was never opened", 1),
        ("rank(a", "the arguments of rank are not closed here", 6),
        ("rank(a,", "the formula ends where a value is expected", 7),
        ("rank(,a)", "a value is expected before ','", 5),
        ("a b", "an operator is missing before 'b'", 2),
        ("a, b", "a comma stands only between the arguments", 1),
        ("a : b", r"this : has no \? before it", 2),
        ("a ? b", "lacks its :", 5),
        ("a < b < c", r"a second comparison '<': write a < b and b < c", 6),
        ("a * / b", "a value is expected before '/'", 4),
        ("2*", "the formula ends where a value is expected", 2),
        ("a = b", "'=' has no meaning in a formula: write == to compare", 2),
        ("a ** b", r"'\*\*' is not an operator: write \^ for a power", 2),
        ("1 % 2", "write a percentage as a fraction", 2),
        ("a & b", "write and", 2),
        ("atr('SPY')", "no text values", 4),
        ("a − b", "write the ASCII minus", 2),
        ("close²", "names have ASCII letters", 5),
        ("5day", "'5d' is neither a number nor a name", 0),
        ("1.2.3", "'1.2.' is neither a number nor a name", 0),
        ("1e999", "'1e999' is too large", 0),
    ],
)
def test_a_mistake_is_named_at_its_place(text: str, problem: str, column: int) -> None:
    with pytest.raises(FormulaError, match=problem) as caught:
        parse(text)
    assert caught.value.position == column
    assert isinstance(caught.value, DataError)
    assert str(caught.value).splitlines()[-1] == "  " + " " * column + "^"


def test_the_caret_stands_under_the_place_in_a_long_formula_of_many_lines() -> None:
    text = "a +\n" + "b + " * 200 + "$ + c"
    with pytest.raises(FormulaError, match="no meaning") as caught:
        parse(text)
    _, line, caret = str(caught.value).splitlines()
    assert line[caret.index("^")] == "$"
    assert len(line) < 120


@pytest.mark.parametrize(
    "hostile", ["(" * 5_000 + "a", "-" * 5_000 + "a", "a+" * 400 + "a", "a^" * 400 + "a", "f(" * 300 + "a", "a?" * 300]
)
def test_a_formula_nested_too_deep_is_refused_and_never_overflows_the_stack(hostile: str) -> None:
    with pytest.raises(FormulaError, match="deep"):
        parse(hostile)


def test_a_formula_too_long_is_refused() -> None:
    with pytest.raises(FormulaError, match="12001 characters, 10000 are allowed"):
        parse("a" * 12_001)


def test_walk_visits_every_node_from_left_to_right() -> None:
    node = parse("f(a, -b) ? c : 2")
    assert [type(each).__name__ for each in walk(node)] == [
        "Ternary",
        "Call",
        "Name",
        "Unary",
        "Name",
        "Name",
        "Number",
    ]
    assert depth(node) == 4
    assert children(Number(1)) == ()


def test_positions_do_not_count_in_equality() -> None:
    left, right = parse("a+b"), parse("  a  +  b")
    assert left == right
    assert hash(left) == hash(right)
    assert isinstance(right, Binary)
    assert right.position == 5


_leaves = st.one_of(
    st.floats(min_value=0, max_value=1e12, allow_nan=False).map(lambda value: Number(abs(value))),
    st.sampled_from(["a", "close", "SPY.close", "adv20"]).map(Name),
)


def _larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    operators = ["+", "-", "*", "/", "^", "<", ">", "<=", ">=", "==", "!=", "and", "or"]
    return st.one_of(
        st.builds(Unary, st.sampled_from(["-", "not"]), inner),
        st.builds(Binary, st.sampled_from(operators), inner, inner),
        st.builds(Ternary, inner, inner, inner),
        st.builds(Call, st.sampled_from(["rank", "SPY.sma"]), st.lists(inner, max_size=3).map(tuple)),
    )


@given(st.recursive(_leaves, _larger, max_leaves=20))
def test_what_is_printed_is_read_back_as_the_same_tree(node: Node) -> None:
    text = to_text(node)
    assert parse(text) == node
    assert to_text(parse(text)) == text


@given(st.text(alphabet="ab1.()<>=?:!&|+-*/^, \n\"'é", max_size=40))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    outcome: Node | FormulaError
    try:
        outcome = parse(text)
    except FormulaError as error:
        outcome = error
    if isinstance(outcome, FormulaError):
        assert 0 <= outcome.position <= len(text)
    else:
        assert parse(to_text(outcome)) == outcome
