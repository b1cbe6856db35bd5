"""An alpha as a LEAN algorithm: one file that needs nothing of this package."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from llm_plugin.alphas.catalogue import Alpha
from llm_plugin.alphas.lowering import GROUPS, meaning
from llm_plugin.alphas.source_formula import bar_fields, body_lines, operator_names
from llm_plugin.alphas.source_operators import operator_text
from llm_plugin.errors import ConfigError
from llm_plugin.formulas import Name, walk

__all__ = ["DEFAULT_TICKERS", "REBALANCES", "WEIGHTINGS", "AlgorithmPlan", "algorithm_source"]

DEFAULT_TICKERS: tuple[str, ...] = (
    "AAPL", "AIG", "BAC", "BNO", "EEM", "FB", "GOOG", "GOOGL", "IBM", "IWM", "QQQ", "SPY", "USO", "WM",
)  # fmt: skip
WEIGHTINGS = {
    "dollar-neutral": "the upper half is bought and the lower half sold short, in proportion to the distance from the "
    "middle rank",
    "long-only": "the best fifth is bought in equal parts",
}
REBALANCES = {"day": "every day", "week": "every week", "month": "every month"}
_PERIODS = {"day": "algorithm.time.date()", "week": "algorithm.time.isocalendar()[:2]", "month": "algorithm.time.month"}
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class AlgorithmPlan:
    """What an alpha trades, when and how.

    Attributes:
        tickers: US equities.
        start: First day of the backtest.
        end: Last day.
        classification: Sector, industry and subindustry by ticker; needed by the alphas that neutralise.
        weighting: A key of `WEIGHTINGS`.
        rebalance: A key of `REBALANCES`.
        cash: Start capital in dollars.
    """

    start: date
    end: date
    classification: Mapping[str, tuple[str, str, str]]
    tickers: tuple[str, ...] = DEFAULT_TICKERS
    weighting: str = "dollar-neutral"
    rebalance: str = "week"
    cash: int = 1_000_000

    def __post_init__(self) -> None:
        """Refuse impossible plans, all problems at once."""
        problems = []
        if self.weighting not in WEIGHTINGS:
            problems.append(f"weighting is {self.weighting!r}: give {' or '.join(WEIGHTINGS)}")
        if self.rebalance not in REBALANCES:
            problems.append(f"rebalance is {self.rebalance!r}: give {', '.join(REBALANCES)}")
        if self.end <= self.start:
            problems.append(f"the backtest ends on {self.end}, which is not after {self.start}")
        if len(set(self.tickers)) < 2 or len(set(self.tickers)) != len(self.tickers):
            problems.append(f"a ranking needs at least two different tickers, here are {', '.join(self.tickers)}")
        unclassified = [ticker for ticker in self.tickers if ticker not in self.classification]
        if unclassified:
            problems.append(f"no classification for {', '.join(unclassified)}: add rows to the file")
        if problems:
            raise ConfigError(problems)


def algorithm_source(alpha: Alpha, plan: AlgorithmPlan) -> str:
    """Return the text of `main.py`."""
    node = meaning(alpha.formula)
    fields = bar_fields(node)
    operators = operator_text(operator_names(node))
    body = body_lines(node)
    parts = [
        _header(alpha, plan),
        _imports(operators),
        _constants(alpha, plan, fields),
        _algorithm(alpha, plan),
        _alpha_model(alpha, plan),
        _formula(alpha, fields, body),
        *([operators] if operators else []),
    ]
    return "\n".join(parts[:3]) + "\n\n\n" + "\n\n\n".join(parts[3:]) + "\n"


def _class_name(alpha: Alpha) -> str:
    return f"WorldQuantAlpha{alpha.number:03d}"


def _header(alpha: Alpha, plan: AlgorithmPlan) -> str:
    formula = textwrap.fill(alpha.formula, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    story = (
        f"At the first close of each {plan.rebalance} the names of the universe are ranked by the alpha: "
        f"{WEIGHTINGS[plan.weighting]}. Orders fill at the next open."
        if plan.rebalance != "day"
        else f"At each close the names of the universe are ranked by the alpha: {WEIGHTINGS[plan.weighting]}. "
        "Orders fill at the next open."
    )
    kind = plan.weighting.replace("-", " ") if plan.weighting == "long-only" else plan.weighting
    title = f"WorldQuant alpha {alpha.number} over a universe of US equities, {kind}."
    return f'"""{title}\n\n{formula}\n\n{textwrap.fill(story, _WIDTH)}\n"""\n'


def _imports(operators: str) -> str:
    lines = ["from AlgorithmImports import *", ""]
    if "reduce(" in operators:
        lines += ["from functools import reduce", ""]
    lines += ["import numpy as np", "import pandas as pd", ""]
    return "\n".join(lines)


def _constants(alpha: Alpha, plan: AlgorithmPlan, fields: list[str]) -> str:
    lines = [*_wrapped("TICKERS = [", [f'"{ticker}"' for ticker in plan.tickers], "]")]
    used = {node.text for node in walk(meaning(alpha.formula)) if isinstance(node, Name)}
    for place, level in enumerate(GROUPS):
        if level in used:
            pairs = [f'"{ticker}": "{plan.classification[ticker][place]}"' for ticker in plan.tickers]
            lines += _wrapped(f"{level.upper()} = {{", pairs, "}")
    lines += _wrapped("FIELDS = [", [f'"{name}"' for name in fields], "]")
    lines.append(f"LOOKBACK = {alpha.lookback}  # days of bars that the formula needs")
    return "\n".join(lines)


def _wrapped(opening: str, items: list[str], closing: str) -> list[str]:
    """Return a literal on one line if it fits, else filled over several."""
    if sum(len(item) + 2 for item in items) + len(opening) <= _WIDTH:
        return [f"{opening}{', '.join(items)}{closing}"]
    filled: list[str] = []
    for item in items:
        if filled and len(filled[-1]) + len(item) + 2 <= _WIDTH:
            filled[-1] += f" {item},"
        else:
            filled.append(f"    {item},")
    return [opening, *filled, closing]


def _algorithm(alpha: Alpha, plan: AlgorithmPlan) -> str:
    start, end = (f"{day.year}, {day.month}, {day.day}" for day in (plan.start, plan.end))
    return f'''class {_class_name(alpha)}(QCAlgorithm):
    """Holds the universe with the weights that the alpha model gives."""

    def initialize(self):
        self.set_start_date({start})
        self.set_end_date({end})
        self.set_cash({plan.cash:_})
        self.universe_settings.resolution = Resolution.DAILY
        self.universe_settings.fill_forward = False
        symbols = [Symbol.create(ticker, SecurityType.EQUITY, Market.USA) for ticker in TICKERS]
        self.set_universe_selection(ManualUniverseSelectionModel(symbols))
        self.set_alpha(Alpha{alpha.number:03d}Model(symbols))
        self.set_portfolio_construction(InsightWeightingPortfolioConstructionModel(lambda time: None))
        self.set_execution(ImmediateExecutionModel())
        self.set_benchmark(symbols[0])'''


_NEUTRAL = """        ranks = pd.Series(values).rank()
        distance = ranks - ranks.mean()
        return (distance / distance.abs().sum()).fillna(0)"""
_LONG = """        ranks = pd.Series(values).rank(method="first", pct=True)
        best = (ranks > 0.8).astype(float)
        return best / max(1, best.sum())"""


def _alpha_model(alpha: Alpha, plan: AlgorithmPlan) -> str:
    return f'''class Alpha{alpha.number:03d}Model(AlphaModel):
    """Ranks the names by the alpha and gives each one its weight."""

    def __init__(self, symbols):
        self._symbols = symbols
        self._period = None

    def update(self, algorithm, data):
        period = {_PERIODS[plan.rebalance]}
        if data.bars.count == 0 or period == self._period:
            return []
        self._period = period
        history = algorithm.history(self._symbols, LOOKBACK, Resolution.DAILY, fill_forward=False)
        fields = [history[name].unstack(level=0).reindex(columns=self._symbols) for name in FIELDS]
        with np.errstate(all="ignore"):
            values = alpha(*[field.to_numpy() for field in fields])[-1]
        return [self._insight(*each) for each in zip(self._symbols, self._weights(values))]

    def _weights(self, values):
{_NEUTRAL if plan.weighting == "dollar-neutral" else _LONG}

    def _insight(self, symbol, weight):
        direction = InsightDirection(int(np.sign(weight)))
        return Insight.price(symbol, timedelta(days=40), direction, None, None, None, abs(weight))'''


def _formula(alpha: Alpha, fields: list[str], body: list[str]) -> str:
    arguments = ", ".join("open_" if name == "open" else name for name in fields)
    text = '"""The formula on arrays of shape [days, names], oldest day first; NaN is not known."""'
    return "\n".join([f"def alpha({arguments}):", f"    {text}", *(f"    {line}" for line in body)])
