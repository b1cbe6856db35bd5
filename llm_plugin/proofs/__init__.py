"""Proofs that take longer than a test: markets whose truth is known, and what the validator makes of them."""
