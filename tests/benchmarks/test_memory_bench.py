"""Retrieval from 100,000 trades: vectors of real EURUSD hours, both sides, as-of times over the whole history.

A question's vector is that of its own time, so its nearest trades closed shortly before it, or shortly after: the
hard case for a search that may not see the future. Making the vector is part of every figure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from llm_plugin.data.bars import load_price_bars
from llm_plugin.domain import (
    AccountState,
    Action,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    MarketContext,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
)
from llm_plugin.features import MARKET_FEATURES
from llm_plugin.features.reference import market_features
from llm_plugin.memory import LocalMemory, MemoryRecord, TradeMemory, VectorTransform
from llm_plugin.memory.binary import obtain_binary
from llm_plugin.memory.server import start, stop

TRADES = 100_000
QUESTIONS = 1_000
ROUNDS = 3
K = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
TRANSFORM = VectorTransform()
RecordFigure = Callable[[str, float, str, float, str], None]


class History:
    """Trades of both sides on each of 50,000 hours, and questions at random ones of these hours."""

    def __init__(self, market_data: Path) -> None:
        bars = load_price_bars(market_data, security_type="forex", market="oanda", ticker="EURUSD", resolution="hour")
        self.bid, self.end_us = bars.bid_close, bars.end_us
        self.features = market_features(bars)
        first = len(bars) - TRADES // 2
        rng = np.random.default_rng(0)
        held = rng.integers(1, 48, TRADES) * 3_600_000_000
        sides = [(row, side) for row in range(first, len(bars)) for side in (1, -1)]
        self.records = [self._record(row, side, int(held[i])) for i, (row, side) in enumerate(sides)]
        self.records.sort(key=lambda record: record.closed_us)
        rows = rng.integers(first, len(bars), QUESTIONS)
        self.questions = [self.question(int(row), int(rng.choice([-1, 1]))) for row in rows]

    def question(self, row: int, side: int) -> DecisionRequest:
        """The entry question of a side at the end of a bar."""
        values = zip(MARKET_FEATURES, self.features[row].tolist(), strict=True)
        features = {name: value for name, value in values if value == value}
        price, when = float(self.bid[row]), EPOCH + timedelta(microseconds=int(self.end_us[row]))
        step = side * features["atr_fraction_14"] * price
        action = Action.BUY if side > 0 else Action.SELL
        market = MarketContext("EURUSD", "EURUSD", "oanda", "forex", when, "hour", price, price, price, features)
        return DecisionRequest(
            *(f"{row}{side}", "bench", QuestionKind.ENTRY, 0, Signal("EURUSD", "EURUSD", when, action, 0.6), market),
            *(PositionState(), AccountState(1.0, 1.0, 1.0, 1.0), (action, Action.HOLD)),
            ExitPlan(price - 2 * step, price + 3 * step, timedelta(hours=48)),
        )

    def _record(self, row: int, side: int, held_us: int) -> MemoryRecord:
        asked = self.question(row, side)
        closed = int(self.end_us[row]) + held_us
        return MemoryRecord(
            *(asked.decision_id, "EURUSD", asked.signal.action, "bench", OutcomeKind.SHADOW, 0.5, 1.0, closed),
            ExitReason.TARGET,
            TRANSFORM(asked),
        )


@pytest.fixture(scope="module")
def history(market_data: Path) -> History:
    """The trades, made once."""
    return History(market_data)


@pytest.fixture(scope="module")
def local(history: History) -> LocalMemory:
    """The exact index: the figure of its own, and the truth for recall."""
    memory = LocalMemory()
    memory.add_many(history.records)
    return memory


@pytest.fixture(scope="module")
def remote(history: History, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TradeMemory]:
    """A real server with an HNSW index, as live runs use it."""
    from llm_plugin.memory.weaviate_store import WeaviateMemory, connect

    binary = str(obtain_binary(print))
    home = str(tmp_path_factory.mktemp("bench-home"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", home)
        patch.setenv("WEAVIATE_BINARY", binary)
        info = start()
        memory = WeaviateMemory(connect(info.url, info.grpc_port, timeout_seconds=30.0), "bench", "hnsw")
        memory.add_many(history.records)
        yield memory
        memory.close()
        stop()


def p99_ms(memory: TradeMemory, questions: list[DecisionRequest], as_of: datetime | None) -> float:
    """Return the 99th percentile of embedding and search; None asks each question as of its own time.

    The best of three rounds, so that what else the machine does at that moment counts less.
    """
    return min(_round_p99_ms(memory, questions, as_of) for _ in range(ROUNDS))


def _round_p99_ms(memory: TradeMemory, questions: list[DecisionRequest], as_of: datetime | None) -> float:
    seconds = []
    for asked in questions:
        begin = time.perf_counter()
        hits = memory.search(TRANSFORM(asked), K, as_of or asked.market.time_utc)
        seconds.append(time.perf_counter() - begin)
        assert all(hit.record.closed_utc < (as_of or asked.market.time_utc) for hit in hits)
    return float(np.percentile(seconds, 99) * 1000)


def test_local_scan(local: LocalMemory, history: History, record_figure: RecordFigure) -> None:
    record_figure("memory_local_p99_ms_100k", p99_ms(local, history.questions, FUTURE), "ms", 1.0, "lower")


@pytest.mark.integration
def test_weaviate_where_nothing_lies_in_the_future(
    remote: TradeMemory, history: History, record_figure: RecordFigure
) -> None:
    record_figure("memory_weaviate_p99_ms_100k", p99_ms(remote, history.questions, FUTURE), "ms", 4.0, "lower")


@pytest.mark.integration
def test_weaviate_as_of_any_time(remote: TradeMemory, history: History, record_figure: RecordFigure) -> None:
    record_figure("memory_weaviate_asof_p99_ms_100k", p99_ms(remote, history.questions, None), "ms", 10.0, "lower")


@pytest.mark.integration
def test_recall_against_the_exact_scan(
    remote: TradeMemory, local: LocalMemory, history: History, record_figure: RecordFigure
) -> None:
    found = wanted = 0
    for asked in history.questions:
        for as_of in (FUTURE, asked.market.time_utc):
            vector = TRANSFORM(asked)
            exact = {hit.record.decision_id for hit in local.search(vector, K, as_of)}
            found += len(exact & {hit.record.decision_id for hit in remote.search(vector, K, as_of)})
            wanted += len(exact)
    record_figure("memory_recall_at_3", found / wanted, "fraction", 0.99, "higher")
