from AlgorithmImports import *


class EuroRsi(QCAlgorithm):
    """Fades extremes of EURUSD's RSI back to its middle."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(100_000)
        self._pair = self.add_forex("EURUSD", Resolution.DAILY, Market.OANDA).symbol
        self._rsi = self.rsi(self._pair, 14, MovingAverageType.WILDERS, Resolution.DAILY)
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._pair not in data.quote_bars:
            return
        value = self._rsi.current.value
        holding = self.portfolio[self._pair]
        if (holding.is_long and value >= 50) or (holding.is_short and value <= 50):
            self.liquidate(self._pair)
        elif not holding.invested and value < 30:
            self.set_holdings(self._pair, 0.9)
        elif not holding.invested and value > 70:
            self.set_holdings(self._pair, -0.9)
