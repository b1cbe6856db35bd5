"""The gate: whether a challenger may replace the champion, judged on the same fresh holdout."""

from __future__ import annotations

from llm_plugin.gate.decision import Check, GateDecision, GateSlice, PortfolioRun, gate_id
from llm_plugin.gate.health import ModelHealth, measure_health
from llm_plugin.gate.judge import judge
from llm_plugin.gate.paired import CLIP_R, Paired, pair, regimes_of, utilities
from llm_plugin.gate.policy import Statistics, answer_policy, policy_answer, session_statistics
from llm_plugin.gate.portfolio import portfolio
from llm_plugin.gate.text import as_markdown, as_text

__all__ = [
    "CLIP_R",
    "Check",
    "GateDecision",
    "GateSlice",
    "ModelHealth",
    "Paired",
    "PortfolioRun",
    "Statistics",
    "answer_policy",
    "as_markdown",
    "as_text",
    "gate_id",
    "judge",
    "measure_health",
    "pair",
    "policy_answer",
    "portfolio",
    "regimes_of",
    "session_statistics",
    "utilities",
]
