from AlgorithmImports import *


class StochasticByHand(QCAlgorithm):
    """Raw %K from the highs and lows of fourteen bars, smoothed by a mean of three."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(10_000)
        self.wm = self.add_equity("WM", Resolution.DAILY).symbol
        self.bars = []
        self.raw = []
        self.since = None
        for bar in self.history[TradeBar](self.wm, 20, Resolution.DAILY):
            self.smooth(bar)

    def smooth(self, bar: TradeBar) -> float | None:
        self.bars = [*self.bars[-13:], bar]
        if len(self.bars) < 14:
            return None
        low = min(b.low for b in self.bars)
        high = max(b.high for b in self.bars)
        self.raw = [*self.raw[-2:], 100 * (bar.close - low) / (high - low)]
        return sum(self.raw) / len(self.raw)

    def on_data(self, data: Slice) -> None:
        if not data.bars.contains_key(self.wm):
            return
        k = self.smooth(data.bars[self.wm])
        if k is None:
            return
        if self.since is not None:
            self.since += 1
            if k > 80 or self.since == 25:
                self.liquidate(self.wm)
                self.since = None
        elif k < 20:
            self.set_holdings(self.wm, 1)
            self.since = 0
