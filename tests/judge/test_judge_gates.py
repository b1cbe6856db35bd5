"""The five gates: each passes an honest strategy and stops its planted offender, with a reason to act on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from judge_attacks import HONEST, strategy

from llm_plugin.errors import SandboxUnavailable
from llm_plugin.sandbox import Layers, kernel_layers
from llm_plugin.strategies.judge import Candidate, JudgeLimits
from llm_plugin.strategies.judge.judge import Judge
from llm_plugin.strategies.requirements import Requirements
from llm_plugin.strategies.tasks import Task

here = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")

CROSS = """
from AlgorithmImports import *

class Cross(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2014, 1, 1)
        self.set_end_date(2014, 12, 31)
        self.spy = self.add_equity("SPY", Resolution.DAILY).symbol
        self.fast, self.slow = self.sma(self.spy, 5), self.sma(self.spy, 20)
        self.set_warm_up(20)

    def on_data(self, data):
        if self.is_warming_up:
            return
        above = self.fast.current.value > self.slow.current.value
        if above and not self.portfolio[self.spy].invested:
            self.set_holdings(self.spy, 0.9)
            self.stop = self.stop_market_order(self.spy, -10, self.securities[self.spy].price * 0.97, tag="stop")
        elif not above and self.portfolio[self.spy].invested:
            self.liquidate(self.spy)

    def on_order_event(self, event):
        if event.status == OrderStatus.FILLED and event.quantity > 0:
            self.limit_order(event.symbol, -5, round(event.fill_price * 1.02, 2))
"""


@pytest.fixture(scope="module")
def judge(market_data: Path) -> Iterator[Judge]:
    """A judge with all of its layers."""
    with Judge(market_data, JudgeLimits(cpu_seconds=20, wall_seconds=90)) as opened:
        yield opened


def _gates(verdict):
    return [(gate.name, gate.passed) for gate in verdict.gates]


@here
def test_the_replay_has_the_orders_and_the_account_of_a_plain_run(judge, market_data, tmp_path):
    from llm_plugin.engine.runner import run_backtest

    verdict = judge.judge(Candidate(CROSS))
    (tmp_path / "main.py").write_text(CROSS)
    plain = run_backtest(tmp_path / "main.py", data_folder=market_data, results_folder=None)

    assert verdict.gate("backtests").details["order_list_hash"] == plain.order_list_hash
    assert dict(verdict.statistics) == plain.statistics
    assert verdict.orders == len(plain.orders) > 20
    assert verdict.gate("honest").details == {"cuts": 2}
    assert (verdict.reached, verdict.passed, verdict.gate("means_it").passed) == (5, True, None)
    assert any("Landlock" in layer for layer in judge.layers)


@here
@pytest.mark.parametrize(
    ("source", "gate", "match"),
    [
        ("class A(:", "compiles", "main.py:1: invalid syntax"),
        ("", "compiles", "main.py is empty"),
        (strategy("self.smaa(self.spy, 5)"), "compiles", "QCAlgorithm has no member 'smaa' (did you mean 'sma'?)"),
        (strategy("1 / 0"), "backtests", "main.py:12: ZeroDivisionError: division by zero"),
        (strategy("self.set_start_date(2040, 1, 1)"), "backtests", "is before the start date 2040-01-01"),
        (strategy(on_data="pass"), "trades", "it sent no order"),
        (
            strategy(on_data="self.market_on_open_order(self.spy, 10**9)"),
            "trades",
            "was filled: Order Error: ids: [1]",
        ),
        (strategy(on_data="self.limit_order(self.spy, 1, 1)"), "trades", "none was filled before the end"),
        (
            strategy(top="pd.options.mode.copy_on_write = True", on_data="pd.read_csv('/etc/passwd')"),
            "backtests",
            "the sandbox refuses reading (open /etc/passwd",
        ),
        (
            strategy("try: pd.read_csv('http://127.0.0.1:9/x')\nexcept Exception: pass"),
            "honest",
            "it reached out of its sandbox: main.py:12: the sandbox refuses",
        ),
        (
            strategy("pd.read_csv(Globals.data_folder + '/equity/usa/daily/spy.zip')"),
            "honest",
            "it opens market data behind the engine's back: main.py:12 opens equity/usa/daily/spy.zip",
        ),
        (
            strategy(
                on_data="if self.days % 3 == 1: self.market_on_open_order(self.spy, dice.randint(1, 90))",
                top="import random\ndice = random.SystemRandom()",
            ),
            "honest",
            "randomness needs a fixed seed",
        ),
    ],
    ids=[
        "syntax", "empty", "no such member", "raises", "dates", "no order", "too large", "never filled", "files",
        "network", "market data", "chance",
    ],
)  # fmt: skip
def test_an_offender_stops_at_its_gate_with_the_reason(judge, source, gate, match):
    verdict = judge.judge(Candidate(source))

    assert verdict.failure is not None, verdict
    assert (verdict.failure.name, match in verdict.failure.reason) == (gate, True), verdict.failure
    assert [one.passed for one in verdict.gates if one.reason == "not reached"] == [None] * (
        len(verdict.gates) - 1 - [one.name for one in verdict.gates].index(gate)
    )
    assert not verdict.passed


@here
def test_a_seeded_draw_is_honest(judge):
    lines = "if self.days % 3 == 1: self.market_on_open_order(self.spy, dice.randint(1, 90))"

    assert judge.judge(Candidate(strategy(on_data=lines, top="import random\ndice = random.Random(7)"))).reached == 5
    assert judge.judge(Candidate(strategy(on_data=lines, top="import random as dice"))).reached == 5


@here
def test_what_the_engine_lacks_is_not_the_authors_error(judge):
    verdict = judge.judge(Candidate(strategy("self.add_option('SPY')")))

    assert verdict.unsupported == ("QCAlgorithm.add_option",)
    assert (verdict.failure, verdict.passed, verdict.gate("backtests").passed) == (None, False, None)
    assert "a valid member of LEAN" in verdict.gate("backtests").reason


@here
def test_the_period_and_the_cash_are_the_judges(judge):
    verdict = judge.judge(Candidate(HONEST, start="2015-02-02", end="2015-02-27", cash=5000, gates=3))

    assert _gates(verdict)[2:] == [("trades", False), ("means_it", None), ("honest", None)]
    assert verdict.statistics["Start Equity"] == "5000"
    assert verdict.gate("backtests").details["bars"] == 19


@here
def test_gate_four_reads_the_replay(judge):
    wanted = {
        "symbols": ["SPY"],
        "entry": {"long": "crosses_above(sma(5), sma(20))"},
        "exit": {"long": "crosses_below(sma(5), sma(20))"},
    }
    task = Task(
        "cross-1", "trend", 1, "cross", Requirements.from_json(wanted), date(2014, 1, 1), date(2014, 6, 30), 100000.0
    )

    verdict = judge.judge(Candidate(HONEST, task))

    assert verdict.failure is not None
    assert verdict.failure.name == "means_it"
    assert verdict.failure.reason.startswith("entry: ")
    assert verdict.gate("honest").reason == "not reached"


@here
def test_a_scheduled_order_between_two_bars_is_replayed_and_survives_the_cut(judge):
    source = strategy(
        "self.schedule.on(self.date_rules.month_start(self.spy), self.time_rules.after_market_open(self.spy, 30), "
        "lambda: self.set_holdings(self.spy, 0.1 * self.time.month))",
        on_data="pass",
    )

    verdict = judge.judge(Candidate(source))

    # January's comes before the first bar: there is no price to size it with.
    assert (verdict.reached, verdict.orders) == (5, 2)


@here
def test_models_of_the_engine_are_rebuilt_and_models_of_the_candidate_are_not(judge):
    honest = judge.judge(Candidate(HONEST, gates=3))
    cheap = judge.judge(Candidate(strategy("self.securities[self.spy].set_fee_model(ConstantFeeModel(0.5))"), gates=3))
    own = judge.judge(
        Candidate(
            strategy(
                "self.securities[self.spy].set_fee_model(Free())",
                top="class Free(FeeModel):\n    def get_order_fee(self, p):\n"
                "        return OrderFee(CashAmount(0, 'USD'))\n",
            ),
            gates=3,
        )
    )

    assert honest.statistics["Total Fees"] == own.statistics["Total Fees"] == "$13.00"
    assert cheap.statistics["Total Fees"] == "$6.50"
    assert own.gate("backtests").details["notes"] == ["Free of SPY is not used: fills and costs are LEAN's own"]


def test_a_machine_that_cannot_isolate_refuses(market_data, monkeypatch):
    monkeypatch.setattr("llm_plugin.strategies.judge.cell.kernel_layers", lambda: Layers(0, True, True))

    with pytest.raises(SandboxUnavailable, match="this machine lacks Landlock"):
        Judge(market_data)


def test_unsafe_judges_where_nothing_isolates(market_data, monkeypatch):
    monkeypatch.setattr("llm_plugin.strategies.judge.cell.kernel_layers", lambda: Layers(0, False, False))

    with Judge(market_data, unsafe=True) as judge:
        assert judge.judge(Candidate(HONEST, gates=3)).reached == 3
        assert judge.layers == ["nothing: the candidate has all rights of its user"]
