from AlgorithmImports import *


class CalmMarket(QCAlgorithm):
    """Owns SPY in calm times; entry and exit levels differ, so that it does not flutter."""

    _CALM, _WILD = 0.12, 0.15

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self._deviation = IndicatorExtensions.of(StandardDeviation(20), self.roc(self._spy, 1, Resolution.DAILY))
        self.set_warm_up(30, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._spy not in data.bars:
            return
        volatility = self._deviation.current.value * 252**0.5
        if not self.portfolio.invested and volatility < self._CALM:
            self.set_holdings(self._spy, 0.98)
        elif self.portfolio.invested and volatility > self._WILD:
            self.liquidate(self._spy)
