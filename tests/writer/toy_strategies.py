"""Small strategies and their descriptions, made by a few templates: enough to train on, quick to read."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["toy_pairs", "toy_rows", "write_rows"]

_TICKERS = ("SPY", "AAPL", "IBM", "BAC", "GOOG", "AIG", "GE", "BNO")
_ENTRIES = (
    ("RSI({period}) falls below {level}", "rsi", "self.rsi(self._symbol, {period})", "value < {level}"),
    ("the close is above its {period}-day average", "sma", "self.sma(self._symbol, {period})", "value < price"),
    ("the close is above EMA({period})", "ema", "self.ema(self._symbol, {period})", "value < price"),
)
_EXITS = (
    ("sell after {bars} bars", "self._bars >= {bars}"),
    ("exit at {target} % profit", "self._gain() >= {target} / 100"),
)
_WORDINGS = (
    "Buy {ticker} when {entry}; {exit}.",
    "Trade {ticker} on daily bars: go long as soon as {entry}, then {exit}.",
    "{exit} a long position in {ticker} that is opened when {entry}.",
)
_CODE = """from AlgorithmImports import *


class Toy(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 1, 1)
        self.set_cash(100000)
        self._symbol = self.add_equity("{ticker}", Resolution.DAILY).symbol
        self._{name} = {indicator}
        self._bars = 0

    def _gain(self):
        return self.portfolio[self._symbol].unrealized_profit_percent

    def on_data(self, data):
        if not self._{name}.is_ready:
            return
        price = self.securities[self._symbol].price
        value = self._{name}.current.value
        if self.portfolio[self._symbol].invested:
            self._bars += 1
            if {leave}:
                self.liquidate(self._symbol)
        elif {enter}:
            self._bars = 0
            self.set_holdings(self._symbol, 1)
"""


def toy_pairs(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Return descriptions with their code."""
    rng, made = random.Random(seed), []
    for _ in range(count):
        words, name, indicator, enter = rng.choice(_ENTRIES)
        leaving, leave = rng.choice(_EXITS)
        values = {
            "ticker": rng.choice(_TICKERS),
            "period": rng.randint(2, 99),
            "level": rng.randint(5, 45),
            "bars": rng.randint(2, 60),
            "target": rng.randint(2, 40),
        }
        prompt = rng.choice(_WORDINGS).format(
            entry=words.format(**values), exit=leaving.format(**values), ticker=values["ticker"]
        )
        code = _CODE.format(
            ticker=values["ticker"],
            name=name,
            indicator=indicator.format(**values),
            leave=leave.format(**values),
            enter=enter.format(**values),
        )
        made.append((prompt[0].upper() + prompt[1:], code))
    return made


def toy_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Return rows as the dataset holds them: eight of ten train, one validates, one tests."""
    splits = ("train",) * 8 + ("validation", "test")
    return [
        {
            "id": f"toy-{number:04d}",
            "instruction": prompt,
            "completion": code,
            "family": f"toy-{number % 3}",
            "split": splits[number % 10],
            "source": "pattern",
            "requirements": None,
            "sha256": hashlib.sha256(code.encode()).hexdigest(),
        }
        for number, (prompt, code) in enumerate(toy_pairs(count, seed))
    ]


def write_rows(path: Path, rows: Sequence[Any]) -> Path:
    """Write JSON lines; text is written as it is, so that broken lines can be planted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    return path
