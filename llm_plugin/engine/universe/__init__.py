"""Universes: what selects, when, and which securities come and go."""
