"""The table behind the 33 LLM features: group, name, description."""

from __future__ import annotations

__all__ = ["LLM_ROWS"]

LLM_ROWS = (
    ("position", "position_side", "1 long, -1 short, 0 flat"),
    ("position", "position_open", "1 when a position is open"),
    ("position", "position_bars_held", "Bars since the entry, a hundredth each, at most 1"),
    ("position", "position_unrealised_r", "Unrealised profit in units of the stop distance at entry, between -5 and 5"),
    ("position", "position_stop_distance", "Distance of the price from the stop, in ATR, on the losing side positive"),
    ("position", "position_target_distance", "Distance of the price from the target, in ATR, not yet reached positive"),
    (
        "position",
        "position_target_progress",
        "Way from the entry to the target already made (1 = reached), between -2 and 2",
    ),
    ("position", "position_reward_to_risk", "Remaining distance to the target over that to the stop, at most 10"),
    ("position", "position_trailing", "1 when the stop trails"),
    ("position", "position_break_even", "1 when the stop stands at the entry price or better"),
    ("account", "account_drawdown", "Distance of the equity from its peak, as a fraction of the peak"),
    ("account", "account_drawdown_buffer", "Share of the allowed drawdown that is left (1 = at the peak, 0 = used up)"),
    ("account", "account_equity_ratio", "Equity over start equity, less 1"),
    ("account", "account_balance_ratio", "Balance over start equity, less 1"),
    ("account", "account_peak_ratio", "Peak equity over start equity, less 1"),
    ("account", "account_open_profit", "Equity less balance, as a fraction of the balance"),
    ("session", "session_trades", "Closed trades of the session, logarithm, 1 = 147 trades"),
    ("session", "session_win_rate", "Share of winning trades (unavailable before the first)"),
    (
        "session",
        "session_recent_win_rate",
        "Share of winning trades among the last twenty (unavailable before the first)",
    ),
    ("session", "session_mean_r", "Mean result of the trades in R, between -3 and 3 (unavailable before the first)"),
    ("session", "session_last_r", "Result of the last trade in R, between -3 and 3 (unavailable before the first)"),
    ("session", "session_consecutive_losses", "Losses in a row, a fifth each, at most 1"),
    ("session", "session_consecutive_wins", "Wins in a row, a fifth each, at most 1"),
    ("signal", "signal_hold", "1 when the signal is HOLD"),
    ("signal", "signal_buy", "1 when the signal is BUY"),
    ("signal", "signal_sell", "1 when the signal is SELL"),
    ("signal", "signal_move_to_be", "1 when the signal is MOVE_TO_BE"),
    ("signal", "signal_enable_trail", "1 when the signal is ENABLE_TRAIL"),
    ("signal", "signal_disable_trail", "1 when the signal is DISABLE_TRAIL"),
    ("signal", "signal_confidence", "Confidence of the signal (0 to 1)"),
    ("memory", "memory_similar_trades", "Similar past trades found, a third each, at most 1"),
    ("memory", "memory_mean_r", "Mean result of the similar trades in R, between -3 and 3 (unavailable without any)"),
    ("memory", "memory_win_rate", "Share of winners among the similar trades (unavailable without any)"),
)
