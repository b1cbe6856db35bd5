"""Values in templates: missing ones render as n/a, and whole numbers have a short format of their own."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["MISSING", "Value", "format_problem"]

MISSING = "n/a"
_COMPACT = re.compile(r"(?:\*(?P<factor>\d+(?:\.\d+)?))?(?:/(?P<step>[1-9]\d*))?i")


@dataclass(frozen=True, slots=True)
class Value:
    """A number, a text, or None where nothing is known.

    Formats are Python's, and `[*FACTOR][/STEP]i`: times FACTOR, down to a multiple of STEP, as a whole number.

    >>> f"{Value(0.634):*100i} {Value(63.9):/5i} {Value(None):.2f}"
    '63 60 n/a'
    """

    raw: float | str | None

    def __format__(self, spec: str) -> str:
        """Render by `spec`."""
        raw = self.raw
        if raw is None or (isinstance(raw, float) and not math.isfinite(raw)):
            return MISSING
        if isinstance(raw, str):
            return format(raw, spec)
        compact = _COMPACT.fullmatch(spec)
        if compact is None:
            return format(raw, spec or ".6g")
        number = raw * float(compact["factor"] or 1)
        if not math.isfinite(number):
            return MISSING
        step = int(compact["step"] or 0)
        return str(math.floor(number / step) * step if step else round(number))


def format_problem(spec: str, *, text: bool) -> str:
    """Return what is wrong with a format, empty if nothing is."""
    try:
        format(Value("x" if text else 0.5), spec)
    except ValueError as error:
        return f"does not fit a {'text' if text else 'number'} ({error})"
    return ""
