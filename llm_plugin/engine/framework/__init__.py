"""LEAN's algorithm framework: insights, alpha, portfolio construction, risk, execution, universe selection."""
