from AlgorithmImports import *


class EmergingMarketsCci(QCAlgorithm):
    """Buys a fixed lot of EEM at an extreme of the commodity channel index and sells when it turns positive."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(25_000)
        self._eem = self.add_equity("EEM", Resolution.DAILY).symbol
        self._cci = self.cci(self._eem, 20)
        self.set_warm_up(40, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._eem not in data.bars:
            return
        value = self._cci.current.value
        if not self.portfolio[self._eem].invested and value < -150:
            self.market_order(self._eem, 200)
        elif self.portfolio[self._eem].invested and value > 0:
            self.market_order(self._eem, -200)
