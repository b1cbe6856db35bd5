"""The exceptions of .NET that algorithms catch by name."""

from __future__ import annotations

__all__ = [
    "ArgumentException",
    "ArgumentNullException",
    "ArgumentOutOfRangeException",
    "InvalidOperationException",
    "KeyNotFoundException",
    "NotSupportedException",
]


class InvalidOperationException(ValueError):
    """Not possible now, or with these values."""


class ArgumentException(ValueError):
    """A value that does not fit."""


class ArgumentNullException(ArgumentException):
    """A value is missing."""


class ArgumentOutOfRangeException(ArgumentException):
    """A value beyond its bounds."""


class KeyNotFoundException(KeyError):
    """No such key."""


class NotSupportedException(ValueError):
    """Not possible with this object."""
