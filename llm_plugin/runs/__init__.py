"""A backtest run: prepare the models, run the arms, summarise, report."""
