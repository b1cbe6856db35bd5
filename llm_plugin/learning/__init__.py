"""The closed loop: outcomes become preference pairs, pairs an adapter, and a gate decides whether it serves."""
