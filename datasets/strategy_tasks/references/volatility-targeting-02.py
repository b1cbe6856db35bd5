import math

from AlgorithmImports import *


class ScaledNasdaq(QCAlgorithm):
    """Scales QQQ each week to fifteen percent of yearly volatility, with at most one and a half times the equity."""

    _TARGET = 0.15
    _MOST = 1.5

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        qqq = self.add_equity("QQQ", Resolution.DAILY)
        qqq.set_leverage(2)
        self._qqq = qqq.symbol
        self._returns = RollingWindow[float](30)
        self._last_close: float | None = None
        self.set_warm_up(35, Resolution.DAILY)
        self.schedule.on(
            self.date_rules.week_start(self._qqq), self.time_rules.after_market_open(self._qqq, 1), self._rescale
        )

    def on_data(self, data: Slice) -> None:
        if self._qqq not in data.bars:
            return
        close = data.bars[self._qqq].close
        if self._last_close is not None:
            self._returns.add(close / self._last_close - 1)
        self._last_close = close

    def _rescale(self) -> None:
        if self.is_warming_up or not self._returns.is_ready:
            return
        returns = list(self._returns)
        mean = sum(returns) / len(returns)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in returns) / len(returns))
        weight = min(self._MOST, self._TARGET / (deviation * math.sqrt(252)))
        self.set_holdings(self._qqq, weight)
