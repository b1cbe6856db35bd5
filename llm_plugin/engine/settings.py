"""Settings that user code may change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from llm_plugin.engine.enums import DataNormalizationMode, Resolution
from llm_plugin.engine.names import LeanObject, snake

__all__ = ["AlgorithmSettings", "UniverseSettings"]


class _Settings(LeanObject):
    _defaults: dict[str, Any]

    def __init__(self, **values: Any) -> None:
        for name, value in {**self._defaults, **values}.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        name = snake(name)
        if name not in self._defaults and not isinstance(getattr(type(self), name, None), property):
            self._missing_member(name)
        object.__setattr__(self, name, value)


class AlgorithmSettings(_Settings):
    """`self.settings`."""

    @property
    def warm_up_resolution(self) -> Any:
        """LEAN's second name of `warmup_resolution`."""
        return self.warmup_resolution

    @warm_up_resolution.setter
    def warm_up_resolution(self, value: Any) -> None:
        self.warmup_resolution = value

    _defaults: dict[str, Any] = {  # noqa: RUF012
        "free_portfolio_value_percentage": 0.0025,
        "free_portfolio_value": None,
        "minimum_order_margin_portfolio_percentage": 0.001,
        "stale_price_time_span": timedelta(hours=1),
        "liquidate_enabled": True,
        "daily_precise_end_time": True,
        "rebalance_portfolio_on_security_changes": None,
        "rebalance_portfolio_on_insight_changes": None,
        "max_absolute_portfolio_target_percentage": 1e9,
        "min_absolute_portfolio_target_percentage": 1e-10,
        "automatic_indicator_warm_up": False,
        "seed_initial_prices": False,
        "daily_consolidation_use_extended_market_hours": False,
        "data_subscription_limit": 1 << 31,
        "warmup_resolution": None,
        "trading_days_per_year": None,
        "ignore_unknown_asset_holdings": False,
    }


class UniverseSettings(_Settings):
    """`self.universe_settings`."""

    _defaults: dict[str, Any] = {  # noqa: RUF012
        "resolution": Resolution.MINUTE,
        "leverage": 0.0,
        "fill_forward": True,
        "extended_market_hours": False,
        "minimum_time_in_universe": timedelta(days=1),
        "data_normalization_mode": DataNormalizationMode.ADJUSTED,
        "data_mapping_mode": None,
        "contract_depth_offset": 0,
        "asynchronous": None,
        "schedule": None,
    }

    def __init__(self, *args: Any, **values: Any) -> None:
        positional = dict(
            zip(
                ("resolution", "leverage", "fill_forward", "extended_market_hours", "minimum_time_in_universe",
                 "data_normalization_mode"),
                args,
                strict=False,
            )
        )  # fmt: skip
        super().__init__(**positional, **values)
