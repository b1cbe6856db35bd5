from AlgorithmImports import *


class DirectionalMovement(QCAlgorithm):
    """Rides strong upward trends of USO, as Wilder's directional movement measures them."""

    def initialize(self) -> None:
        self.set_start_date(2018, 1, 1)
        self.set_end_date(2018, 12, 31)
        self.set_cash(100_000)
        self._uso = self.add_equity("USO", Resolution.DAILY).symbol
        self._adx = self.adx(self._uso, 14)
        self.set_warm_up(150, Resolution.DAILY)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or self._uso not in data.bars:
            return
        strength = self._adx.current.value
        up = self._adx.positive_directional_index.current.value
        down = self._adx.negative_directional_index.current.value
        if self.portfolio[self._uso].invested:
            if strength < 20 or down > up:
                self.liquidate(self._uso)
        elif strength > 25 and up > down:
            self.set_holdings(self._uso, 0.9)
