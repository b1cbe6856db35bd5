"""What the processes of runs share: how often they tell their progress, and the code of one that was stopped."""

from __future__ import annotations

import time

__all__ = ["STOPPED", "Paced"]

STOPPED = 130
_EVERY_SECONDS = 0.25


class Paced:
    """Says whether it is time to tell the progress again; the first time it is."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._last < _EVERY_SECONDS:
            return False
        self._last = now
        return True
