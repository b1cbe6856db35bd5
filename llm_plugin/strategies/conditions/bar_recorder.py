"""An algorithm that only records the bars it is given: conditions are evaluated on what LEAN would have shown."""

from __future__ import annotations

from typing import Any

from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm
from llm_plugin.engine.base.enums import DataNormalizationMode, Resolution


class BarRecorder(QCAlgorithm):
    """Subscribes to the symbols of its parameters and keeps their bars."""

    def initialize(self) -> None:
        """Read the parameters and subscribe."""
        kind, resolution = self.get_parameter("kind"), self.get_parameter("resolution")
        mode = self.get_parameter("price_mode")
        self.recorded: dict[Any, Any] = {}
        for name in self.get_parameter("symbols").split(","):
            options = {"data_normalization_mode": DataNormalizationMode[mode.upper()]} if kind == "equity" else {}
            security = getattr(self, f"add_{kind}")(name, Resolution[resolution.upper()], **options)
            self.recorded[security.symbol] = (name, security.exchange.time_zone, [], [])

    def on_data(self, data: Any) -> None:
        """Keep every bar with its end, trades apart from quotes."""
        for place, kind in ((2, data.bars), (3, data.quote_bars)):
            for symbol, bar in kind.items():
                row = (bar.end_time, bar.open, bar.high, bar.low, bar.close, getattr(bar, "volume", 0.0))
                self.recorded[symbol][place].append(row)
