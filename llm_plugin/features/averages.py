"""All recursive averages of one symbol in one vector, updated together."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["DI_LENGTHS", "FIRST", "RECORD", "RSI_LENGTHS", "Averages", "FloatArray"]

FloatArray = npt.NDArray[np.float64]

EMA_SPANS = (5, 12, 20, 50, 100, 200, 26, 13)
TR_LENGTHS = (7, 14, 28, 100)
DI_LENGTHS = (7, 14, 28)
RSI_LENGTHS = (7, 14, 21, 28)
LAMBDAS = (0.94, 0.97, 0.99)

# First-level averages read the bar; second-level ones read the first level.
_FIRST_NAMES = (
    *(f"ema_{n}" for n in EMA_SPANS),
    *(f"atr_{n}" for n in TR_LENGTHS),
    *(f"plus_{n}" for n in DI_LENGTHS),
    *(f"minus_{n}" for n in DI_LENGTHS),
    *(f"gain_{n}" for n in RSI_LENGTHS),
    *(f"loss_{n}" for n in RSI_LENGTHS),
    *("momentum", "momentum_size"),
    *(f"variance_{round(100 * x)}" for x in LAMBDAS),
)
_SECOND_NAMES = ("macd_signal", "momentum_2", "momentum_size_2", *(f"adx_{n}" for n in DI_LENGTHS))
_N1 = len(_FIRST_NAMES)
_N = _N1 + len(_SECOND_NAMES)
FIRST = {name: i for i, name in enumerate((*_FIRST_NAMES, *_SECOND_NAMES))}
_NOT_PRICES = tuple(name for name in FIRST if name.startswith(("variance", "adx")))

# The record that the kernels read: the last bar, all averages, all averages one bar earlier.
RECORD = {name: i for i, name in enumerate(("close", "high", "low", *FIRST, *(f"before_{name}" for name in FIRST)))}
_SETTLED_BARS = 4_000  # then the slowest start-up weight is below 1e-17
_TINY = 1e-300


def _span(n: int) -> float:
    return 1 - 2 / (n + 1)


def _wilder(n: int) -> float:
    return 1 - 1 / n


def _decays() -> FloatArray:
    first = [_span(n) for n in EMA_SPANS] + [_wilder(n) for n in TR_LENGTHS]
    first += [_wilder(n) for n in DI_LENGTHS] * 2 + [_wilder(n) for n in RSI_LENGTHS] * 2
    first += [_span(25)] * 2 + list(LAMBDAS)
    return np.array(first + [_span(9), _span(13), _span(13)] + [_wilder(n) for n in DI_LENGTHS])


class Averages:
    """Exponential and Wilder averages; early bars weigh as in a mean of the bars so far, so none needs a seed."""

    def __init__(self) -> None:
        self.count = 0
        self._decays = _decays()
        self._gains = 1 - self._decays
        self._powers = np.ones(_N)
        self._weights = np.ones(_N)
        self.record = np.zeros(len(RECORD))
        self._now = self.record[3 : 3 + _N]
        self._before = self.record[3 + _N :]
        self._inputs = np.zeros(_N)
        self._delta = np.zeros(_N)
        # Views of the two levels, made once: slicing costs as much as the arithmetic.
        self._levels = [
            (self._now[part], self._delta[part], self._inputs[part], self._weights[part])
            for part in (slice(0, _N1), slice(_N1, _N))
        ]
        self.values: list[float] = [0.0] * _N

    def update(
        self, high: float, low: float, close: float, change: float, true_range: float, plus: float, minus: float
    ) -> list[float]:
        """Take a bar and return all averages.

        Args:
            high: Mid high.
            low: Mid low.
            close: Mid close.
            change: Log return.
            true_range: True range in price units.
            plus: Upward directional movement.
            minus: Downward directional movement.
        """
        if self.count < _SETTLED_BARS:
            self._powers *= self._decays
            np.subtract(1, self._powers, out=self._delta)
            np.divide(self._gains, self._delta, out=self._weights)
        move = close - self.record[0].item() if self.count else 0.0
        record, x = self.record, self._inputs
        self._before[:] = self._now
        record[0], record[1], record[2] = close, high, low
        x[0:8] = close
        x[8:12] = true_range
        x[12:15] = plus
        x[15:18] = minus
        x[18:22] = move if move > 0 else 0.0
        x[22:26] = -move if move < 0 else 0.0
        x[26] = move
        x[27] = abs(move)
        x[28:31] = change * change
        self._mix(0)
        first = self._now.tolist()
        second = [first[1] - first[6], first[26], first[27]]
        for i in (12, 13, 14):
            up, down = first[i], first[i + 3]
            second.append(100 * abs(up - down) / (up + down + _TINY))
        self._levels[1][2][:] = second
        self._mix(1)
        self.count += 1
        self.values = self._now.tolist()
        return self.values

    def _mix(self, level: int) -> None:
        now, delta, inputs, weights = self._levels[level]
        np.subtract(inputs, now, out=delta)
        delta *= weights
        now += delta

    def rescale(self, factor: float) -> None:
        """Multiply what is in price units by a factor."""
        skip = {name for base in _NOT_PRICES for name in (base, f"before_{base}")}
        self.record[[i for name, i in RECORD.items() if name not in skip]] *= factor

    def state_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        return {
            "count": self.count,
            "powers": self._powers.tolist(),
            "weights": self._weights.tolist(),
            "record": self.record.tolist(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.count = int(state["count"])
        self._powers[:] = state["powers"]
        self._weights[:] = state["weights"]
        self.record[:] = state["record"]
