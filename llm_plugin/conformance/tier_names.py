"""The names that make an algorithm simple (tier 1) or put it out of what the embedded engine is for."""

from __future__ import annotations

__all__ = [
    "OUT_MEMBERS",
    "OUT_TYPE_PREFIXES",
    "OUT_VALUES",
    "TIER1_BROKERAGES",
    "TIER1_MEMBERS",
    "TIER1_TYPES",
    "TIER2_MEMBERS",
]

# Members of QCAlgorithm that simple strategies use.
TIER1_MEMBERS = frozenset(
    """
    account_currency active_securities add_alpha add_cfd add_chart add_crypto add_equity add_forex
    add_risk_management add_security adx aroon atr bb benchmark brokerage_model buy calculate_order_quantity cci
    consolidate create_indicator_name current_slice date_rules dch debug default_order_properties
    deregister_indicator ema emit_insights end_date error get_parameter history identity initialize insights
    insights_generated is_market_open is_warming_up kch limit_if_touched_order limit_order liquidate live_mode log
    macd market_on_close_order market_on_open_order market_order max min mom momp name on_data on_delistings
    on_dividends on_end_of_algorithm on_end_of_day on_order_event on_securities_changed on_splits on_warmup_finished
    order plot plot_indicator portfolio quit register_indicator remove_security resolve_consolidator roc rocp rsi
    schedule securities sell set_account_currency set_alpha set_benchmark set_brokerage_model set_cash set_end_date
    set_execution set_holdings set_name set_portfolio_construction set_risk_management set_runtime_statistic
    set_start_date set_summary_statistic set_time_zone set_universe_selection set_warm_up set_warmup settings sma
    start_date std sto stoch stop_limit_order stop_market_order subscription_manager symbol time time_rules
    time_zone trailing_stop_order transactions universe_settings unregister_indicator utc_time warm_up_indicator
    wilr
    """.split()
)

# Members that need more than a simple strategy does.
TIER2_MEMBERS = frozenset(
    """
    add_data add_index add_security_initializer add_universe add_universe_selection algorithm_mode arima b cik
    combo_leg_limit_order combo_limit_order combo_market_order composite_figi cusip d deployment_target download
    filtered_identity g get_last_known_price get_last_known_prices indicator_history isin iv market_hours_database
    notify object_store on_brokerage_disconnect on_brokerage_message on_brokerage_reconnect
    on_margin_call on_margin_call_warning on_symbol_changed_events project_id r rc security_initializer sedol
    set_brokerage_message_handler set_security_initializer statistics symbol_properties_database t trade_builder
    train trin universe universe_manager v vwap
    """.split()
)

# Types and enumerations that simple strategies use.
TIER1_TYPES = frozenset(
    """
    AccountType AlgorithmMode AlphaModel BaseData BollingerBands BrokerageName Calendar CalendarInfo CashAmount
    Chart CompositeAlphaModel CompositeIndicator CompositeRiskManagementModel
    ConfidenceWeightedPortfolioConstructionModel ConstantAlphaModel ConstantFeeModel Currencies
    DataNormalizationMode DefaultBrokerageModel Delay DelistingType Delistings Dividends EmaCrossAlphaModel
    EqualWeightingPortfolioConstructionModel EquityFillModel Exchange ExecutionModel Expiry ExponentialMovingAverage
    Extensions Field GeneratedInsightsCollection Globals HistoricalReturnsAlphaModel IAlgorithm IDataConsolidator
    IPortfolioTarget Identity ImmediateExecutionModel ImmediateFillModel IndicatorDataPoint IndicatorExtensions
    Insight InsightDirection InsightScoreType InsightType InsightWeightingPortfolioConstructionModel
    InteractiveBrokersOrderProperties LimitOrder MacdAlphaModel ManualUniverseSelectionModel Market
    MarketOnCloseOrder MaximumDrawdownPercentPerSecurity MaximumDrawdownPercentPortfolio
    MaximumUnrealizedProfitPercentPerSecurity MovingAverageType NullRiskManagementModel Order OrderDirection
    OrderEvent OrderFee OrderField OrderProperties OrderRequestStatus OrderResponseErrorCode OrderStatus OrderTicket
    OrderType PortfolioBias PortfolioTarget PortfolioTargetCollection QCAlgorithm QuoteBar QuoteBarConsolidator
    RateOfChange RateOfChangePercent RegressionTestException RelativeStrengthIndex Resolution RollingWindow
    RsiAlphaModel Security SecurityChanges SecurityMarginModel SecurityType Series SeriesType SimpleMovingAverage
    Slice SplitType Splits StandardDeviation Stochastic StopLimitOrder StopMarketOrder SubmitOrderRequest Symbol
    SymbolCache Tick TickType Time TimeInForce TimeZones TradeBar TradeBarConsolidator
    TrailingStopRiskManagementModel UniverseSelectionModel UpdateOrderFields UpdateOrderRequest
    """.split()
)

TIER1_BROKERAGES = frozenset(
    "DEFAULT QUANT_CONNECT_BROKERAGE INTERACTIVE_BROKERS_BROKERAGE GDAX COINBASE OANDA_BROKERAGE FXCM_BROKERAGE".split()
)

# Names whose use says: derivatives, fundamentals, constituents of funds, signal exports, paid feeds, live commands.
OUT_MEMBERS = frozenset(
    """
    add_command add_crypto_future add_future add_future_contract add_future_option add_future_option_contract
    add_index_option add_index_option_contract add_option add_option_contract add_universe_options
    broadcast_command exercise_option fundamentals future_chain_provider futures_chain futures_chains link
    on_assignment_order_event option_chain option_chain_provider option_chains remove_option_contract signal_export
    """.split()
)
OUT_TYPE_PREFIXES = (
    "Option", "Future", "IndexOption", "CryptoFuture", "Fundamental", "FineFundamental", "CoarseFundamental",
    "ETFConstituent", "QC500", "QLOption", "Greeks", "ImpliedVolatility", "OpenInterest", "TiingoPrice", "Tiingo",
    "Intrinio", "IconicTypes", "Command", "LinkedData", "UnlinkedData", "EmaCrossUniverse",
    "OpenInterestFuture", "NumeraiSignalExport", "Collective2SignalExport",
)  # fmt: skip
OUT_VALUES = frozenset(
    "SecurityType.OPTION SecurityType.FUTURE SecurityType.FUTURE_OPTION SecurityType.INDEX_OPTION "
    "SecurityType.CRYPTO_FUTURE universe.etf DefaultBrokerageMessageHandler.HANDLE_ORDER".split()
)
