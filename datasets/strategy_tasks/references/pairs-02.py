import math
import statistics

from AlgorithmImports import *


class ShareClasses(QCAlgorithm):
    """Trades the spread between Google's two share classes back to its mean."""

    _ENTRY = 1.5

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(500_000)
        self._first = self.add_equity("GOOGL", Resolution.DAILY).symbol
        self._second = self.add_equity("GOOG", Resolution.DAILY).symbol
        self._spreads = RollingWindow[float](20)
        self.set_warm_up(20, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self._first not in data.bars or self._second not in data.bars:
            return
        self._spreads.add(math.log(data.bars[self._first].close / data.bars[self._second].close))
        if self.is_warming_up or not self._spreads.is_ready:
            return
        z = self._z_score()
        holding = self.portfolio[self._first]
        if not holding.invested and abs(z) > self._ENTRY:
            side = -0.5 if z > 0 else 0.5
            self.set_holdings([PortfolioTarget(self._first, side), PortfolioTarget(self._second, -side)])
        elif (holding.is_long and z >= 0) or (holding.is_short and z <= 0):
            self.liquidate()

    def _z_score(self) -> float:
        spreads = list(self._spreads)
        return (spreads[0] - statistics.fmean(spreads)) / statistics.pstdev(spreads)
