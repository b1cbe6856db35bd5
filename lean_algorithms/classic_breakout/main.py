"""A classic Donchian breakout on daily equities: ask before the order, forward the order events."""

from collections import deque
from datetime import date

from AlgorithmImports import *

from llm_plugin.lean import Action, LLMPlugin


class ClassicBreakout(QCAlgorithm):
    """Buys a close above the highest high of 20 days; leaves at the stop, or at a close below the lowest low of 10."""

    TICKERS = ("SPY", "AAPL", "IBM", "BAC", "AIG", "IWM", "QQQ", "EEM")
    ENTRY_DAYS = 20
    EXIT_DAYS = 10

    def initialize(self):
        """Set the period, the securities and the plugin."""
        start = date.fromisoformat(self.get_parameter("start", "2013-01-01"))
        end = date.fromisoformat(self.get_parameter("end", "2018-12-31"))
        self.set_start_date(start.year, start.month, start.day)
        self.set_end_date(end.year, end.month, end.day)
        self.set_cash(100_000)
        self.symbols = [self.add_equity(ticker, Resolution.DAILY).symbol for ticker in self.TICKERS]
        self.bars = {symbol: deque(maxlen=self.ENTRY_DAYS) for symbol in self.symbols}
        self.entered = {}
        self.llm = LLMPlugin(self, "llm_config.yaml")

    def on_data(self, data):
        """Look at every bar that is new."""
        self.llm.on_data(data)
        for symbol in self.symbols:
            if data.bars.contains_key(symbol):
                self.on_bar(symbol, data.bars[symbol])

    def on_bar(self, symbol, bar):
        """Compare the close with the channel of the days before, then remember the day."""
        days = self.bars[symbol]
        if len(days) == days.maxlen:
            highest = max(high for high, _ in days)
            lowest = min(low for _, low in list(days)[-self.EXIT_DAYS :])
            if bar.close < lowest:
                self.llm.close(symbol, 1)
            elif bar.close > highest and not self.llm.has_position(symbol):
                self.enter(symbol, bar, highest)
        days.append((bar.high, bar.low))

    def enter(self, symbol, bar, highest):
        """Ask, and order what is left of an equal share."""
        strength = min(0.3, 10 * (bar.close / highest - 1))
        decision = self.llm.validate(symbol, Action.BUY, 0.5 + strength)
        if decision.approved:
            share = self.portfolio.total_portfolio_value / len(self.symbols)
            quantity = decision.quantity(share / bar.close)
            if quantity:
                self.entered[decision.tag] = decision
                self.market_order(symbol, quantity, tag=decision.tag)

    def on_order_event(self, order_event):
        """Forward the fills, and protect an entry with the stop of its plan (`liquidate` cancels it)."""
        self.llm.on_order_event(order_event)
        if order_event.status != OrderStatus.FILLED:
            return
        decision = self.entered.pop(self.transactions.get_order_ticket(order_event.order_id).tag, None)
        if decision is not None:
            stop = self.llm.exit_plan(decision).stop
            quantity = -order_event.fill_quantity
            self.stop_market_order(order_event.symbol, quantity, stop, tag=self.llm.exit_tag(decision))

    def on_end_of_algorithm(self):
        """Settle what is still open."""
        self.llm.on_end()
