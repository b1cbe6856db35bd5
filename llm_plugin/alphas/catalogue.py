"""The 101 formulas and the classification that come with the project."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from llm_plugin.alphas.lowering import GROUPS, lookback_days, meaning
from llm_plugin.data.shipped import shipped_dataset
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.formulas import Name, walk

__all__ = ["Alpha", "alpha", "alphas", "dataset_folder"]

COUNT = 101


@dataclass(frozen=True, slots=True)
class Alpha:
    """One formula of the paper.

    Attributes:
        number: 1 to 101.
        formula: As it is printed.
    """

    number: int
    formula: str

    @property
    def lookback(self) -> int:
        """Days of bars that its value needs, its own day included."""
        return lookback_days(meaning(self.formula))

    @property
    def level(self) -> str | None:
        """Finest classification that it neutralises by, None where it does not."""
        used = {node.text for node in walk(meaning(self.formula)) if isinstance(node, Name)}
        return next((level for level in reversed(GROUPS) if level in used), None)


def dataset_folder() -> Path:
    """Return the folder with `formulas.csv` and `classification.csv`.

    Raises:
        DataError: The installation lacks it.
    """
    folder = shipped_dataset("worldquant101", "formulas.csv")
    if folder is not None:
        return folder
    raise DataError("the installation holds no worldquant101/formulas.csv: install lean-llm-plugin again")


@cache
def alphas() -> tuple[Alpha, ...]:
    """Return all 101, in order.

    Raises:
        DataError: The file is damaged.
    """
    path = dataset_folder() / "formulas.csv"
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    numbers = [row.get("alpha") for row in rows]
    if numbers != [str(number) for number in range(1, COUNT + 1)]:
        raise DataError(f"{path} must have the alphas 1 to {COUNT} in order: restore it from the repository")
    return tuple(Alpha(number, row["formula"]) for number, row in enumerate(rows, 1))


def alpha(number: int) -> Alpha:
    """Return one of them.

    Raises:
        ConfigError: There is no such number.
    """
    if not 1 <= number <= COUNT:
        raise ConfigError(f"there is no alpha {number}: give 1 to {COUNT}")
    return alphas()[number - 1]
