"""How good a model is at writing strategies, and how good the judge is at telling so."""
