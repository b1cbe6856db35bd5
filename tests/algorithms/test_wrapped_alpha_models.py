"""The wrapper on the embedded engine around LEAN's Constant alpha and a pairs alpha with groups."""

from __future__ import annotations

import pytest
from lean_projects import RuleBackend

from llm_plugin.domain import OutcomeKind
from llm_plugin.lean.backend import ApprovingBackend

HEAD = """
from datetime import timedelta

from AlgorithmImports import *

from llm_plugin.lean import LLMRiskManagementModel, LLMValidatedAlphaModel


class PairsAlphaModel(AlphaModel):
    '''Long the one that lags behind over five days, short the other, as one group.'''

    def __init__(self):
        self.prices = {}
        self.sent = None

    def update(self, algorithm, data):
        symbols = [s for s in algorithm.securities.keys() if data.bars.contains_key(s)]
        for symbol in symbols:
            self.prices.setdefault(symbol, []).append(data.bars[symbol].close)
        if len(symbols) < 2 or len(self.prices[symbols[0]]) < 6 or len(self.prices[symbols[0]]) % 7:
            return []
        gain = {s: self.prices[s][-1] / self.prices[s][-6] for s in symbols}
        low, high = sorted(symbols, key=lambda s: gain[s])
        return Insight.group([
            Insight.price(low, timedelta(days=4), InsightDirection.UP, None, 0.6),
            Insight.price(high, timedelta(days=4), InsightDirection.DOWN, None, 0.6),
        ])

    def on_securities_changed(self, algorithm, changes):
        pass


class Wrapped(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2012, 1, 3)
        self.set_end_date(2012, 6, 29)
        self.set_cash(100000)
        for ticker in TICKERS:
            self.add_equity(ticker, Resolution.DAILY)
        self.validated = LLMValidatedAlphaModel(ALPHA, config="llm_config.yaml")
        self.add_alpha(self.validated)
        self.add_risk_management(LLMRiskManagementModel(self.validated))
        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel())
        self.set_execution(ImmediateExecutionModel())
        SEND

    def later(self):
        if not self.portfolio.invested:
            self.emit_insights([Insight.price(self.securities["SPY"].symbol, timedelta(days=3), InsightDirection.UP)])

    def on_end_of_algorithm(self):
        self.validated.on_end()
"""

CONSTANT = "ConstantAlphaModel(InsightType.PRICE, InsightDirection.UP, timedelta(days=3))"


@pytest.fixture
def run_alpha(tmp_path, run_project):
    def run(alpha, tickers, send="pass", **options):
        project = tmp_path / "project"
        project.mkdir(exist_ok=True)
        code = HEAD.replace("ALPHA", alpha).replace("TICKERS", repr(tickers)).replace("SEND", send)
        (project / "main.py").write_text(code)
        (project / "llm_config.yaml").write_text("features:\n  resolution: daily\n")
        return run_project(project, "2012-01-03", "2012-06-29", **options)

    return run


def test_constant_alpha_vetoed_is_asked_again_at_each_renewal(run_alpha):
    run = run_alpha(CONSTANT, ["SPY"], backend=RuleBackend(entries=False))
    assert len(run.entries) >= 20
    assert len([o for o in run.outcomes if o.kind is OutcomeKind.SHADOW]) == len(run.entries)
    assert not run.result.orders


def test_constant_alpha_approved_is_asked_only_when_nothing_is_active(run_alpha):
    run = run_alpha(CONSTANT, ["SPY"], backend=ApprovingBackend())
    assert run.result.algorithm.portfolio["SPY"].invested
    closed = [o for o in run.outcomes if o.kind is OutcomeKind.REALISED]
    assert len(run.entries) == len(closed) + 1  # one more after each exit plan, none for the renewals between
    assert len(closed) >= 3


def test_pairs_are_traded_or_left_alone_as_pairs(run_alpha):
    run = run_alpha("PairsAlphaModel()", ["SPY", "IWM"], backend=RuleBackend())
    groups = {}
    for row in run.rows:
        if row["kind"] == "decision":
            groups.setdefault(row["group"], []).append(row)
    pairs = [rows for group, rows in groups.items() if group is not None and len(rows) == 2]
    assert len(pairs) >= 5
    for first, second in pairs:
        assert (first["verdict"] == "veto") == (second["verdict"] == "veto")
        assert first["size_multiplier"] == second["size_multiplier"]
    assert {rows[0]["verdict"] for rows in pairs} >= {"veto"}
    assert "group_veto" in {row["fusion_rule"] for rows in pairs for row in rows}


def test_the_planted_offender_of_pairs_two_answers_that_differ(run_alpha):
    """Without groups the same answers would leave half a pair: the rule back end does answer the legs apart."""
    run = run_alpha("PairsAlphaModel()", ["SPY", "IWM"], backend=RuleBackend())
    rules = [row["fusion_rule"] for row in run.rows if row["kind"] == "decision" and row["verdict"] == "veto"]
    assert rules.count("group_veto") >= 1
    assert rules.count("test") >= 1


def test_insights_sent_by_emit_insights_are_counted_and_not_asked(run_alpha):
    send = "self.schedule.on(self.date_rules.on(2012, 2, 14), self.time_rules.at(12, 0), self.later)"
    run = run_alpha("NullAlphaModel()", ["SPY"], send, backend=RuleBackend())
    report = run.result.algorithm.validated.desk.report()
    assert report["bypassing_insights"] == 1
    assert not run.entries
    assert run.result.orders
