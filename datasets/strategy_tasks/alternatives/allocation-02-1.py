from AlgorithmImports import *


class QuarterOnData(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(100_000)
        for ticker in ["AAPL", "IBM", "GOOG", "BAC"]:
            self.add_equity(ticker, Resolution.DAILY)
        self.quarter = None

    def on_data(self, data: Slice) -> None:
        quarter = (self.time.month - 1) // 3
        if quarter == self.quarter or data.bars.count < 4:
            return
        self.quarter = quarter
        members = sorted(self.securities.keys(), key=lambda s: -self.portfolio[s].holdings_value)
        for symbol in members:
            self.set_holdings(symbol, 0.25)
