from AlgorithmImports import *


class HourBars(QCAlgorithm):
    """Hourly bars from a consolidator, Wilder's RSI written out by hand."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 6, 30)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.HOUR).symbol
        self.gain = self.loss = 0.0
        self.last = None
        self.seen = 0
        self.age = 0
        for bar in self.history[TradeBar](self.spy, 120, Resolution.HOUR):
            self.learn(bar.close)
        self.consolidate(self.spy, timedelta(hours=1), self.on_hour)

    def learn(self, close: float) -> float:
        if self.last is not None:
            change = close - self.last
            self.seen += 1
            weight = 1 / min(self.seen, 7)
            self.gain += weight * (max(change, 0) - self.gain)
            self.loss += weight * (max(-change, 0) - self.loss)
        self.last = close
        return 100 * self.gain / (self.gain + self.loss) if self.gain + self.loss else 50.0

    def on_hour(self, bar: TradeBar) -> None:
        rsi = self.learn(bar.close)
        if self.portfolio[self.spy].invested:
            self.age += 1
            if rsi > 60 or self.age >= 14:
                self.liquidate(self.spy)
        elif rsi < 25:
            self.age = 0
            self.set_holdings(self.spy, 0.9)
