"""The words of the training answers: which fields carried the decision, as a short honest template."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llm_plugin.bootstrap.metalabel import fit_boosting
from llm_plugin.bootstrap.tabular import TabularEncoder
from llm_plugin.domain import Action
from llm_plugin.prompts import FIELDS, PromptContext, Template, format_answer
from llm_plugin.prompts.fields import field_values

__all__ = ["answer_texts", "leading_fields"]

Floats = NDArray[np.float64]
REASON_FIELDS = 4


def leading_fields(encoder: TabularEncoder, table: Floats, edge: Floats, seed: int = 0) -> tuple[str, ...]:
    """Return the fields that the soft labels hang on most, by permutation, most important first.

    Args:
        encoder: Names the columns.
        table: [n, columns].
        edge: The soft labels before sharpening, [n].
        seed: Of the permutations.
    """
    rng = np.random.default_rng(seed)
    pick = rng.permutation(len(table))[:2000]
    data, label = table[pick], edge[pick] > np.median(edge[pick])
    kept = [i for i in range(data.shape[1]) if np.unique(data[np.isfinite(data[:, i]), i]).size > 1]
    if not kept or label.all() or not label.any():
        return ()
    model = fit_boosting(data[:, kept], label, np.ones(len(pick)), seed)
    base = model.predict_proba(data[:, kept])[:, 1]
    moved: dict[str, float] = {}
    for place, column in enumerate(kept):
        shuffled = data[:, kept].copy()
        shuffled[:, place] = rng.permutation(shuffled[:, place])
        name = encoder.columns[column].removeprefix("side*")
        if name in encoder.fields and not (name in FIELDS and FIELDS[name].text):
            change = float(np.mean(np.abs(model.predict_proba(shuffled)[:, 1] - base)))
            moved[name] = moved.get(name, 0.0) + change
    return tuple(sorted(moved, key=lambda name: (-moved[name], name))[:REASON_FIELDS])


def answer_texts(template: Template, context: PromptContext, names: Sequence[str], edge: float) -> tuple[str, str]:
    """Return the rest of the answer after the action token, for the signal's action and for HOLD.

    The values stand as the prompt shows them, so that the network learns to look at those places.
    """
    specs = {name: spec for _, name, spec in template.parts if name}
    values = field_values(list(names), context)
    shown = " ".join(f"{name} {format(value, specs.get(name, ''))}" for name, value in values.items())
    action = context.request.signal.action
    taken = format_answer(action, edge, f"{shown} favour entry".strip())
    held = format_answer(Action.HOLD, 1 - edge, f"{shown} advise against".strip())
    return taken.removeprefix(f" {action.value}"), held.removeprefix(f" {Action.HOLD.value}")
