import numpy as np
from AlgorithmImports import *


class EuroMeansByHand(QCAlgorithm):
    """Means of mid closes in numpy; positions are closed and opened by two orders."""

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 6, 30)
        self.set_cash(100_000)
        self.set_brokerage_model(BrokerageName.OANDA_BROKERAGE, AccountType.MARGIN)
        self.eurusd = self.add_forex("EURUSD", Resolution.HOUR).symbol
        history = self.history[QuoteBar](self.eurusd, 96, Resolution.HOUR)
        self.closes = [bar.close for bar in history]

    def on_data(self, data: Slice) -> None:
        bar = data.quote_bars.get(self.eurusd)
        if bar is None:
            return
        self.closes = [*self.closes[-95:], bar.close]
        difference = np.mean(self.closes[-24:]) - np.mean(self.closes)
        holding = self.portfolio[self.eurusd]
        if difference > 0 and not holding.is_long:
            self.liquidate(self.eurusd)
            self.market_order(self.eurusd, 100000)
        elif difference < 0 and not holding.is_short:
            self.liquidate(self.eurusd)
            self.market_order(self.eurusd, -100000)
