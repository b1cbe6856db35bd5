"""Brokerage models: default market, leverage, fees, which orders are accepted."""
