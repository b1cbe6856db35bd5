"""User-registered features: they append to the 228 + 33 and go wherever those go."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from llm_plugin.domain import PriceBar
from llm_plugin.errors import AlgorithmError, ConfigError
from llm_plugin.features.catalog import FeatureSpec, llm_feature_names, market_feature_names, schema_hash

__all__ = ["FeatureContext", "FeatureFunction", "FeatureRegistry", "default_registry", "register_feature"]

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True, slots=True)
class FeatureContext:
    """What a user feature may look at: the bar that just ended and what was known then.

    `peers` holds the last completed bar of the other symbols that the plugin follows, by ticker; `market` the 228
    features by name (an unavailable one is absent).
    """

    symbol_id: str
    ticker: str
    time_utc: datetime
    bar: PriceBar
    market: Mapping[str, float] = field(default_factory=dict)
    peers: Mapping[str, PriceBar] = field(default_factory=dict)


FeatureFunction = Callable[[FeatureContext], float]


class FeatureRegistry:
    """Named user features in the order of their registration."""

    def __init__(self) -> None:
        self._functions: dict[str, FeatureFunction] = {}
        self._specs: dict[str, FeatureSpec] = {}

    @property
    def specs(self) -> tuple[FeatureSpec, ...]:
        """The registered features."""
        return tuple(self._specs.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The registered names."""
        return tuple(self._specs)

    @property
    def observation_names(self) -> tuple[str, ...]:
        """All names of the observation: 228 market, 33 LLM, then the registered ones."""
        return (*market_feature_names(), *llm_feature_names(), *self.names)

    def schema_hash(self) -> str:
        """Return the schema hash of the whole observation."""
        return schema_hash(self.observation_names)

    def register(self, name: str, function: FeatureFunction, description: str) -> None:
        """Append a feature.

        Args:
            name: Lower-case letters, digits and underscores.
            function: Called once per bar and symbol; returns a float, NaN for "not available".
            description: One line for the reference and `explain`.

        Raises:
            ConfigError: The name is taken or malformed, the function cannot be called, or the description is empty.
        """
        problems = []
        if not _NAME.match(name):
            problems.append(f"feature name {name!r}: use lower-case letters, digits and underscores")
        if name in self.observation_names:
            problems.append(f"feature {name!r} exists already; choose another name")
        if not hasattr(function, "__call__"):  # noqa: B004 - `callable` would make mypy call the branch unreachable
            problems.append(f"feature {name!r}: {function!r} cannot be called")
        if not description.strip() or "\n" in description:
            problems.append(f"feature {name!r}: give a description of one line")
        if problems:
            raise ConfigError(problems)
        self._functions[name] = function
        self._specs[name] = FeatureSpec(name, "user", description)

    def compute(self, context: FeatureContext) -> dict[str, float]:
        """Return the available user features of a bar; call once per bar, also while warming up.

        Raises:
            AlgorithmError: A function raised or returned something that is no number; names the feature.
        """
        values: dict[str, float] = {}
        for name, function in self._functions.items():
            try:
                value = float(function(context))
            except Exception as error:
                raise AlgorithmError(f"user feature {name!r} failed at {context.time_utc}: {error!r}") from error
            if math.isfinite(value):
                values[name] = value
        return values


_DEFAULT = FeatureRegistry()


def default_registry() -> FeatureRegistry:
    """Return the registry that `register_feature` fills."""
    return _DEFAULT


def register_feature(name: str, function: FeatureFunction, description: str) -> None:
    """Append a user feature to the observation of this process; see `FeatureRegistry.register`."""
    _DEFAULT.register(name, function, description)
