from AlgorithmImports import *


class Market:
    """State of one market: its RSI and its stop."""

    def __init__(self, algorithm: QCAlgorithm, ticker: str) -> None:
        self.security = algorithm.add_equity(ticker, Resolution.DAILY)
        self.symbol = self.security.symbol
        self.rsi = RelativeStrengthIndex(14)
        self.stop = None
        for bar in algorithm.history[TradeBar](self.symbol, 200, Resolution.DAILY):
            self.rsi.update(bar.end_time, bar.close)


class StopTickets(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2015, 1, 1)
        self.set_end_date(2015, 12, 31)
        self.set_cash(150_000)
        self.markets = {market.symbol: market for market in (Market(self, "SPY"), Market(self, "EEM"))}

    def on_data(self, data: Slice) -> None:
        for symbol, market in self.markets.items():
            if not data.bars.contains_key(symbol):
                continue
            bar = data.bars[symbol]
            market.rsi.update(bar.end_time, bar.close)
            quantity = market.security.holdings.quantity
            if quantity == 0 and market.rsi.current.value < 40:
                shares = int(0.449 * self.portfolio.total_portfolio_value / bar.close)
                self.market_on_open_order(symbol, shares)
            elif quantity > 0 and market.rsi.current.value > 60:
                market.stop.cancel("strength")
                self.market_on_open_order(symbol, -quantity)

    def on_order_event(self, order_event: OrderEvent) -> None:
        if order_event.status == OrderStatus.FILLED and order_event.direction == OrderDirection.BUY:
            price = round(order_event.fill_price * 0.96, 2)
            ticket = self.stop_market_order(order_event.symbol, -order_event.fill_quantity, price)
            self.markets[order_event.symbol].stop = ticket
