"""How many threads numerical libraries may use, as they read it from the environment of a new process."""

from __future__ import annotations

__all__ = ["THREAD_VARIABLES", "thread_limits"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def thread_limits(count: int) -> dict[str, str]:
    """Return the variables of a process whose libraries use so many threads."""
    return dict.fromkeys(THREAD_VARIABLES, str(count))
