"""The 33 LLM features of a question, for templates that name one: position, account, session, signal and memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llm_plugin.prompts.fields import PromptContext

__all__ = ["computed_features"]

_IN_ATR = ("position_stop_distance", "position_target_distance")


def computed_features(context: PromptContext) -> dict[str, float]:
    """Return the LLM features that are available; those in ATR only where the ATR is known."""
    from llm_plugin.features.llm import SessionFigures, llm_features

    request, statistics = context.request, context.statistics
    figures = SessionFigures()
    if statistics is not None:
        figures = SessionFigures(
            trades=statistics.total_trades,
            win_rate=_number(statistics.win_rate),
            recent_win_rate=_number(statistics.recent_win_rate),
            mean_r=_number(statistics.mean_r),
            last_r=_number(statistics.last_r),
            consecutive_losses=statistics.consecutive_losses,
            consecutive_wins=statistics.consecutive_wins,
        )
    atr = context.features.get("atr_fraction_14", math.nan) * request.market.price
    known = math.isfinite(atr) and atr > 0
    features = llm_features(
        request.signal,
        request.position,
        request.account,
        figures,
        price=request.market.price,
        atr=atr if known else 1.0,
        memory_r=[hit.record.r_multiple for hit in context.hits],
    )
    return features if known else {name: value for name, value in features.items() if name not in _IN_ATR}


def _number(value: float | None) -> float:
    return math.nan if value is None else value
