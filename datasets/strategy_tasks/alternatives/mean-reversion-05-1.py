from AlgorithmImports import *


class PullbackByHand(QCAlgorithm):
    """Williams %R written out from a frame of daily bars."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        self.iwm = self.add_equity("IWM", Resolution.DAILY).symbol
        self.age = 0

    def on_data(self, data: Slice) -> None:
        if self.iwm not in data.bars:
            return
        bars = self.history(self.iwm, 200, Resolution.DAILY)
        high, low = bars["high"].tail(10).max(), bars["low"].tail(10).min()
        close = bars["close"].iloc[-1]
        strength = -100 * (high - close) / (high - low)
        if self.portfolio.invested:
            self.age += 1
            if strength > -30 or self.age == 10:
                self.liquidate()
                self.age = 0
        elif close > bars["close"].mean() and strength < -90:
            self.set_holdings(self.iwm, 0.8)
