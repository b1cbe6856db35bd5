"""Versions of the validator's adapter and who of them serves: a folder, one atomic pointer, a mirror in MLflow."""
