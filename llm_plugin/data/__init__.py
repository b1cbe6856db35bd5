"""Market data: reading it as arrays, checking it, and writing synthetic markets with a known truth."""
