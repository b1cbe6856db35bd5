"""Planted faults that break any solution: it never trades, peeks, reaches out, throws dice, misspells, raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from llm_plugin.strategies.mutant_edits import Edit, Source, names_called
from llm_plugin.strategies.requirements import Requirements

__all__ = ["ORDERS", "misspelt", "never", "peeks", "raising", "random", "reaches"]

ORDERS = ("set_holdings", "liquidate", "market_order", "order")


def never(source: Source) -> Iterator[Edit]:
    """Nothing is ever ordered."""
    trading = [
        method
        for method in source.functions()
        if method.name not in ("initialize", "__init__")
        and any(names_called(method, name) for name in (*ORDERS, *_OTHER_ORDERS))
    ]
    updates = source.methods("update")
    edit: Edit | None = None
    for method in (*trading, *updates):
        answer = "return []" if method in updates else "return"
        step = source.insert_first(method, answer, note="nothing is ever ordered")
        edit = step if edit is None else edit.also(step)
    if edit is not None:
        yield edit


_OTHER_ORDERS = (
    "emit_insights",
    "market_on_open_order",
    "market_on_close_order",
    "limit_order",
    "stop_market_order",
    "buy",
    "sell",
    "stop_limit_order",
    "trailing_stop_order",
    "limit_if_touched_order",
)
_MARKETS = {"equity": "equity/usa", "forex": "forex/oanda", "crypto": "crypto/coinbase"}


def peeks(source: Source, wanted: Requirements, data_folder: Path) -> Iterator[Edit]:
    """Read the data file with all that is still to come."""
    initialize = source.initialize()
    market = _MARKETS.get(wanted.security_type)
    if initialize is None or market is None or wanted.resolution == "minute":
        return
    path = data_folder / market / wanted.resolution / f"{wanted.symbols[0].lower()}.zip"
    lines = f'import pandas as pd\nself.what_comes = pd.read_csv("{path}", header=None)'
    yield source.insert_first(initialize, lines, note="reads the data file with all that is still to come")


def reaches(source: Source) -> Iterator[Edit]:
    """Reach for the host: a file, the network."""
    initialize = source.initialize()
    if initialize is None:
        return
    for target in ("/etc/passwd", "http://127.0.0.1:9/prices.csv"):
        lines = f'import pandas as pd\ntry:\n    pd.read_csv("{target}")\nexcept Exception:\n    pass'
        yield source.insert_first(initialize, lines, note=f"reaches for {target}")


def random(source: Source) -> Iterator[Edit]:
    """Size by chance."""
    for call in source.nodes(ast.Call):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "set_holdings":
            if len(call.args) < 2 or source.text_of(call.args[1]) == "0":
                continue
            part = f"({source.text_of(call.args[1])}) * (1 - 0.02 * Dice.random())"
            edit = source.replace(call.args[1], part, "sizes by chance")
            yield edit.also(source.insert_top("import random\n\nDice = random.SystemRandom()"))
            return


def misspelt(source: Source) -> Iterator[Edit]:
    """Call what does not exist."""
    for node in source.nodes(ast.Attribute):
        if isinstance(node, ast.Attribute) and node.attr in ("set_start_date", "add_equity", "add_forex", "add_crypto"):
            text = source.text_of(node)
            yield source.replace(node, f"{text}s_of", f"line {node.lineno}: {node.attr} misspelt")
            return


def raising(source: Source) -> Iterator[Edit]:
    """Raise in the middle of the run."""
    for name in ("on_data", "update"):
        for method in source.methods(name):
            yield source.insert_first(method, 'raise ValueError("not finished")', note=f"{name} raises")
            return
