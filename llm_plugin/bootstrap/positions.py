"""Questions about open positions: the bootstrap model is taught to leave them to their exit plan.

Its labels are entries. So that it does not answer a question it was never trained on, a share of the training questions
shows an open position, and the answer is HOLD: the default exit policy goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from llm_plugin.bootstrap.context import RowContext, render_variants
from llm_plugin.bootstrap.rows import DecisionRow
from llm_plugin.bootstrap.trainer import Example
from llm_plugin.domain import Action, DecisionRequest, PositionState, QuestionKind
from llm_plugin.prompts import PromptRenderer, format_answer

__all__ = ["open_position_examples", "open_position_request"]

SHARE = 0.12
UNITS = 10_000.0


def open_position_examples(
    rows: Sequence[DecisionRow], contexts: Sequence[RowContext], renderer: PromptRenderer, seed: int
) -> list[Example]:
    """Return questions about positions opened some time before, each with the answer HOLD.

    Args:
        rows: Training signals.
        contexts: Their session and memory.
        renderer: The configured templates.
        seed: Of which rows, and of how far the position has come.
    """
    rng = np.random.default_rng(seed + 1)
    count = int(len(rows) * SHARE)
    held = format_answer(Action.HOLD, 0.9, "position open leave it to its exit plan").removeprefix(" HOLD")
    examples = []
    for place in rng.permutation(len(rows))[:count]:
        row, context = rows[int(place)], contexts[int(place)]
        request = open_position_request(row.request, float(rng.uniform(-0.9, 1.4)), int(rng.integers(1, 40)))
        asked = replace(row, request=request)
        prompts = render_variants(renderer, asked, replace(context, hits=()))
        for action in request.legal[1:]:
            change = format_answer(action, 0.5, "change of the exit plan").removeprefix(f" {action.value}")
            examples.append(Example(tuple(p.suffix for p in prompts), action, 0.0, 0.5, (change, held)))
    return examples


def open_position_request(entry: DecisionRequest, gain_r: float, bars_held: int) -> DecisionRequest:
    """Return the question about a position of the entry's side that stands `gain_r` from its entry.

    Args:
        entry: An entry question with an exit plan.
        gain_r: Open profit in R.
        bars_held: Bars since the entry.
    """
    side, price = entry.signal.action.side, entry.market.price
    distance = entry.exit.stop_distance(price) if entry.exit is not None else 0.01 * price
    opened = price - side * gain_r * distance
    target = None if entry.exit is None else entry.exit.target
    position = PositionState(
        quantity=side * UNITS,
        entry_price=opened,
        unrealized_pnl=side * (price - opened) * UNITS,
        bars_held=bars_held,
        stop=opened - side * distance,
        target=float("nan") if target is None else target,
    )
    close = Action.SELL if side > 0 else Action.BUY
    legal = (Action.HOLD, Action.MOVE_TO_BE, Action.ENABLE_TRAIL, close)
    return replace(entry, kind=QuestionKind.POSITION, position=position, legal=legal)
