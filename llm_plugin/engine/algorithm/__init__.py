"""QCAlgorithm and its parts."""
