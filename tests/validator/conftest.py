"""Fixtures of the validator's tests."""

from __future__ import annotations

from conftest_validator import make, store

__all__ = ["make", "store"]
