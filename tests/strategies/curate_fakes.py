"""A judge without runs, and rows and tasks for tests of the curation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, ClassVar

from llm_plugin.strategies.curate.rows import Row, code_hash
from llm_plugin.strategies.judge.verdict import GATES, Candidate, GateResult, Verdict

Decides = Callable[[Candidate], str]


class FakePool:
    """Passes every candidate but those that `decides` names a gate for; counts what it was asked."""

    asked: ClassVar[list[Candidate]] = []
    decides: ClassVar[Decides] = staticmethod(lambda candidate: "")

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> FakePool:
        return self

    def __exit__(self, *_: Any) -> None:
        pass

    def judge_many(self, candidates: Iterable[Candidate], on_done: Any) -> list[Verdict]:
        """Judge one after the other."""
        verdicts = []
        for candidate in candidates:
            type(self).asked.append(candidate)
            failed = type(self).decides(candidate)
            gates = []
            for name in GATES:
                skipped = name == "means_it" and candidate.task is None
                passed = None if skipped or (gates and gates[-1].passed is False) else name != failed
                gates.append(GateResult(name, passed, "it failed" if name == failed else ""))
            verdict = Verdict(tuple(gates), orders=3, id=candidate.id)
            if failed == "unsupported":
                verdict = replace(verdict, unsupported=("QCAlgorithm.add_option",))
            on_done(candidate, verdict)
            verdicts.append(verdict)
        return verdicts


def program(body: str, name: str = "Example", ticker: str = "SPY") -> str:
    """Return an algorithm whose `on_data` has these lines."""
    lines = "\n".join(f"        {line}" for line in body.strip().split("\n"))
    return f"""from AlgorithmImports import *


class {name}(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.set_cash(100000)
        self._symbol = self.add_equity("{ticker}", Resolution.DAILY).symbol
        self._rsi = self.rsi(self._symbol, 2)
        self._mean = self.sma(self._symbol, 5)

    def on_data(self, data):
        if not data.bars.contains_key(self._symbol):
            return
{lines}
"""


DIP = """
if not self.portfolio.invested and self._rsi.current.value < 10:
    self.set_holdings(self._symbol, 0.5)
elif self._rsi.current.value > 60:
    self.liquidate(self._symbol)
"""
TREND = """
price = data.bars[self._symbol].close
if price > self._mean.current.value and not self.portfolio[self._symbol].is_long:
    self.market_order(self._symbol, 100)
    self.stop_market_order(self._symbol, -100, round(price * 0.95, 2))
"""


def row(name: str, code: str, **values: Any) -> Row:
    """Return a row of the train split that was executed."""
    given = {"family": "trend", "split": "train", "source": "pattern", "orders": 2, "core": name, **values}
    text = given.pop("instruction", f"the strategy that is called {name}, with rules of its own")
    return Row(id=name, instruction=text, completion=code, sha256=code_hash(code), **given)
