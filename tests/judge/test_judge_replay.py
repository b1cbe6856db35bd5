"""The trusted replay gives the orders of a plain run, whatever makes a strategy ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_plugin.sandbox import kernel_layers
from llm_plugin.strategies.judge import Candidate, JudgeLimits
from llm_plugin.strategies.judge.judge import Judge

pytestmark = pytest.mark.skipif(bool(kernel_layers().missing()), reason=f"kernel lacks: {kernel_layers().missing()}")

_HEAD = "from AlgorithmImports import *\n\nclass Asked(QCAlgorithm):\n    def initialize(self):\n"
_DATES = "        self.set_start_date(2014, {month}, 2)\n        self.set_end_date(2014, {last}, 20)\n"


def _source(setup: str, body: str, month: int = 5, last: int = 7, top: str = "") -> str:
    shifted = "".join(f"        {line}\n" for line in setup.splitlines())
    head = top + _HEAD if not top else _HEAD.replace("class Asked", top + "\nclass Asked")
    return head + _DATES.format(month=month, last=last) + shifted + body


STRATEGIES = {
    "framework": _source(
        "self.universe_settings.resolution = Resolution.DAILY\n"
        "self.add_universe_selection(ManualUniverseSelectionModel([Symbol.create(t, SecurityType.EQUITY, Market.USA)"
        " for t in ('SPY', 'IBM', 'AAPL')]))\n"
        "self.add_alpha(HistoricalReturnsAlphaModel(10, Resolution.DAILY))\n"
        "self.set_portfolio_construction(EqualWeightingPortfolioConstructionModel())\n"
        "self.add_risk_management(MaximumDrawdownPercentPerSecurity(0.02))\n"
        "self.set_execution(ImmediateExecutionModel())",
        "",
    ),
    "a split on the way": _source(
        "self.universe_settings.data_normalization_mode = DataNormalizationMode.RAW\n"
        "self.aapl = self.add_equity('AAPL', Resolution.DAILY).symbol",
        "    def on_data(self, data):\n"
        "        if not self.portfolio.invested and self.aapl in data.bars:\n"
        "            self.set_holdings(self.aapl, 0.5)\n"
        "            self.limit_order(self.aapl, -10, round(data.bars[self.aapl].close * 1.05, 2))\n",
    ),
    "seeded prices": _source(
        "self.settings.seed_initial_prices = True\n"
        "self.s = [self.add_equity(t, Resolution.DAILY).symbol for t in ('SPY', 'IBM')]\n"
        "self.schedule.on(self.date_rules.month_start('SPY'), self.time_rules.after_market_open('SPY', 1), self.go)",
        "    def go(self):\n        self.set_holdings([PortfolioTarget(s, 0.4) for s in self.s])\n",
    ),
    "added and removed on the way": _source(
        "self.spy = self.add_equity('SPY', Resolution.DAILY).symbol\nself.n = 0",
        "    def on_data(self, data):\n        self.n += 1\n"
        "        if self.n == 5: self.ibm = self.add_equity('IBM', Resolution.DAILY).symbol\n"
        "        if self.n == 9: self.set_holdings(self.ibm, 0.3)\n"
        "        if self.n == 15: self.liquidate(self.ibm)\n        if self.n == 20: self.remove_security(self.ibm)\n",
    ),
    "universe of the week": _source(
        "self.universe_settings.resolution = Resolution.DAILY\nself.add_equity('SPY', Resolution.DAILY)\n"
        "self.add_universe(ScheduledUniverse(self.date_rules.week_start(), self.time_rules.midnight, self.pick))",
        "    def pick(self, time):\n        name = 'IBM' if time.month % 2 else 'BAC'\n"
        "        return [Symbol.create(name, SecurityType.EQUITY, Market.USA)]\n"
        "    def on_securities_changed(self, changes):\n"
        "        for s in changes.removed_securities: self.liquidate(s.symbol)\n"
        "    def on_data(self, data):\n        for k in data.bars.keys():\n"
        "            if k.value != 'SPY' and not self.portfolio[k].invested: self.set_holdings(k, 0.4)\n",
    ),
    "all kinds of orders, changed and taken back": _source(
        "self.spy = self.add_equity('SPY', Resolution.HOUR, fill_forward=False).symbol\nself.n = 0\nself.t = []",
        "    def on_data(self, data):\n        self.n += 1\n        p = self.securities[self.spy].price\n"
        "        if self.n % 40 == 1:\n            self.market_order(self.spy, 30)\n"
        "            self.t.append(self.stop_market_order(self.spy, -10, p * 0.99))\n"
        "            self.t.append(self.limit_order(self.spy, -10, p * 1.01))\n"
        "            self.trailing_stop_order(self.spy, -10, 0.01, True)\n"
        "        if self.n % 40 == 9:\n            f = UpdateOrderFields()\n            f.stop_price = p * 0.995\n"
        "            f.tag = 'nearer'\n            self.t[-2].update(f)\n"
        "        if self.n % 40 == 20: self.t[-1].cancel('late')\n"
        "        if self.n % 40 == 30: self.stop_limit_order(self.spy, 5, p * 1.001, p * 1.002)\n"
        "        if self.n % 40 == 35: self.limit_if_touched_order(self.spy, 5, p * 0.999, p * 0.998)\n",
        month=6,
    ),
    "forex on a brokerage": _source(
        "self.set_brokerage_model(BrokerageName.OANDA_BROKERAGE, AccountType.MARGIN)\n"
        "self.eur = self.add_forex('EURUSD', Resolution.HOUR, Market.OANDA, leverage=20).symbol\n"
        "self.fast, self.slow = self.ema(self.eur, 20), self.ema(self.eur, 80)\nself.set_warm_up(timedelta(10))",
        "    def on_data(self, data):\n        if self.is_warming_up: return\n"
        "        side = 1 if self.fast.current.value > self.slow.current.value else -1\n"
        "        if side * self.portfolio[self.eur].quantity <= 0: self.set_holdings(self.eur, side * 2)\n",
    ),
    "margin calls": _source(
        "self.set_cash(20000)\nself.spy = self.add_equity('SPY', Resolution.HOUR, leverage=50).symbol",
        "    def on_data(self, data):\n        if not self.portfolio.invested: self.set_holdings(self.spy, -40)\n",
        month=6,
    ),
    "consolidated bars and a cash account": _source(
        "self.set_brokerage_model(BrokerageName.INTERACTIVE_BROKERS_BROKERAGE, AccountType.CASH)\n"
        "self.default_order_properties.time_in_force = TimeInForce.DAY\n"
        "self.spy = self.add_equity('SPY', Resolution.HOUR).symbol\n"
        "self.consolidate(self.spy, timedelta(days=1), self.on_bar)",
        "    def on_bar(self, bar):\n"
        "        self.limit_order(self.spy, 20 if bar.close > bar.open else -20, bar.close)\n",
    ),
}


@pytest.fixture(scope="module")
def judge(market_data: Path) -> Iterator[Judge]:
    """A judge with all of its layers."""
    with Judge(market_data, JudgeLimits(cpu_seconds=20, wall_seconds=120)) as opened:
        yield opened


@pytest.mark.parametrize("name", STRATEGIES)
def test_the_replay_equals_a_plain_run(judge, market_data, tmp_path, name):
    from llm_plugin.engine.runner import run_backtest

    verdict = judge.judge(Candidate(STRATEGIES[name], gates=3))
    (tmp_path / "main.py").write_text(STRATEGIES[name])
    plain = run_backtest(tmp_path / "main.py", data_folder=market_data, results_folder=None)

    assert verdict.failure is None, verdict.failure
    assert verdict.orders == len(plain.orders) > 1
    assert dict(verdict.statistics) == {**plain.statistics, "OrderListHash": verdict.statistics["OrderListHash"]}
    assert verdict.gate("backtests").details["order_list_hash"] == plain.order_list_hash
