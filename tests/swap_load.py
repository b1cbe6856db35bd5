"""Load on something that hot-swaps, in process or over HTTP: who failed, who mixed two generations, who had to wait.

A target is a function from a question's number to a `Reply`. What each version answers to each question is known
beforehand, so an answer computed partly by another generation is seen, whatever version it names.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["LoadResult", "Reply", "Swap", "p99_seconds", "run_load"]

AROUND_SECONDS = 1.0


@dataclass(frozen=True)
class Reply:
    """One answer: the version that it names, and the numbers that it gave."""

    version: str
    values: tuple[float, ...]


Ask = Callable[[int], Reply]
Truth = Mapping[str, Sequence[tuple[float, ...]]]


@dataclass(frozen=True)
class Swap:
    """When the building of a generation began, and when it served."""

    began: float
    served: float


@dataclass
class LoadResult:
    """What the clients saw.

    Attributes:
        latencies: (begin, end) of every answered request, in seconds of one clock.
        failed: Texts of the failures.
        mixed: Question, named version and numbers of each answer that no single generation gives.
        versions: How often each version answered.
        swaps: All swaps.
    """

    latencies: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: list[tuple[int, Reply]] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    swaps: list[Swap] = field(default_factory=list)

    @property
    def near(self) -> list[float]:
        """Latencies of requests that overlap a swap: from 1 s before it, or its building, to 1 s after it."""
        return [end - begin for begin, end in self.latencies if self._is_near(begin, end)]

    @property
    def far(self) -> list[float]:
        """Latencies of all other requests."""
        return [end - begin for begin, end in self.latencies if not self._is_near(begin, end)]

    @property
    def pause_p99_ms(self) -> float:
        """p99 near a swap minus p99 elsewhere."""
        return (p99_seconds(self.near) - p99_seconds(self.far)) * 1e3

    def _is_near(self, begin: float, end: float) -> bool:
        return any(
            end >= min(swap.began, swap.served - AROUND_SECONDS) and begin <= swap.served + AROUND_SECONDS
            for swap in self.swaps
        )


def p99_seconds(latencies: Sequence[float]) -> float:
    """The 99th percentile; too few values to have one are an error."""
    if len(latencies) < 100:
        raise ValueError(f"{len(latencies)} latencies have no 99th percentile; at least 100 are needed")
    return sorted(latencies)[int(len(latencies) * 0.99)]


def run_load(
    ask: Ask,
    swap: Callable[[int], float],
    truth: Truth,
    *,
    clients: int,
    requests: int,
    swaps: int,
    requests_per_second: float | None = None,
    tolerance: float = 1e-4,
) -> LoadResult:
    """Ask from many threads while generations are built and swapped.

    Args:
        ask: The target.
        swap: Builds and swaps in generation number n; returns `time.perf_counter()` at which it serves.
        truth: What each version answers to each question.
        clients: Threads that ask.
        requests: In all; the run goes on beyond them until the last swap is through.
        swaps: In all, spread evenly over the requests.
        requests_per_second: Of all clients together; None = each asks again at once.
        tolerance: Largest difference to the known answer.
    """
    result = LoadResult()
    questions = min(len(answers) for answers in truth.values())
    lock, done = threading.Lock(), threading.Event()
    taken = 0
    start = time.perf_counter()

    def client() -> None:
        nonlocal taken
        while True:
            with lock:
                number, taken = taken, taken + 1
            if number >= requests and done.is_set():
                return
            if requests_per_second is not None:
                time.sleep(max(0.0, start + number / requests_per_second - time.perf_counter()))
            question = number % questions
            begin = time.perf_counter()
            try:
                reply = ask(question)
            except Exception as error:
                with lock:
                    result.failed.append(f"{type(error).__name__}: {error}")
                continue
            end = time.perf_counter()
            right = _is_right(truth, question, reply, tolerance)
            with lock:
                result.latencies.append((begin, end))
                result.versions[reply.version] = result.versions.get(reply.version, 0) + 1
                if not right:
                    result.mixed.append((question, reply))

    def swapper() -> None:
        try:
            for number in range(swaps):
                while taken < (number + 1) * requests / (swaps + 1):
                    time.sleep(0.001)
                began = time.perf_counter()
                result.swaps.append(Swap(began, swap(number)))
        except Exception as error:
            with lock:
                result.failed.append(f"swap: {type(error).__name__}: {error}")
        finally:
            done.set()

    threads = [threading.Thread(target=client) for _ in range(clients)] + [threading.Thread(target=swapper)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result


def _is_right(truth: Truth, question: int, reply: Reply, tolerance: float) -> bool:
    known = truth.get(reply.version)
    if known is None or len(known[question]) != len(reply.values):
        return False
    return all(abs(a - b) <= tolerance for a, b in zip(known[question], reply.values, strict=True))
