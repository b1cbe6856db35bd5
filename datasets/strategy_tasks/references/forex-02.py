from AlgorithmImports import *


class BandFade(QCAlgorithm):
    """Sells EURUSD above, buys it below its Bollinger Bands; closes at the middle."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 6, 30)
        self.set_cash(100_000)
        self._pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self._bands = self.bb(self._pair, 48, 2, MovingAverageType.SIMPLE, Resolution.HOUR)
        self.set_warm_up(48, Resolution.HOUR)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._pair not in data.quote_bars:
            return
        close = data.quote_bars[self._pair].close
        middle = self._bands.middle_band.current.value
        holding = self.portfolio[self._pair]
        if (holding.is_long and close >= middle) or (holding.is_short and close <= middle):
            self.liquidate(self._pair)
        elif not holding.invested:
            if close < self._bands.lower_band.current.value:
                self.set_holdings(self._pair, 1)
            elif close > self._bands.upper_band.current.value:
                self.set_holdings(self._pair, -1)
