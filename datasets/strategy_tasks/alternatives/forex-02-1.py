from AlgorithmImports import *


class FadeInHandler(QCAlgorithm):
    """Acts in the update event of the bands; sizes the order itself."""

    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 6, 30)
        self.set_cash(100_000)
        self.pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self.bands = BollingerBands(48, 2, MovingAverageType.SIMPLE)
        for bar in self.history[QuoteBar](self.pair, 60, Resolution.HOUR):
            self.bands.update(bar.end_time, bar.close)
        self.consolidate(self.pair, timedelta(hours=1), self.on_hour)

    def on_hour(self, bar: QuoteBar) -> None:
        self.bands.update(bar.end_time, bar.close)
        if not self.bands.is_ready:
            return
        quantity = self.portfolio[self.pair].quantity
        if quantity == 0:
            units = int(self.portfolio.total_portfolio_value / bar.close / 1000) * 1000
            if bar.close > self.bands.upper_band.current.value:
                self.market_order(self.pair, -units)
            elif bar.close < self.bands.lower_band.current.value:
                self.market_order(self.pair, units)
        elif (bar.close - self.bands.middle_band.current.value) * quantity >= 0:
            self.market_order(self.pair, -quantity)
