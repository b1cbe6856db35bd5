"""The 33 LLM features: position, account, session, signal and memory at decision time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_plugin.domain import AccountState, Action, PositionState, Signal
from llm_plugin.errors import ConfigError
from llm_plugin.features.averages import FloatArray
from llm_plugin.features.catalog import llm_feature_names

__all__ = ["SessionFigures", "llm_features", "llm_vector"]

_R_LIMIT = 3.0
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """What the features need of a session's closed trades; NaN where there is none yet. R are net of costs."""

    trades: int = 0
    win_rate: float = _NAN
    recent_win_rate: float = _NAN
    mean_r: float = _NAN
    last_r: float = _NAN
    consecutive_losses: int = 0
    consecutive_wins: int = 0


def llm_features(
    signal: Signal,
    position: PositionState,
    account: AccountState,
    session: SessionFigures,
    *,
    price: float,
    atr: float,
    memory_r: Sequence[float] = (),
    initial_stop_distance: float = _NAN,
    max_drawdown_fraction: float = 0.2,
) -> dict[str, float]:
    """Return the available LLM features by name; an unavailable one is absent.

    Args:
        signal: The signal in question.
        position: The open position, or a flat one.
        account: The account at decision time.
        session: Figures of the trades closed so far.
        price: Mid price.
        atr: ATR(14) in price units.
        memory_r: Results in R of the similar trades that the memory found.
        initial_stop_distance: 1 R in price units; without it the present stop counts, unless it has moved.
        max_drawdown_fraction: The drawdown at which the buffer is used up.

    Raises:
        ConfigError: `price`, `atr` or `max_drawdown_fraction` is not above 0.
    """
    bad = [
        f"{name} is {value}; it must be above 0"
        for name, value in (("price", price), ("atr", atr), ("max_drawdown_fraction", max_drawdown_fraction))
        if not 0 < value < math.inf
    ]
    if bad:
        raise ConfigError(bad)
    values = {
        **_position(position, price, atr, initial_stop_distance),
        **_account(account, max_drawdown_fraction),
        **_session(session),
        **_signal(signal),
        **_memory(memory_r),
    }
    return {name: values[name] for name in llm_feature_names() if math.isfinite(values[name])}


def llm_vector(features: Mapping[str, float]) -> FloatArray:
    """Return the 33 LLM features as a vector, NaN where absent."""
    return np.array([features.get(name, _NAN) for name in llm_feature_names()], dtype=np.float64)


def _clip(value: float, limit: float) -> float:
    return value if value != value else max(-limit, min(limit, value))


def _position(position: PositionState, price: float, atr: float, initial: float) -> dict[str, float]:
    side = position.side
    unit = initial
    if unit != unit and not position.trailing and not position.at_break_even:
        unit = abs(position.entry_price - position.stop)
    to_stop = side * (price - position.stop) if side else _NAN
    to_target = side * (position.target - price) if side else _NAN
    whole = side * (position.target - position.entry_price) if side else _NAN
    gain = side * (price - position.entry_price)
    return {
        "position_side": float(side),
        "position_open": float(side != 0),
        "position_bars_held": min(1.0, position.bars_held / 100),
        "position_unrealised_r": _clip(gain / unit, 5.0) if side and unit > 0 else (_NAN if side else 0.0),
        "position_stop_distance": to_stop / atr,
        "position_target_distance": to_target / atr,
        "position_target_progress": _clip(gain / whole, 2.0) if whole > 0 else _NAN,
        "position_reward_to_risk": min(10.0, max(0.0, to_target / to_stop)) if to_stop > 0 else _NAN,
        "position_trailing": float(position.trailing),
        "position_break_even": float(position.at_break_even),
    }


def _account(account: AccountState, max_drawdown_fraction: float) -> dict[str, float]:
    start = account.start_equity if account.start_equity > 0 else _NAN
    used = account.drawdown_fraction / max_drawdown_fraction
    return {
        "account_drawdown": account.drawdown_fraction,
        "account_drawdown_buffer": max(0.0, min(1.0, 1 - used)),
        "account_equity_ratio": account.equity / start - 1,
        "account_balance_ratio": account.balance / start - 1,
        "account_peak_ratio": account.peak_equity / start - 1,
        "account_open_profit": (account.equity - account.balance) / account.balance if account.balance > 0 else _NAN,
    }


def _session(session: SessionFigures) -> dict[str, float]:
    return {
        "session_trades": math.log1p(session.trades) / 5,
        "session_win_rate": session.win_rate,
        "session_recent_win_rate": session.recent_win_rate,
        "session_mean_r": _clip(session.mean_r, _R_LIMIT),
        "session_last_r": _clip(session.last_r, _R_LIMIT),
        "session_consecutive_losses": min(1.0, session.consecutive_losses / 5),
        "session_consecutive_wins": min(1.0, session.consecutive_wins / 5),
    }


def _signal(signal: Signal) -> dict[str, float]:
    flags = {f"signal_{action.value.lower()}": float(signal.action is action) for action in Action}
    return {**flags, "signal_confidence": signal.confidence}


def _memory(results: Sequence[float]) -> dict[str, float]:
    count = len(results)
    return {
        "memory_similar_trades": min(1.0, count / 3),
        "memory_mean_r": _clip(sum(results) / count, _R_LIMIT) if count else _NAN,
        "memory_win_rate": sum(1 for r in results if r > 0) / count if count else _NAN,
    }
