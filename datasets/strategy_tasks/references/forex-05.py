from AlgorithmImports import *


class EuroChannel(QCAlgorithm):
    """Follows breaks of EURUSD's 20-day channel; a break of the 10-day channel against it ends the trade."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2015, 6, 30)
        self.set_cash(100_000)
        self._pair = self.add_forex("EURUSD", Resolution.DAILY, Market.OANDA).symbol
        self._bars = RollingWindow[QuoteBar](21)
        self.set_warm_up(21, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        bar = data.quote_bars.get(self._pair)
        if bar is None:
            return
        self._bars.add(bar)
        if self.is_warming_up or not self._bars.is_ready:
            return
        before = list(self._bars)[1:]
        holding = self.portfolio[self._pair]
        if holding.is_long:
            if bar.close < min(past.low for past in before[:10]):
                self.liquidate(self._pair)
        elif holding.is_short:
            if bar.close > max(past.high for past in before[:10]):
                self.liquidate(self._pair)
        elif bar.close > max(past.high for past in before):
            self.set_holdings(self._pair, 1)
        elif bar.close < min(past.low for past in before):
            self.set_holdings(self._pair, -1)
