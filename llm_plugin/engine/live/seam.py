"""The live seam: what stands between the time loop and the world, and the loop that waits for it.

`LiveSession` is the one class a live run brings along: clock, feed and account. The time loop, the algorithm, the
fill models and the plugin do not know which session it is. `wait_until` is where a run is paced: recorded data
against the wall clock here; a feed of fresh data would return from it when a bar has come. Whoever reasons all the
time can work while `wait_until` waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from llm_plugin.engine.base.enums import AlgorithmStatus
from llm_plugin.engine.loop.time_loop import TimeLoop

if TYPE_CHECKING:
    from llm_plugin.engine.core import EngineCore

__all__ = ["Account", "LiveLoop", "LiveSession", "LiveStatus", "Pace"]

_TICK_SECONDS = 0.5


class Pace:
    """Simulated time against the wall clock.

    Args:
        speed: Simulated seconds per real second; 0 does not wait at all.
        on_tick: Called twice a second while it waits.
        clock: Monotonic seconds.
    """

    def __init__(
        self, speed: float, *, on_tick: Callable[[], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed = speed
        self.lag_seconds = 0.0
        self._on_tick = on_tick
        self._clock = clock
        self._stop = threading.Event()
        self._wall: float | None = None
        self._from_us = 0

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the waiting; safe in a signal handler and from any thread."""
        self._stop.set()

    def begin(self, utc_us: int) -> None:
        """Let the simulated clock start at a time, now."""
        self._wall, self._from_us = self._clock(), utc_us

    def now_us(self) -> int:
        """Return the simulated time that the wall clock stands for."""
        if self._wall is None or not self.speed:
            return self._from_us
        return self._from_us + round((self._clock() - self._wall) * self.speed * 1e6)

    def wait_until(self, utc_us: int) -> bool:
        """Block until the simulated time has come; False if the run is to stop."""
        if self._wall is None:
            self.begin(utc_us)
        if not self.speed:
            return not self._stop.is_set()
        due = (self._wall or 0.0) + (utc_us - self._from_us) / 1e6 / self.speed
        self.lag_seconds = max(0.0, self._clock() - due)
        while not self._stop.is_set() and (left := due - self._clock()) > 0:
            self._stop.wait(min(left, _TICK_SECONDS))
            if self._on_tick is not None:
                self._on_tick()
        return not self._stop.is_set()


class Account(Protocol):
    """What the brokerage keeps while no process runs."""

    def set_clock(self, core: EngineCore) -> None:
        """Before `initialize`: let a run that goes on know what time it is."""

    def prepare(self, core: EngineCore) -> None:
        """After `initialize`: give the algorithm its cash, holdings and orders, and the run its first moment."""

    def attach(self, run: Any) -> None:
        """Before the first moment: follow the orders of the run."""

    def go_live(self, loop: TimeLoop) -> None:
        """The warm-up is over: the account is what it was, whatever the warm-up did to it; open orders work."""

    def resume_samples(self, loop: TimeLoop) -> None:
        """Right after that: let the statistics go on where the process before left them."""

    def moment(self, core: EngineCore) -> None:
        """Keep what the moment that has just ended changed."""

    def close(self, status: AlgorithmStatus) -> None:
        """The process ends."""


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """What a status line says. Times are aware UTC, money in the account currency."""

    time: datetime
    equity: float
    positions: int
    open_orders: int
    orders: int
    bars: int
    warming_up: bool
    lag_seconds: float


class LiveSession:
    """Clock, feed and account of a live run.

    Args:
        pace: The clock.
        account: The brokerage's side.
        on_begin: Called with the run before its first moment.
        on_moment: Called after each moment with the status.
        on_results: Called every `write_every_seconds` with the run, to write its results as they stand.
        write_every_seconds: Wall seconds between two writes.
    """

    def __init__(
        self,
        pace: Pace,
        account: Account,
        *,
        on_begin: Callable[[Any], None] | None = None,
        on_moment: Callable[[LiveStatus], None] | None = None,
        on_results: Callable[[Any], None] | None = None,
        write_every_seconds: float = 30.0,
    ) -> None:
        self.pace, self.account = pace, account
        self.run: Any = None
        self._on_begin, self._on_moment, self._on_results = on_begin, on_moment, on_results
        self._every = write_every_seconds
        self._written = time.monotonic()

    # What the runner calls.
    def set_clock(self, core: EngineCore) -> None:
        """Before `initialize`."""
        self.account.set_clock(core)

    def prepare(self, core: EngineCore) -> None:
        """After `initialize`, before the warm-up begins."""
        self.account.prepare(core)

    def make_loop(self, run: Any, core: EngineCore, manager: Any, sampler: Any, on_progress: Any) -> LiveLoop:
        """Return the loop of a run."""
        self.run = run
        loop = LiveLoop(self, core, manager, sampler, on_progress)
        run.loop = loop
        self.account.attach(run)
        if self._on_begin is not None:
            self._on_begin(run)
        return loop

    def close(self, status: AlgorithmStatus) -> None:
        """The run has ended."""
        self.account.close(status)

    # What the loop calls.
    def wait_until(self, utc_us: int) -> bool:
        """Block until a moment has come and its data may be seen; False ends the run."""
        return self.pace.wait_until(utc_us)

    def moment(self, loop: LiveLoop) -> None:
        """A moment is over."""
        self.account.moment(loop.core)
        if self._on_moment is not None:
            self._on_moment(self.status(loop))
        if self._on_results is not None and time.monotonic() - self._written >= self._every:
            self._on_results(self.run)
            self._written = time.monotonic()

    def status(self, loop: LiveLoop) -> LiveStatus:
        """Return how things stand."""
        core = loop.core
        return LiveStatus(
            time=core.clock.aware_utc,
            equity=float(core.portfolio.exact_total),
            positions=sum(s.holdings.invested for s in core.securities.values()),
            open_orders=core.transactions.open_order_count,
            orders=core.transactions.orders_count,
            bars=loop.bars,
            warming_up=core.is_warming_up,
            lag_seconds=self.pace.lag_seconds,
        )


class LiveLoop(TimeLoop):
    """The time loop, one moment at a time: each waits until it has come. The warm-up does not wait."""

    def __init__(self, session: LiveSession, *args: Any) -> None:
        super().__init__(*args)
        self.session = session

    def step(self, now: int, updates: list[tuple[Any, Any]]) -> None:
        """Do the work of one moment once it has come."""
        if not self._reach(now):
            return
        super().step(now, updates)
        if self.core.warmup_finished:
            self.session.moment(self)

    def _pulse(self, now: int, ticks: int = 0) -> None:
        if self._reach(now):
            super()._pulse(now, ticks)

    def _reach(self, now: int) -> bool:
        """Wait for a moment; scheduled events before it fire when their own time has come, by the clock."""
        if not self.core.warmup_finished:
            return not self._stopping(not self.session.pace.stopped)
        while (due := self._schedule.due_us) < now:
            if self._stopping(self.session.wait_until(due)):
                return False
            self._schedule.run_before(due + 1, self.set_clock)
            self.session.moment(self)
            if self.core.status != AlgorithmStatus.RUNNING:
                return False
        return not self._stopping(self.session.wait_until(now))

    def _stopping(self, goes_on: bool) -> bool:
        if not goes_on:
            self.core.status = AlgorithmStatus.STOPPED
        return not goes_on

    def _end_warmup(self) -> None:
        self.session.account.go_live(self)
        self.session.pace.begin(self.core.clock.utc_us)
        super()._end_warmup()
        self.session.account.resume_samples(self)

    def _broke(self) -> bool:
        # Holdings of a restart are valued at the past's prices until the warm-up is over.
        return not self.core.is_warming_up and super()._broke()

    def check_margin(self) -> bool:
        return not self.core.is_warming_up and super().check_margin()
