"""Charts, the statistics of a run and LEAN's result files."""
