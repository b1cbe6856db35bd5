"""The table behind the 228 market features: group, family, variants, description, source of the formula.

The order of the rows is the order of the vector. `{0}` stands for the variant.
"""

from __future__ import annotations

__all__ = ["MARKET_ROWS"]

_WILDER = "Wilder 1978, New Concepts in Technical Trading Systems"

_TREND = (
    ("ema_distance", "5 12 20 50 100 200", "Close minus its exponential average over {0} bars, in ATR", ""),
    ("ema_slope", "5 20 50 200", "Change of the exponential average over {0} bars on the last bar, in ATR", ""),
    ("ema_spread", "5_20 20_50 50_200", "Difference of the exponential averages over {0} bars, in ATR", ""),
    ("macd", "", "EMA(12) minus EMA(26) of the close, in ATR", "Appel 1979, MACD"),
    ("macd_signal", "", "EMA(9) of the MACD line, in ATR", "Appel 1979, MACD"),
    ("macd_histogram", "", "MACD line minus its signal line, in ATR", "Aspray 1986"),
    ("macd_histogram_change", "", "Change of the MACD histogram on the last bar, in ATR", "Aspray 1986"),
    ("regression_slope", "20 50 240", "Slope per bar of the least-squares line through {0} closes, in ATR", ""),
    ("regression_r2", "20 50 240", "Share of the variance of {0} closes that their line explains (0 to 1)", ""),
    ("midpoint_distance", "9 26 52", "Close minus the middle of the {0}-bar range, in ATR", "Hosoda 1968, Ichimoku"),
    ("aroon_up_25", "", "Recency of the 25-bar high (100 = this bar, 0 = 25 bars ago)", "Chande 1995, Aroon"),
    ("aroon_down_25", "", "Recency of the 25-bar low (100 = this bar, 0 = 25 bars ago)", "Chande 1995, Aroon"),
    ("adx", "7 14 28", "Average directional index over {0} bars (0 to 100)", _WILDER),
    ("di_difference", "7 14 28", "+DI minus -DI over {0} bars (-100 to 100)", _WILDER),
    ("plus_di_14", "", "+DI over 14 bars (0 to 100)", _WILDER),
    ("minus_di_14", "", "-DI over 14 bars (0 to 100)", _WILDER),
    ("adx_change_5", "", "ADX(14) minus its value five bars ago", _WILDER),
    ("ema_alignment", "", "Order of the averages 5, 12, 20, 50, 100, 200: 1 all rising, -1 all falling", ""),
    ("trend_strength", "", "ADX(14) scaled so that 25 is 0.5, with the sign of +DI minus -DI (-1 to 1)", _WILDER),
    ("trend_direction", "", "1 when ADX(14) >= 25 and +DI leads, -1 when -DI leads, 0 without a trend", _WILDER),
)

_MOMENTUM = (
    ("rsi", "7 14 21 28", "Relative strength index over {0} bars (0 to 100)", _WILDER),
    ("rsi_14_change_3", "", "RSI(14) minus its value three bars ago", _WILDER),
    ("stochastic_rsi_14", "", "Place of RSI(14) in its own 14-bar range (0 to 1)", "Chande and Kroll 1994"),
    ("stochastic_d_14", "", "Three-bar mean of the 14-bar stochastic %K (0 to 100)", "Lane, stochastic oscillator"),
    ("cci_20", "", "Commodity channel index over 20 bars", "Lambert 1980"),
    (
        "cmo_14",
        "",
        "Sum of 14 log returns over the sum of their sizes (-1 to 1)",
        "Chande momentum oscillator, on logs",
    ),
    ("tsi_25_13", "", "True strength index of the close (-100 to 100)", "Blau 1991"),
    ("ultimate_oscillator", "", "Buying pressure over 7, 14 and 28 bars, weighted 4:2:1 (0 to 100)", "Williams 1976"),
    (
        "awesome_oscillator",
        "",
        "Mean of the last 5 bar middles minus that of 34, in ATR",
        "Williams, awesome oscillator",
    ),
    ("elder_bull_power", "", "High minus EMA(13) of the close, in ATR", "Elder 1989, Elder-ray"),
    ("elder_bear_power", "", "Low minus EMA(13) of the close, in ATR", "Elder 1989, Elder-ray"),
    ("streak", "", "Consecutive closes up (+) or down (-), a tenth each, between -1 and 1", ""),
    ("balance_of_power_14", "", "14-bar mean of (close - open) / (high - low)", "Livshin 2001"),
    ("stochastic_k", "5 14 50", "Place of the close in the {0}-bar range (0 to 100)", "Lane, stochastic oscillator"),
    ("momentum_acceleration", "5 20", "Return of the last {0} bars minus that of the {0} before, in sigma", ""),
)

_RETURNS = (
    ("return", "1 2 3 5 8 13 24 48 120 240", "Log return over {0} bars, in sigma times the root of {0}", ""),
    ("skewness", "24 72 240", "Skewness of {0} log returns", ""),
    ("kurtosis", "24 72 240", "Excess kurtosis of {0} log returns", ""),
    ("autocorrelation", "24 72 240", "First autocorrelation of {0} log returns", ""),
    ("up_share", "24 72 240", "Share of {0} bars that closed higher", ""),
    ("efficiency_ratio", "24 72 240", "Net move over the sum of moves of {0} bars (0 to 1)", "Kaufman 1995"),
    ("mean_return", "24 72 240", "Mean of {0} log returns over their standard deviation, times the root of {0}", ""),
    ("largest_gain", "24 72 240", "Largest log return of {0} bars, in sigma", ""),
    ("largest_loss", "24 72 240", "Smallest log return of {0} bars, in sigma", ""),
    ("variance_ratio_5", "120 240", "Variance of 5-bar over 5 times 1-bar returns, {0} bars", "Lo and MacKinlay 1988"),
)

_VOLATILITY = (
    ("atr_fraction", "7 14 100", "Average true range over {0} bars, as a fraction of the close", _WILDER),
    ("atr_ratio", "7_100 14_100", "Ratio of the average true ranges over {0} bars", _WILDER),
    ("true_range_ratio", "", "True range of the last bar over ATR(14)", _WILDER),
    (
        "ewma_volatility_ratio",
        "94 97",
        "Exponentially weighted volatility, lambda 0.{0}, over lambda 0.99",
        "RiskMetrics",
    ),
    ("range_expansion", "", "Range of the last bar over the mean of 20", ""),
    ("volatility_ratio", "12 24 72", "Standard deviation of {0} log returns over that of 240", ""),
    ("parkinson_ratio_24", "", "High-low volatility over close volatility, 24 bars", "Parkinson 1980"),
    ("garman_klass_ratio_24", "", "OHLC volatility over close volatility, 24 bars", "Garman and Klass 1980"),
    (
        "rogers_satchell_ratio_24",
        "",
        "Drift-free OHLC volatility over close volatility, 24 bars",
        "Rogers, Satchell 1991",
    ),
    ("downside_share", "24 240", "Share of the squared returns of {0} bars that fell (0 to 1)", ""),
    (
        "bollinger_b",
        "20 50",
        "Place of the close in the {0}-bar two-sigma band (0 = lower, 1 = upper)",
        "Bollinger 1980s",
    ),
    ("bollinger_width", "20 50", "Width of the {0}-bar two-sigma band, in ATR", "Bollinger 1980s"),
    ("channel_width", "20 120 240", "High minus low of {0} bars, in ATR", "Donchian channel"),
    ("choppiness", "14 50", "Choppiness index over {0} bars (0 trending to 100 choppy)", "Dreiss 1992"),
    ("volatility_of_volatility_100", "", "Standard deviation over mean of the ATR fraction, 100 bars", ""),
    ("volatility_percentile", "", "Share of the last 240 bars with a lower ATR fraction (0 to 1)", ""),
    ("volatility_regime", "", "-1 below the 30th percentile of volatility, 1 above the 70th, else 0", ""),
)

_STRUCTURE = (
    ("high_distance", "20 50 120 240", "Highest high of {0} bars minus the close, in ATR", ""),
    ("low_distance", "20 50 120 240", "Close minus the lowest low of {0} bars, in ATR", ""),
    ("range_position", "20 50 120 240", "Place of the close in the {0}-bar range (0 to 1)", ""),
    ("bars_since_high", "20 240", "Bars since the {0}-bar high, as a fraction of {0}", ""),
    ("bars_since_low", "20 240", "Bars since the {0}-bar low, as a fraction of {0}", ""),
    ("higher_high_share_10", "", "Share of 10 bars with a higher high than the bar before", ""),
    ("lower_low_share_10", "", "Share of 10 bars with a lower low than the bar before", ""),
    (
        "swing_high_distance",
        "",
        "Last swing high (three lower highs either side) minus the close, in ATR",
        "Williams fractal",
    ),
    (
        "swing_low_distance",
        "",
        "Close minus the last swing low (three higher lows either side), in ATR",
        "Williams fractal",
    ),
    ("bars_since_swing_high", "", "Bars since the last swing high, a hundredth each, at most 1", ""),
    ("bars_since_swing_low", "", "Bars since the last swing low, a hundredth each, at most 1", ""),
    ("swing_high_change", "", "Last swing high minus the one before, in ATR", ""),
    ("swing_low_change", "", "Last swing low minus the one before, in ATR", ""),
    ("support_distance", "", "Close minus the nearest remembered swing level below, in ATR", ""),
    ("resistance_distance", "", "Nearest remembered swing level above minus the close, in ATR", ""),
    ("support_distance_fraction", "", "Close minus the nearest swing level below, as a fraction of the close", ""),
    ("resistance_distance_fraction", "", "Nearest swing level above minus the close, as a fraction of the close", ""),
    ("support_touches", "", "Swing levels within half an ATR of the support, a fifth each, at most 1", ""),
    ("resistance_touches", "", "Swing levels within half an ATR of the resistance, a fifth each, at most 1", ""),
    ("pivot_distance", "", "Close minus the pivot of the previous trading day, in ATR", "Floor-trader pivots"),
    ("pivot_r1_distance", "", "First pivot resistance minus the close, in ATR", "Floor-trader pivots"),
    ("pivot_s1_distance", "", "Close minus the first pivot support, in ATR", "Floor-trader pivots"),
    ("previous_day_high_distance", "", "High of the previous trading day (17:00 New York) minus the close, in ATR", ""),
    ("previous_day_low_distance", "", "Close minus the low of the previous trading day, in ATR", ""),
    ("previous_day_close_distance", "", "Close minus the close of the previous trading day, in ATR", ""),
    ("day_open_distance", "", "Close minus the open of the trading day, in ATR", ""),
    ("day_range_position", "", "Place of the close in the range of the trading day so far (0 to 1)", ""),
    ("day_range_ratio", "", "Range of the trading day so far over the range of the previous one", ""),
    ("week_open_distance", "", "Close minus the open of the trading week, in ATR", ""),
    ("body_fraction", "", "Close minus open of the last bar over its range (-1 to 1)", "Candlestick body"),
    ("body_fraction_lag_1", "", "Close minus open of the bar before over its range (-1 to 1)", "Candlestick body"),
    ("upper_wick_fraction", "", "Upper wick of the last bar over its range (0 to 1)", "Candlestick wick"),
    ("lower_wick_fraction", "", "Lower wick of the last bar over its range (0 to 1)", "Candlestick wick"),
    ("body_size", "", "Close minus open of the last bar, in ATR", ""),
    ("gap_size", "", "Open of the last bar minus the close before, in ATR", ""),
    ("inside_bar", "", "1 when the last bar lies inside the range of the bar before", "Candlestick pattern"),
    ("outside_bar", "", "1 when the last bar covers the range of the bar before", "Candlestick pattern"),
    ("engulfing", "", "1 for a bullish, -1 for a bearish engulfing body", "Candlestick pattern"),
    ("pin_bar", "", "1 for a hammer, -1 for a shooting star (wick over 60 % of the range)", "Candlestick pattern"),
    ("doji", "", "1 when the body is at most a tenth of the range", "Candlestick pattern"),
)

_SESSION = (
    ("hour_utc_sin", "", "Sine of the UTC time of day", ""),
    ("hour_utc_cos", "", "Cosine of the UTC time of day", ""),
    ("hour_new_york_sin", "", "Sine of the New York time of day", ""),
    ("hour_new_york_cos", "", "Cosine of the New York time of day", ""),
    ("weekday_sin", "", "Sine of the New York weekday", ""),
    ("weekday_cos", "", "Cosine of the New York weekday", ""),
    ("month_day_sin", "", "Sine of the New York day of the month", ""),
    ("month_day_cos", "", "Cosine of the New York day of the month", ""),
    ("month_sin", "", "Sine of the New York month", ""),
    ("month_cos", "", "Cosine of the New York month", ""),
    ("session_asia", "", "1 from 09:00 to 18:00 Tokyo on weekdays", ""),
    ("session_london", "", "1 from 08:00 to 17:00 London on weekdays", ""),
    ("session_new_york", "", "1 from 08:00 to 17:00 New York on weekdays", ""),
    ("session_overlap", "", "1 when London and New York are both in session", ""),
    ("us_equity_hours", "", "1 from 09:30 to 16:00 New York on weekdays", ""),
    ("since_london_open", "", "Time since 08:00 London, as a fraction of a day", ""),
    ("since_new_york_open", "", "Time since 08:00 New York, as a fraction of a day", ""),
    ("since_us_equity_open", "", "Time since 09:30 New York, as a fraction of a day", ""),
    ("until_new_york_close", "", "Time to 17:00 New York, as a fraction of a day", ""),
    ("week_progress", "", "Time since Sunday 17:00 New York, as a fraction of a week", ""),
    ("month_turn", "", "1 on the last two and the first three calendar days of a month", ""),
    ("quarter_turn", "", "1 on the last two and the first three calendar days of a quarter", ""),
    ("gap_before_bar", "", "Logarithm of the hours without data before the last bar, 1 = three days", ""),
    ("rollover_window", "", "1 from 16:30 to 18:00 New York", ""),
)

_VOLUME = (
    ("relative_volume", "20 100", "Volume of the last bar over the mean of {0}", ""),
    ("volume_trend_5_50", "", "Mean volume of 5 bars over that of 50", ""),
    ("on_balance_volume", "20 100", "Signed over total volume of {0} bars (-1 to 1)", "Granville 1963"),
    ("chaikin_money_flow_20", "", "Volume weighted by the place of the close in the bar, 20 bars (-1 to 1)", "Chaikin"),
    (
        "money_flow_index_14",
        "",
        "Share of the money flow of 14 bars on rising typical prices (0 to 100)",
        "Quong, Soudack 1989",
    ),
    ("vwap_distance", "", "Close minus the volume-weighted price of the trading day, in ATR", ""),
    ("rolling_vwap_distance", "20 100", "Close minus the volume-weighted price of {0} bars, in ATR", ""),
    ("illiquidity_ratio_20_100", "", "Move per money traded, 20 bars over 100", "Amihud 2002"),
)

_SPREAD = (
    ("spread_ratio", "24 240", "Closing spread over its mean of {0} bars", ""),
    ("spread_z_240", "", "Closing spread less its mean over its standard deviation, 240 bars", ""),
    ("spread_change", "", "Change of the spread on the last bar over its mean of 240", ""),
    ("spread_percentile", "", "Share of the last 240 bars with a smaller spread (0 to 1)", ""),
    ("spread_bps", "", "Closing spread in basis points of the price", ""),
    ("spread_atr", "", "Closing spread in ATR", ""),
    ("stale_share_24", "", "Share of 24 bars whose close did not change", ""),
)

_SEASONALITY = (
    ("hour_return_mean", "", "Mean return of the coming UTC hour over past days, in sigma", ""),
    ("hour_size_ratio", "", "Mean size of returns in the coming UTC hour over the mean of all hours", ""),
    ("hour_up_share", "", "Share of past bars in the coming UTC hour that rose (0 to 1)", ""),
    ("hour_last_return", "", "Last return seen in the coming UTC hour, in sigma", ""),
    ("bar_size_ratio", "", "Size of the last return over the norm of its hour", ""),
    ("weekday_return_mean", "", "Mean return on this UTC weekday over past weeks, in sigma", ""),
    ("weekday_size_ratio", "", "Mean size of returns on this UTC weekday over the mean of all weekdays", ""),
    ("hour_spread_ratio", "", "Spread of the last bar over the norm of its hour", ""),
)

_GROUPS = {
    "trend": _TREND,
    "momentum": _MOMENTUM,
    "returns": _RETURNS,
    "volatility": _VOLATILITY,
    "structure": _STRUCTURE,
    "session": _SESSION,
    "volume": _VOLUME,
    "spread": _SPREAD,
    "seasonality": _SEASONALITY,
}

MARKET_ROWS = tuple((group, *row) for group, rows in _GROUPS.items() for row in rows)
