"""EURUSD hourly on bid and ask: the ensemble signals, the validator decides, the plugin manages stop and target."""

from datetime import date

from AlgorithmImports import *

from llm_plugin.lean import LLMPlugin


class EurusdEnsemble(QCAlgorithm):
    """One position at a time, entered where a signal begins; 1 % of the equity is lost where the stop is hit."""

    RISK_FRACTION = 0.01
    MAXIMUM_LEVERAGE = 10.0

    def initialize(self):
        """Set the period, the account and the plugin."""
        start = date.fromisoformat(self.get_parameter("start", "2013-01-01"))
        end = date.fromisoformat(self.get_parameter("end", "2018-12-31"))
        self.set_start_date(start.year, start.month, start.day)
        self.set_end_date(end.year, end.month, end.day)
        self.set_cash(100_000)
        self.set_brokerage_model(BrokerageName.OANDA_BROKERAGE, AccountType.MARGIN)
        self.pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA)
        self.llm = LLMPlugin(self, "llm_config.yaml")
        self.side = 0
        slippage_bps = self.llm.config.get("outcomes.slippage_bps")
        if slippage_bps:
            self.pair.set_slippage_model(ConstantSlippageModel(slippage_bps / 10_000))

    def on_data(self, data):
        """Ask the ensemble on every bar and, while flat, the validator when a signal begins."""
        if not data.quote_bars.contains_key(self.pair.symbol):
            return
        signal = self.llm.signal(self.pair.symbol)
        side = signal.action.side if signal is not None else 0
        begins, self.side = side != 0 and side != self.side, side
        if not begins or self.llm.has_position(self.pair.symbol) or not self.pair.exchange.exchange_open:
            return
        decision = self.llm.validate(self.pair.symbol, signal.action, signal.confidence)
        if decision.approved:
            self.llm.enter(decision, self.size(decision))

    def size(self, decision):
        """Return the units that lose RISK_FRACTION of the equity at the stop, within the leverage."""
        plan = self.llm.exit_plan(decision)
        if plan is None:
            return 0
        equity = self.portfolio.total_portfolio_value
        rate = self.pair.quote_currency.conversion_rate
        by_risk = self.RISK_FRACTION * equity / (plan.stop_distance(self.pair.price) * rate)
        return min(by_risk, self.MAXIMUM_LEVERAGE * equity / (self.pair.price * rate))

    def on_order_event(self, order_event):
        """Forward the fills."""
        self.llm.on_order_event(order_event)

    def on_end_of_algorithm(self):
        """Settle what is still open."""
        self.llm.on_end()
