"""Examples for the OpenAPI document; the tests send each of them."""

from __future__ import annotations

from typing import Any

__all__ = ["DECISION", "OUTCOME", "QUESTION", "REPORT"]

ID = "0c1dbd67-9b11-5d92-8a2a-3c1e7f9a1f10"
RUN = "live-eurusd"

QUESTION: dict[str, Any] = {
    "decision_id": ID,
    "run_id": RUN,
    "kind": "entry",
    "sequence": 0,
    "signal": {
        "symbol_id": "EURUSD 8G",
        "ticker": "EURUSD",
        "time_utc": "2014-03-03T12:00:00Z",
        "action": "BUY",
        "confidence": 0.62,
        "source": "ensemble",
    },
    "market": {
        "symbol_id": "EURUSD 8G",
        "ticker": "EURUSD",
        "market": "oanda",
        "security_type": "forex",
        "time_utc": "2014-03-03T12:00:00Z",
        "resolution": "hour",
        "price": 1.3745,
        "bid": 1.3744,
        "ask": 1.3746,
        "features": {"adx_14": 32.0, "rsi_14": 61.5, "trend_direction": 1.0, "volatility_regime": 0.0},
    },
    "account": {"equity": 100000.0, "peak_equity": 100000.0, "balance": 100000.0, "start_equity": 100000.0},
    "legal": ["BUY", "HOLD"],
    "exit": {"stop": 1.3705, "target": 1.3805, "timeout": 172800},
}

DECISION: dict[str, Any] = {
    "decision_id": ID,
    "run_id": RUN,
    "kind": "entry",
    "symbol_id": "EURUSD 8G",
    "time_utc": "2014-03-03T12:00:00Z",
    "verdict": "approve",
    "action": "BUY",
    "size_multiplier": 1.0,
    "confidence": 0.64,
    "source": "llm",
    "signal_action": "BUY",
    "signal_confidence": 0.62,
    "model_version": "bootstrap@3f2a+v0002-9c41d7e0",
    "fusion_rule": "agree",
    "llm_action": "BUY",
    "latency_seconds": 0.006,
}

OUTCOME: dict[str, Any] = {
    "decision_id": ID,
    "run_id": RUN,
    "symbol_id": "EURUSD 8G",
    "action": "BUY",
    "kind": "realised",
    "taken": True,
    "opened_utc": "2014-03-03T12:00:00Z",
    "closed_utc": "2014-03-03T19:00:00Z",
    "entry_price": 1.3746,
    "exit_price": 1.3805,
    "quantity": 10000.0,
    "pnl": 59.0,
    "return_fraction": 0.0043,
    "r_multiple": 1.44,
    "volatility_adjusted_return": 1.44,
    "bars_held": 7,
    "mae_r": -0.2,
    "mfe_r": 1.5,
    "cost_r": 0.05,
    "exit_reason": "target",
}

REPORT: dict[str, Any] = {
    "symbol": "EURUSD",
    "signal": "BUY",
    "ml_confidence": 0.62,
    "llm_reasoning": "trend up, calm market",
    "llm_decision": "approve",
    "actual_outcome": "target",
    "pnl": 59.0,
    "timestamp": "2014-03-03T19:00:00Z",
}
