"""What samples of an account have in common while only prices change."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

__all__ = ["AccountShape", "Asset", "SampleRow"]

_MOST_ASSETS = 30


@lru_cache(maxsize=64)
def _text(kind: Any) -> str:
    return str(kind)


class Asset(NamedTuple):
    """A security as the day's charts know it."""

    ticker: str
    security_type: Any
    sale_volume: Decimal
    # Its place among the values of positions; -1 without a position.
    held_at: int


class AccountShape:
    """What does not change from sample to sample while only prices do.

    Args:
        scale: Decimals of a unit of money.
        benchmark_scale: Decimals of a unit of the benchmark; None where samples have it as a decimal.
        assets: The securities.
        sold: Traded value of all.
    """

    __slots__ = ("assets", "benchmark_scale", "kind_of", "kinds", "sales", "scale", "sold")

    def __init__(self, scale: int, benchmark_scale: int | None, assets: Sequence[Asset], sold: Decimal) -> None:
        self.scale, self.benchmark_scale, self.assets, self.sold = scale, benchmark_scale, assets, sold
        texts = [_text(asset.security_type) for asset in assets]
        self.kinds = tuple(dict.fromkeys(texts))
        held = sorted((asset.held_at, text) for asset, text in zip(assets, texts, strict=True) if asset.held_at >= 0)
        self.kind_of = tuple(self.kinds.index(text) for _, text in held)
        # Beside one asset there is nothing to sort, and nothing to leave out.
        ranked = assets if len(assets) < 2 else sorted(assets, key=lambda asset: -asset.sale_volume)[:_MOST_ASSETS]
        sales: dict[str, Decimal] = {}
        for asset in ranked:
            if asset.sale_volume:
                sales.setdefault(asset.ticker, asset.sale_volume)
        self.sales = tuple(sales.items())


# (UTC microseconds, account value, benchmark or None for a sample of the equity alone, capacity, shape, positions).
SampleRow = tuple[int, int, Any, Decimal, AccountShape, tuple[int, ...]]
