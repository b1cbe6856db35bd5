"""What a portfolio may be asked for besides its rules: costs, and telling what happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from llm_plugin.strategies.grammar.code import indent
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft

__all__ = ["with_extras"]


@dataclass(frozen=True, slots=True)
class _Extra:
    """Lines after the cash, lines at the end of `initialize`, methods, and the clause that asks for it."""

    kind: str
    clause: Clause
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


def _method(name: str, lines: list[str], arguments: str = "self") -> str:
    return f"    def {name}({arguments}):\n" + indent(lines, 2) + "\n"


def _brokerage(rng: Random, ticker: str) -> _Extra:
    if ticker == "EURUSD":
        name, member = "Oanda", "OANDA_BROKERAGE"
    else:
        name, member = rng.choice(
            (
                ("Interactive Brokers", "INTERACTIVE_BROKERS_BROKERAGE"),
                ("Charles Schwab", "CHARLES_SCHWAB"),
                ("Alpaca", "ALPACA"),
            )
        )
    words = (f"use the {name} brokerage model", f"fees and fills as with {name} (margin account)")
    line = f"self.set_brokerage_model(BrokerageName.{member}, AccountType.MARGIN)"
    return _Extra("brokerage", Clause("Brokerage", words), (line,))


def _fees(rng: Random, _: str) -> _Extra:
    fee = rng.choice((1, 2, 5))
    words = (f"charge a constant fee of ${fee} per order", f"costs: ${fee} an order")
    line = f"self.set_security_initializer(lambda security: security.set_fee_model(ConstantFeeModel({fee})))"
    return _Extra("fees", Clause("Costs", words), (line,))


def _slippage(rng: Random, _: str) -> _Extra:
    bps = rng.choice((2, 5, 10))
    words = (f"assume {bps} basis points of slippage", f"model slippage of {bps} bp")
    model = f"ConstantSlippageModel({bps / 10_000:.4f})"
    line = f"self.set_security_initializer(lambda security: security.set_slippage_model({model}))"
    return _Extra("slippage", Clause("Costs", words), (line,))


def _log_fills(_: Random, __: str) -> _Extra:
    lines = [
        "if order_event.status == OrderStatus.FILLED:",
        '    self.debug(f"{order_event.symbol.value}: {order_event.fill_quantity} at {order_event.fill_price}")',
    ]
    words = ("log each fill with quantity and price", "write a debug line for every filled order")
    return _Extra(
        "log_fills",
        Clause("Reporting", words),
        methods=(_method("on_order_event", lines, "self, order_event"),),
    )


def _final_log(_: Random, __: str) -> _Extra:
    lines = ['self.log(f"Final value: {self.portfolio.total_portfolio_value:.2f}")']
    words = ("log the final portfolio value at the end", "when it ends, log what the portfolio is worth")
    return _Extra("final_log", Clause("Reporting", words), methods=(_method("on_end_of_algorithm", lines),))


def _count(_: Random, __: str) -> _Extra:
    lines = ["if order_event.status == OrderStatus.FILLED:", "    self._fills += 1"]
    ending = ['self.set_runtime_statistic("Fills", str(self._fills))']
    words = ("count the fills and show the number as a runtime statistic", "keep a runtime statistic 'Fills'")
    methods = (_method("on_order_event", lines, "self, order_event"), _method("on_end_of_algorithm", ending))
    return _Extra("count", Clause("Reporting", words), last=("self._fills = 0",), methods=methods)


def _plot(_: Random, ticker: str) -> _Extra:
    when = f'self.date_rules.week_end("{ticker}"), self.time_rules.before_market_close("{ticker}", 5)'
    if ticker == "EURUSD":
        when = "self.date_rules.every(DayOfWeek.FRIDAY), self.time_rules.at(15, 0)"
    lines = ['self.plot("Portfolio", "Value", self.portfolio.total_portfolio_value)']
    words = ("plot the portfolio value every week", "add a weekly chart of the portfolio value")
    call = f"self.schedule.on({when}, self._plot_value)"
    return _Extra("plot", Clause("Reporting", words), last=(call,), methods=(_method("_plot_value", lines),))


_COSTS: tuple[Callable[[Random, str], _Extra] | None, ...] = (None, None, _brokerage, _fees, _slippage)
_REPORTS: tuple[Callable[[Random, str], _Extra] | None, ...] = (None, None, _log_fills, _final_log, _count, _plot)


def with_extras(draft: Draft, rng: Random) -> Draft:
    """Return the draft, at times with costs or a report that its descriptions ask for."""
    makers = (rng.choice(_COSTS), rng.choice(_REPORTS))
    ticker = draft.facts.tickers[0]
    for maker in makers:
        if maker is not None:
            draft = _added(draft, maker(rng, ticker))
    return draft


def _added(draft: Draft, extra: _Extra) -> Draft:
    source = draft.source
    if extra.first:
        lines = "".join(f"        {line}\n" for line in extra.first)
        source = re.sub(r"(        self\.set_cash\(.*\)\n)", lambda match: match[1] + lines, source, count=1)
    if extra.last:
        # `initialize` is the first method: what follows its last line is the next method.
        start = source.index("    def initialize(self):")
        end = source.find("\n\n    def ", start + 10)
        head, rest = source[:end], source[end:]
        source = head + "".join(f"\n        {line}" for line in extra.last) + rest
    source = source.rstrip("\n") + "\n\n" + "\n".join(extra.methods) if extra.methods else source
    facts = replace(draft.facts, clauses=(*draft.facts.clauses, extra.clause))
    return replace(draft, source=source, facts=facts, composition=f"{draft.composition}|{extra.kind}")
