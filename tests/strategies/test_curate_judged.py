"""Strategies of the grammar through the real judge: what is drawn does what it says."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from llm_plugin.sandbox.policy import kernel_layers
from llm_plugin.strategies.curate.admit import Admission, admit
from llm_plugin.strategies.curate.examples import Example, pattern_examples
from llm_plugin.strategies.curate.rows import Row, code_hash

DATA = Path(__file__).parents[2] / "datasets" / "market"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}"),
]


def _examples() -> list[Example]:
    found = [next(islice(pattern_examples((family,)), 1)) for family in ("allocation", "breakout", "pairs")]
    return [*found, _without_words(found[1])]


def _without_words(example: Example) -> Example:
    """Return an example that asks for another exit than its code has."""
    row = example.row
    wrong = {**(row.requirements or {}), "holding_bars": 2, "exit": {}}
    code = row.completion + "\n"
    return Example(
        Row(
            f"{row.id}-wrong",
            row.instruction,
            code,
            row.family,
            row.split,
            row.source,
            requirements={key: value for key, value in wrong.items() if value},
            sha256=code_hash(code),
            start=row.start,
            end=row.end,
            cash=row.cash,
        )
    )


def test_what_the_grammar_draws_is_admitted_and_a_wrong_claim_is_not() -> None:
    from llm_plugin.strategies.judge import JudgePool

    done: dict[str, Admission] = {}
    examples = _examples()
    with JudgePool(DATA, 1) as pool:
        admit(pool, examples, lambda admission: done.update({admission.example.row.id: admission}))
    for example in examples[:3]:
        admission = done[example.row.id]
        assert admission.row is not None, (example.row.id, admission.gate, admission.reason)
        assert admission.row.orders > 0
    wrong = done[examples[3].row.id]
    assert (wrong.row, wrong.gate) == (None, "means_it")
    assert "holding_bars" in wrong.reason
