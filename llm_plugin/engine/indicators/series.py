"""Time series models."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.engine.indicators.base import PointIndicator

__all__ = ["AutoRegressiveIntegratedMovingAverage"]

Floats = NDArray[np.float64]


def _fitted(rows: Floats, values: Floats, intercept: bool) -> Floats:
    """Least squares by the normal equations; zeros where they have no solution, as LEAN has it."""
    matrix = np.column_stack([np.ones(len(rows)), rows]) if intercept else rows
    try:
        square = matrix.T @ matrix
        # It fails where the equations are not positive definite.
        np.linalg.cholesky(square)
        answer: Floats = np.linalg.solve(square, matrix.T @ values)
    except np.linalg.LinAlgError:
        return np.zeros(matrix.shape[1])
    return answer


def _lagged(order: int, series: Floats) -> Floats:
    """For each value from `order` on, the `order` values before it in the array."""
    columns = [series[order - lag : len(series) - lag] for lag in range(1, order + 1)]
    return np.column_stack(columns)


class AutoRegressiveIntegratedMovingAverage(PointIndicator):
    """ARIMA fitted in two steps on the last `period` values: `([name,] p, d, q, period, intercept=True)`.

    The series runs from the newest to the oldest value, as LEAN's does.
    """

    def __init__(self, *args: Any, intercept: bool = True) -> None:
        given = list(args)
        name = given.pop(0) if given and isinstance(given[0], str) else None
        if len(given) == 5:
            intercept = bool(given.pop())
        if len(given) != 4:
            raise TypeError(f"ARIMA takes ([name,] ar_order, diff_order, ma_order, period[, intercept]), not {args!r}")
        self._ar, self._diff, self._ma, period = (int(value) for value in given)
        if self._ar < 1 or self._ma < 0 or self._diff < 0:
            raise ValueError(f"ARIMA: the orders must not be negative and ar_order at least 1, not {given[:3]}")
        if period < max(self._ar, self._ma):
            raise ValueError(f"ARIMA: the period {period} must exceed both orders")
        super().__init__(name or f"ARIMA(({self._ar}, {self._diff}, {self._ma}), {period}, {intercept})")
        self._with_intercept = intercept
        self.warm_up_period = period
        self._values: deque[float] = deque(maxlen=period)
        self.ar_parameters: list[float] = []
        self.ma_parameters: list[float] = []
        self.intercept = self.ar_residual_error = self.ma_residual_error = 0.0

    @property
    def is_ready(self) -> bool:
        """Ready with `period` values."""
        return len(self._values) == self._values.maxlen

    def reset(self) -> None:
        """Forget all input."""
        super().reset()
        self._values.clear()

    def _compute(self, time: datetime, value: float) -> float:
        self._values.appendleft(value)
        if not self.is_ready:
            return 0.0
        series = np.array(self._values)
        heads: list[float] = []
        for _ in range(self._diff):
            heads.append(float(series[-1]))
            series = series[:-1] - series[1:]
        residuals = self._fit(series)
        told = float(np.dot(self.ar_parameters, series[: self._ar])) + self.intercept
        told += sum(weight * residuals[self._ma + at + 1] for at, weight in enumerate(self.ma_parameters))
        # Undoing a difference sums up from the oldest value; the newest sum is the forecast.
        levels = np.concatenate(([told], series))
        for head in reversed(heads):
            levels = np.cumsum(np.concatenate((levels, [head]))[::-1])[::-1]
        return float(levels[0])

    def _fit(self, series: Floats) -> Floats:
        lags = _lagged(self._ar, series)
        fit = _fitted(lags, series[self._ar :], intercept=False)
        residuals = np.concatenate((np.zeros(self._ar), series[self._ar :] - lags @ fit))
        self.ar_residual_error = float(np.sum(residuals**2)) / (len(series) - self._ar - 1)
        if not self._ma:
            self.ar_parameters = fit.tolist()
            return residuals
        errors = _lagged(self._ma, residuals)
        rows = np.column_stack([lags[: len(errors)], errors])
        values = series[self._ma :]
        fit = _fitted(rows, values, self._with_intercept)
        weights = fit[1:] if self._with_intercept else fit
        free = len(series) - max(self._ar, self._ma) - 1
        self.ma_residual_error = float(np.sum((values - rows @ weights) ** 2)) / free
        self.intercept = float(fit[0]) if self._with_intercept else 0.0
        self.ar_parameters, self.ma_parameters = weights[: self._ar].tolist(), weights[self._ar :].tolist()
        return residuals
