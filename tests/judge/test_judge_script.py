"""What a candidate's process wrote is read as hostile input."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_plugin.strategies.judge.lookahead import choose_cuts, first_difference
from llm_plugin.strategies.judge.models import describe, rebuild
from llm_plugin.strategies.judge.script import BadScript, Script, read_script

WORLD = {
    "k": "world", "start": "2014-01-01", "end": "2014-12-31", "cash": {"USD": "100000"}, "currency": "USD",
    "zone": "America/New_York", "brokerage": 0, "account_type": 0, "seeds": False, "precise": True, "normalization": 1,
    "warmup_seconds": 0.0, "warmup_bars": 0, "benchmark": None, "constant_benchmark": False,
}  # fmt: skip


def order(utc_us: int, number: int = 1, **changes: object) -> dict[str, object]:
    """Return an order's line."""
    return {
        "k": "order", "t": utc_us, "n": -1, "z": False, "id": number, "s": "SPY R735QTJ8XC9X", "y": 4, "q": "100",
        "p": {}, "tag": "", "f": "GoodTilCanceled", "c": "OrderProperties", "o": {}, "a": False, "g": None, **changes,
    }  # fmt: skip


def read(*lines: object, most: int = 100) -> Script:
    """Read lines as they come out of a process."""
    return read_script("\n".join(json.dumps(line) for line in lines).encode(), most)


def test_a_script_is_read():
    script = read(
        WORLD, order(5, p={"limit_price": "1.50"}), {"k": "cancel", "t": 6, "n": 2, "z": False, "id": 1, "tag": ""}
    )

    assert [action.what for action in script.actions] == ["order", "cancel"]
    assert script.actions[0].prices == (("limit_price", Decimal("1.50")),)
    assert script.world is not None
    assert script.world.cash == (("USD", Decimal(100000)),)


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        ([order(5)], "it is older than the request before it"),
        ([WORLD, order(5), order(4)], "it is older than the request before it"),
        ([WORLD, WORLD], "the settings come twice"),
        ([WORLD, order(5, q="NaN")], "NaN is out of range"),
        ([WORLD, order(5, q="Infinity")], "Infinity is out of range"),
        ([WORLD, order(5, q="1e400")], "1e400 is out of range"),
        ([WORLD, order(5, q="1e-50")], "1e-50 is out of range"),
        ([WORLD, order(5, q=100)], "100 is no decimal text"),
        ([WORLD, order(5, q="1" * 61)], "is no decimal text"),
        ([WORLD, order(-5)], "-5 is no whole number"),
        ([WORLD, order(1 << 70)], "is no whole number"),
        ([WORLD, order(5, p={"fill_price": "1"})], "prices have other names"),
        ([WORLD, order(True)], "True is no whole number"),
        ([WORLD, {"k": "fill"}], "unknown kind 'fill'"),
        ([WORLD, {"k": "end", "kind": "", "message": "", "member": "", "bars": 1}, order(5)], "it comes after the end"),
        ([["order"]], "it is no object"),
        ([{**WORLD, "cash": {}}], "cash is no object"),
        ([{**WORLD, "warmup_seconds": float("nan")}], "nan is no number"),
    ],
)
def test_what_is_not_of_the_form_is_named(lines, match):
    with pytest.raises(BadScript, match=match):
        read(*lines)


def test_too_many_requests_are_refused():
    with pytest.raises(BadScript, match="more than 3 order requests"):
        read(WORLD, *(order(5, n) for n in range(4)), most=3)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(payload):
    with suppress(BadScript):
        assert read_script(payload, 10).actions == []


def _actions(*moments: int, **changes: object) -> list[object]:
    return read(WORLD, *(order(at, n, **changes) for n, at in enumerate(moments, 1))).actions  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("after", "match"),
    [
        ([1, 2], "order of 100 SPY at 1970-01-01 00:00 UTC was not asked for any more"),
        ([1, 2, 3, 4], None),
        ([1, 2, 3, 3], "was asked for as well"),
        ([1, 2, 3], None),
        ([1, 1, 3], "became the order"),
    ],
)
def test_decisions_up_to_the_cut_are_compared(after, match):
    found = first_difference(_actions(1, 2, 3, 5), _actions(*after), 3)

    assert (found is None) if match is None else (found is not None and match in found.text)


def test_a_tag_is_no_decision_and_a_quantity_is():
    assert first_difference(_actions(1), _actions(1, tag="other"), 9) is None
    assert first_difference(_actions(1), _actions(1, q="99"), 9) is not None


def test_cuts_are_moments_of_orders_spread_over_the_run_and_the_same_each_time():
    script = read(WORLD, *(order(at, at) for at in range(10, 110, 10)))

    cuts = choose_cuts(script, "source", 0, 1000, 3)

    assert len(cuts) == 3
    assert set(cuts) <= set(range(10, 110, 10))
    assert cuts == choose_cuts(script, "source", 0, 1000, 3)
    assert [cut <= 30 for cut in cuts] == [True, False, False]
    assert len(choose_cuts(read(WORLD), "source", 0, 1000, 2)) == 2
    assert len(choose_cuts(read(WORLD, order(10)), "source", 0, 1000, 2)) == 2


def test_models_of_the_engine_survive_as_plain_values():
    from llm_plugin.engine.models.fees import ConstantFeeModel, InteractiveBrokersFeeModel
    from llm_plugin.engine.models.settlement import DelayedSettlementModel
    from llm_plugin.engine.models.slippage import ConstantSlippageModel

    for role, model in (
        ("fee", ConstantFeeModel(1.5, "EUR")), ("fee", InteractiveBrokersFeeModel()),
        ("slippage", ConstantSlippageModel(0.001)), ("settlement", DelayedSettlementModel(3)),
    ):  # fmt: skip
        told = describe(role, model)
        assert told is not None
        again = rebuild(role, told[0], json.loads(json.dumps(told[1])))
        assert type(again) is type(model)
        assert vars(again) == vars(model)


@pytest.mark.parametrize(
    ("role", "name", "values", "match"),
    [
        ("fee", "ConstantFeeModel", {"_fee": ["d", "-5"]}, "-5 is no value of a model"),
        ("fee", "ConstantFeeModel", {"_fee": ["d", "NaN"]}, "NaN is no value"),
        ("fee", "ConstantFeeModel", {"get_order_fee": "x"}, "ConstantFeeModel has no get_order_fee"),
        ("fee", "ConstantFeeModel", {"__class__": "x"}, "ConstantFeeModel has no __class__"),
        ("fee", "Popen", {}, "Popen is no fee model of the engine"),
        ("margin", "LeanObject", {}, "LeanObject is no margin model"),
    ],
)
def test_a_model_that_no_engine_has_is_refused(role, name, values, match):
    with pytest.raises(ValueError, match=match):
        rebuild(role, name, values)
