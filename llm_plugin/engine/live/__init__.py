"""Paper and live trading: the seam to the wall clock, the account that outlives its process."""
