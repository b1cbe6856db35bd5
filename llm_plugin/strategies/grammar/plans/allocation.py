"""Allocation: weights that are set anew on a schedule, fixed, by trend or by risk."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar.code import class_name, rounded_up
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.parts import EQUITIES, Market
from llm_plugin.strategies.grammar.plans.base import Frame, draw_clock, finished
from llm_plugin.strategies.grammar.terms import number

__all__ = ["allocation"]

_TREND = {
    "sma": (
        "self.sma(symbol, {n})",
        "self.securities[symbol].price > {a}",
        "close > sma({n})",
        "its close is above SMA({n})",
    ),
    "ema": (
        "self.ema(symbol, {n})",
        "self.securities[symbol].price > {a}",
        "close > ema({n})",
        "its close is above EMA({n})",
    ),
    "roc": ("self.roc(symbol, {n})", "{a} > 0", "roc({n}) > 0", "its {n}-day rate of change is above zero"),
}


def _shares(rng: Random, count: int) -> list[float]:
    cuts = [rng.randint(2, 6) for _ in range(count)]
    total = sum(cuts) / rng.choice((0.9, 0.95, 0.98))
    return [int(100 * cut / total) / 100 for cut in cuts]


def allocation(rng: Random) -> Draft:
    """Return a strategy that rebalances to weights."""
    kind = rng.choice(("fixed", "fixed", "equal", "trend", "trend", "inverse_volatility"))
    market = Market("basket", tuple(rng.sample(EQUITIES, rng.randint(2, 5))))
    frame, clock = Frame.draw(rng, market), draw_clock(rng)
    if kind == "inverse_volatility":
        return _inverse(rng, frame)
    count = len(market.tickers)
    shares = _shares(rng, count) if kind != "equal" else [int(100 / count) / 100] * count
    pairs = ", ".join(f'"{ticker}": {number(share)}' for ticker, share in zip(market.tickers, shares, strict=True))
    setup = [
        f"weights = {{{pairs}}}",
        "self._weights = {",
        "    self.add_equity(ticker, Resolution.DAILY).symbol: weight",
    ]
    setup += ["    for ticker, weight in weights.items()", "}"]
    trend = rng.choice(sorted(_TREND)) if kind == "trend" else ""
    period = rng.choice((20, 50, 100, 150, 200))
    warm = bool(trend)
    if trend:
        created = _TREND[trend][0].format(n=period)
        setup += [f"self._trend = {{symbol: {created} for symbol in self._weights}}"]
        setup += [f"self.set_warm_up({rounded_up(3 * period + 2 if trend == 'ema' else period + 2)}, Resolution.DAILY)"]
    anchor = f'"{market.tickers[0]}"'
    setup += clock.schedule(anchor)
    body = _body(trend)
    text = ", ".join(f"{t} {100 * s:g} %" for t, s in zip(market.tickers, shares, strict=True))
    clauses = [Clause("Weights", (f"hold {text}", f"target weights: {text}", f"allocate {text}"))]
    clauses.append(Clause("Schedule", tuple(f"rebalance {words}" for words in clock.words)))
    needs: dict[str, object] = {"rebalance": clock.needs, "weights": dict(zip(market.tickers, shares, strict=True))}
    if trend:
        rule = _TREND[trend][3].format(n=period)
        clauses.append(
            Clause(
                "Filter",
                (f"but hold a symbol only if {rule}, else keep its share in cash", f"skip a symbol unless {rule}"),
            )
        )
        needs["entry"] = {"long": _TREND[trend][2].format(n=period)}
        needs["indicators"] = [{"name": trend, "period": period}]
    return finished(
        "allocation", f"{kind}|{trend or 'none'}|{clock.every}", f"{clock.style}|{count}", frame,
        name=class_name(kind, "allocation"), summary=f"Rebalances to {text}.",
        setup=setup, methods=[clock.handler(anchor, body, warm)], clauses=clauses, needs=needs,
        difficulty=2 if trend else 1,
    )  # fmt: skip


def _body(trend: str) -> list[str]:
    if not trend:
        return ["for symbol, weight in self._weights.items():", "    self.set_holdings(symbol, weight)"]
    test = _TREND[trend][1].format(a="self._trend[symbol].current.value")
    return [
        "for symbol, weight in self._weights.items():",
        f"    if {test}:",
        "        self.set_holdings(symbol, weight)",
        "    elif self.portfolio[symbol].invested:",
        "        self.liquidate(symbol)",
    ]


def _inverse(rng: Random, frame: Frame) -> Draft:
    clock = draw_clock(rng)
    measure = rng.choice(("natr", "std"))
    period, total = rng.choice((14, 20, 30, 60)), rng.choice((0.8, 0.9, 0.95))
    made = f"self.natr(symbol, {period})"
    if measure == "std":
        made = f"IndicatorExtensions.of(StandardDeviation({period}), self.roc(symbol, 1))"
    words = f"NATR({period})" if measure == "natr" else f"the standard deviation of {period} daily returns"
    setup = [*frame.several(), f"self._risk = {{symbol: {made} for symbol in self._symbols}}"]
    setup += [f"self.set_warm_up({rounded_up(period + 3)}, Resolution.DAILY)", *clock.schedule("self._symbols[0]")]
    body = [
        "inverse = {symbol: 1 / self._risk[symbol].current.value for symbol in self._symbols}",
        "total = sum(inverse.values())",
        "for symbol in self._symbols:",
        f"    self.set_holdings(symbol, {number(total)} * inverse[symbol] / total)",
    ]
    clauses = [
        Clause(
            "Weights",
            (
                f"weight the symbols by the inverse of {words}, {100 * total:g} % of the portfolio in all",
                f"risk-weighted: each share in proportion to 1 / {words}; together {100 * total:g} % of equity",
            ),
        ),
        Clause("Schedule", tuple(f"rebalance {text}" for text in clock.words)),
    ]
    uses = [{"name": "natr", "period": period}] if measure == "natr" else []
    needs = {"rebalance": clock.needs, "entry": {"long": "close > 0"}, "indicators": uses}
    return finished(
        "allocation", f"inverse_{measure}|{clock.every}", f"{clock.style}|{len(frame.market.tickers)}", frame,
        name="InverseVolatilityAllocation", summary=f"Weights by the inverse of {words}.", setup=setup,
        methods=[clock.handler("self._symbols[0]", body, True)], clauses=clauses, needs=needs, difficulty=2,
    )  # fmt: skip
