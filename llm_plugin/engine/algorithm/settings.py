"""Settings that user code may change."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution
from llm_plugin.engine.base.names import LeanObject, add_spellings, find_member, snake

__all__ = ["AlgorithmSettings", "Schedule", "UniverseSettings"]


class _Settings(LeanObject):
    _defaults: dict[str, Any]

    if TYPE_CHECKING:
        # The attributes are those of `_defaults`.
        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, **values: Any) -> None:
        for name, value in {**self._defaults, **values}.items():
            object.__setattr__(self, name, value)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        add_spellings(cls, cls._defaults)

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


class Schedule(LeanObject):
    """The dates on which a universe of data is asked; all, until a date rule is given."""

    def __init__(self, rule: Any = None) -> None:
        self._rule = rule

    @property
    def initialized(self) -> bool:
        """Whether there is a date rule."""
        return self._rule is not None

    def on(self, date_rule: Any) -> None:
        """Ask on the dates of a rule alone."""
        self._rule = date_rule

    def get(self, start_time: datetime, end_time: datetime) -> list[datetime]:
        """Return the dates between two moments; none without a rule."""
        if self._rule is None:
            return []
        dates = find_member(self._rule, "get_dates")
        if dates is None:
            raise TypeError(f"universe_settings.schedule.on(...) takes a date rule, not {self._rule!r}")
        return list(dates(start_time, end_time))

    def clone(self) -> Schedule:
        """Return a schedule with the same rule."""
        return Schedule(self._rule)


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
        names = (
            "resolution", "leverage", "fill_forward", "extended_market_hours", "minimum_time_in_universe",
            "data_normalization_mode", "data_mapping_mode", "contract_depth_offset", "asynchronous",
            "selection_date_rule",
        )  # fmt: skip
        given = dict(zip(names, args, strict=False)) | values
        if args and isinstance(args[0], UniverseSettings):
            given = {name: getattr(args[0], name) for name in self._defaults}
            given["schedule"] = given["schedule"].clone()
        rule = given.pop("selection_date_rule", None)
        super().__init__(**{"schedule": Schedule(rule), **given})
