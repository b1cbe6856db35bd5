"""Projects for paper trading on the market sample."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_plugin.runs.project import template_folder

HEAD = "from AlgorithmImports import *\n\n"

SWING = '''
class Swing(QCAlgorithm):
    """Stateless but for its indicator: whatever it does follows from prices and from what it holds."""

    def initialize(self):
        self.set_start_date(2013, 1, 1)
        self.set_end_date(2013, 6, 28)
        self.set_cash(100000)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.sma = self.SMA(self.spy, 10)
        self.set_warm_up(20)
        half_an_hour = self.time_rules.after_market_open(self.spy, 30)
        self.schedule.on(self.date_rules.month_start(self.spy), half_an_hour, self.month)

    def month(self):
        if not self.is_warming_up:
            self.log(f"month {self.live_mode} {self.algorithm_mode}")
            if self.portfolio.invested:
                self.stop_market_order(self.spy, -5, self.securities[self.spy].price * 0.99)

    def on_data(self, data):
        if self.is_warming_up or not data.bars.contains_key(self.spy):
            return
        price, held = data.bars[self.spy].close, self.portfolio[self.spy].quantity
        if price > self.sma.current.value and held <= 0:
            self.market_order(self.spy, 100 - held)
        elif price < self.sma.current.value and held > 0:
            self.trailing_stop_order(self.spy, -held, 0.004, True)
        self.plot("Own", "held", held)
'''

BRACKETS = '''
from llm_plugin.domain import QuestionKind, Source
from llm_plugin.lean import Action, LLMPlugin
from llm_plugin.lean.backend import local_decision


class EvenDays:
    """Approves on even days of the month, vetoes on odd ones."""

    def signal(self, market):
        return None

    def validate(self, request):
        even = request.market.time_utc.day % 2 == 0 or request.kind is QuestionKind.POSITION
        return local_decision(request, Source.RULE, approve=even, rule="even")

    def record_outcome(self, outcome):
        pass

    def close(self):
        pass


class Brackets(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 3, 3)
        self.set_end_date(2013, 3, 8)
        self.set_cash(100000)
        self.symbol = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol
        self.set_benchmark(lambda time: 1)
        self.llm = LLMPlugin(self, "llm_config.yaml", backend=EvenDays())

    def on_data(self, data):
        due = data.quote_bars.contains_key(self.symbol) and self.time.hour % 3 == 2
        if due and not self.llm.has_position(self.symbol):
            side = Action.BUY if self.time.day % 3 else Action.SELL
            decision = self.llm.validate(self.symbol, side, 0.6)
            if decision.approved:
                self.llm.enter(decision, 5000)

    def on_order_event(self, event):
        self.llm.on_order_event(event)

    def on_end_of_algorithm(self):
        self.llm.on_end()
'''


@pytest.fixture
def make_project(tmp_path: Path) -> Callable[..., Path]:
    """Write a project of a source: `make_project(source, name)`."""

    def make(source: str, name: str = "mine") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "main.py").write_text(HEAD + textwrap.dedent(source))
        return folder

    return make


@pytest.fixture
def swing(make_project: Callable[..., Path]) -> Path:
    """A plain LEAN project."""
    return make_project(SWING)


@pytest.fixture
def brackets(make_project: Callable[..., Path]) -> Path:
    """A project whose stops and targets the plugin manages."""
    folder = make_project(BRACKETS, "brackets")
    (folder / "llm_config.yaml").write_text((template_folder("classic") / "llm_config.yaml").read_text())
    return folder
