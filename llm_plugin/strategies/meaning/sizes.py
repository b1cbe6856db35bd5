"""How large an entry may be, in shares."""

from __future__ import annotations

import math

import numpy as np

from llm_plugin.strategies.conditions.evaluate import Evaluator
from llm_plugin.strategies.meaning.ledger import Account, Spell, to_us
from llm_plugin.strategies.requirements import Size, Stop

__all__ = ["fair_quantities", "volatility_shares"]

_YEAR = 252.0


def fair_quantities(
    size: Size, spell: Spell, evaluator: Evaluator, account: Account, stop: Stop | None, share: float = 1.0
) -> tuple[float, float] | None:
    """Return the smallest and the largest fair quantity of an entry, None where that cannot be known.

    Args:
        size: What was asked for.
        spell: The spell whose entry is judged.
        evaluator: The symbol's conditions.
        account: The account, for the equity before the entry.
        stop: The stop, for sizes by risk.
        share: The leg's part of the size.
    """
    close = float(evaluator.bars.close[max(spell.decided, 0)])
    prices = (min(close, spell.price), max(close, spell.price))
    moment = to_us(spell.opened_by.created_utc) - 1
    # What is bought with the money at hand is less than with the whole account, while other positions are open.
    equity = account.equity(moment)
    bases = sorted((max(min(account.cash(moment), equity), 0.0), equity))
    if spell.direction < 0:
        bases[0] = equity
    if size.kind == "shares":
        return size.value * share, size.value * share
    if size.kind == "cash":
        return size.value * share / prices[1], size.value * share / prices[0]
    if size.kind == "fraction":
        return size.value * share * bases[0] / prices[1], size.value * share * bases[1] / prices[0]
    if size.kind == "volatility_target":
        return _by_volatility(size, spell.decided, evaluator, equity, prices)
    return _by_risk(size, spell, stop, evaluator, equity, prices)


def _by_volatility(
    size: Size, at: int, evaluator: Evaluator, equity: float, prices: tuple[float, float]
) -> tuple[float, float] | None:
    shares = volatility_shares(size, at, evaluator)
    return (shares[0] * equity / prices[1], shares[1] * equity / prices[0]) if shares is not None else None


def volatility_shares(size: Size, at: int, evaluator: Evaluator) -> tuple[float, float] | None:
    """Return the smallest and the largest fair share of equity for a volatility target as of a bar."""
    period = int(size.period or 0)
    closes = evaluator.bars.close[max(0, at - period - 1) : at + 1]
    if len(closes) < period:
        return None
    shares = []
    for kind in (np.diff(closes) / closes[:-1], np.diff(np.log(closes))):
        for back in (period, period - 1):
            for ddof in (0, 1):
                deviation = float(np.std(kind[-back:], ddof=ddof)) * math.sqrt(_YEAR)
                if deviation > 0:
                    shares.append(min(size.value / deviation, size.most if size.most is not None else math.inf))
    return (min(shares), max(shares)) if shares else None


def _by_risk(
    size: Size, spell: Spell, stop: Stop | None, evaluator: Evaluator, equity: float, prices: tuple[float, float]
) -> tuple[float, float] | None:
    if stop is None:
        return None
    if stop.kind in ("percent", "trailing"):
        distances = [price * stop.value / 100 for price in prices]
    elif stop.kind == "points":
        distances = [stop.value]
    else:
        series = evaluator.values(f"atr({stop.period})")
        at = max(spell.decided, 0)
        distances = [stop.value * float(values[at]) for values in series if not np.isnan(values[at])]
    if not distances or min(distances) <= 0:
        return None
    most = math.inf if size.most is None else size.most * equity / prices[0]
    least, largest = equity * size.value / max(distances), equity * size.value / min(distances)
    return min(least, most), min(largest, most)
