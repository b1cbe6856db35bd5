"""Planted wrong solutions: small changes to a right one, each with the gates where it may fail."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_plugin.formulas import Call, Node, Number, Unary, children
from llm_plugin.strategies import mutant_faults as faults
from llm_plugin.strategies.language import tree
from llm_plugin.strategies.mutant_edits import Edit, Source, injected, names_called
from llm_plugin.strategies.requirements import Requirements, Stop
from llm_plugin.strategies.tasks import Task

__all__ = ["KINDS", "MEANING_GATES", "Mutant", "mutants_of"]

# A change of behaviour is seen at the latest by the witness; it may also break the run or stop all trading.
MEANING_GATES = frozenset({"backtests", "trades", "means_it"})
KINDS: Mapping[str, frozenset[str]] = {
    "period": MEANING_GATES,
    "threshold": MEANING_GATES,
    "sign": MEANING_GATES,
    "side": MEANING_GATES,
    "symbol": MEANING_GATES,
    "stop": MEANING_GATES,
    "size": MEANING_GATES,
    "shift": MEANING_GATES,
    "never": frozenset({"trades"}),
    "peek": frozenset({"honest"}),
    "reach": frozenset({"honest"}),
    "random": frozenset({"honest"}),
    "name": frozenset({"compiles"}),
    "raise": frozenset({"backtests"}),
}
_MOST: Mapping[str, int] = {"period": 3, "threshold": 2, "sign": 2, "side": 1, "stop": 2, "size": 1}
_EQUITIES = ("SPY", "QQQ", "IWM", "EEM", "AAPL", "IBM", "BAC", "AIG")
_SETTINGS = frozenset(
    "set_start_date set_end_date set_cash set_warm_up warm_up timedelta set_benchmark at after_market_open "
    "before_market_close month_start month_end week_start week_end ConstantFeeModel ConstantSlippageModel "
    "VolumeShareSlippageModel PercentFeeModel".split()
)
_SHARES = frozenset({"set_holdings", "calculate_order_quantity", "PortfolioTarget"})
_NOT_DECISIONS = re.compile(
    r"len\(|count|samples|quantity|is_ready|is_warming|status|invested|next_|last_|index|time|date|month|day|hour|year"
)


@dataclass(frozen=True)
class Mutant:
    """A wrong solution of a task."""

    task: Task
    kind: str
    note: str
    source: str

    @property
    def gates(self) -> frozenset[str]:
        """The gates of which one must be the first that it fails."""
        return KINDS[self.kind]


def mutants_of(task: Task, data_folder: Path) -> list[Mutant]:
    """Return the mutants of a task's reference; equivalent ones among them are told apart by their orders.

    Args:
        task: With requirements and a reference.
        data_folder: Where the market data lies: what a peeking one opens.
    """
    wanted = task.requirements
    if task.reference is None or wanted is None:
        return []
    source = Source(task.reference)
    makers: dict[str, Callable[[], Iterator[Edit]]] = {
        "period": lambda: _numbers(source, _periods(wanted), _other_period),
        "threshold": lambda: _thresholds(source, wanted),
        "sign": lambda: _flipped(source),
        "side": lambda: _sides(source, wanted),
        "symbol": lambda: _symbols(source, wanted),
        "stop": lambda: _stops(source, wanted),
        "size": lambda: _sizes(source, wanted),
        "shift": lambda: _shifted(source, wanted),
        "never": lambda: faults.never(source),
        "peek": lambda: faults.peeks(source, wanted, data_folder),
        "reach": lambda: faults.reaches(source),
        "random": lambda: faults.random(source),
        "name": lambda: faults.misspelt(source),
        "raise": lambda: faults.raising(source),
    }
    found: list[Mutant] = []
    for kind, make in makers.items():
        texts: dict[str, str] = {}
        for edit in make():
            text = source.edited(edit)
            if text != task.reference and _parses(text):
                texts.setdefault(text, edit.note)
        chosen = _spread(list(texts.items()), _MOST.get(kind, len(texts)))
        found += [Mutant(task, kind, note, text) for text, note in chosen]
    return found


def _spread(items: list[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    if len(items) <= most:
        return items
    return [items[at * len(items) // most] for at in range(most)]


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


# Numbers that the requirements name.
def _walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _walk(child)


def _conditions(wanted: Requirements) -> list[str]:
    texts = [wanted.entry.long, wanted.entry.short, wanted.exit.long, wanted.exit.short]
    return [text for text in (*texts, wanted.ranking.by if wanted.ranking else None) if text]


def _periods(wanted: Requirements) -> set[float]:
    numbers = {value for use in wanted.indicators for _, value in use.parameters}
    for text in _conditions(wanted):
        for node in _walk(tree(text)):
            if isinstance(node, Call):
                numbers |= {argument.value for argument in node.arguments if isinstance(argument, Number)}
    if wanted.holding_bars is not None:
        numbers.add(float(wanted.holding_bars))
    return {number for number in numbers if number >= 2}


def _limits(wanted: Requirements) -> set[float]:
    numbers: set[float] = set()
    for text in _conditions(wanted):
        inside = {id(a) for node in _walk(tree(text)) if isinstance(node, Call) for a in node.arguments}
        for node in _walk(tree(text)):
            if isinstance(node, Number) and id(node) not in inside:
                numbers.add(node.value)
            elif isinstance(node, Unary) and isinstance(node.operand, Number):
                numbers.add(-node.operand.value)
    return numbers - {0.0}


def _other_period(value: float) -> list[float]:
    return [2 * value + 1, max(2.0, value // 2)] if value > 3 else [2 * value + 1]


def _numbers(
    source: Source,
    values: set[float],
    change: Callable[[float], list[float]],
    besides: frozenset[str] = _SETTINGS,
) -> Iterator[Edit]:
    for node in source.numbers():
        value = float(node.value)  # type: ignore[arg-type]
        if value not in values or source.within_call(node, besides):
            continue
        for other in change(value):
            text = str(int(other)) if isinstance(node.value, int) and other == int(other) else f"{other:.10g}"
            yield source.replace(node, text, f"line {node.lineno}: {node.value!r} becomes {text}")


def _thresholds(source: Source, wanted: Requirements) -> Iterator[Edit]:
    limits = {abs(value) for value in _limits(wanted)} - _periods(wanted)
    calendar = re.compile(r"day_of|month|hour|minute|year|trading_day")
    if any(calendar.search(text) for text in _conditions(wanted)):
        return  # their numbers are dates: a later one may be as fair
    yield from _numbers(source, limits, lambda value: [value * 1.6, value * 0.4])


# Comparisons and sides.
_FLIP: Mapping[type[ast.cmpop], str] = {ast.Lt: ">", ast.LtE: ">=", ast.Gt: "<", ast.GtE: "<="}


def _flipped(source: Source) -> Iterator[Edit]:
    for node in source.nodes(ast.Compare):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or type(node.ops[0]) not in _FLIP:
            continue
        text = source.text_of(node)
        if _NOT_DECISIONS.search(text) or not re.search(r"[A-Za-z]", text):
            continue
        left, right = source.text_of(node.left), source.text_of(node.comparators[0])
        yield source.replace(
            node, f"{left} {_FLIP[type(node.ops[0])]} {right}", f"line {node.lineno}: {text} turned round"
        )


def _sides(source: Source, wanted: Requirements) -> Iterator[Edit]:
    for call in source.nodes(ast.Call):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if name in ("set_holdings", "calculate_order_quantity") and len(call.args) >= 2:
            part = call.args[1]
            if source.text_of(part) != "0":
                yield source.replace(part, f"-({source.text_of(part)})", f"line {call.lineno}: the other side")
    if wanted.direction != "both":
        for node in source.nodes(ast.Attribute):
            if isinstance(node, ast.Attribute) and source.text_of(node) in _OPPOSITE:
                text = source.text_of(node)
                yield source.replace(node, _OPPOSITE[text], f"line {node.lineno}: {text} becomes {_OPPOSITE[text]}")


_OPPOSITE = {
    "InsightDirection.UP": "InsightDirection.DOWN",
    "InsightDirection.DOWN": "InsightDirection.UP",
}


def _symbols(source: Source, wanted: Requirements) -> Iterator[Edit]:
    if wanted.security_type != "equity" or wanted.resolution != "daily":
        return
    other = next((ticker for ticker in _EQUITIES if ticker not in wanted.symbols), None)
    for symbol in wanted.symbols[:2]:
        places = [node for node in source.texts() if node.value == symbol]
        if places and other is not None:
            yield source.replace_all(places, f'"{other}"', f"{symbol} becomes {other}")
        elif other is not None and any(symbol in str(node.value).split() for node in source.texts()):
            node = next(node for node in source.texts() if symbol in str(node.value).split())
            text = " ".join(other if word == symbol else word for word in str(node.value).split())
            yield source.replace(node, repr(text), f"{symbol} becomes {other}")


# Stops and sizes.
def _stops(source: Source, wanted: Requirements) -> Iterator[Edit]:
    for stop in (wanted.stop, wanted.target):
        if stop is None:
            continue
        for forms in (_derived_forms(stop), [(stop.value, stop.value * 2), (stop.value, stop.value * 0.5)]):
            edits = [edit for value, other in forms for edit in _changed(source, value, other)]
            yield from edits
            if edits:
                break  # a bare 2 that is no stop would be another kind of mutant


def _changed(source: Source, value: float, other: float) -> list[Edit]:
    return list(_numbers(source, {value}, lambda _: [other], besides=_SETTINGS | _SHARES))


def _derived_forms(stop: Stop) -> list[tuple[float, float]]:
    """Return how a percentage stands in code, and what a wider and a narrower one would look like."""
    if stop.kind not in ("percent", "trailing"):
        return []
    forms: list[tuple[float, float]] = []
    for other in (stop.value * 2, stop.value * 0.5):
        forms.append((round(stop.value / 100, 10), round(other / 100, 10)))
        forms.append((round(1 - stop.value / 100, 10), round(1 - other / 100, 10)))
        forms.append((round(1 + stop.value / 100, 10), round(1 + other / 100, 10)))
    return forms


def _sizes(source: Source, wanted: Requirements) -> Iterator[Edit]:
    size = wanted.size
    if size is None:
        return
    values = {size.value, -size.value}
    for node in source.numbers():
        if float(node.value) not in values or source.within_call(node, _SETTINGS):  # type: ignore[arg-type]
            continue
        sizing = source.within_call(node, _SIZING) or source.is_assigned(node)
        if sizing or size.kind in ("volatility_target", "risk", "cash"):
            other = f"{node.value * 0.5:.10g}"  # type: ignore[operator]
            yield source.replace(node, other, f"line {node.lineno}: size {node.value!r} becomes {other}")


_SIZING = frozenset(
    "set_holdings calculate_order_quantity PortfolioTarget market_order market_on_open_order market_on_close_order "
    "limit_order stop_market_order order percent buy sell Insight price".split()
)


# Whole methods.
_LATE = """
    def {name}(self, *args, **kwargs):
        self._late_orders = [*self.late_orders(), ({count}, "{name}", args, kwargs)]
"""
_FLUSH = """
    def late_orders(self):
        return getattr(self, "_late_orders", [])

    def send_late_orders(self):
        waiting, self._late_orders = self.late_orders(), []
        for left, name, args, kwargs in waiting:
            if left > 1:
                self._late_orders.append((left - 1, name, args, kwargs))
            else:
                getattr(super(), name)(*args, **kwargs)
"""


def _shifted(source: Source, wanted: Requirements) -> Iterator[Edit]:
    algorithm = source.algorithm_class()
    if algorithm is None:
        return
    # A few bars within the period: the last close before it is as fair as its first.
    bars = {"week": 2, "month": 4, "quarter": 4, "year": 4}.get(wanted.rebalance.every if wanted.rebalance else "", 1)
    note = f"every decision {bars} bar(s) late"
    used = [name for name in faults.ORDERS if names_called(algorithm, name)]
    plain = not any(source.is_value(call) for name in used for call in names_called(algorithm, name))
    if used and plain:
        methods = _FLUSH + "".join(_LATE.format(name=name, count=bars) for name in used)
        on_data = source.method(algorithm, "on_data")
        if on_data is None:
            methods += "\n    def on_data(self, data):\n        self.send_late_orders()\n"
            yield injected(source, algorithm, methods, note)
        else:
            edit = injected(source, algorithm, methods, note)
            yield edit.also(source.insert_first(on_data, "self.send_late_orders()"))
        return
    for update in source.methods("update"):
        owner = source.owner(update)
        arguments = [argument.arg for argument in update.args.args]
        if owner is None or len(arguments) != 3:
            continue
        methods = (
            f"\n    def update({', '.join(arguments)}):\n"
            f"        {arguments[0]}.waiting = [*getattr({arguments[0]}, 'waiting', []), "
            f"list({arguments[0]}.update_now({arguments[1]}, {arguments[2]}))]\n"
            f"        return {arguments[0]}.waiting[-{bars + 1}] if len({arguments[0]}.waiting) > {bars} else []\n"
        )
        yield injected(source, owner, methods, note).also(source.rename(update, "update_now"))
