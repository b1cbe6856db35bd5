from AlgorithmImports import *


class BitcoinTrend(QCAlgorithm):
    """Owns half a bitcoin while its faster average leads."""

    def initialize(self) -> None:
        self.set_start_date(2018, 4, 4)
        self.set_end_date(2018, 4, 6)
        self.set_account_currency("EUR")
        self.set_cash(10_000)
        self._bitcoin = self.add_crypto("BTCEUR", Resolution.MINUTE, Market.COINBASE).symbol
        self._fast = self.ema(self._bitcoin, 30)
        self._slow = self.ema(self._bitcoin, 120)

    def on_data(self, data: Slice) -> None:
        if not data.contains_key(self._bitcoin) or not self._slow.is_ready:
            return
        rising = self._fast.current.value > self._slow.current.value
        quantity = self.portfolio[self._bitcoin].quantity
        if rising and quantity == 0:
            self.market_order(self._bitcoin, 0.5)
        elif not rising and quantity > 0:
            self.market_order(self._bitcoin, -quantity)
