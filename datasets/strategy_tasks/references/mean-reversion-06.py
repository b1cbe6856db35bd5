from AlgorithmImports import *


class InternalBarStrength(QCAlgorithm):
    """Buys index ETFs that close near their low of the day and sells those that close near their high."""

    _TICKERS = ("SPY", "QQQ", "IWM")

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(200_000)
        self._symbols = [self.add_equity(ticker, Resolution.DAILY).symbol for ticker in self._TICKERS]

    def on_data(self, data: Slice) -> None:
        for symbol in self._symbols:
            bar = data.bars.get(symbol)
            if bar is None or bar.high == bar.low:
                continue
            strength = (bar.close - bar.low) / (bar.high - bar.low)
            invested = self.portfolio[symbol].invested
            if not invested and strength < 0.2:
                self.set_holdings(symbol, 0.3)
            elif invested and strength > 0.8:
                self.liquidate(symbol)
