import pandas as pd
from AlgorithmImports import *


class AveragesInPandas(QCAlgorithm):
    """One frame of closes for all stocks, extended each day; averages by pandas."""

    def initialize(self) -> None:
        self.set_start_date(2017, 1, 1)
        self.set_end_date(2017, 12, 31)
        self.set_cash(400_000)
        self.symbols = [self.add_equity(t, Resolution.DAILY).symbol for t in ["AAPL", "IBM", "BAC", "WM"]]
        history = self.history(self.symbols, 60, Resolution.DAILY)["close"].unstack(level=0)
        history.columns = [self.symbol(str(name)) for name in history.columns]
        self.closes = history

    def on_data(self, data: Slice) -> None:
        row = {s: data.bars[s].close for s in self.symbols if s in data.bars}
        if len(row) < len(self.symbols):
            return
        self.closes = pd.concat([self.closes, pd.DataFrame([row], index=[self.time])]).tail(60)
        mean = {n: self.closes.tail(n).mean() for n in (10, 20, 50)}
        for s in self.symbols:
            held = self.portfolio[s].invested
            if not held and mean[10][s] > mean[20][s] and mean[20][s] > mean[50][s]:
                self.set_holdings(s, 0.25)
            elif held and mean[10][s] <= mean[20][s]:
                self.set_holdings(s, 0)
