"""What a fill costs beyond the spread: slippage, and the fee of the brokerage by the engine's own fee rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from llm_plugin.engine.models import fee_rules
from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["BROKERAGES", "Costs"]

BROKERAGES = ("default", "interactive_brokers", "oanda", "fxcm", "coinbase", "none")


@dataclass(frozen=True, slots=True)
class Costs:
    """Slippage and fee of one order; the spread is in the prices.

    `fee_bps` is a commission of the traded value on top of the brokerage's fee. Fees are in the quote currency.
    """

    slippage_bps: float = 0.0
    brokerage: str = "default"
    fee_bps: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [
            f"costs: {name} is {value!r}; give a number of at least 0"
            for name, value in (("slippage_bps", self.slippage_bps), ("fee_bps", self.fee_bps))
            if not (math.isfinite(value) and value >= 0)
        ]
        if self.brokerage not in BROKERAGES:
            hint = did_you_mean(self.brokerage, BROKERAGES)
            problems.append(f"costs: brokerage {self.brokerage!r} is not known{hint}; known: {', '.join(BROKERAGES)}")
        if problems:
            raise ConfigError(problems)

    @property
    def slippage_fraction(self) -> float:
        """Slippage as a fraction of the price."""
        return self.slippage_bps / 10_000

    def is_free(self, security_type: str) -> bool:
        """Return True where no order of this security type pays a fee."""
        paying = {
            "default": ("equity",),
            "interactive_brokers": ("equity", "forex", "cfd"),
            "fxcm": ("forex",),
            "coinbase": ("crypto",),
        }
        return self.fee_bps == 0 and security_type not in paying.get(self.brokerage, ())

    def fee(
        self,
        security_type: str,
        quantity: float,
        price: float,
        time_utc: datetime,
        ticker: str = "",
        quote_currency: str = "USD",
        maker: bool = False,
    ) -> float:
        """Return the fee of one order of `quantity` units (contract multiplier included), in the quote currency."""
        value = abs(quantity * price)
        commission = value * self.fee_bps / 10_000
        if self.is_free(security_type):
            return 0.0
        name = (self.brokerage, security_type)
        if security_type == "equity" and self.brokerage in ("default", "interactive_brokers"):
            return commission + fee_rules.interactive_brokers_equity_fee(quantity, value)
        if name == ("interactive_brokers", "forex"):
            return commission + fee_rules.interactive_brokers_forex_fee(value)
        if name == ("interactive_brokers", "cfd"):
            return commission + fee_rules.interactive_brokers_cfd_fee(value, quote_currency)
        if name == ("fxcm", "forex"):
            return commission + fee_rules.fxcm_forex_fee(ticker, quantity)
        if name == ("coinbase", "crypto"):
            return commission + value * float(fee_rules.coinbase_fee_rates(time_utc)[1 if maker else 0])
        return commission
