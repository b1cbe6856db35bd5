"""Are the two implementations equal, number by number, on real equities and on a synthetic universe?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llm_plugin.alphas.catalogue import Alpha, dataset_folder
from llm_plugin.alphas.evaluate import evaluate
from llm_plugin.alphas.panel import Classification, Panel, load_classification, load_panel
from llm_plugin.data.universe import UniverseConfig, UniverseManifest, write_universe
from llm_plugin.errors import ConfigError

if TYPE_CHECKING:
    from llm_plugin.alphas.operators import Floats

__all__ = [
    "TOLERANCE",
    "Comparison",
    "compare",
    "compare_all",
    "real_panel",
    "shipped_classification",
    "synthetic_panel",
    "synthetic_universe",
]

TOLERANCE = 1e-9
REAL_NAMES = (
    "AAA", "AAPL", "AIG", "BAC", "BNO", "EEM", "FB", "GOOG", "GOOGL", "IBM", "IWM", "QQQ", "SPY", "USO", "WM",
)  # fmt: skip
UNIVERSE = UniverseConfig(seed=101, equities=120, days=360, start=date(2010, 1, 4))


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the values of one alpha on one panel compare.

    Attributes:
        number: The alpha.
        panel: Name of the panel.
        known: Values that the first implementation knows.
        differing: Values beyond the tolerance, or known to one implementation only.
        largest: Largest difference, in units of the value or of the panel's mean absolute value, whichever is larger.
        exact: Share of values that are equal to the last bit.
        constant: Whether all known values of every day are the same: nothing to rank.
    """

    number: int
    panel: str
    known: int
    differing: int
    largest: float
    exact: float
    constant: bool

    @property
    def equal(self) -> bool:
        """Whether all values agree and there is something to agree on."""
        return self.differing == 0 and self.known > 0 and not self.constant


def compare(number: int, panel: str, first: Floats, second: Floats) -> Comparison:
    """Compare two arrays of the same alpha."""
    known, other = np.isfinite(first), np.isfinite(second)
    shared = known & other
    size = float(np.abs(second[shared]).mean()) if shared.any() else 0.0
    with np.errstate(all="ignore"):
        relative = np.abs(first - second) / np.maximum(np.abs(second), size)
    relative = np.where(shared, np.where(first == second, 0.0, relative), 0.0)
    differing = int(((known != other) | (relative > TOLERANCE)).sum())
    exact = float(((first == second) | (~known & ~other)).mean())
    rows = [row[mask] for row, mask in zip(first, known, strict=True) if mask.sum() > 1]
    constant = all(np.ptp(row) == 0 for row in rows)
    return Comparison(number, panel, int(known.sum()), differing, float(relative.max(initial=0.0)), exact, constant)


def compare_all(alphas: Sequence[Alpha], panels: dict[str, Panel]) -> Iterator[list[Comparison]]:
    """Evaluate each alpha twice on every panel and yield the comparisons, one for each panel.

    Raises:
        ConfigError: polars is not installed.
    """
    try:
        from llm_plugin.alphas.polars_evaluate import PolarsAlphas
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{error}: the second implementation needs polars; install 'lean-llm-plugin[alphas]'"
        ) from None
    second = {name: PolarsAlphas(panel) for name, panel in panels.items()}
    for alpha in alphas:
        yield [
            compare(alpha.number, name, evaluate(alpha.formula, panel), second[name].evaluate(alpha.formula))
            for name, panel in panels.items()
        ]


def shipped_classification() -> Classification:
    """Return the classification of `datasets/worldquant101`."""
    return load_classification(dataset_folder() / "classification.csv")


def real_panel(data_folder: Path, end: date = date(2021, 3, 31), days: int = 1_600) -> Panel:
    """Return the fifteen daily securities of `datasets/market` over so many calendar days up to a date."""
    return load_panel(data_folder, REAL_NAMES, shipped_classification(), end - timedelta(days=days), end)


def synthetic_universe(folder: Path) -> UniverseManifest:
    """Write the synthetic universe of the checks: 120 names, 360 days.

    Raises:
        DataError: The folder is not empty.
    """
    return write_universe(folder, UNIVERSE)


def synthetic_panel(universe: UniverseManifest) -> Panel:
    """Return a synthetic universe as a panel.

    Raises:
        DataError: A name has no row in the shipped classification.
    """
    return load_panel(universe.folder, universe.tickers, shipped_classification())
