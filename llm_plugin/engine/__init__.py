"""The embedded LEAN-compatible engine: LEAN's backtest semantics in Python, on LEAN-format data."""
