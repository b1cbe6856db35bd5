from AlgorithmImports import *


class VolumeBreakout(QCAlgorithm):
    """Buys BAC at new closing highs that come with heavy volume; sells five sessions later."""

    _LOOKBACK = 20
    _DOLLARS = 20_000

    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(50_000)
        self._bac = self.add_equity("BAC", Resolution.DAILY).symbol
        self._bars = RollingWindow[TradeBar](self._LOOKBACK + 1)
        self._sessions_held = 0
        self.set_warm_up(self._LOOKBACK + 1, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        bar = data.bars.get(self._bac)
        if bar is None:
            return
        self._bars.add(bar)
        if self.is_warming_up or not self._bars.is_ready:
            return
        if self.portfolio[self._bac].invested:
            self._sessions_held += 1
            if self._sessions_held == 5:
                self.liquidate(self._bac)
            return
        before = list(self._bars)[1:]
        average_volume = sum(past.volume for past in before) / self._LOOKBACK
        if bar.close > max(past.close for past in before) and bar.volume > 1.5 * average_volume:
            self._sessions_held = 0
            self.market_order(self._bac, int(self._DOLLARS / bar.close))
