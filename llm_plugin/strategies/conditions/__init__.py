"""Conditions evaluated on trusted bars with the engine's own indicators."""
