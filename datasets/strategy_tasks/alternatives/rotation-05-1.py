from AlgorithmImports import *


class BlendedScore(QCAlgorithm):
    """The score from one frame of closes, in the first bar of each month."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(120_000)
        self.members = [self.add_equity(t, Resolution.DAILY).symbol for t in "SPY QQQ IWM EEM AAPL IBM".split()]
        self.last_month = 0

    def on_data(self, data: Slice) -> None:
        if self.time.month == self.last_month or data.bars.count < len(self.members):
            return
        self.last_month = self.time.month
        scores, above = {}, {}
        for member in self.members:
            closes = [bar.close for bar in self.history[TradeBar](member, 200, Resolution.DAILY)]
            scores[member] = sum(closes[-1] / closes[-1 - n] - 1 for n in (21, 63, 126))
            above[member] = closes[-1] > sum(closes) / len(closes)
        best = sorted(scores, key=scores.get)[-3:]
        for member in self.members:
            if member not in best or not above[member]:
                self.liquidate(member)
        for member in best:
            if above[member]:
                self.set_holdings(member, 0.3)
