"""Does a value of the past change when the future is cut off?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

import numpy as np

from llm_plugin.alphas.operators import Floats
from llm_plugin.alphas.panel import Panel
from llm_plugin.errors import ConfigError

__all__ = ["changed_days"]


def changed_days(values_of: Callable[[Panel], Floats], panel: Panel, cuts: Iterable[int]) -> list[date]:
    """Return the days whose values are others once all later days are gone; none if nothing looks ahead.

    Args:
        values_of: Computes the values of a panel, shape [days, names].
        panel: All days.
        cuts: How many first days to keep, one trial for each.

    Raises:
        ConfigError: A cut keeps nothing, or everything: it would prove nothing.
    """
    full = values_of(panel)
    changed: set[date] = set()
    for cut in cuts:
        if not 0 < cut < len(panel.days):
            raise ConfigError(f"a cut at {cut} of {len(panel.days)} days proves nothing: cut inside")
        known = values_of(panel.until(cut))
        same = (known == full[:cut]) | (np.isnan(known) & np.isnan(full[:cut]))
        changed |= {day for day, row in zip(panel.days[:cut], same, strict=True) if not row.all()}
    return sorted(changed)
