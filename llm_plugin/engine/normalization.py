"""Prices adjusted for splits and dividends."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.engine.bar_columns import BarColumns
from llm_plugin.engine.enums import DataNormalizationMode
from llm_plugin.engine.map_files import load_factor_file
from llm_plugin.engine.market_hours import MarketHoursEntry
from llm_plugin.engine.zones import DAY_US, EPOCH

_EPOCH_ORDINAL = EPOCH.toordinal()

__all__ = ["normalize_columns"]


def normalize_columns(
    columns: BarColumns,
    data_folder: Path,
    market: str,
    ticker: str,
    mode: DataNormalizationMode,
    entry: MarketHoursEntry,
) -> BarColumns:
    """Multiply prices by the factor of each bar's date and divide sizes by it."""
    if mode not in (DataNormalizationMode.ADJUSTED, DataNormalizationMode.SPLIT_ADJUSTED):
        raise ValueError(f"normalization {mode} cannot be applied to columns; use Adjusted, SplitAdjusted or Raw")
    factors = load_factor_file(Path(data_folder), market, ticker)
    days = entry.exchange_hours.time_zone.locals(columns.start_us) // DAY_US
    unique, inverse = np.unique(days, return_inverse=True)
    look_up = factors.scale_factor if mode == DataNormalizationMode.ADJUSTED else factors.split_factor
    values = [look_up(date.fromordinal(_EPOCH_ORDINAL + int(day))) for day in unique]
    places = np.array([max(0, -int(v.as_tuple().exponent)) for v in values], dtype=np.int64)
    most = int(places.max()) if len(places) else 0
    multiplier: Any = np.array([int(v.scaleb(most)) for v in values], dtype=object)
    multiplier = (multiplier if 10**most > 2**60 else multiplier.astype(np.int64))[inverse]
    ratio = np.array([float(v) for v in values])[inverse]
    digits = places.astype(np.uint8)[inverse]
    top = max((int(v.max()) for v in columns.exact.values() if len(v)), default=0)
    exact = columns.exact
    if top * int(multiplier.max() if len(multiplier) else 1) >= 2**63:
        # Python's integers are slow and never overflow.
        exact = {name: column.astype(object) for name, column in exact.items()}
        multiplier = multiplier.astype(object)
    return BarColumns(
        columns.tick_type,
        columns.start_us,
        columns.end_us,
        columns.scale + most,
        {name: values_ * multiplier for name, values_ in exact.items()},
        {name: places_ + digits for name, places_ in columns.digits.items()},
        {name: sizes / ratio for name, sizes in columns.sizes.items()},
        columns.sides,
    )
