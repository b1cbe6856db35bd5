from AlgorithmImports import *


class LastDayOnData(QCAlgorithm):
    """Recognises the last trading day by the exchange's next open."""

    def initialize(self) -> None:
        self.set_start_date(2016, 1, 1)
        self.set_end_date(2016, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY)
        self.iwm = self.add_equity("IWM", Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if data.bars.count < 2:
            return
        next_open = self.spy.exchange.hours.get_next_market_open(self.time, False)
        if next_open.month != self.time.month:
            for security in sorted((self.spy, self.iwm), key=lambda s: -s.holdings.holdings_value):
                self.set_holdings(security.symbol, 0.495)
