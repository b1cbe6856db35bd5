"""Members of LEAN's classes that the engine lacks and that no user sets.

Written by `python -m llm_plugin.conformance.stubs`.
"""

from __future__ import annotations

__all__ = ["LACKING_MEMBERS"]

# A base's are not said again: reading one raises.
LACKING_MEMBERS: dict[str, str] = {
    "AlgorithmSettings": "databases_refresh_period performance_sample_period",
    "AlpacaFeeModel": "MAKER_CRYPTO_FEE TAKER_CRYPTO_FEE",
    "AlphaModel": (
        "get_property instance invoke_method invoke_method_and_enumerate invoke_method_and_get_dictionary "
        "invoke_method_and_wrap_result invoke_method_with_out_parameters try_invoke_python_override"
    ),
    "AutoRegressiveIntegratedMovingAverage": (
        "cumulative_sum difference_series inverse_differenced_series lagged_series"
    ),
    "BaseData": (
        "ALL_RESOLUTIONS DAILY_RESOLUTION HIGH_RESOLUTION MINUTE_RESOLUTION OPTION_RESOLUTIONS clone data_time_zone "
        "default_resolution deserialize_message get_source is_sparse_data reader requires_mapping "
        "should_cache_to_security supported_resolutions update update_ask update_bid update_quote update_trade"
    ),
    "BaseDataConsolidator": "from_resolution get_rounded_bar_time is_time_based reset_working_bar should_process",
    "BaseVolatilityModel": "set_subscription_data_config_provider",
    "Beta": "compute_indicator data_by_symbol reference_data_points target_data_points",
    "BinanceBrokerageModel": "base_api_endpoint get_default_markets market_name",
    "BinanceFeeModel": "MAKER_TIER_1_FEE TAKER_TIER_1_FEE get_fee",
    "BitfinexFeeModel": "MAKER_FEE TAKER_FEE",
    "BlackLittermanOptimizationPortfolioConstructionModel": "try_get_views",
    "BrokerageMessageEvent": "disconnected reconnected",
    "BuyingPowerModel": (
        "NULL get_amount_to_order get_margin_remaining get_maximum_order_quantity_for_delta_buying_power"
    ),
    "BuyingPowerModelExtensions": (
        "get_buying_power get_initial_margin_requirement get_maintenance_margin "
        "get_maximum_order_quantity_for_target_buying_power get_reserved_buying_power_for_position "
        "has_sufficient_buying_power_for_order"
    ),
    "BybitBrokerageModel": "is_order_size_large_enough market_name",
    "BybitFeeModel": "MAKER_NON_VIP_FEE TAKER_NON_VIP_FEE get_fee",
    "CallbackCommand": "get_symbol",
    "Cash": "ensure_currency_data_feed security_symbols update",
    "CashBook": (
        "check_for_implicitly_created_symbol clear contains copy copy_to ensure_currency_data_feeds fromkeys "
        "get_items get_keys get_values is_read_only pop popitem remove setdefault try_get_value update"
    ),
    "Chart": "aggregate clone clone_empty get_updates try_add_and_get_series",
    "CircularQueue": "on_circle_completed",
    "ClassicRenkoConsolidator": "create_new_bar type update_bar",
    "CoarseFundamental": (
        "ALL_RESOLUTIONS DAILY_RESOLUTION HIGH_RESOLUTION MINUTE_RESOLUTION OPTION_RESOLUTIONS clone data_time_zone "
        "default_resolution deserialize_message get_source is_fill_forward is_sparse_data price_scale_factor reader "
        "requires_mapping should_cache_to_security supported_resolutions to_row update update_ask update_bid "
        "update_quote update_trade"
    ),
    "CoinbaseBrokerageModel": "get_default_markets is_order_size_large_enough",
    "CoinbaseFeeModel": "MAKER_ADVANCED_1 MAKER_STABLE_PAIRS TAKER_ADVANCED_1 TAKER_STABLE_PARIS get_fee_percentage",
    "CompositeIndicator": "indicator_composer",
    "Compression": (
        "extract_7_zip_archive get_zip_entry_file_names read_lines un_g_zip un_tar un_tar_files un_tar_gz_files "
        "unzip unzip_data_async unzip_stream unzip_stream_to_stream_reader unzip_to_folder validate_zip zip "
        "zip_bytes_async zip_create_append_data zip_data zip_directory zip_files zip_streams_async"
    ),
    "CorporateFactorProvider": (
        "apply get_file_format get_scaling_factors get_splits_and_dividends has_dividend_event_on_next_trading_day "
        "has_split_event_on_next_trading_day reversed_factor_file_dates write_to_file"
    ),
    "Currencies": (
        "CURRENCY_SYMBOLS STABLE_PAIRS_COINBASE STABLE_PAIRS_GDAX is_stable_coin_without_pair parse try_parse"
    ),
    "DataConsolidator": "DEFAULT_WINDOW_SIZE fire_data_consolidated reset_window",
    "DataDictionary": (
        "check_for_implicitly_created_symbol clear contains copy copy_to dictionary fromkeys get_items get_keys "
        "get_values is_read_only pop popitem remove setdefault update"
    ),
    "DateRules": "get_market_open_close_exchange_hours get_security_exchange_hours get_symbol set_default_time_zone",
    "DefaultBrokerageModel": "DEFAULT_MARKET_MAP is_valid_order_size",
    "DefaultDataProvider": "fetch on_new_data_request",
    "Delisting": "set_order_ticket",
    "Dividend": "compute_distribution create",
    "DynamicData": "data_type get_storage_dictionary has_property",
    "EmaCrossAlphaModel": "symbol_data_by_symbol",
    "ExanteFeeModel": "DEFAULT_RATE MARKET_USA_RATE",
    "Exchange": (
        "AMEX_OPTIONS ARCA_OPTIONS BOX CBOT CFE CME COMEX C_2 EDGO EUREX ICE ISE_GEMINI ISE_MERCURY MIAX "
        "MIAX_EMERALD MIAX_PEARL MIAX_SAPPHIRE NASDAQ_OPTIONS NYMEX NYSELIFFE OPRA PHLX"
    ),
    "ExecutionModel": (
        "get_property instance invoke_method invoke_method_and_enumerate invoke_method_and_get_dictionary "
        "invoke_method_and_wrap_result invoke_method_with_out_parameters try_invoke_python_override"
    ),
    "Extensions": (
        "add add_or_update adjust_symbol_by_offset batch batch_by clear closes compare "
        "convert_python_universe_filter_function convert_selection_symbol_delegate convert_to_dictionary "
        "convert_to_symbol_enumerable convert_to_universe_selection_string_delegate "
        "convert_to_universe_selection_symbol_delegate create_future_chain create_option_chain create_type "
        "decode_base_36 decode_base_64 default_option_style delisting_market_close_offset_span deserialize_json "
        "deserialize_list discretely_round_by download_byte_array download_data encode_base_36 encode_base_64 "
        "exchange_round_down exchange_round_down_in_time_zone get_and_dispose get_assembly_name "
        "get_base_data_instance get_better_type_name get_bytes get_custom_data_type_from_symbols get_decimal_epsilon "
        "get_decimal_from_csv get_decimal_places get_delisting_date get_entry get_enum_string get_exercise_direction "
        "get_extension get_flags get_hash get_list_hash_code get_market_order_fees get_md_5_hash get_memory_stream "
        "get_mirror_option_symbol get_or_add_unrequested_security get_order_direction get_python_arg_count "
        "get_python_bool_property get_python_bool_property_with_checks get_python_method "
        "get_python_method_with_checks get_string get_string_between_chars get_universe_mapping_mode_or_default "
        "get_universe_normalization_mode_or_default get_update_price_scale_frontier get_zero_price_message "
        "greatest_common_divisor has_options implements_stream_reader in_the_money_amount invert "
        "is_available_for_future_market is_common_business_day is_custom_data_type is_directory_empty is_empty "
        "is_market_open is_na_n_or_infinity is_na_n_or_zero is_option is_out_of_date is_subclass_of_generic is_valid "
        "is_win lazy_to_lower lazy_to_upper list_equals make_tradable matches_type_name move normalize "
        "normalize_to_str option_right_to_lower option_style_to_lower order_by_safe order_targets_by_margin_impact "
        "parse_data_mapping_mode parse_option_right parse_option_style percent_change prefix_with_algorithm_time "
        "process_security_changes process_until_empty protobuf_serialize read_lines remove_from_end "
        "remove_from_start requires_mapping reset round round_down_in_time_zone round_up safe_as_managed_object "
        "safe_decimal_cast safe_division safe_enumeration safe_multiply_100 scale serialize_json_to_stream "
        "serialize_json_to_string set_runtime_error should_emit_data single_or_algorithm_type_name "
        "smart_rounding_short stop_safely subscribe_with_mapping synchronously_await_task "
        "synchronously_await_task_result to_camel_case to_csv to_csv_data to_decimal to_decimal_allow_exponent "
        "to_display_string to_financial_figures to_func to_hex_string to_higher_resolution_equivalent to_int_32 "
        "to_int_64 to_lower to_md_5 to_normalized_decimal to_order_direction to_order_ticket to_py_list "
        "to_py_list_un_safe to_query_string to_safe_string to_sha_256 to_stream to_string_performance "
        "to_subscription_data_config truncate_to_3_decimal_places try_convert try_create_type try_download_data "
        "try_get_decimal_from_csv try_get_from_csv try_get_live_subscription_symbol try_get_property_value "
        "try_parse_security_type unsubscribe_with_mapping wait_one with_embedded_html_anchors"
    ),
    "FTXBrokerageModel": "get_default_markets market_name",
    "FillModel": (
        "get_market_fill_price get_prices_checking_python_wrapper get_subscribed_types get_subscription_data_configs "
        "is_entirely_after_stop_triggered should_wait_for_fresh_data should_wait_for_fresh_data_on_stale"
    ),
    "FillModelParameters": "on_order_updated",
    "FixOrderProperties": "AUTOMATED_EXECUTION_ORDER_PRIVATE AUTOMATED_EXECUTION_ORDER_PUBLIC MANUAL_ORDER",
    "Fundamental": (
        "ALL_RESOLUTIONS DAILY_RESOLUTION HIGH_RESOLUTION MINUTE_RESOLUTION OPTION_RESOLUTIONS asset_classification "
        "clone company_profile company_reference data_time_zone default_resolution deserialize_message "
        "earning_ratios earning_reports financial_statements for_date get_source is_fill_forward is_sparse_data "
        "market_cap operation_ratios price_scale_factor reader requires_mapping security_reference "
        "should_cache_to_security supported_resolutions to_row update update_ask update_bid update_quote "
        "update_trade valuation_ratios"
    ),
    "GDAXBrokerageModel": "get_default_markets is_order_size_large_enough",
    "Globals": (
        "CACHE api cache_data_folder get_data_folder_path live_mode organization_id project_id reset "
        "results_destination_folder user_id user_token version"
    ),
    "GoodTilDateTimeInForce": "get_forex_order_expiry_date_time",
    "HasSufficientBuyingPowerForOrderParameters": "for_underlying",
    "IAlgorithm": (
        "add_future_contract add_option_contract debug_messages deployment_details error_messages "
        "future_chain_provider get_chart_updates get_locked log_messages notify on_assignment_order_event "
        "on_end_of_time_step on_framework_data on_framework_securities_changed option_chain_provider "
        "security_initializer set_algorithm_id set_algorithm_mode set_api set_available_data_types set_current_slice "
        "set_date_time set_deployment_details set_deployment_target set_future_chain_provider set_history_provider "
        "set_live_mode set_locked set_object_store set_option_chain_provider set_parameters set_run_time_error "
        "set_statistics_service set_status ticker time_keeper"
    ),
    "ImmediateFillModel": (
        "get_market_fill_price get_prices_checking_python_wrapper get_subscribed_types get_subscription_data_configs "
        "is_entirely_after_stop_triggered should_wait_for_fresh_data should_wait_for_fresh_data_on_stale"
    ),
    "IndicatorBase": "compute_next_value on_updated validate_and_compute_next_value",
    "IndicatorDataPoint": (
        "ALL_RESOLUTIONS DAILY_RESOLUTION HIGH_RESOLUTION MINUTE_RESOLUTION OPTION_RESOLUTIONS clone data_time_zone "
        "default_resolution deserialize_message get_source is_sparse_data reader requires_mapping "
        "should_cache_to_security supported_resolutions update update_ask update_bid update_quote update_trade"
    ),
    "IndicatorDataPoints": (
        "ALL_RESOLUTIONS DAILY_RESOLUTION HIGH_RESOLUTION MINUTE_RESOLUTION OPTION_RESOLUTIONS clone current "
        "data_time_zone default_resolution deserialize_message get_property get_source get_storage_dictionary "
        "has_property is_fill_forward is_sparse_data price reader requires_mapping should_cache_to_security "
        "supported_resolutions update update_ask update_bid update_quote update_trade"
    ),
    "IndicatorExtensions": "update",
    "IndicatorHistory": "data",
    "InitialMargin": "ZERO",
    "InitialMarginParameters": "for_underlying",
    "Insight": "compute_close_time from_serialized_insight short_to_string",
    "InsightCollection": "try_get_value",
    "InteractiveBrokersBrokerageModel": "supported_contingency_types supported_order_types supported_time_in_forces",
    "InteractiveBrokersFeeModel": "get_potential_order_price",
    "InterestRateProvider": "DEFAULT_RISK_FREE_RATE from_csv_file get_interest_rate_provider try_parse",
    "IntradayVwap": "try_get_volume_and_average_price",
    "KrakenFeeModel": "MAKER_TIER_1_CRYPTO_FEE TAKER_TIER_1_CRYPTO_FEE TIER_1_FX_FEE fx_stablecoin_list",
    "LeanData": (
        "SECURITY_TYPE_AS_DATA_PATH aggregate_quote_bars aggregate_ticks aggregate_ticks_to_trade_bars "
        "aggregate_trade_bars generate_line generate_relative_factor_file_path generate_relative_universes_directory "
        "generate_relative_zip_file_directory generate_universes_directory generate_zip_entry_name "
        "get_common_tick_type get_common_tick_type_for_common_data_types get_consolidator_start_time "
        "get_daily_calendar get_data_type get_intraday_calendar get_next_daily_end_time is_common_lean_data_type "
        "is_valid_configuration option_use_scale_factor parse_data_security_type parse_key parse_time "
        "read_symbol_from_zip_entry set_strict_end_times supports_extended_market_hours try_parse_path "
        "try_parse_security_type use_daily_strict_end_times use_strict_end_time"
    ),
    "LocalDiskShortableProvider": "data_provider",
    "LocalZipFactorFileProvider": "cache_refresh_period start_expiration_task",
    "LocalZipMapFileProvider": "cache_refresh_period start_expiration_task",
    "MaintenanceMargin": "ZERO",
    "MaintenanceMarginParameters": (
        "absolute_quantity for_current_holdings for_quantity_at_current_price for_underlying holdings_cost "
        "holdings_value"
    ),
    "ManualUniverse": "add create_symbol get_trigger_times interval on_collection_changed remove",
    "Market": (
        "BITHUMB BITTREX CBOT CFE COINONE COMEX DYDX EUREX GLOBEX HIT_BTC HKFE ICE KRX NYMEX NYSELIFFE OK_COIN OSE "
        "POLONIEX SGX add decode encode supported_markets"
    ),
    "MarketHourAwareConsolidator": (
        "consolidator create_consolidator daily_strict_end_time forward_consolidated_bar initialize "
        "intraday_calendar period use_strict_end_time"
    ),
    "MarketHoursDatabase": (
        "DATA_FOLDER_DATABASE_LOCK contains_key custom_entries data_folder_database exchange_hours_listing "
        "from_data_folder from_file reset try_get_entry"
    ),
    "MaximumSharpeRatioPortfolioOptimizer": "get_boundary_conditions",
    "MeanReversionPortfolioConstructionModel": "cumulative_sum get_price_relatives simplex_projection",
    "MinimumVariancePortfolioOptimizer": "get_boundary_conditions get_budget_constraint",
    "MoneyFlowIndex": "negative_money_flow positive_money_flow previous_typical_price",
    "NullPortfolioConstructionModel": (
        "algorithm determine_target_percent filter_invalid_insight_magnitude get_target_insights is_rebalance_due "
        "refresh_rebalance set_rebalancing_func should_create_target_for_insight"
    ),
    "NullSlippageModel": "INSTANCE",
    "Order": "apply_update_order_request copy_to create_order create_positions get_default_tag get_value_impl",
    "OrderEvent": "from_serialized short_to_string",
    "OrderResponse": (
        "UNPROCESSED error invalid_new_status invalid_status missing_security success unable_to_find_order "
        "warming_up zero_quantity"
    ),
    "OrderSubmissionData": "clone",
    "OrderTicket": (
        "contingency invalid_cancel_order_id invalid_submit_request invalid_update_order_id order_closed order_set"
    ),
    "PortfolioTarget": "minimum_order_margin_percentage_warning_sent",
    "PortfolioTargetCollection": "copy_to is_read_only try_get_value",
    "PythonData": "data_type get_storage_dictionary has_property is_of_type",
    "PythonIndicator": "set_indicator",
    "QCAlgorithm": (
        "a abands add_crypto_future add_future add_future_contract add_future_option add_future_option_contract "
        "add_index_option add_index_option_contract add_option add_option_contract add_universe_options adosc adxr "
        "ao aps ar bracket_order c candlestick_patterns cc chop cks cmo co cov create_consolidator "
        "create_date_range_history_requests crsi d dem deployment_details do download dpo emv exercise_option fi "
        "fish frama framework_post_initialize fundamentals future_chain future_chain_provider future_chains "
        "futures_chain futures_chains g get_chart_updates get_data_frame get_data_typed_history get_locked he ht "
        "ichimoku iv kst kvo link mama mgd midpoint midprice momersion mosc msi nhnl nhnlv on_assignment_order_event "
        "on_end_of_time_step on_framework_data on_framework_securities_changed one_cancels_other_order "
        "one_triggers_other_order one_updates_other_order option_chain option_chain_provider option_chains "
        "order_factory pandas_converter pphl pso r rdv remove_option_contract rma rsv rvi sarext "
        "security_initializer set_algorithm_id set_algorithm_mode set_api set_available_data_types set_current_slice "
        "set_date_time set_deployment_details set_deployment_target set_future_chain_provider set_history_provider "
        "set_live_mode set_locked set_object_store set_option_chain_provider set_pandas_converter set_parameters "
        "set_run_time_error set_statistics_service set_status signal_export sm sobv sortino sr stc str swiss t t_3 "
        "tdd tds ticker time_keeper tp trading_calendar tsf tsi ultosc v vidya vp vtx wto zz γ δ θ ρ"
    ),
    "QuoteBar": "parse_cfd parse_equity parse_forex parse_future parse_option",
    "QuoteBarConsolidator": "get_rounded_bar_time is_time_based reset_working_bar should_process",
    "RangeConsolidator": "create_new_bar update_bar",
    "RenkoBar": "spread",
    "RenkoConsolidator": "get_closest_multiple type",
    "RiskParityPortfolioOptimizer": "risk_parity_newton_method_optimization",
    "ScheduleManager": "event set_event_schedule",
    "ScheduledEvent": "ALGORITHM_END_OF_DAY_DELTA SECURITY_END_OF_DAY_DELTA on_event_fired",
    "ScheduledUniverse": "get_trigger_times",
    "Security": (
        "NULL_LEVERAGE clear data fundamentals is_custom_data is_fill_data_forward open_interest "
        "refresh_data_normalization_mode_property remove reset set set_local_time_keeper try_get_member "
        "try_invoke_member try_set_member update update_consumers_market_price"
    ),
    "SecurityBenchmark": "create_instance",
    "SecurityCache": (
        "add_data_list ask_price ask_size bid_price bid_size close get_all has_data high low open open_interest "
        "process_data_point set_local_time_keeper share_type_cache_instance store_data try_get_value "
        "update_open_interest volume"
    ),
    "SecurityChanges": "create",
    "SecurityExchange": "is_closing_soon set_local_date_time_frontier_provider set_market_hours",
    "SecurityExchangeHours": (
        "bank_holidays early_closes get_first_daily_market_open get_last_daily_market_close get_market_hours "
        "get_previous_market_open late_opens market_hours"
    ),
    "SecurityHolding": (
        "add_new_dividend add_new_fee add_new_profit add_new_sale on_quantity_changed set_last_trade_profit "
        "update_market_price"
    ),
    "SecurityIdentifier": (
        "INVALID_SYMBOL_CHARACTERS generate_base generate_base_symbol generate_cfd generate_crypto "
        "generate_crypto_future generate_forex generate_future generate_index generate_option has_underlying "
        "option_right option_style strike_price ticker try_get_custom_data_type try_get_custom_data_type_instance "
        "try_parse underlying"
    ),
    "SecurityManager": (
        "check_for_implicitly_created_symbol contains copy_to create_benchmark_security create_security fromkeys "
        "get_items get_keys get_values is_read_only on_collection_changed popitem set_live_mode set_security_service "
        "setdefault update utc_time"
    ),
    "SecurityPortfolioManager": (
        "add add_transaction_record check_for_implicitly_created_symbol contains copy_to fromkeys get_items get_keys "
        "get_security get_values has_sufficient_buying_power_for_order invalidate_total_portfolio_value is_read_only "
        "log_margin_information popitem process_fills remove set_account_currency set_margin_call_model "
        "set_positions setdefault total_portfolio_value_less_free_buffer try_get_value update"
    ),
    "SecurityTransactionManager": (
        "add_transaction_record get_increment_contingent_order_set_id get_increment_group_order_manager_id "
        "get_increment_order_id get_orders_by_brokerage_id get_projected_holdings losing_transactions "
        "minimum_order_quantity minimum_order_size remove_order set_live_mode set_order_id set_order_processor "
        "update_order wait_for_order winning_transactions"
    ),
    "Series": "clone clone_values consolidate_chart_points create get_updates get_values purge",
    "Session": "add most_recently_removed samples",
    "SessionBar": (
        "ALL_RESOLUTIONS DAILY_RESOLUTION HIGH_RESOLUTION MINUTE_RESOLUTION OPTION_RESOLUTIONS clone data_time_zone "
        "default_resolution deserialize_message get_source is_fill_forward is_sparse_data parse parse_cfd "
        "parse_crypto parse_equity parse_forex parse_future parse_index parse_option reader requires_mapping "
        "should_cache_to_security supported_resolutions update_ask update_bid update_quote update_trade"
    ),
    "Slice": (
        "check_for_implicitly_created_symbol clear copy fromkeys future_chains futures_chains get_items get_keys "
        "is_read_only margin_interest_rates merge_slice option_chains pop popitem remove setdefault update"
    ),
    "SpreadExecutionModel": "price_is_favorable",
    "StandardDeviationExecutionModel": "is_safe_to_remove price_is_favorable",
    "StopLimitOrder": "stop_triggered_time",
    "SubmitOrderRequest": "bracket contingency trailing_amount trailing_as_percentage triggers",
    "SubscriptionDataConfig": "contract_depth_offset data_mapping_mode is_filtered_subscription",
    "SubscriptionManager": (
        "add available_data_types default_data_types get_data_types_for_security scan_past_consolidators "
        "set_data_manager"
    ),
    "Symbol": (
        "contains create_canonical_option create_future create_option ends_with get_alias "
        "get_option_type_from_underlying get_underlying_from_option_type has_canonical has_underlying_symbol "
        "starts_with to_lower to_upper update_mapped_symbol"
    ),
    "SymbolCache": "clear get_ticker set try_get_ticker try_remove",
    "SymbolPropertiesDatabase": (
        "DATA_FOLDER_DATABASE_LOCK contains_key custom_entries data_folder_database from_csv_line from_data_folder "
        "get_database_symbol_key get_symbol_properties_list reset try_get_market"
    ),
    "Tick": "is_valid set_value",
    "TickConsolidator": "get_rounded_bar_time is_time_based reset_working_bar should_process",
    "TickQuoteBarConsolidator": "get_rounded_bar_time is_time_based reset_working_bar should_process",
    "Time": (
        "each_tradeable_day_in_time_zone end_of_time_time_span get_end_time_for_trade_bars "
        "get_next_live_auxiliary_data_due_time get_number_of_trade_bars_in_interval get_second_uneven_wait "
        "get_start_time_for_trade_bars live_auxiliary_data_offset normalize_instant_within_range normalize_time_step "
        "parse_date parse_fix_utc_timestamp time_stamp"
    ),
    "TimeRules": "get_market_open_close_exchange_hours get_security_exchange_hours get_symbol set_default_time_zone",
    "TradeBar": "parse_cfd parse_crypto parse_forex parse_future parse_index parse_option",
    "TradeBarConsolidator": "get_rounded_bar_time is_time_based reset_working_bar should_process",
    "TradeBuilder": "set_live_mode set_security_manager",
    "TrailingStopOrder": "calculate_stop_price try_update_stop_price",
    "Universe": (
        "can_remove_member configuration create_security data_type get_subscription_requests on_selection_changed "
        "perform_selection"
    ),
    "UniverseDefinitions": "etf index qc_500",
    "UniverseManager": (
        "add check_for_implicitly_created_symbol clear contains copy copy_to dictionary fromkeys get get_items "
        "get_keys get_values is_read_only items on_collection_changed pop popitem process_changes setdefault "
        "try_get_value update"
    ),
    "UniverseSelectionModel": (
        "get_property instance invoke_method invoke_method_and_enumerate invoke_method_and_get_dictionary "
        "invoke_method_and_wrap_result invoke_method_with_out_parameters try_invoke_python_override"
    ),
    "UniverseSettings": "subscription_data_types",
    "UpdateOrderRequest": "is_allowed_for_closed_order",
    "UserDefinedUniverse": "add create_symbol get_trigger_times interval on_collection_changed remove",
    "VolumeRenkoBar": "rollover",
    "VolumeRenkoConsolidator": "adjust_volume",
    "VolumeWeightedAveragePriceExecutionModel": "is_safe_to_remove price_is_favorable",
    "VolumeWeightedAveragePriceIndicator": "get_time_weighted_average_price price volume vwap",
}
