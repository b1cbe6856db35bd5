"""Members of LEAN's classes that the engine must not take in silence.

Written by `python -m llm_plugin.conformance.stubs`.
"""

from __future__ import annotations

__all__ = ["INSTANCE_ATTRIBUTES", "OVERRIDABLE_METHODS", "REFUSED_PROPERTIES"]

# Settable in LEAN, absent in the engine: reading or setting one raises.
REFUSED_PROPERTIES: dict[str, str] = {
    "AutoRegressiveIntegratedMovingAverage": "handle_exceptions",
    "BaseData": "data_type",
    "BaseVolatilityModel": "subscription_data_config_provider",
    "Beta": "indicator_value",
    "BuyingPowerModel": "required_free_buying_power_percent",
    "CandlestickSeries": "index_name tooltip z_index",
    "Cash": "currency_conversion_updated updated",
    "CashBook": "updated",
    "CashBuyingPowerModel": "required_free_buying_power_percent",
    "Chart": "chart_type legend_disabled symbol",
    "ChartPoint": "x",
    "ClassicRangeConsolidator": "current_bar selector volume_selector",
    "ClassicRenkoConsolidator": "current_bar",
    "CoarseFundamental": "data_type",
    "ComboLegLimitOrder": "contingency",
    "ComboLimitOrder": "contingency",
    "ComboMarketOrder": "contingency",
    "ComboOrder": "contingency",
    "CommandResultPacket": "channel type",
    "ConstantBuyingPowerModel": "required_free_buying_power_percent",
    "ConstituentsUniverse": "asynchronous selection_changed",
    "ConstituentsUniverseData": "data_type",
    "CorporateFactorProvider": "factor_file_minimum_date sorted_factor_file_data",
    "DateRules": "market_hours_database securities time_zone",
    "DefaultDataProvider": "new_data_request",
    "Delisting": "data_type",
    "Dividend": "data_type",
    "FuncUniverse": "asynchronous selection_changed",
    "Fundamental": "data_type",
    "IAlgorithm": "history_provider name_updated run_time_error tags_updated",
    "IndiaFeeModel": (
        "exchange_transaction_charge_multiplier is_stamp_charges_from_order_value sebi_charges_multiplier "
        "securities_transaction_tax_total_multiplier stamp_charges_multiplier state_tax_multiplier"
    ),
    "IndicatorDataPoint": "data_type",
    "IndicatorDataPoints": "data_type symbol value",
    "IndicatorVolatilityModel": "subscription_data_config_provider",
    "LimitIfTouchedOrder": "contingency",
    "LimitOrder": "contingency",
    "LocalDiskShortableProvider": "brokerage",
    "ManualUniverse": "asynchronous collection_changed selection_changed",
    "MarketHourAwareConsolidator": "data_time_zone exchange_hours",
    "MarketHoursDatabase": "entries",
    "MarketOnCloseOrder": "contingency",
    "MarketOnOpenOrder": "contingency",
    "MarketOrder": "contingency",
    "NullPortfolioConstructionModel": "rebalance_on_insight_changes rebalance_on_security_changes",
    "Order": "contingency",
    "PortfolioStatistics": "value_at_risk_95 value_at_risk_99",
    "QCAlgorithm": (
        "debug_messages debug_mode enable_automatic_indicator_warm_up error_messages history_provider log_messages "
        "name_updated notify run_time_error tags_updated"
    ),
    "RangeBar": "initialized",
    "RangeConsolidator": "current_bar selector volume_selector",
    "RelativeStandardDeviationVolatilityModel": "subscription_data_config_provider",
    "RenkoBar": "end initialized type",
    "RenkoConsolidator": "bar_size close_on close_rate high_rate low_rate open_on open_rate",
    "SamcoFeeModel": (
        "exchange_transaction_charge_multiplier is_stamp_charges_from_order_value sebi_charges_multiplier "
        "securities_transaction_tax_total_multiplier stamp_charges_multiplier state_tax_multiplier"
    ),
    "ScheduledEvent": "event_fired",
    "ScheduledUniverse": "asynchronous selection_changed",
    "Security": "portfolio_model price_variation_model",
    "SecurityCache": "session",
    "SecurityChanges": "filter_custom_securities filter_internal_securities",
    "SecurityHolding": "quantity_changed",
    "SecurityManager": "collection_changed",
    "SecurityMarginModel": "required_free_buying_power_percent",
    "SecurityPortfolioManager": "positions",
    "Series": "index_name tooltip z_index",
    "SessionBar": "data_type initialized",
    "Split": "data_type",
    "StandardDeviationOfReturnsVolatilityModel": "subscription_data_config_provider",
    "StopLimitOrder": "contingency",
    "StopMarketOrder": "contingency",
    "SubscriptionDataConfig": "new_symbol price_scale_factor sum_of_dividends",
    "SymbolChangedEvent": "data_type",
    "Tick": "data_type exchange_code parsed_sale_condition",
    "TimeRules": "market_hours_database securities time_zone",
    "TradeBar": "initialized",
    "TrailingStopOrder": "contingency",
    "Universe": "asynchronous selection_changed",
    "UniverseManager": "collection_changed",
    "UserDefinedUniverse": "asynchronous collection_changed selection_changed",
    "VolumeRenkoBar": "initialized start type",
    "ZerodhaFeeModel": (
        "exchange_transaction_charge_multiplier is_stamp_charges_from_order_value sebi_charges_multiplier "
        "securities_transaction_tax_total_multiplier stamp_charges_multiplier state_tax_multiplier"
    ),
}

# Settable in LEAN and plain attributes here: the other spelling leads to them.
INSTANCE_ATTRIBUTES: dict[str, str] = {
    "AbsolutePriceOscillator": "name updated",
    "AccumulationDistribution": "name updated",
    "AdvanceDeclineDifference": "name updated",
    "AdvanceDeclineRatio": "name updated",
    "AdvanceDeclineVolumeRatio": "name updated",
    "AlgorithmPerformance": "closed_trades portfolio_statistics trade_statistics",
    "ApplyFundsSettlementModelParameters": "cash_amount fill portfolio security utc_time",
    "ArmsIndex": "name updated",
    "ArnaudLegouxMovingAverage": "name updated",
    "AroonOscillator": "name updated",
    "AutoRegressiveIntegratedMovingAverage": "name updated",
    "AverageDirectionalIndex": "name updated",
    "AverageTrueRange": "name updated",
    "BalanceOfPower": "name updated",
    "BarIndicator": "name updated",
    "BaseDataConsolidator": "consolidated data_consolidated",
    "Beta": "name updated warm_up_period",
    "BollingerBands": "name updated",
    "CallbackCommand": "id payload type",
    "CancelOrderRequest": "order_id",
    "CandlestickSeries": "index name series_type unit values",
    "CashBook": "account_currency",
    "ChaikinMoneyFlow": "name updated",
    "Chart": "name series",
    "CircularQueue": "circle_completed",
    "ClassicRangeConsolidator": "consolidated data_consolidated",
    "CoarseFundamental": "end_time symbol time value",
    "ComboLegLimitOrder": "price_adjustment_mode status",
    "ComboLimitOrder": "price_adjustment_mode status",
    "ComboMarketOrder": "price_adjustment_mode status",
    "ComboOrder": "price_adjustment_mode status",
    "CommandResultPacket": "command_name success",
    "CommodityChannelIndex": "name updated",
    "CompositeIndicator": "name updated",
    "ConstantIndicator": "name updated",
    "ConstituentsUniverse": "dispose_requested universe_settings",
    "DataConsolidator": "consolidated data_consolidated",
    "Delay": "name updated",
    "DonchianChannel": "name updated",
    "DoubleExponentialMovingAverage": "name updated",
    "EquityFillModel": "parameters",
    "ExponentialMovingAverage": "name updated",
    "FillModel": "parameters",
    "FilteredIdentity": "name updated",
    "FilteredIdentityDataConsolidator": "consolidated data_consolidated",
    "FuncUniverse": "dispose_requested universe_settings",
    "FunctionalIndicator": "name updated",
    "Fundamental": "end_time symbol time value",
    "HeikinAshi": "name updated",
    "HullMovingAverage": "name updated",
    "IDataConsolidator": "data_consolidated",
    "Identity": "name updated",
    "IdentityDataConsolidator": "consolidated data_consolidated",
    "ImmediateFillModel": "parameters",
    "IndicatorBase": "name updated",
    "IndicatorDataPoints": "end_time time",
    "Insight": (
        "close_time_utc estimated_value generated_time_utc group_id id reference_value reference_value_final score "
        "source_model tag"
    ),
    "InternalBarStrength": "name updated",
    "IntradayVwap": "name updated",
    "KaufmanAdaptiveMovingAverage": "name updated",
    "KaufmanEfficiencyRatio": "name updated",
    "KeltnerChannels": "name updated",
    "LatestPriceFillModel": "parameters",
    "LeastSquaresMovingAverage": "name updated",
    "Leg": "order_price quantity symbol",
    "LimitIfTouchedOrder": "price_adjustment_mode status",
    "LimitOrder": "price_adjustment_mode status",
    "LinearWeightedMovingAverage": "name updated",
    "LogReturn": "name updated",
    "ManualUniverse": "dispose_requested universe_settings",
    "MarketHourAwareConsolidator": "consolidated data_consolidated",
    "MarketOnCloseOrder": "price_adjustment_mode status",
    "MarketOnOpenOrder": "price_adjustment_mode status",
    "MarketOrder": "price_adjustment_mode status",
    "MassIndex": "name updated",
    "Maximum": "name updated",
    "MeanAbsoluteDeviation": "name updated",
    "Minimum": "name updated",
    "ModifiedFillQuantityOrderFee": "value",
    "Momentum": "name updated",
    "MomentumPercent": "name updated",
    "MoneyFlowIndex": "name updated",
    "MovingAverageConvergenceDivergence": "name updated",
    "NormalizedAverageTrueRange": "name updated",
    "OnBalanceVolume": "name updated",
    "Order": "price_adjustment_mode status",
    "OrderEvent": (
        "direction fill_price_currency id is_assignment is_in_the_money message order_fee order_id status symbol "
        "ticket trailing_as_percentage utc_time"
    ),
    "OrderFee": "value",
    "OrderRequest": "order_id",
    "ParabolicStopAndReverse": "name updated",
    "PercentagePriceOscillator": "name updated",
    "PythonConsolidator": "consolidated data_consolidated",
    "QuoteBarConsolidator": "consolidated data_consolidated",
    "RangeConsolidator": "consolidated data_consolidated",
    "RateOfChange": "name updated",
    "RateOfChangePercent": "name updated",
    "RateOfChangeRatio": "name updated",
    "RegressionChannel": "name updated",
    "RelativeStrengthIndex": "name updated",
    "RenkoConsolidator": "data_consolidated",
    "ResetCompositeIndicator": "name updated",
    "ScanSettlementModelParameters": "portfolio security utc_time",
    "ScheduledEvent": "enabled",
    "ScheduledUniverse": "dispose_requested universe_settings",
    "Security": (
        "cache data_filter exchange fee_model fill_model holdings is_delisted is_tradable slippage_model "
        "symbol_properties"
    ),
    "SecurityHolding": "target",
    "SecurityPortfolioManager": "margin_call_model",
    "SecurityTransactionManager": "market_order_fill_timeout",
    "SequentialConsolidator": "consolidated data_consolidated",
    "Series": "color index name scatter_marker_symbol series_type unit values",
    "SessionBar": "open_interest symbol time volume",
    "SimpleMovingAverage": "name updated",
    "StandardDeviation": "name updated",
    "StandardDeviationExecutionModel": "maximum_order_value",
    "Stochastic": "name updated",
    "StochasticRelativeStrengthIndex": "name updated",
    "StopLimitOrder": "price_adjustment_mode status",
    "StopMarketOrder": "price_adjustment_mode status",
    "SubmitOrderRequest": "order_id",
    "SubscriptionDataConfig": "data_normalization_mode mapped_symbol",
    "SubscriptionDataSource": "sort",
    "Sum": "name updated",
    "T3MovingAverage": "name updated",
    "TickConsolidator": "consolidated data_consolidated",
    "TickQuoteBarConsolidator": "consolidated data_consolidated",
    "Trade": "direction entry_price entry_time exit_price exit_time quantity total_fees",
    "TradeBarConsolidator": "consolidated data_consolidated",
    "TradeStationFeeModel": "us_resident",
    "TrailingStopOrder": "price_adjustment_mode status",
    "TriangularMovingAverage": "name updated",
    "TripleExponentialMovingAverage": "name updated",
    "Trix": "name updated",
    "TrueRange": "name updated",
    "Universe": "dispose_requested universe_settings",
    "UpdateOrderRequest": "order_id",
    "UserDefinedUniverse": "dispose_requested universe_settings",
    "Variance": "name updated",
    "VolumeRenkoConsolidator": "consolidated data_consolidated",
    "VolumeWeightedAveragePriceExecutionModel": "maximum_order_quantity_percent_volume",
    "VolumeWeightedAveragePriceIndicator": "name updated",
    "VolumeWeightedMovingAverage": "name updated",
    "WilderAccumulativeSwingIndex": "name updated",
    "WilderMovingAverage": "name updated",
    "WilderSwingIndex": "name updated",
    "WilliamsPercentR": "name updated",
    "WindowIdentity": "name updated",
    "WindowIndicator": "name updated",
    "ZeroLagExponentialMovingAverage": "name updated",
}

# Methods that LEAN calls where a user's class overrides them.
OVERRIDABLE_METHODS: dict[str, str] = {
    "AlphaModel": "on_securities_changed update",
    "BuyingPowerModel": (
        "get_amount_to_order get_buying_power get_initial_margin_required_for_order get_initial_margin_requirement "
        "get_leverage get_maintenance_margin get_margin_remaining get_maximum_order_quantity_for_delta_buying_power "
        "get_maximum_order_quantity_for_target_buying_power get_reserved_buying_power_for_position "
        "has_sufficient_buying_power_for_order set_leverage"
    ),
    "DefaultBrokerageModel": (
        "apply_split can_execute_order can_submit_order can_update_order get_benchmark get_buying_power_model "
        "get_fee_model get_fill_model get_leverage get_margin_interest_rate_model get_settlement_model "
        "get_shortable_provider get_slippage_model is_valid_order_size"
    ),
    "ExecutionModel": "execute on_order_event on_securities_changed",
    "FeeModel": "get_order_fee",
    "FillModel": (
        "combo_leg_limit_fill combo_limit_fill combo_market_fill fill get_market_fill_price get_prices "
        "get_prices_checking_python_wrapper get_subscribed_types get_subscription_data_configs "
        "is_entirely_after_stop_triggered is_exchange_open limit_fill limit_if_touched_fill market_fill "
        "market_on_close_fill market_on_open_fill should_wait_for_fresh_data should_wait_for_fresh_data_on_stale "
        "stop_limit_fill stop_market_fill trailing_stop_fill"
    ),
    "PortfolioConstructionModel": (
        "create_targets determine_target_percent filter_invalid_insight_magnitude get_target_insights "
        "is_rebalance_due on_securities_changed refresh_rebalance set_rebalancing_func "
        "should_create_target_for_insight"
    ),
    "RiskManagementModel": "manage_risk on_securities_changed",
    "SecurityMarginModel": (
        "get_amount_to_order get_buying_power get_initial_margin_required_for_order get_initial_margin_requirement "
        "get_leverage get_maintenance_margin get_margin_remaining get_maximum_order_quantity_for_delta_buying_power "
        "get_maximum_order_quantity_for_target_buying_power get_reserved_buying_power_for_position "
        "has_sufficient_buying_power_for_order set_leverage"
    ),
    "UniverseSelectionModel": "create_universes get_next_refresh_time_utc",
}
