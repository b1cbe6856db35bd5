from AlgorithmImports import *


class VoteOfThree(QCAlgorithm):
    """Owns SPY while a majority of three signals is for it."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._average = self.sma(self._spy, 100, Resolution.DAILY)
        self._change = self.roc(self._spy, 20, Resolution.DAILY)
        self._strength = self.rsi(self._spy, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._spy)
        if self.is_warming_up or bar is None:
            return
        votes = (
            bar.close > self._average.current.value,
            self._change.current.value > 0,
            self._strength.current.value > 50,
        )
        majority = sum(votes) >= 2
        if majority and not self.portfolio.invested:
            self.set_holdings(self._spy, 0.98)
        elif not majority and self.portfolio.invested:
            self.liquidate(self._spy)
