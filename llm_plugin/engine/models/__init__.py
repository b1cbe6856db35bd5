"""Models of reality: fills, fees, slippage, buying power, settlement, short availability, volatility."""
