"""Walk-forward: a long backtest in simulated time that retrains, judges, swaps and rolls back on the way."""
