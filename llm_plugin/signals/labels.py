"""Triple-barrier labels: does a trade entered at the end of a bar pay, net of costs?

The trades are replayed by `outcomes.batch`, the same rules that give decisions their outcomes: long enters at the ask
and leaves at the bid, short the other way round, the path begins with the next bar, and a stop inside the bar of the
target comes first.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from llm_plugin.errors import DataError
from llm_plugin.features.reference import BarColumns
from llm_plugin.outcomes.batch import BatchEntries, replay_many
from llm_plugin.outcomes.costs import Costs
from llm_plugin.signals.config import EnsembleConfig

__all__ = ["BarLabels", "bar_period", "label_bars"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
_SIDES = ("bid", "ask")
_NAMES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class BarLabels:
    """Outcome of a long and of a short entered at the end of each bar; arrays are (2, n), long first.

    Attributes:
        net_r: Result in R after costs; NaN where the trade did not end inside the data.
        pays: 1 where `net_r` is above 0.
        exit_bar: Bar in which the trade ended.
        matured: Whether the trade ended inside the data.
    """

    net_r: FloatArray
    pays: npt.NDArray[np.int8]
    exit_bar: IntArray
    matured: npt.NDArray[np.bool_]


def bar_period(columns: BarColumns) -> timedelta:
    """Return the length of the bars; the median, since a session may end with a short one."""
    return timedelta(seconds=float(np.median(columns.end_seconds - columns.start_seconds)))


def label_bars(columns: BarColumns, atr: FloatArray, config: EnsembleConfig) -> BarLabels:
    """Label every bar whose ATR is known.

    Args:
        columns: The bars.
        atr: ATR(14) in price units at the end of each bar, NaN where unknown.
        config: Barriers, costs and security type.

    Raises:
        DataError: No bar has an ATR.
    """
    n = len(columns)
    bars = np.flatnonzero(np.isfinite(atr) & (atr > 0))
    if not len(bars):
        raise DataError(f"none of {n} bars has an ATR; labels need at least 258 bars with movement")
    close = columns.mid[bars, 3]
    policy = config.exit
    table = {
        f"{side}_{name}": columns.prices[:, 4 * i + j] for i, side in enumerate(_SIDES) for j, name in enumerate(_NAMES)
    }
    table["start_us"] = np.round(columns.start_seconds * 1e6).astype(np.int64)
    table["end_us"] = np.round(columns.end_seconds * 1e6).astype(np.int64)
    # A market order fills at once where the next bar begins when this one ends, else at the next open.
    market_open = np.append(columns.start_seconds[1:] == columns.end_seconds[:-1], False)
    net_r, exit_bar = np.full((2, n), np.nan), np.full((2, n), -1, dtype=np.int64)
    matured = np.zeros((2, n), dtype=bool)
    for row, side in enumerate((1, -1)):
        stop = close - side * policy.stop_atr * atr[bars]
        target = np.full(len(bars), np.nan)
        if policy.target_atr is not None:
            target = close + side * policy.target_atr * atr[bars]
        entries = BatchEntries(bar=bars, side=np.full(len(bars), side), stop=stop, target=target)
        outcome = replay_many(
            table,
            entries,
            timeout=policy.timeout(bar_period(columns)),
            policy=policy,
            costs=Costs(slippage_bps=config.slippage_bps),
            security_type=config.security_type,
            market_open=market_open,
        )
        matured[row, bars] = outcome.matured
        net_r[row, bars] = np.where(outcome.matured, outcome.r_multiple, np.nan)
        exit_bar[row, bars] = outcome.exit_bar
    return BarLabels(net_r, (np.nan_to_num(net_r) > 0).astype(np.int8), exit_bar, matured)
