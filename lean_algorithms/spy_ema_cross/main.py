"""An ordinary alpha model and the three-line promise: wrapped, sized, and nothing else changed."""

from datetime import date

from AlgorithmImports import *

from llm_plugin.lean import LLMRiskManagementModel, LLMValidatedAlphaModel


class SpyEmaCross(QCAlgorithm):
    """LEAN's EmaCrossAlphaModel on SPY, validated."""

    def initialize(self):
        """Set the period, the security and the framework."""
        start = date.fromisoformat(self.get_parameter("start", "2013-01-01"))
        end = date.fromisoformat(self.get_parameter("end", "2018-12-31"))
        self.set_start_date(start.year, start.month, start.day)
        self.set_end_date(end.year, end.month, end.day)
        self.set_cash(100_000)
        self.add_equity("SPY", Resolution.HOUR)

        alpha = LLMValidatedAlphaModel(EmaCrossAlphaModel(12, 26, Resolution.HOUR), config="llm_config.yaml")
        self.add_alpha(alpha)
        self.add_risk_management(LLMRiskManagementModel(alpha))

        self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel())
        self.set_execution(ImmediateExecutionModel())
        self.validated = alpha

    def on_end_of_algorithm(self):
        """Settle what is still open."""
        self.validated.on_end()
