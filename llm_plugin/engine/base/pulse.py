"""What moments in a row take for granted says itself when it changes: nobody has to ask after each of them.

Whatever changes one of the following calls `beat`; who relies on them remembers `PULSE.mark`, and asks again only where
it is another object than before. `tests/engine/test_pulse.py` holds each of them to it.

- the run: status, securities added, removed and leaving, streams that wait or are put in order anew, running sessions
- what listens: subscriptions, their consolidators, indicators that stop following a stream, models of the framework,
  insights, universes and when they select, scheduled events
- orders: requests and open orders
- the account: amounts and rates of cash, currencies, positions, sales, multipliers, securities
- securities: the models of settlement, margin interest, buying power and volatility, prices that are set by hand

A margin model's share of the price is part of it where the model is one of the engine's.
The mark is the process's: what another run changes costs a look here, and a look is never wrong.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

__all__ = ["PULSE", "BeatingList", "beat", "beating_field"]


class _Pulse:
    """Holds the mark: a new object after each change, never one that was there before."""

    __slots__ = ("mark",)

    def __init__(self) -> None:
        self.mark = object()


PULSE = _Pulse()


def beat() -> None:
    """Say that something has changed."""
    PULSE.mark = object()


def beating_field(name: str, doc: str) -> Any:
    """Return a property that keeps its value in `_name` and says when it is set."""
    hidden = f"_{name}"

    def write(self: Any, value: Any) -> None:
        setattr(self, hidden, value)
        PULSE.mark = object()

    return property(attrgetter(hidden), write, doc=doc)


def _telling(change: Any) -> Any:
    def method(self: BeatingList, *args: Any, **named: Any) -> Any:
        PULSE.mark = object()
        return change(self, *args, **named)

    return method


class BeatingList(list[Any]):
    """A list that says when it is changed."""

    append, extend, insert = _telling(list.append), _telling(list.extend), _telling(list.insert)
    remove, pop, clear = _telling(list.remove), _telling(list.pop), _telling(list.clear)
    __setitem__, __delitem__ = _telling(list.__setitem__), _telling(list.__delitem__)
    __iadd__ = _telling(list.__iadd__)
