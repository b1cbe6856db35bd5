"""A lowered formula as Python text: assignments for what is repeated or long, and a last line that returns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from llm_plugin.alphas.lowering import CAP_DAYS, FIELDS, GROUPS
from llm_plugin.formulas import Binary, Call, Name, Node, Number, children, walk

__all__ = ["bar_fields", "body_lines", "operator_names"]

_WIDTH = 96
_TIGHTNESS = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 4}
_RETURNS = Binary("-", Call("ratio", (Name("close"), Call("delay", (Name("close"), Number(1.0))))), Number(1.0))
_DERIVED = {
    "vwap": ("(high + low + close) / 3", ("high", "low", "close")),
    "cap": (f"ts_mean(close * volume, {CAP_DAYS})", ("close", "volume")),
}
_BARS = ("open", "high", "low", "close", "volume")


def bar_fields(node: Node) -> list[str]:
    """Return which fields of a bar a formula needs, in the order of a bar."""
    used = {each.text for each in walk(node) if isinstance(each, Name) and each.text in FIELDS}
    for name, (_, needed) in _DERIVED.items():
        if name in used:
            used |= set(needed)
    return [name for name in _BARS if name in used]


def operator_names(node: Node) -> set[str]:
    """Return the operators that the text calls directly."""
    called = {each.function for each in walk(node) if isinstance(each, Call)} - {"abs"}
    if any(isinstance(each, Name) and each.text == "cap" for each in walk(node)):
        called.add("ts_mean")
    return {name for name in called if not name.startswith("np.")}


def body_lines(node: Node) -> list[str]:
    """Return the statements of a function that has the bar fields as arguments; lines fit into 100 columns."""
    writer = _Writer()
    lines = [
        f"{name} = {text}"
        for name, (text, _) in _DERIVED.items()
        if any(isinstance(each, Name) and each.text == name for each in walk(node))
    ]
    for level in GROUPS:
        if any(isinstance(each, Name) and each.text == level for each in walk(node)):
            lines.append(f"{level} = np.array([{level.upper()}[ticker] for ticker in TICKERS])")
    writer.name_repeated(node)
    result = writer.fitting(node, _WIDTH - len("return "))
    return [*lines, *writer.lines, f"return {result}"]


class _Writer:
    """Collects assignments: subtrees get names, longer ones are built from them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[Node, str] = {}
        self._taken: Counter[str] = Counter()

    def name_repeated(self, node: Node) -> None:
        """Give a name to returns and mean volumes, then to the largest calls that occur more than once."""
        for each in sorted({each for each in walk(node) if _is_derived(each)}, key=_size):
            self._assign(each)
        while True:
            counts = Counter(each for each in self._visible(node) if isinstance(each, Call))
            repeated = [each for each, count in counts.items() if count > 1 and _size(each) > 4]
            if not repeated:
                return
            self._assign(max(repeated, key=_size))

    def _visible(self, node: Node) -> Iterator[Node]:
        """Yield what the text of a subtree shows: nothing below what has a name."""
        if node not in self._names:
            yield node
            for child in children(node):
                yield from self._visible(child)

    def _assign(self, node: Node) -> None:
        if node in self._names:
            return
        name = self._new_name(node)
        text = self.fitting(node, _WIDTH - len(name) - 3)
        self.lines.append(f"{name} = {text}")
        self._names[node] = name

    def fitting(self, node: Node, width: int) -> str:
        """Return the text of a subtree, after naming its parts until it fits."""
        while len(text := self._text(node)) > width:
            parts = [each for each in self._visible(node) if each != node and self._worth_naming(each, width)]
            if not parts:
                return text
            self._assign(max(parts, key=lambda each: len(self._text(each))))
        return text

    def _worth_naming(self, node: Node, width: int) -> bool:
        return not isinstance(node, Name | Number) and 16 < len(self._text(node)) <= min(width, _WIDTH - 24)

    def _new_name(self, node: Node) -> str:
        if node == _RETURNS:
            return "returns"
        if _is_derived(node):
            return f"adv{int(_number(children(node)[1]))}"
        kind = node.function.removeprefix("np.") if isinstance(node, Call) else "part"
        base = _WORDS.get(kind, kind)
        self._taken[base] += 1
        return f"{base}_{self._taken[base]}"

    def _text(self, node: Node, tightest: int = 0) -> str:
        if node in self._names:
            return self._names[node]
        if isinstance(node, Name):
            return "open_" if node.text == "open" else node.text
        if isinstance(node, Number):
            text = repr(int(node.value) if node.value.is_integer() else node.value)
            return f"({text})" if text.startswith("-") and tightest > _TIGHTNESS["*"] else text
        if isinstance(node, Call):
            return f"{node.function}({', '.join(self._text(each) for each in node.arguments)})"
        if not isinstance(node, Binary):
            raise TypeError(f"{type(node).__name__} is left after lowering")
        return self._binary(node, tightest)

    def _binary(self, node: Binary, tightest: int) -> str:
        tightness = _TIGHTNESS[node.operator]
        sign = "**" if node.operator == "^" else f" {node.operator} "
        negative = node.operator == "*" and node.left == Number(-1.0)
        left = "-" if negative else f"{self._text(node.left, tightness)}{sign}"
        right = self._text(node.right, tightness + 1)
        text = f"{left}{right}"
        return f"({text})" if tightness < tightest or (negative and tightest > 2) else text


_WORDS = {
    "less": "is_less", "equal": "is_equal", "either": "any_of", "both": "all_of", "choose": "chosen",
    "ratio": "quotient", "rank": "ranked", "scale": "scaled", "delta": "change", "delay": "earlier", "power": "raised",
    "decay_linear": "decayed", "correlation": "correlated", "covariance": "covaried",
    "ts_rank": "ts_ranked", "ind_neutralize": "neutral",
    "ts_sum": "summed", "ts_mean": "mean", "ts_min": "lowest", "ts_max": "highest", "stddev": "deviation",
    "ts_argmax": "day_of_max", "ts_argmin": "day_of_min", "ts_product": "multiplied", "log": "logged", "abs": "size",
    "sign": "signed", "minimum": "smaller", "maximum": "larger", "signed_power": "powered",
}  # fmt: skip


def _is_derived(node: Node) -> bool:
    """Return whether a subtree is `returns` or a mean volume, which have names of their own."""
    mean = isinstance(node, Call) and node.function == "ts_mean" and node.arguments[0] == Name("volume")
    return mean or node == _RETURNS


def _size(node: Node) -> int:
    return sum(1 for _ in walk(node))


def _number(node: Node) -> float:
    return node.value if isinstance(node, Number) else 0.0
