"""From the tokens that a server lists as likeliest to the log-probabilities of the legal actions. Standard library."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from llm_plugin.domain import Action
from llm_plugin.errors import BackendUnavailable
from llm_plugin.reasoning.base import PromptText

__all__ = ["forced_text", "listed_actions", "reason_of"]

_ANSWER_HEAD = re.compile(r"^\s*(?:[01](?:\.\d*)?|\.\d+)\s*\|\s*")


def listed_actions(listed: Iterable[tuple[str, float]], legal: Sequence[Action], version: str) -> dict[Action, float]:
    """Return the log-probability of each legal action's first token.

    A token is an action's where it is the action's word, with or without its space, or a beginning of it that no other
    legal action shares. An action that is not listed is less likely than all that are: it gets the lowest listed value.

    Args:
        listed: Tokens as text with their log-probabilities.
        legal: The actions to score.
        version: Who was asked, for the message.

    Raises:
        BackendUnavailable: No legal action is listed, or a log-probability is no number.
    """
    rows = [(token, float(value)) for token, value in listed]
    if any(math.isnan(value) for _, value in rows):
        raise BackendUnavailable(f"{version} listed a token without a log-probability")
    found: dict[Action, tuple[int, float]] = {}
    for token, value in rows:
        for action in legal:
            rank = _rank(token, action, legal)
            if rank is not None and (action not in found or (rank, -value) < (found[action][0], -found[action][1])):
                found[action] = (rank, value)
    if not found:
        words = ", ".join(repr(token) for token, _ in rows[:5]) or "none"
        raise BackendUnavailable(
            f"{version} lists no legal action ({', '.join(legal)}) among its {len(rows)} likeliest tokens ({words}, …)"
        )
    lowest = min(value for _, value in rows)
    return {action: max(found[action][1], -1e4) if action in found else max(lowest, -1e4) for action in legal}


def _rank(token: str, action: Action, legal: Sequence[Action]) -> int | None:
    """0 = the word as it stands after a prompt, 1 = without its space, 2 and 3 the same for a beginning of it."""
    text = token.replace("▁", " ").replace("Ġ", " ")
    bare = text.strip()
    if bare == action.value:
        return 0 if text == f" {bare}" else 1
    mine = bare and action.value.startswith(bare)
    if mine and not any(other.value.startswith(bare) for other in legal if other is not action):
        return 2 if text == f" {bare}" else 3
    return None


def forced_text(prompt: PromptText, action: Action) -> str:
    """The prompt with the action written, so that the model goes on with confidence and reason."""
    return f"{prompt.prefix}{prompt.suffix} {action.value} |"


def reason_of(text: str) -> str:
    """The reason in what a model wrote after `forced_text`: its first line without the confidence."""
    return _ANSWER_HEAD.sub("", text.strip("\n").split("\n", 1)[0], count=1).strip()
