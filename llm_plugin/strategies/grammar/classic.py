"""Classic LEAN algorithms: everything in one class, decided bar by bar in `on_data`."""

from __future__ import annotations

import re

from llm_plugin.strategies.grammar.blueprint import Blueprint
from llm_plugin.strategies.grammar.code import (
    Namer,
    header,
    indent,
    joined,
    opening,
    rounded_up,
    subscribe,
    warm_up_bars,
)
from llm_plugin.strategies.grammar.terms import number

__all__ = ["classic_source"]


def classic_source(blueprint: Blueprint, name: str, summary: str) -> str:
    """Return `main.py` of a strategy, for one security or a loop over several."""
    return _Writer(blueprint).source(name, summary)


def _reads_price(code: str) -> bool:
    return re.search(r"(?<![.\w])price\b", code) is not None


class _Writer:
    def __init__(self, blueprint: Blueprint) -> None:
        self.plan = blueprint
        self.several = not blueprint.market.is_single
        self.names = Namer(blueprint, several=self.several)
        self.symbol = self.names.symbol
        self.holding = f"self.portfolio[{self.symbol}]"

    def source(self, name: str, summary: str) -> str:
        parts = [header(name, summary), "    def initialize(self):\n" + indent(self._initialize(), 2) + "\n"]
        parts.append(self._on_data())
        if self.plan.layout == "methods":
            parts += self._questions()
        sizing = self._sizing()
        if sizing:
            parts.append(sizing)
        if self.plan.stop is not None and self.plan.stop.by_order:
            parts.append(self._order_events())
        return "\n".join(parts)

    # initialize

    def _initialize(self) -> list[str]:
        plan, market = self.plan, self.plan.market
        lines = opening(plan.start, plan.end, plan.cash)
        if self.several:
            lines.append(f"tickers = [{', '.join(chr(34) + t + chr(34) for t in market.tickers)}]")
            lines.append(
                f"self._symbols = [{subscribe(market.security_type, 'ticker', market.resolution)}.symbol "
                "for ticker in tickers]"
            )
        else:
            call = subscribe(market.security_type, f'"{market.tickers[0]}"', market.resolution)
            lines.append(f"self._symbol = {call}.symbol")
        lines += [self._made(f"_{helper.role}", self.names.create(helper, self.symbol)) for helper in plan.helpers()]
        if plan.size.kind == "volatility_target":
            returns = f"IndicatorExtensions.of(StandardDeviation({plan.size.period}), self.roc({self.symbol}, 1))"
            lines.append(self._made("_volatility", returns))
        lines += [self._made(attribute, start) for attribute, start in self._state()]
        bars = rounded_up(max(warm_up_bars(plan.helpers()), plan.size.period + 3 if plan.size.period else 0))
        if bars:
            word = {"daily": "DAILY", "hour": "HOUR"}[market.resolution]
            lines.append(f"self.set_warm_up({bars}, Resolution.{word})")
        return lines

    def _made(self, attribute: str, value: str) -> str:
        if self.several:
            return f"self.{attribute} = {{symbol: {value} for symbol in self._symbols}}"
        return f"self.{attribute} = {value}"

    def _state(self) -> list[tuple[str, str]]:
        state = []
        if self.plan.hold is not None:
            state.append(("_bars_held", "0"))
        if self.plan.stop is not None and self.plan.stop.kind == "trailing":
            state.append(("_best_price", "0"))
        return state

    # on_data

    def _on_data(self) -> str:
        bars = "data.quote_bars" if self.plan.market.security_type == "forex" else "data.bars"
        body = self._trade()
        text = "\n".join(body)
        uses_bar = "bar." in text or "(bar" in text
        uses_price = _reads_price(text)
        if self.several:
            lines = ["if self.is_warming_up:", "    return"] if warm_up_bars(self.plan.helpers()) else []
            lines += ["for symbol in self._symbols:", f"    if {bars}.contains_key(symbol):"]
            lines.append(f"        self._trade(symbol, {bars}[symbol])")
            trade = (["price = bar.close"] if uses_price else []) + body
            return (
                "    def on_data(self, data):\n"
                + indent(lines, 2)
                + "\n\n    def _trade(self, symbol, bar):\n"
                + indent(trade, 2)
                + "\n"
            )
        warm = "self.is_warming_up or " if warm_up_bars(self.plan.helpers()) or self.plan.size.period else ""
        lines = [f"if {warm}not {bars}.contains_key(self._symbol):", "    return"]
        if uses_bar:
            lines.append(f"bar = {bars}[self._symbol]")
        if uses_price:
            lines.append("price = bar.close" if uses_bar else f"price = {bars}[self._symbol].close")
        return "    def on_data(self, data):\n" + indent(lines + body, 2) + "\n"

    def _trade(self) -> list[str]:
        if self.plan.reverses:
            return self._reverse()
        sides = self.plan.sides
        lines: list[str] = []
        word = "if"
        for side in sides:
            invested = "invested" if len(sides) == 1 else ("is_long" if side > 0 else "is_short")
            lines.append(f"{word} {self.holding}.{invested}:")
            lines += ["    " + line for line in self._leave(side)]
            word = "elif"
        for side in sides:
            lines.append(f"elif {self._enter_question(side)}:")
            lines += ["    " + line for line in self._enter(side)]
        return lines

    def _reverse(self) -> list[str]:
        lines = []
        for word, side, held in (("if", 1, "is_long"), ("elif", -1, "is_short")):
            lines.append(f"{word} {self._enter_question(side)} and not {self.holding}.{held}:")
            lines += ["    " + line for line in self._enter(side)]
        rest = [self._protection(side) for side in (1, -1)]
        for side, held in ((1, "is_long"), (-1, "is_short")):
            reasons = rest[0 if side > 0 else 1]
            update = self._update(side)
            if reasons:
                lines.append(f"elif {self.holding}.{held}:")
                lines += ["    " + line for line in update]
                lines += [f"    if {joined('or', reasons)}:", f"        self.liquidate({self.symbol})"]
        return lines

    def _update(self, side: int) -> list[str]:
        lines = []
        if self.plan.hold is not None:
            lines.append(f"{self.names.attribute('bars_held')} += 1")
        if self.plan.stop is not None and self.plan.stop.kind == "trailing":
            best = self.names.attribute("best_price")
            lines.append(f"{best} = {'max' if side > 0 else 'min'}({best}, price)")
        return lines

    def _leave(self, side: int) -> list[str]:
        reasons = self._exit_reasons(side)
        question = joined("or", reasons) if reasons else ""
        if self.plan.layout == "methods":
            question = f"self._should_exit{self._suffix(side)}({self._arguments()})"
        lines = self._update(side)
        lines += [f"if {question}:", f"    self.liquidate({self.symbol})"]
        return lines if reasons else (lines[:-2] or ["pass"])

    def _exit_reasons(self, side: int) -> list[str]:
        exit_rule = self.plan.exit(side)
        reasons = [self.names.code(exit_rule.code)] if exit_rule is not None else []
        if self.plan.hold is not None:
            reasons.append(f"{self.names.attribute('bars_held')} >= {self.plan.hold}")
        return reasons + self._protection(side)

    def _protection(self, side: int) -> list[str]:
        """Return the questions of stop and target that are asked at each bar."""
        reasons = []
        stop, target = self.plan.stop, self.plan.target
        average, worse, better = f"{self.holding}.average_price", *(("<", ">") if side > 0 else (">", "<"))
        sign = "-" if side > 0 else "+"
        if stop is not None and not stop.by_order:
            if stop.kind == "percent":
                reasons.append(f"price {worse}= {average} * {number(1 - side * stop.value / 100)}")
            elif stop.kind == "atr":
                size = f"{number(stop.value)} * {self.names.attribute('atr')}.current.value"
                reasons.append(f"price {worse}= {average} {sign} {size}")
            else:
                best = self.names.attribute("best_price")
                reasons.append(f"price {worse}= {best} * {number(1 - side * stop.value / 100)}")
        if target is not None:
            reasons.append(f"price {better}= {average} * {number(1 + side * target.value / 100)}")
        return reasons

    # entry

    def _enter_question(self, side: int) -> str:
        if self.plan.layout == "methods":
            return f"self._should_enter{self._suffix(side)}({self._arguments()})"
        return self.names.rule((self.plan.entry(side), self.plan.filter(side)))

    def _suffix(self, side: int) -> str:
        if self.plan.direction != "both":
            return ""
        return "_long" if side > 0 else "_short"

    def _enter(self, side: int) -> list[str]:
        lines = [f"{self.names.attribute('bars_held')} = 0"] if self.plan.hold is not None else []
        if self.plan.stop is not None and self.plan.stop.kind == "trailing":
            lines.append(f"{self.names.attribute('best_price')} = price")
        size, sign = self.plan.size, "" if side > 0 else "-"
        if size.kind == "fraction":
            return [*lines, f"self.set_holdings({self.symbol}, {sign}{number(size.value)})"]
        if size.kind == "shares":
            return [*lines, f"self.market_order({self.symbol}, {sign}{number(size.value)})"]
        if size.kind == "volatility_target":
            given = "symbol" if self.several else ""
            return [*lines, f"self.set_holdings({self.symbol}, {sign}self._weight({given}))"]
        given = "symbol, price" if self.several else "price"
        return [*lines, f"self.market_order({self.symbol}, {sign}self._quantity({given}))"]

    # methods

    def _arguments(self) -> str:
        return "symbol, bar" if self.several else "bar"

    def _questions(self) -> list[str]:
        made = []
        for side in self.plan.sides:
            entry = self.names.rule((self.plan.entry(side), self.plan.filter(side)))
            made.append(self._question(f"_should_enter{self._suffix(side)}", entry))
        if self.plan.reverses:
            return made
        for side in self.plan.sides:
            reasons = self._exit_reasons(side)
            if reasons:
                made.append(self._question(f"_should_exit{self._suffix(side)}", joined("or", reasons)))
        return made

    def _question(self, name: str, code: str) -> str:
        lines = (["price = bar.close"] if _reads_price(code) else []) + [f"return {code}"]
        return f"    def {name}(self, {self._arguments()}):\n" + indent(lines, 2) + "\n"

    def _sizing(self) -> str:
        size, given = self.plan.size, "self, symbol" if self.several else "self"
        if size.kind == "volatility_target":
            lines = [
                f"annual = {self.names.attribute('volatility')}.current.value * 252 ** 0.5",
                f"return min({number(size.most or 1)}, {number(size.value)} / annual) if annual > 0 else 0",
            ]
            return f"    def _weight({given}):\n" + indent(lines, 2) + "\n"
        if size.kind == "cash":
            return (
                f"    def _quantity({given}, price):\n"
                + indent([f"return int({number(size.value)} / price)"], 2)
                + "\n"
            )
        if size.kind == "risk" and self.plan.stop is not None:
            stop = self.plan.stop
            distance = f"price * {number(stop.value / 100)}"
            if stop.kind == "atr":
                distance = f"{number(stop.value)} * {self.names.attribute('atr')}.current.value"
            lines = [
                f"risk = {number(size.value)} * self.portfolio.total_portfolio_value",
                f"return int(risk / ({distance}))",
            ]
            return f"    def _quantity({given}, price):\n" + indent(lines, 2) + "\n"
        return ""

    def _order_events(self) -> str:
        stop, side = self.plan.stop, self.plan.sides[0]
        value = stop.value if stop is not None else 0.0
        digits = 5 if self.plan.market.security_type == "forex" else 2
        compare = ">" if side > 0 else "<"
        lines = [
            f"if order_event.status != OrderStatus.FILLED or not order_event.fill_quantity {compare} 0:",
            "    return",
            f"stop_price = round(order_event.fill_price * {number(1 - side * value / 100)}, {digits})",
            "self.stop_market_order(order_event.symbol, -order_event.fill_quantity, stop_price)",
        ]
        return "    def on_order_event(self, order_event):\n" + indent(lines, 2) + "\n"
