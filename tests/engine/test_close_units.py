"""Closes in whole units, however many decimals prices have."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llm_plugin.engine.feed.lazy_bars import BarBlock


@pytest.mark.parametrize(("scale", "digits"), [(4, [4, 4]), (4, [2, 0]), (18, [3, 18]), (22, [2, 22]), (25, [0, 1])])
def test_closes_in_whole_units_keep_the_decimals_that_lean_keeps(scale: int, digits: list[int]) -> None:
    exact: Any = np.array([123 * 10**scale + 987, 45 * 10**scale + 6], dtype=object if scale > 15 else np.int64)
    columns: Any = SimpleNamespace(exact={"close": exact}, digits={"close": np.array(digits, np.uint8)}, scale=scale)
    block = BarBlock(columns, None, None)  # type: ignore[arg-type]
    steps = [10 ** (scale - kept) for kept in digits]
    wanted = [value // step * step for value, step in zip(exact.tolist(), steps, strict=True)]
    assert block.close_units == (wanted, scale)
    assert block.unit_column[0].tolist() == wanted
