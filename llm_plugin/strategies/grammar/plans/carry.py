"""Carry: earn a difference of interest rates or yields that the prompt states."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar.code import rounded_up
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.parts import STOCKS, Market
from llm_plugin.strategies.grammar.plans.base import Frame, draw_clock, finished
from llm_plugin.strategies.grammar.terms import number

__all__ = ["carry"]

_TREND = {
    "none": ("", "", "", 0),
    "sma": ("self.sma(self._symbol, {n})", "close {op} sma({n})", "the close is {word} SMA({n})", 1),
    "ema": ("self.ema(self._symbol, {n})", "close {op} ema({n})", "the close is {word} EMA({n})", 3),
    "roc": ("self.roc(self._symbol, {n})", "roc({n}) {op} 0", "the {n}-day rate of change is {word} zero", 1),
}


def carry(rng: Random) -> Draft:
    """Return a carry strategy: a currency pair by its rates, or stocks by their yields."""
    return _currency(rng) if rng.random() < 0.6 else _yields(rng)


def _currency(rng: Random) -> Draft:
    frame = Frame.draw(rng, Market("forex", ("EURUSD",), "forex"))
    clock = draw_clock(rng, ("month", "quarter"), zone_time="10, 0")
    euro, dollar = rng.sample((0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5), 2)
    least, weight = rng.choice((0, 0, 0.25, 0.5)), rng.choice((0.5, 0.8, 0.9, 1))
    if abs(euro - dollar) <= least:
        return _currency(rng)
    side = 1 if euro > dollar else -1
    trend = rng.choice(sorted(_TREND))
    made, condition, words, factor = _TREND[trend]
    period = rng.choice((20, 30, 50, 100))
    op, word = (">", "above") if side > 0 else ("<", "below")
    setup = [frame.single(), f'self._rates = {{"EUR": {number(euro)}, "USD": {number(dollar)}}}']
    test = ""
    if factor:
        setup += [
            f"self._trend = {made.format(n=period)}",
            f"self.set_warm_up({rounded_up(factor * period + 2)}, Resolution.DAILY)",
        ]
        left = "self._trend.current.value" if trend == "roc" else "self.securities[self._symbol].price"
        test = f"{left} {op} {'0' if trend == 'roc' else 'self._trend.current.value'}"
    setup += clock.schedule("self._symbol")
    body = [
        'carry = self._rates["EUR"] - self._rates["USD"]',
        f"if abs(carry) <= {number(least)}:",
        "    self.liquidate(self._symbol)",
        "    return",
    ]
    if test:
        body += [f"if not {test}:", "    self.liquidate(self._symbol)", "    return"]
    body.append(f"self.set_holdings(self._symbol, {number(weight)} if carry > 0 else -{number(weight)})")
    rates = f"{number(euro)} % for the euro and {number(dollar)} % for the dollar"
    clauses = [
        Clause(
            "Carry",
            (
                f"hold the side with the higher interest rate: {rates}",
                f"carry trade with interest rates of {rates}: long the currency that pays more",
            ),
        ),
        Clause("Threshold", (f"stay flat if the rates differ by {number(least)} points or less",))
        if least
        else Clause("Side", ("be long EURUSD if the euro pays more, else short",)),
        Clause("Schedule", tuple(f"check {text}" for text in clock.words)),
        Clause("Size", (f"{100 * weight:g} % of the portfolio", f"invest {100 * weight:g} % of equity")),
    ]
    if factor:
        text = words.format(n=period, word=word)
        clauses.append(Clause("Filter", (f"be in only if {text}, else flat", f"go flat unless {text}")))
    name = "long" if side > 0 else "short"
    needs = {
        "direction": name,
        "rebalance": clock.needs,
        "entry": {name: condition.format(n=period, op=op) if factor else "close > 0"},
        "indicators": [{"name": trend, "period": period}] if factor else [],
        "size": {"kind": "fraction", "value": weight},
    }
    return finished(
        "carry", f"rates|{trend}|{clock.every}", f"{name}|{'threshold' if least else 'sign'}|{clock.style}", frame,
        name="InterestCarry", summary=f"EURUSD on the side that pays more: {rates}.", setup=setup,
        methods=[clock.handler("self._symbol", body, bool(factor)).replace("data.bars", "data.quote_bars")],
        clauses=clauses, needs=needs, difficulty=2 if factor else 1,
    )  # fmt: skip


def _yields(rng: Random) -> Draft:
    tickers = tuple(rng.sample(STOCKS, rng.randint(3, 5)))
    frame, clock = Frame.draw(rng, Market("basket", tickers)), draw_clock(rng)
    yields = rng.sample((0.5, 0.8, 1.1, 1.4, 1.7, 2, 2.3, 2.6, 2.9, 3.2, 3.5, 3.9), len(tickers))
    top, kind = rng.randint(1, 2), rng.choice(("equal", "proportional"))
    best = sorted(range(len(tickers)), key=lambda place: -yields[place])[:top]
    total = rng.choice((0.9, 0.95, 1))
    if kind == "equal":
        weights = {tickers[place]: int(100 * total / top) / 100 for place in best}
    else:
        whole = sum(yields[place] for place in best)
        weights = {tickers[place]: round(total * yields[place] / whole, 4) for place in best}
    table = ", ".join(f'"{ticker}": {number(paid)}' for ticker, paid in zip(tickers, yields, strict=True))
    setup = [f"yields = {{{table}}}", "self._yields = {"]
    setup += ["    self.add_equity(ticker, Resolution.DAILY).symbol: value for ticker, value in yields.items()", "}"]
    setup += clock.schedule(f'"{tickers[0]}"')
    body = [f"best = sorted(self._yields, key=self._yields.get, reverse=True)[:{top}]", "for symbol in self._yields:"]
    body += ["    if symbol not in best and self.portfolio[symbol].invested:", "        self.liquidate(symbol)"]
    if kind == "proportional":
        body.append("total = sum(self._yields[symbol] for symbol in best)")
    share = (
        number(int(100 * total / top) / 100) if kind == "equal" else f"{number(total)} * self._yields[symbol] / total"
    )
    body += ["for symbol in best:", f"    self.set_holdings(symbol, {share})"]
    text = ", ".join(f"{ticker} {number(paid)} %" for ticker, paid in zip(tickers, yields, strict=True))
    number_word = "the security" if top == 1 else f"the {top} securities"
    each = (
        f"{100 * int(100 * total / top) / 100:g} % of the portfolio each"
        if kind == "equal"
        else f"{100 * total:g} % of the portfolio in proportion to their yields"
    )
    clauses = [
        Clause(
            "Carry",
            (
                f"dividend yields are {text}: hold {number_word} with the highest yield",
                f"with dividend yields of {text}, own {number_word} with the largest",
            ),
        ),
        Clause("Weights", (f"invest {each}", f"weights: {each}")),
        Clause("Schedule", tuple(f"rebalance {words}" for words in clock.words)),
    ]
    needs = {"rebalance": clock.needs, "weights": weights}
    return finished(
        "carry", f"yields|{kind}|{clock.every}", f"{top}|{clock.style}", frame, name="YieldCarry",
        summary="Holds what yields most.", setup=setup, methods=[clock.handler(f'"{tickers[0]}"', body, False)],
        clauses=clauses, needs=needs, difficulty=1 if top == 1 else 2,
    )  # fmt: skip
