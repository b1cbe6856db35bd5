from AlgorithmImports import *


class Stock:
    """One stock with its three averages."""

    def __init__(self, algorithm: QCAlgorithm, ticker: str) -> None:
        self.symbol = algorithm.add_equity(ticker, Resolution.DAILY).symbol
        self._averages = [algorithm.sma(self.symbol, period, Resolution.DAILY) for period in (10, 20, 50)]

    @property
    def values(self) -> tuple[float, float, float]:
        fast, middle, slow = (average.current.value for average in self._averages)
        return fast, middle, slow


class StackedAverages(QCAlgorithm):
    """Holds a quarter of the portfolio in each stock whose averages are in bullish order."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(400_000)
        self._stocks = [Stock(self, ticker) for ticker in ("AAPL", "IBM", "BAC", "WM")]
        self.set_warm_up(50, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up:
            return
        for stock in self._stocks:
            if stock.symbol not in data.bars:
                continue
            fast, middle, slow = stock.values
            if self.portfolio[stock.symbol].invested:
                if fast <= middle:
                    self.liquidate(stock.symbol)
            elif fast > middle > slow:
                self.set_holdings(stock.symbol, 0.25)
