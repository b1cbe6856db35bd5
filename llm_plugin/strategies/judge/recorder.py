"""Writes down what a candidate asks for, from inside of its own process: nothing here is trusted by the judge.

The engine's classes are changed for the life of this process, which runs one candidate and ends.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["Recorder"]

_FLUSH_BYTES = 1 << 16
_MOST_TAG = 400


class Recorder:
    """Records into a file descriptor.

    Args:
        channel: Where the lines go.
        start: Replaces the candidate's first day; None leaves it.
        end: Replaces its last day.
        cash: Replaces its cash in account currency; 0 leaves it.
        cut_us: No data after this moment (UTC microseconds); None = to the end.
    """

    def __init__(self, channel: int, start: date | None, end: date | None, cash: float, cut_us: int | None) -> None:
        self._channel = channel
        self._start, self._end, self._cash, self._cut_us = start, end, cash, cut_us
        self._lines: list[str] = []
        self._size = 0
        self._depth = 0
        self._muted = 0
        self._running = self._ending = False
        self._series: set[Any] = set()
        self._models: dict[Any, tuple[Any, ...]] = {}
        self._leverages: dict[Any, float] = {}

    def tell(self, what: str, /, **values: Any) -> None:
        """Write one line."""
        line = json.dumps({"k": what, **values})
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what is kept."""
        if not self._lines:
            return
        data = memoryview(("\n".join(self._lines) + "\n").encode())
        self._lines, self._size = [], 0
        while data:
            data = data[os.write(self._channel, data) :]

    def install(self) -> None:
        """Listen to the engine of this process."""
        from llm_plugin.engine import core, runner
        from llm_plugin.engine.feed import source
        from llm_plugin.engine.loop import time_loop
        from llm_plugin.engine.models import margin_calls
        from llm_plugin.engine.orders import transactions

        self._wrap_orders(transactions.TransactionManager, margin_calls.MarginCallModel)
        self._wrap_core(core.EngineCore)
        self._wrap(time_loop.TimeLoop, "run", self._before_run)
        self._wrap(time_loop.TimeLoop, "finish", self._before_finish)
        self._wrap(source.BarSource, "chunks", self._before_chunks)
        self._wrap_account(runner)

    @staticmethod
    def _wrap(kind: type, name: str, before: Callable[..., None]) -> None:
        original = getattr(kind, name)

        @functools.wraps(original)
        def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
            before(self, *args, **kwargs)
            return original(self, *args, **kwargs)

        setattr(kind, name, wrapped)

    def _wrap_orders(self, manager: type, margin: type) -> None:
        self._wrap(manager, "add_order", self._before_order)
        self._wrap(manager, "_queue_update", self._before_update)
        self._wrap(manager, "_queue_cancel", self._before_cancel)
        execute = margin.execute  # type: ignore[attr-defined]

        @functools.wraps(execute)
        def quietly(model: Any, requests: Any) -> Any:
            # The trusted replay's own engine calls for margin.
            self._muted += 1
            try:
                return execute(model, requests)
            finally:
                self._muted -= 1

        setattr(margin, "execute", quietly)  # noqa: B010 - a method of a class that is only known as `type`

    def _wrap_core(self, kind: Any) -> None:
        recorder = self
        self._wrap(kind, "register", self._before_register)
        dispatch, make = kind.dispatch_order_event, kind.__init__

        def dispatched(core: Any, event: Any) -> Any:
            recorder._depth += 1
            try:
                return dispatch(core, event)
            finally:
                recorder._depth -= 1

        def made(core: Any, context: Any) -> None:
            from llm_plugin.engine.base.zones import to_us

            make(core, context)
            for name, day, last in (("start", recorder._start, False), ("end", recorder._end, True)):
                if day is not None:
                    moment = getattr(core, name).replace(year=day.year, month=day.month, day=day.day)
                    setattr(core, name, moment if last else moment.replace(hour=0, minute=0, second=0, microsecond=0))
            core.clock.utc_us = core.clock.zone.utc(to_us(core.start))

        kind.dispatch_order_event, kind.__init__ = dispatched, made

    def _wrap_account(self, runner: Any) -> None:
        from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm
        from llm_plugin.engine.base.enums import AlgorithmStatus
        from llm_plugin.engine.base.money import normalize

        cash, cut_us, manager = self._cash, self._cut_us, runner.DataManager
        if cash:
            self._wrap(
                QCAlgorithm, "post_initialize", lambda algorithm: algorithm.set_cash(normalize(Decimal(repr(cash))))
            )
        if cut_us is None:
            return
        last: int = cut_us

        class CutManager(manager):  # type: ignore[misc,valid-type]
            """Streams that end at the cut, while the algorithm's own end stays what it was."""

            def __init__(self, core: Any, start_us: int, end_us: int) -> None:
                super().__init__(core, start_us, min(end_us, last))

        runner.DataManager = CutManager
        run = runner.TimeLoop.run

        def run_to_cut(loop: Any) -> None:
            run(loop)
            # Events between the last bar and the cut: the next bar, which is not there, would have brought them.
            if loop.core.status is AlgorithmStatus.RUNNING and loop.core.clock.utc_us <= last:
                # The warm-up ends at the run's start, as it does where bars follow.
                if loop.core.is_warming_up and loop.core.clock.utc_us < loop._real_start <= last:
                    loop.step(loop._real_start, [])
                loop._catch_up(last + 1)

        runner.TimeLoop.run = run_to_cut

    # What is heard.
    def _stamp(self, manager: Any) -> dict[str, Any]:
        nested = len(manager.events) if self._depth else -1
        return {"t": manager._clock.utc_us, "n": nested, "z": self._ending}

    def _before_order(self, manager: Any, request: Any) -> None:
        if self._muted:
            return
        security = manager._algorithm.securities[request.symbol]
        self._tell_models(security, manager._clock.utc_us)
        properties, group = request.order_properties, request.group_order_manager
        force = properties.time_in_force
        life = force.kind if force.expiry is None else f"{force.kind}:{force.expiry:%Y-%m-%dT%H:%M:%S}"
        options = {name: getattr(properties, name) for name in getattr(properties, "_options", ())}
        self.tell(
            "order",
            **self._stamp(manager),
            id=manager._last_id + 1,
            s=str(security.symbol.id),
            y=int(request.order_type),
            q=str(request.exact_quantity),
            p={name: value if isinstance(value, bool) else str(value) for name, value in request.prices.items()},
            tag=str(request.tag or "")[:_MOST_TAG],
            f=life,
            c=type(properties).__name__,
            o={name: value for name, value in options.items() if isinstance(value, bool | int | float | str)},
            a=bool(request.asynchronous),
            g=None
            if group is None
            else [group.id, group.count, str(group.exact_quantity), str(group.exact_limit)],
        )  # fmt: skip

    def _tell_models(self, security: Any, utc_us: int) -> None:
        """Tell which models a security has, where that is new."""
        from llm_plugin.strategies.judge.models import ROLES, describe

        now = tuple(getattr(security, attribute, None) for attribute, _, _ in ROLES.values())
        before, leverage = self._models.get(security.symbol), security.leverage
        known = before is not None and all(one is other for one, other in zip(now, before, strict=True))
        if known and self._leverages.get(security.symbol) == leverage:
            return
        self._models[security.symbol], self._leverages[security.symbol] = now, leverage
        sid = str(security.symbol.id)
        for role, model in zip(ROLES, now, strict=True):
            told = describe(role, model)
            if told is None:
                text = f"{type(model).__name__} of {security.symbol.value} is not used: fills and costs are LEAN's own"
                self.tell("note", text=text)
            else:
                self.tell("model", t=utc_us, s=sid, w=role, c=told[0], v=told[1])
        self.tell("leverage", t=utc_us, s=sid, v=leverage)

    def _before_update(self, manager: Any, request: Any) -> None:
        if self._muted:
            return
        from llm_plugin.engine.base.money import to_decimal

        names = ("quantity", "limit_price", "stop_price", "trigger_price", "trailing_amount")
        given = {name: str(to_decimal(getattr(request, name))) for name in names if getattr(request, name) is not None}
        tag = str(request.tag or "")[:_MOST_TAG]
        self.tell("update", **self._stamp(manager), id=int(request.order_id), p=given, tag=tag)

    def _before_cancel(self, manager: Any, request: Any) -> None:
        if not self._muted:
            tag = str(request.tag or "")[:_MOST_TAG]
            self.tell("cancel", **self._stamp(manager), id=int(request.order_id), tag=tag)

    def _before_register(self, core: Any, security: Any, config: Any) -> None:
        if config.is_internal_feed:
            return
        if config.is_custom_data:
            self.tell("note", text=f"custom data {security.symbol.value} is not replayed")
            return
        symbol = security.symbol
        self.tell(
            "add",
            t=core.clock.utc_us if self._running else 0,
            s=str(symbol.id),
            ticker=str(symbol.value),
            y=int(symbol.security_type),
            m=str(symbol.id.market),
            r=int(config.resolution),
            ff=bool(config.fill_data_forward),
            x=bool(config.extended_market_hours),
            norm=int(config.data_normalization_mode),
            lev=float(security.leverage),
        )

    def _before_chunks(self, source: Any) -> None:
        config = source.config
        key = (int(config.security_type), str(config.market), str(config.symbol.value), int(config.resolution))
        if key not in self._series:
            self._series.add(key)
            self.tell("series", y=key[0], m=key[1], s=key[2], r=key[3])

    def _before_run(self, loop: Any) -> None:
        core = loop.core
        self.tell("world", **_world(core))
        self._running = True

    def _before_finish(self, loop: Any) -> None:
        self._ending = True


def _world(core: Any) -> dict[str, Any]:
    from llm_plugin.engine.loop.benchmark import FuncBenchmark
    from llm_plugin.engine.market.symbols import Symbol

    span, asked = core.warmup_span, core.benchmark_request
    benchmark = None
    if isinstance(asked, Symbol):
        benchmark = [int(asked.security_type), str(asked.value), str(asked.id.market)]
    return {
        "start": f"{core.start:%Y-%m-%d}",
        "end": f"{core.end:%Y-%m-%d}",
        "cash": {str(key): str(cash.exact_amount) for key, cash in core.cash_book.items() if cash.exact_amount},
        "currency": core.cash_book.account_currency,
        "zone": core.clock.zone.name,
        "brokerage": int(core.brokerage_name),
        "account_type": int(getattr(core.brokerage_model, "account_type", 0)),
        "seeds": bool(core.settings.seed_initial_prices or core.security_initializers),
        "precise": bool(core.settings.daily_precise_end_time),
        "normalization": int(core.universe_settings.data_normalization_mode),
        "warmup_seconds": span.total_seconds() if span is not None else 0.0,
        "warmup_bars": int(core.warmup_bars or 0),
        "benchmark": benchmark,
        "constant_benchmark": benchmark is None and isinstance(core.benchmark, FuncBenchmark),
    }


class Watcher:
    """An audit hook that tells where the candidate's own lines open market data behind the engine's back.

    It only makes the reason readable: what it misses, the cut-off futures find.
    """

    def __init__(self, data_folder: str, project: str, tell: Callable[[str], None]) -> None:
        self._data, self._project, self._tell = data_folder + os.sep, project + os.sep, tell
        self._package = str(Path(__file__).parents[2] / "engine") + os.sep
        self._told: set[str] = set()

    def install(self) -> None:
        """Begin to listen; it cannot be undone."""
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], str) or not arguments[0].startswith(self._data):
            return
        frame = sys._getframe(1)
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self._package):
                return
            if name.startswith(self._project):
                text = f"main.py:{frame.f_lineno} opens {arguments[0][len(self._data) :]}"
                if text not in self._told and len(self._told) < 10:
                    self._told.add(text)
                    self._tell(text)
                return
            frame = frame.f_back  # type: ignore[assignment]
