"""Rotation: hold the best of several securities by a score, and look again each month, week or quarter."""

from __future__ import annotations

from random import Random

from llm_plugin.strategies.grammar.code import class_name, rounded_up
from llm_plugin.strategies.grammar.describe import Clause
from llm_plugin.strategies.grammar.draft import Draft
from llm_plugin.strategies.grammar.parts import FUNDS, STOCKS, Market
from llm_plugin.strategies.grammar.plans.base import Frame, draw_clock, finished
from llm_plugin.strategies.grammar.terms import number

__all__ = ["rotation"]


def _score(rng: Random) -> tuple[str, str, list[str], str, int, tuple[str, ...], list[dict[str, object]]]:
    """Return kind, condition, creations, code, bars, words, indicators of what is ranked, more is better."""
    kind = rng.choice(("return", "return", "low_volatility", "over_average", "rsi", "risk_adjusted", "two_returns"))
    period = rng.choice((20, 40, 60, 63, 90, 120, 126))
    words: tuple[str, ...]
    if kind == "return":
        words = (
            f"the {period}-day rate of change",
            f"the return of the last {period} days",
            f"{period}-day momentum (ROC)",
        )
        use = [{"name": "roc", "period": period}]
        return kind, f"roc({period})", [f"self.roc(symbol, {period})"], "{0}", period + 2, words, use
    if kind == "low_volatility":
        period = rng.choice((10, 14, 20, 30))
        words = (f"the lowest NATR({period})", f"the smallest {period}-day ATR in percent of the price (NATR)")
        use = [{"name": "natr", "period": period}]
        return kind, f"0 - natr({period})", [f"self.natr(symbol, {period})"], "-{0}", period + 2, words, use
    if kind == "over_average":
        average = rng.choice(("sma", "ema"))
        words = (
            f"the close divided by its {period}-day {average.upper()}",
            f"the ratio of the close to the {period}-day {average.upper()}",
        )
        code = "self.securities[symbol].price / {0}"
        use = [{"name": average, "period": period}]
        return (
            kind,
            f"close / {average}({period})",
            [f"self.{average}(symbol, {period})"],
            code,
            3 * period + 2,
            words,
            use,
        )
    if kind == "rsi":
        period = rng.choice((10, 14, 21))
        words = (f"RSI({period})", f"the {period}-day RSI")
        use = [{"name": "rsi", "period": period}]
        return kind, f"rsi({period})", [f"self.rsi(symbol, {period})"], "{0}", 6 * period + 2, words, use
    if kind == "risk_adjusted":
        words = (f"ROC({period}) divided by NATR(20)", f"the {period}-day rate of change per unit of NATR(20)")
        made = [f"self.roc(symbol, {period})", "self.natr(symbol, 20)"]
        use = [{"name": "roc", "period": period}, {"name": "natr", "period": 20}]
        return kind, f"roc({period}) / natr(20)", made, "{0} / {1}", period + 2, words, use
    fast = rng.choice((10, 20))
    words = (f"the sum of ROC({fast}) and ROC({period})", f"ROC({fast}) + ROC({period})")
    made = [f"self.roc(symbol, {fast})", f"self.roc(symbol, {period})"]
    use = [{"name": "roc", "period": fast}, {"name": "roc", "period": period}]
    return kind, f"roc({fast}) + roc({period})", made, "{0} + {1}", period + 2, words, use


def rotation(rng: Random) -> Draft:
    """Return a rotation strategy."""
    kind, by, made, code, bars, words, uses = _score(rng)
    if kind == "two_returns" and by.split(" + ")[0] == by.split(" + ")[1]:
        return rotation(rng)
    pool = rng.choice((FUNDS, STOCKS, ("SPY", "QQQ", "IWM", "AAPL", "IBM", "BAC", "GOOG")))
    market = Market("basket", tuple(rng.sample(pool, rng.randint(4, len(pool)))))
    frame, clock = Frame.draw(rng, market), draw_clock(rng)
    top = rng.choice((1, 2, 2, 3))
    bottom = rng.choice((0, 0, 0, min(top, 2))) if len(market.tickers) >= 5 else 0
    positive = kind in ("return", "two_returns", "risk_adjusted") and bottom == 0 and rng.random() < 0.5
    weight = int(100 / (top + bottom)) / 100
    share = rng.choice((1.0, 0.95, 0.9))
    weight = int(weight * share * 100) / 100
    attributes = [f"self._score_{n}" if len(made) > 1 else "self._score" for n in ("a", "b")][: len(made)]
    setup = [
        *frame.several(),
        *(f"{a} = {{symbol: {m} for symbol in self._symbols}}" for a, m in zip(attributes, made, strict=True)),
    ]
    setup += [f"self.set_warm_up({rounded_up(bars)}, Resolution.DAILY)", *clock.schedule("self._symbols[0]")]
    value = code.format(*(f"{a}[symbol].current.value" for a in attributes))
    picked = "self._rank(symbol)"
    body = ["ranked = sorted(self._symbols, key=self._rank, reverse=True)"]
    body.append(
        f"longs = [symbol for symbol in ranked[:{top}] if {picked} > 0]" if positive else f"longs = ranked[:{top}]"
    )
    if bottom:
        body.append(f"shorts = ranked[-{bottom}:]")
    held = "longs + shorts" if bottom else "longs"
    body += [
        "for symbol in self._symbols:",
        f"    if symbol not in {held} and self.portfolio[symbol].invested:",
        "        self.liquidate(symbol)",
    ]
    body += ["for symbol in longs:", f"    self.set_holdings(symbol, {number(weight)})"]
    if bottom:
        body += ["for symbol in shorts:", f"    self.set_holdings(symbol, -{number(weight)})"]
    rank = f"    def _rank(self, symbol):\n        return {value}\n"
    needs = {
        "direction": "both" if bottom else "long",
        "indicators": uses,
        "rebalance": clock.needs,
        "ranking": {"by": by, "top": top, "bottom": bottom},
        "size": {"kind": "fraction", "value": weight},
        **({"entry": {"long": f"{by} > 0"}} if positive else {}),
    }
    clauses = _clauses(words, clock.words, top, bottom, positive, weight)
    extra = ("positive" if positive else "all", "both" if bottom else "long")
    return finished(
        "rotation", f"{kind}|{'|'.join(extra)}|{clock.every}", f"{clock.style}|{top}", frame,
        name=class_name(kind, "rotation"), summary=f"Rotates into the top {top} by {words[0]}.",
        setup=setup, methods=[clock.handler("self._symbols[0]", body, True), rank],
        clauses=clauses, needs=needs, difficulty=2 + (bottom > 0 or positive),
    )  # fmt: skip


def _selection(text: str, many: str) -> str:
    if "est " in text:
        return f"hold those with {text}, the best {many}"
    return f"rank the symbols by {text} and hold the best {many}"


def _clauses(
    words: tuple[str, ...], when: tuple[str, ...], top: int, bottom: int, positive: bool, weight: float
) -> list[Clause]:
    many = f"{top} securities" if top > 1 else "one security"
    best = tuple(_selection(text, many) for text in words)
    clauses = [Clause("Selection", best), Clause("Schedule", tuple(f"rebalance {text}" for text in when))]
    if bottom:
        text = f"sell short the worst {bottom}"
        clauses.append(Clause("Short side", (text, f"short the {bottom} at the bottom of the ranking")))
    if positive:
        clauses.append(Clause("Filter", ("only hold a security whose score is above zero, else stay in cash",)))
    share = f"{100 * weight:g} %"
    clauses.append(Clause("Weights", (f"give each position {share} of the portfolio", f"{share} of equity each")))
    sold = "close what is no longer selected"
    clauses.append(Clause("Exit", (sold, "sell what drops out of the selection", "liquidate the others")))
    return clauses
