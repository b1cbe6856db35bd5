"""The 101 formulaic alphas: two evaluators that check each other, and each alpha as a LEAN algorithm."""
