"""Run a LEAN Python project on LEAN-format data."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
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
from llm_plugin.engine.portfolio.cash import CURRENCY_SYMBOLS
from llm_plugin.engine.results.charts import merged_charts
from llm_plugin.engine.results.files import (
    RunState,
    hash_of_texts,
    order_json,
    order_list_hash,
    runtime_statistics,
    write_results,
)
from llm_plugin.engine.results.run_statistics import current_statistics
from llm_plugin.engine.user_errors import translate
from llm_plugin.errors import AlgorithmError, LeanLlmError

_COLLECT_EVERY = 50_000

__all__ = ["BacktestResult", "Progress", "read_project", "run_backtest"]


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
    found = read_project(project)
    merged = {**found.parameters, **{str(k): str(v) for k, v in (parameters or {}).items()}}
    store = object_store_folder
    context = RunContext(Path(data_folder).resolve(), merged, store, found.folder.name, found.folder, live)
    with lean_imports(found.folder), rare_collections(), use_policy(data_policy or BadData()) as policy:
        run = _Run(context, found, on_progress, limits or RunLimits())
        token = set_context(context)
        buffer = MarketOnCloseOrder.submission_time_buffer
        try:
            use_symbol_factory(context.data_folder)
            run.execute(algorithm_class, start, end)
        finally:
            # A setting of LEAN that lives on a class: it must not leak into the next run.
            MarketOnCloseOrder.submission_time_buffer = buffer
            reset_context(token)
        run.tell(policy)
        result = run.result(results_folder, time.perf_counter() - began)
        result.data_problems = policy.problems
    if run.failure is not None and raise_errors:
        run.failure.result = result  # type: ignore[attr-defined]
        raise run.failure from run.cause
    return result


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

    def execute(self, wanted: str | None, start: date | None, end: date | None) -> None:
        """Load, initialise and run; whatever is raised is kept."""
        from llm_plugin.engine.algorithm.qc_algorithm import QCAlgorithm

        # A live run waits for its moments: there is no telling a long step from a quiet market.
        guard = Watchdog(self._limits, self._position) if self.context.live is None else nullcontext()
        try:
            with guard:
                self._load_and_run(QCAlgorithm, wanted, start, end)
        except KeyboardInterrupt:
            self.interrupted = True
            self._end(AlgorithmStatus.STOPPED)
        except (Exception, LimitReached) as error:
            self.cause = error
            self.failure = translate(error, self.project.folder)
            self._end(AlgorithmStatus.RUNTIME_ERROR)

    def _load_and_run(self, base: type, wanted: str | None, start: date | None, end: date | None) -> None:
        kind = load_algorithm_class(self.project.main, base, wanted)
        self.name = kind.__name__
        self.context.algorithm_id = self.name
        self.algorithm = kind()
        with ticker_keys(self.core.symbol_cache.find):
            self._initialize(start, end)
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

    def _initialize(self, start: date | None, end: date | None) -> None:
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
        currency = core.cash_book.account_currency
        unit = CURRENCY_SYMBOLS.get(currency, currency)
        orders = transactions.all_orders
        portfolio = core.portfolio
        statistics = current_statistics(core, self.sampler)
        texts = [order_json(order) for order in orders]
        digest = hash_of_texts(texts)
        statistics.summary["OrderListHash"] = digest
        state = self._state(statistics, unit, seconds, texts)
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

    def _state(self, statistics: Any, unit: str, seconds: float, texts: list[str]) -> RunState:
        core, algorithm = self.core, self.algorithm
        portfolio = core.portfolio
        assert_sampler = self.sampler
        charts = dict(assert_sampler.results.charts) if assert_sampler is not None else {}
        runtime = runtime_statistics(
            currency_symbol=unit,
            equity=portfolio.exact_total,
            starting_value=assert_sampler.results.starting_value if assert_sampler is not None else ZERO,
            fees=portfolio.exact_fees,
            holdings=Decimal(str(portfolio.total_holdings_value)),
            net_profit=Decimal(str(portfolio.total_net_profit)),
            unrealized=Decimal(str(portfolio.total_unrealized_profit)),
            volume=portfolio.exact_sales,
            summary=statistics.summary,
            custom=core.runtime_statistics,
        )
        model = core.brokerage_model
        return RunState(
            statistics=statistics,
            charts=merged_charts(charts, algorithm.user_charts),
            orders=core.transactions.all_orders,
            order_texts=texts,
            order_events=core.transactions.events,
            profit_loss=portfolio.records,
            runtime_statistics=runtime,
            state={
                "Status": str(core.status),
                "Name": algorithm.name,
                "RuntimeError": str(self.failure or ""),
                "StackTrace": "",
                "LogCount": str(len(core.log_lines)),
                "OrderCount": str(core.transactions.orders_count),
                "InsightCount": str(algorithm.insights.total_count),
            },
            algorithm_configuration={
                "name": algorithm.name,
                "accountCurrency": core.cash_book.account_currency,
                "brokerage": int(core.brokerage_name),
                "accountType": int(getattr(model, "account_type", 0)),
                "parameters": dict(core.context.parameters),
                "startDate": _iso(core.start),
                "endDate": _iso(core.end),
                "tradingDaysPerYear": int(getattr(model, "trading_days", 252)),
            },
            server_statistics={"Seconds": f"{seconds:.3f}"},
            log_lines=list(core.log_lines),
            insights=[insight.to_json() for insight in algorithm.insights.get_insights()],
        )


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
