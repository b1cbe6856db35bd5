"""Names of the printed statistics."""

from __future__ import annotations

from llm_plugin.engine.base.names import LeanObject

__all__ = ["PerformanceMetrics"]


class PerformanceMetrics(LeanObject):
    """Names of the printed statistics."""

    ALPHA = Alpha = "Alpha"
    ANNUAL_STANDARD_DEVIATION = AnnualStandardDeviation = "Annual Standard Deviation"
    ANNUAL_VARIANCE = AnnualVariance = "Annual Variance"
    AVERAGE_LOSS = AverageLoss = "Average Loss"
    AVERAGE_WIN = AverageWin = "Average Win"
    BETA = Beta = "Beta"
    COMPOUNDING_ANNUAL_RETURN = CompoundingAnnualReturn = "Compounding Annual Return"
    DRAWDOWN = Drawdown = "Drawdown"
    DRAWDOWN_RECOVERY = DrawdownRecovery = "Drawdown Recovery"
    END_EQUITY = EndEquity = "End Equity"
    ESTIMATED_STRATEGY_CAPACITY = EstimatedStrategyCapacity = "Estimated Strategy Capacity"
    EXPECTANCY = Expectancy = "Expectancy"
    INFORMATION_RATIO = InformationRatio = "Information Ratio"
    LOSS_RATE = LossRate = "Loss Rate"
    LOWEST_CAPACITY_ASSET = LowestCapacityAsset = "Lowest Capacity Asset"
    NET_PROFIT = NetProfit = "Net Profit"
    PORTFOLIO_TURNOVER = PortfolioTurnover = "Portfolio Turnover"
    PROBABILISTIC_SHARPE_RATIO = ProbabilisticSharpeRatio = "Probabilistic Sharpe Ratio"
    PROFIT_LOSS_RATIO = ProfitLossRatio = "Profit-Loss Ratio"
    SHARPE_RATIO = SharpeRatio = "Sharpe Ratio"
    SORTINO_RATIO = SortinoRatio = "Sortino Ratio"
    START_EQUITY = StartEquity = "Start Equity"
    TOTAL_FEES = TotalFees = "Total Fees"
    TOTAL_ORDERS = TotalOrders = "Total Orders"
    TRACKING_ERROR = TrackingError = "Tracking Error"
    TREYNOR_RATIO = TreynorRatio = "Treynor Ratio"
    WIN_RATE = WinRate = "Win Rate"
