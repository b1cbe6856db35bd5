"""Models and judges of the tests of `generate`: answers and verdicts that are written beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from llm_plugin.strategies.judge.verdict import GATES, GateResult, Verdict
from llm_plugin.strategies.models import Completion, Message, ModelOptions, StrategyModel

__all__ = ["GOOD", "FakeJudge", "FakeWriter", "block", "opener_of", "verdict"]

GOOD = """from AlgorithmImports import *


class DipBuyer(QCAlgorithm):
    def initialize(self) -> None:
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100_000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.fast = self.rsi(self.spy, 2)
        self.mean = self.sma(self.spy, 5)
        self.set_warm_up(20)

    def on_data(self, data: Slice) -> None:
        if self.is_warming_up or not self.mean.is_ready or not data.bars.contains_key(self.spy):
            return
        close = data.bars[self.spy].close
        holding = self.portfolio[self.spy]
        if holding.invested:
            if close > self.mean.current.value or close <= holding.average_price * 0.99:
                self.liquidate(self.spy)
        elif self.fast.current.value < 10:
            self.set_holdings(self.spy, 1)
"""


def block(code: str) -> str:
    """Return an answer that holds a file."""
    return f"Here it is:\n```python\n{code}```\n"


class FakeWriter:
    """Gives its answers in order; an exception among them is raised, a callable is asked."""

    def __init__(self, answers: Sequence[Any], name: str = "fake", cost_usd: float | None = 0.0) -> None:
        self.name = name
        self.answers = list(answers)
        self.cost_usd = cost_usd
        self.asked: list[dict[str, Any]] = []

    def complete(
        self,
        messages: Sequence[Message],
        *,
        max_new_tokens: int,
        temperature: float,
        seed: int,
        on_text: Callable[[str], None] | None = None,
    ) -> Completion:
        """Give the next answer; the last one again and again."""
        place = min(len(self.asked), len(self.answers) - 1)
        asked = {"messages": list(messages), "max": max_new_tokens, "temperature": temperature, "seed": seed}
        self.asked.append(asked)
        answer = self.answers[place]
        if isinstance(answer, BaseException):
            raise answer
        text = answer(asked) if callable(answer) else str(answer)
        for start in range(0, len(text), 50):
            if on_text is not None:
                on_text(text[start : start + 50])
        return Completion(text, 100, len(text) // 4, 0.5, self.cost_usd, "stop", self.name)


def opener_of(**writers: FakeWriter | Exception) -> Callable[[str, ModelOptions], StrategyModel]:
    """Return an opener that knows these writers; an exception is raised on opening."""

    def opener(text: str, options: ModelOptions) -> StrategyModel:
        found = writers[text]
        if isinstance(found, Exception):
            raise found
        return found

    return opener


def verdict(failed: str = "", reason: str = "", *, unsupported: tuple[str, ...] = ()) -> Verdict:
    """Return a verdict that fails at a gate, or nowhere."""
    place = GATES.index(failed) if failed else len(GATES)
    gates = [
        GateResult(name, True if at < place else False if at == place else None, reason if at == place else "")
        for at, name in enumerate(GATES)
    ]
    return Verdict(tuple(gates), unsupported, orders=3, statistics={"Net Profit": "1%"}, seconds=0.1)


class FakeJudge:
    """Passes files that hold the mark, fails others at a gate."""

    def __init__(self, mark: str = "< 10", failed: str = "trades", reason: str = "it sent no order") -> None:
        self.mark, self.failed, self.reason = mark, failed, reason
        self.judged: list[dict[str, Any]] = []

    def judge(
        self,
        source: str,
        task: Any,
        *,
        start: date | None = None,
        end: date | None = None,
        cash: float | None = None,
        gates: int = 5,
    ) -> Verdict:
        """Judge by the mark."""
        self.judged.append({"source": source, "task": task, "start": start, "end": end, "cash": cash})
        return verdict() if self.mark in source else verdict(self.failed, self.reason)

    @contextmanager
    def open(self, data_folder: Path) -> Iterator[FakeJudge]:
        """Stand in for a pool."""
        yield self
