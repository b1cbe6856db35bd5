"""Volatility targeting and risk formulas: how much to hold, from returns, ranges, drawdown and past success."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from llm_plugin.strategies.grammar.code import class_name, rounded_up
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.parts import EQUITIES, Market
from llm_plugin.strategies.grammar.plans.base import Clock, Frame, draw_clock, finished
from llm_plugin.strategies.grammar.terms import number

__all__ = ["risk_formula", "volatility_targeting"]

_TREND = (
    ("none", "", "", "", ""),
    ("none", "", "", "", ""),
    ("sma", "self.sma(self._symbol, {n})", "self.securities[self._symbol].price > self._trend.current.value",
     "close > sma({n})", "the close is above SMA({n})"),
    ("ema", "self.ema(self._symbol, {n})", "self.securities[self._symbol].price > self._trend.current.value",
     "close > ema({n})", "the close is above EMA({n})"),
    ("roc", "self.roc(self._symbol, {n})", "self._trend.current.value > 0",
     "roc({n}) > 0", "the {n}-day return is positive"),
)  # fmt: skip


class _Parts:
    """Market, clock, trend filter: what all plans of this module draw first."""

    def __init__(self, rng: Random) -> None:
        self.frame = Frame.draw(rng, Market("single", (rng.choice(EQUITIES),)))
        self.clock: Clock = draw_clock(rng, ("month", "week", "week"))
        self.trend, made, self.test, condition, words = rng.choice(_TREND)
        self.trend_bars = rng.choice((20, 50, 60, 100, 120, 200))
        self.made, self.condition = made.format(n=self.trend_bars), condition.format(n=self.trend_bars)
        self.words = words.format(n=self.trend_bars)

    def setup(self, lines: list[str], bars: int) -> list[str]:
        trend = [f"self._trend = {self.made}"] if self.trend != "none" else []
        longest = max(
            bars, 3 * self.trend_bars + 2 if self.trend == "ema" else self.trend_bars + 2 if self.trend != "none" else 0
        )
        warm = [f"self.set_warm_up({rounded_up(longest)}, Resolution.DAILY)"] if longest else []
        return [self.frame.single(), *trend, *lines, *warm, *self.clock.schedule("self._symbol")]

    def guard(self) -> list[str]:
        if self.trend == "none":
            return []
        return [f"if not ({self.test}):", "    self.liquidate(self._symbol)", "    return"]

    def clauses(self) -> list[Clause]:
        made = [Clause("Schedule", tuple(f"set the position {words}" for words in self.clock.words))]
        if self.trend != "none":
            made.append(
                Clause(
                    "Filter", (f"only be invested if {self.words}, else hold cash", f"go to cash unless {self.words}")
                )
            )
        return made

    def needs(self, **more: Any) -> dict[str, Any]:
        uses = [{"name": self.trend, "period": self.trend_bars}] if self.trend != "none" else []
        entry = {"long": self.condition or "close > 0"}
        return {
            "rebalance": self.clock.needs,
            "entry": entry,
            "indicators": [*uses, *more.pop("indicators", [])],
            **more,
        }


def volatility_targeting(rng: Random) -> Draft:
    """Return a strategy whose exposure keeps the volatility near a target."""
    parts = _Parts(rng)
    target, most = rng.choice((0.05, 0.08, 0.1, 0.12, 0.15, 0.2)), rng.choice((0.8, 1, 1, 1.5))
    period, style = rng.choice((10, 20, 21, 30, 42, 60)), rng.choice(("returns", "returns", "log_returns", "history"))
    setup, value = [], "self._volatility.current.value"
    if style in ("returns", "log_returns"):
        source = "roc" if style == "returns" else "logr"
        setup = [
            f"self._volatility = IndicatorExtensions.of(StandardDeviation({period}), self.{source}(self._symbol, 1))"
        ]
        body = [f"annual = {value} * 252 ** 0.5"]
    else:
        body = [
            f'closes = self.history(self._symbol, {period + 1}, Resolution.DAILY)["close"]',
            "annual = closes.pct_change().std() * 252 ** 0.5",
        ]
    body += [
        *parts.guard(),
        "if annual > 0:",
        f"    self.set_holdings(self._symbol, min({number(most)}, {number(target)} / annual))",
    ]
    goal, cap = f"{100 * target:g} %", f"{100 * most:g} %"
    words = "log returns" if style == "log_returns" else "returns"
    clauses = [
        Clause(
            "Size",
            (
                f"hold {goal} divided by the annualised volatility of {period} daily {words}, at most {cap} of equity",
                f"target {goal} annual volatility ({period} daily {words}, annualised with 252 days), capped at {cap}",
            ),
        ),
        *parts.clauses(),
    ]
    size = {"kind": "volatility_target", "value": target, "period": period, "most": most}
    bars = period + 3 if setup else 0
    setup = parts.setup(setup, bars)
    warm = bool(bars) or parts.trend != "none"
    return finished(
        "volatility_targeting", f"{style}|{parts.trend}|{parts.clock.every}", parts.clock.style, parts.frame,
        name="VolatilityTarget", summary=f"Holds {parts.frame.market.tickers[0]} at {goal} volatility.", setup=setup,
        methods=[parts.clock.handler("self._symbol", body, warm)], clauses=clauses, needs=parts.needs(size=size),
        difficulty=2 if parts.trend == "none" else 3,
    )  # fmt: skip


def risk_formula(rng: Random) -> Draft:
    """Return a strategy whose size is a formula of risk."""
    return rng.choice(_FORMULAS)(rng)


def _kelly(rng: Random) -> Draft:
    parts = _Parts(rng)
    period, part, most = rng.choice((40, 60, 90, 120)), rng.choice((0.25, 0.5, 1)), rng.choice((0.8, 1))
    setup = [
        "daily = self.roc(self._symbol, 1)",
        f"self._mean = IndicatorExtensions.of(SimpleMovingAverage({period}), daily)",
        f"self._deviation = IndicatorExtensions.of(StandardDeviation({period}), daily)",
    ]
    body = [
        *parts.guard(),
        "variance = self._deviation.current.value ** 2",
        "kelly = self._mean.current.value / variance if variance > 0 else 0",
        f"self.set_holdings(self._symbol, max(0, min({number(most)}, {number(part)} * kelly)))",
    ]
    name = {0.25: "a quarter of", 0.5: "half", 1: "the full"}[part]
    words = (
        f"hold {name} Kelly: the mean of {period} daily returns divided by their variance, "
        f"times {number(part)}, between 0 and {100 * most:g} %",
        f"size by {number(part)} x Kelly (mean / variance of {period} daily returns), 0 to {100 * most:g} % of equity",
    )
    return _formula(rng, parts, "kelly", setup, body, words, period + 3, {"indicators": [{"name": "roc", "period": 1}]})


def _drawdown(rng: Random) -> Draft:
    parts = _Parts(rng)
    limit, base = rng.choice((0.05, 0.1, 0.15)), rng.choice((0.8, 0.9, 1))
    setup = ["self._peak = self.portfolio.total_portfolio_value"]
    body = [
        "value = self.portfolio.total_portfolio_value",
        "self._peak = max(self._peak, value)",
        "drawdown = 1 - value / self._peak",
        *parts.guard(),
        f"self.set_holdings(self._symbol, {number(base)} * max(0, 1 - drawdown / {number(limit)}))",
    ]
    words = (
        f"invest {100 * base:g} %, less in proportion to the account's drawdown, nothing at {100 * limit:g} %",
        f"exposure = {number(base)} x (1 - drawdown / {number(limit)}), not below 0; drawdown from the highest equity",
    )
    return _formula(rng, parts, "drawdown_scaling", setup, body, words, 0, {})


def _cushion(rng: Random) -> Draft:
    parts = _Parts(rng)
    floor, multiple = rng.choice((0.8, 0.85, 0.9)), rng.choice((2, 3, 4, 5))
    setup = [f"self._floor = {number(floor)} * self.portfolio.total_portfolio_value"]
    body = [
        "value = self.portfolio.total_portfolio_value",
        *parts.guard(),
        "cushion = max(0, value - self._floor) / value",
        f"self.set_holdings(self._symbol, min(1, {multiple} * cushion))",
    ]
    words = (
        f"CPPI: invest {multiple} times the cushion above a floor of {100 * floor:g} % of the starting cash, "
        "at most 100 %",
        f"constant proportion portfolio insurance: floor {100 * floor:g} %, multiplier {multiple}, no leverage",
    )
    return _formula(rng, parts, "cppi", setup, body, words, 0, {})


def _range_units(rng: Random) -> Draft:
    parts = _Parts(rng)
    period, risk = rng.choice((10, 14, 20)), rng.choice((0.005, 0.01, 0.015))
    setup = [f"self._atr = self.atr(self._symbol, {period})"]
    body = [
        *parts.guard(),
        f"budget = {number(risk)} * self.portfolio.total_portfolio_value",
        "price = self.securities[self._symbol].price",
        "units = min(budget / self._atr.current.value, self.portfolio.total_portfolio_value / price)",
        "quantity = int(units - self.portfolio[self._symbol].quantity)",
        "if quantity != 0:",
        "    self.market_order(self._symbol, quantity)",
    ]
    words = (
        f"hold so many shares that one ATR({period}) is worth {100 * risk:g} % of equity, without leverage",
        f"shares = {number(risk)} x equity / ATR({period}), at most what the equity pays for",
    )
    return _formula(
        rng, parts, "range_units", setup, body, words, period + 2, {"indicators": [{"name": "atr", "period": period}]}
    )


def _value_at_risk(rng: Random) -> Draft:
    parts = _Parts(rng)
    period, limit = rng.choice((60, 100, 120)), rng.choice((0.01, 0.015, 0.02))
    level = rng.choice((0.05, 0.1))
    body = [
        f'closes = self.history(self._symbol, {period + 1}, Resolution.DAILY)["close"]',
        f"loss = -closes.pct_change().dropna().quantile({number(level)})",
        *parts.guard(),
        f"self.set_holdings(self._symbol, min(1, {number(limit)} / loss) if loss > 0 else 1)",
    ]
    words = (
        f"size for a daily value at risk of {100 * limit:g} %: the {100 * level:g} % quantile "
        f"of {period} daily returns, at most fully invested",
        f"weight = {number(limit)} / historical VaR ({100 * (1 - level):g} %, {period} daily returns), capped at 100 %",
    )
    return _formula(rng, parts, "value_at_risk", [], body, words, 0, {})


_FORMULAS: tuple[Callable[[Random], Draft], ...] = (_kelly, _drawdown, _cushion, _range_units, _value_at_risk)


def _formula(
    rng: Random,
    parts: _Parts,
    kind: str,
    setup: list[str],
    body: list[str],
    words: tuple[str, ...],
    bars: int,
    needs: dict[str, Any],
) -> Draft:
    ticker = parts.frame.market.tickers[0]
    lines = parts.setup(setup, bars)
    warm = bool(bars) or parts.trend != "none"
    return finished(
        "risk_formulas", f"{kind}|{parts.trend}|{parts.clock.every}", parts.clock.style, parts.frame,
        name=class_name(kind, rng.choice(("sizing", "exposure"))),
        summary=f"Sizes {ticker} by {kind.replace('_', ' ')}.",
        setup=lines, methods=[parts.clock.handler("self._symbol", body, warm)],
        clauses=[Clause("Size", words), *parts.clauses()], needs=parts.needs(**needs),
        difficulty=2 if parts.trend == "none" else 3,
    )  # fmt: skip
