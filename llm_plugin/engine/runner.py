"""Run a LEAN Python project on LEAN-format data."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from llm_plugin.engine.base.enums import AlgorithmStatus, Resolution
from llm_plugin.engine.base.money import ZERO
from llm_plugin.engine.base.names import find_member
from llm_plugin.engine.base.zones import to_us
from llm_plugin.engine.core import EngineCore, RunContext, reset_context, set_context
from llm_plugin.engine.data.bad_data import BadData, Problem, use_policy
from llm_plugin.engine.data.map_files import use_symbol_factory
from llm_plugin.engine.feed.data_manager import DataManager
from llm_plugin.engine.feed.subscriptions import default_data
from llm_plugin.engine.history.frames import ticker_keys
from llm_plugin.engine.importer import lean_imports, load_algorithm_class
from llm_plugin.engine.lean_project import Project, read_project
from llm_plugin.engine.limits import LimitReached, RunLimits, Watchdog
from llm_plugin.engine.loop.benchmark import FuncBenchmark, SecurityBenchmark, as_benchmark
from llm_plugin.engine.loop.sampling import RunSampler
from llm_plugin.engine.loop.time_loop import Progress, TimeLoop
from llm_plugin.engine.market.symbols import Symbol
from llm_plugin.engine.orders.order import MarketOnCloseOrder
from llm_plugin.engine.results.files import (
    RunState,
    hash_of_texts,
    order_json,
    order_list_hash,
    write_results,
)
from llm_plugin.engine.results.run_state import run_state
from llm_plugin.engine.results.run_statistics import current_statistics
from llm_plugin.engine.user_errors import translate
from llm_plugin.errors import AlgorithmError, LeanLlmError

_COLLECT_EVERY = 50_000

__all__ = ["BacktestResult", "Progress", "algorithm_period", "read_project", "run_backtest"]


@dataclass
class BacktestResult:
    """What a backtest gave; `error` is set when it ended early, everything else is as far as it came."""

    algorithm_id: str
    status: str
    statistics: dict[str, str]
    order_list_hash: str
    bars: int
    seconds: float
    orders: list[Any] = field(default_factory=list)
    order_events: list[Any] = field(default_factory=list)
    end_equity: Decimal = ZERO
    total_fees: Decimal = ZERO
    files: dict[str, Path] = field(default_factory=dict)
    log_lines: list[str] = field(default_factory=list)
    error: str | None = None
    interrupted: bool = False
    algorithm: Any = None
    run_state: RunState | None = None
    data_problems: list[Problem] = field(default_factory=list)

    @property
    def bars_per_second(self) -> float:
        """Data points per second of the whole run."""
        return self.bars / self.seconds if self.seconds else 0.0


def run_backtest(
    project: Path,
    *,
    data_folder: Path,
    results_folder: Path | None,
    parameters: Mapping[str, Any] | None = None,
    start: date | None = None,
    end: date | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    algorithm_class: str | None = None,
    raise_errors: bool = True,
    live: Any = None,
    object_store_folder: Path | None = None,
    limits: RunLimits | None = None,
    data_policy: BadData | None = None,
) -> BacktestResult:
    """Run a project and write LEAN's result files.

    Args:
        project: LEAN CLI project folder (main.py, config.json) or a Python file.
        data_folder: LEAN-format data.
        results_folder: Where the result files go; None writes nothing.
        parameters: Override those of config.json.
        start: Replaces the start date of the algorithm.
        end: Replaces its end date.
        on_progress: Called now and then with the time, the bars so far and the fraction.
        algorithm_class: Name of the class, where the file has several.
        raise_errors: False returns what went wrong in `error` instead of raising it.
        live: A `LiveSession`: the run waits for its moments, and its account outlives it.
        object_store_folder: Where the object store lies; None is the plugin's home.
        limits: Time and memory that the run may use; default: LEAN's 20 minutes a time step.
        data_policy: What damaged and missing data do; default: damage stops, missing files are told.

    Returns:
        Statistics, orders and files.

    Raises:
        AlgorithmError: The algorithm raised, or broke a limit (`LimitExceeded`); partial results are written first,
            the error has them as `result`.
        UnsupportedLeanApi: It used a member that the engine lacks; likewise.
        DataError: The data folder lacks something, or a file is damaged; likewise.
    """
    began = time.perf_counter()
    found, context = _opened(project, data_folder, parameters, object_store_folder, live)
    with lean_imports(found.folder), rare_collections(), use_policy(data_policy or BadData()) as policy:
        run = _Run(context, found, on_progress, limits or RunLimits())
        with run.in_context():
            run.execute(algorithm_class, start, end)
        run.tell(policy)
        result = run.result(results_folder, time.perf_counter() - began)
        result.data_problems = policy.problems
    if run.failure is not None and raise_errors:
        run.failure.result = result  # type: ignore[attr-defined]
        raise run.failure from run.cause
    return result


def algorithm_period(
    project: Path,
    *,
    data_folder: Path,
    parameters: Mapping[str, Any] | None = None,
    limits: RunLimits | None = None,
) -> tuple[date, date]:
    """Return the first and the last day that an algorithm sets for itself; it is initialised, and not run.

    Args:
        project: LEAN CLI project folder (main.py, config.json) or a Python file.
        data_folder: LEAN-format data.
        parameters: Override those of config.json.
        limits: Time and memory that this may use.

    Raises:
        AlgorithmError: Its `initialize` raised.
        UnsupportedLeanApi: It used a member that the engine lacks.
        DataError: The data folder lacks something.
    """
    found, context = _opened(project, data_folder, parameters)
    with lean_imports(found.folder), use_policy(BadData()):
        run = _Run(context, found, None, limits or RunLimits())
        with run.in_context():
            run.execute(None, None, None, only_initialize=True)
    if run.failure is not None:
        raise run.failure from run.cause
    return run.core.start.date(), run.core.end.date()


def _opened(
    project: Path, data_folder: Path, parameters: Mapping[str, Any] | None, store: Path | None = None, live: Any = None
) -> tuple[Project, RunContext]:
    found = read_project(project)
    merged = {**found.parameters, **{str(k): str(v) for k, v in (parameters or {}).items()}}
    return found, RunContext(Path(data_folder).resolve(), merged, store, found.folder.name, found.folder, live)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the garbage collector look less often: a run keeps what it makes, and makes few cycles."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _COLLECT_EVERY) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Run:
    """One backtest from loading to results."""

    def __init__(self, context: RunContext, project: Project, on_progress: Any, limits: RunLimits) -> None:
        self.context, self.project = context, project
        self._on_progress, self._limits = on_progress, limits
        self.failure: LeanLlmError | None = None
        self.cause: BaseException | None = None
        self.interrupted = False
        self.algorithm: Any = None
        self.loop: TimeLoop | None = None
        self.sampler: RunSampler | None = None
        self.name = context.algorithm_id

    @contextmanager
    def in_context(self) -> Iterator[None]:
        """Let what the run makes know of it; afterwards nothing is left that the next run could see."""
        token = set_context(self.context)
        buffer = MarketOnCloseOrder.submission_time_buffer
        try:
            use_symbol_factory(self.context.data_folder)
            yield
        finally:
            # A setting of LEAN that lives on a class.
            MarketOnCloseOrder.submission_time_buffer = buffer
            reset_context(token)

    def execute(
        self, wanted: str | None, start: date | None, end: date | None, *, only_initialize: bool = False
    ) -> None:
        """Load, initialise and run; whatever is raised is kept."""
        from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm

        # A live run waits for its moments: there is no telling a long step from a quiet market.
        guard = Watchdog(self._limits, self._position) if self.context.live is None else nullcontext()
        try:
            with guard:
                self._load(QCAlgorithm, wanted)
                with ticker_keys(self.core.symbol_cache.find):
                    self._ask_user(start, end)
                    if not only_initialize:
                        self._run()
        except KeyboardInterrupt:
            self.interrupted = True
            self._end(AlgorithmStatus.STOPPED)
        except (Exception, LimitReached) as error:
            self.cause = error
            self.failure = translate(error, self.project.folder)
            self._end(AlgorithmStatus.RUNTIME_ERROR)

    def _load(self, base: type, wanted: str | None) -> None:
        kind = load_algorithm_class(self.project.main, base, wanted)
        self.name = kind.__name__
        self.context.algorithm_id = self.name
        self.algorithm = kind()

    def _run(self) -> None:
        self._prepare()
        if self.loop is not None:
            self.loop.run()
            self.loop.finish()
            # Also after `quit`: LEAN calls a run that came to its end completed.
            self.core.status = self._final_status()

    def _position(self) -> Any:
        return self.core.clock.utc_us if self.algorithm is not None else None

    def _final_status(self) -> AlgorithmStatus:
        live = self.context.live
        return AlgorithmStatus.STOPPED if live is not None and live.pace.stopped else AlgorithmStatus.COMPLETED

    @property
    def core(self) -> EngineCore:
        """State of the run."""
        return self.algorithm._engine  # type: ignore[no-any-return]

    def _end(self, status: AlgorithmStatus) -> None:
        if self.algorithm is None:
            return
        self.core.status = status
        if self.failure is not None:
            self.core.error(str(self.failure))
        if self.sampler is not None and self.loop is not None and self.core.clock.utc_us > 0:
            self.sampler.finish(self.core.clock.utc_us)

    def _ask_user(self, start: date | None, end: date | None) -> None:
        core, algorithm = self.core, self.algorithm
        core.clock.utc_us = core.clock.zone.utc(to_us(core.start))
        if self.context.live is not None:
            self.context.live.set_clock(core)
        algorithm.initialize()
        if start is not None:
            algorithm.set_start_date(start)
        if end is not None:
            algorithm.set_end_date(end)
        if core.end < core.start:
            raise AlgorithmError(f"the end date {core.end:%Y-%m-%d} is before the start date {core.start:%Y-%m-%d}")

    def _prepare(self) -> None:
        core, algorithm = self.core, self.algorithm
        algorithm.post_initialize()
        if self.context.live is not None:
            self.context.live.prepare(core)
        from llm_plugin.engine.loop.warmup import warmup_start
        from llm_plugin.engine.universe.selection import UniverseEngine

        zone = core.clock.zone
        begin = warmup_start(core)
        core.is_warming_up = begin < core.start
        start_us, end_us = zone.utc(to_us(begin)), zone.utc(to_us(core.end))
        core.clock.utc_us = start_us
        manager = DataManager(core, start_us, end_us)
        core.data_manager = manager
        self._benchmark()
        manager.ensure_conversions(start_us)
        core.universes = UniverseEngine(core, end_us)
        core.universes.start(start_us)
        # After the first selection, as in LEAN: what that seeds does not see the benchmark's stream.
        self._benchmark_stream(manager, start_us)
        core.locked = True
        core.transactions.listeners.append(algorithm.framework.on_order_event)
        self.sampler = core.sampler = RunSampler(core)
        self.sampler.schedule()
        if self.context.live is None:
            self.loop = TimeLoop(core, manager, self.sampler, self._on_progress)
        else:
            self.loop = self.context.live.make_loop(self, core, manager, self.sampler, self._on_progress)

    def _benchmark(self) -> None:
        core = self.core
        request = core.benchmark_request
        own = find_member(core.brokerage_model, "get_benchmark") if request is None else None
        if own is not None:
            chosen = own(core.algorithm.securities)
            request = chosen if chosen is None or isinstance(chosen, SecurityBenchmark) else as_benchmark(chosen)
        if request is None:
            standard = getattr(core.brokerage_model, "default_benchmark", None)
            if standard is None:
                core.benchmark = FuncBenchmark(lambda time: 0)
                return
            kind, ticker, market = standard
            request = core.make_symbol(ticker, kind, market)
        if not isinstance(request, Symbol):
            core.benchmark = request
            return
        security = core.create_security(request, internal=True)
        core.benchmark_security = security
        core.benchmark = SecurityBenchmark(security)

    def _benchmark_stream(self, manager: DataManager, start_us: int) -> None:
        core, security = self.core, self.core.benchmark_security
        if security is None:
            return
        tick_type = default_data(security.type, Resolution.HOUR)[0]
        config = core.add_config(security, Resolution.HOUR, tick_type, fill_forward=False, internal=True)
        security.set_market_price(manager.last_point(config, security, start_us))

    def tell(self, policy: BadData) -> None:
        """Log what was skipped; missing files are kept in the result alone, as LEAN keeps them out of its log."""
        if self.algorithm is not None and policy.bad == "skip":
            for line in policy.lines():
                self.core.message("", line)

    # Results.
    def result(self, folder: Path | None, seconds: float) -> BacktestResult:
        """Compute the statistics and write the files."""
        if self.algorithm is None or self.sampler is None:
            text = str(self.failure) if self.failure is not None else None
            status = str(AlgorithmStatus.RUNTIME_ERROR)
            return BacktestResult(self.name, status, {}, order_list_hash([]), 0, seconds, error=text)
        core, algorithm, transactions = self.core, self.algorithm, self.core.transactions
        orders = transactions.all_orders
        portfolio = core.portfolio
        statistics = current_statistics(core, self.sampler)
        texts = [order_json(order) for order in orders]
        digest = hash_of_texts(texts)
        statistics.summary["OrderListHash"] = digest
        state = run_state(core, statistics, texts, error=str(self.failure or ""), seconds=seconds)
        files = write_results(folder, self.name, state) if folder is not None else {}
        return BacktestResult(
            self.name,
            str(core.status),
            dict(statistics.summary),
            digest,
            self.loop.bars if self.loop is not None else 0,
            seconds,
            orders,
            list(transactions.events),
            portfolio.exact_total,
            portfolio.exact_fees,
            files,
            list(core.log_lines),
            str(self.failure) if self.failure is not None else None,
            self.interrupted,
            algorithm,
            state,
        )
