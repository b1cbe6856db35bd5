"""The reference page of the features, generated from the catalogue."""

from __future__ import annotations

from itertools import groupby

from llm_plugin.features.catalog import (
    FEATURE_SCHEMA_VERSION,
    FeatureSpec,
    llm_feature_specs,
    market_feature_specs,
    schema_hash,
)
from llm_plugin.features.state import READY_BARS

__all__ = ["render_reference"]

_HEAD = """\
# Features

This page is generated from `llm_plugin/features`; `make fix` writes it anew.

The observation has {market} market features and {llm} LLM features, then whatever `register_feature` appends. Schema
version {version}, hash `{hash}`. Nothing is a raw price: distances are in units of ATR(14), returns in units of
sigma, the exponentially weighted standard deviation (lambda 0.99) of the log return.

- `FeatureEngine(resolution).update(bar)` takes completed bars in order; `.ready` is true from bar {ready} on;
  `.vector()` is float64[{market}] with NaN for what is unavailable; in `.as_dict()` an unavailable feature is absent.
- `features.reference.market_features(bars)` computes a whole history at once; each row equals the engine's vector.
- Averages weigh early bars as a mean of the bars so far would, and need no seed. Instruments with quotes only have no
  volume features, trade-only data has no spread features, and a price beyond all remembered swing levels has no
  support or resistance.
- Session features are computed from UTC by the rules of New York (1987, 2007) and London (1996); a trading day begins
  at 17:00 New York.
"""

_USER = """\
## Features of your own

```python
from llm_plugin.features import register_feature
from llm_plugin.features.user import CorrelatedDivergence, EventProximity, days_to_monthly_expiry, load_event_times

register_feature("gbpusd_divergence", CorrelatedDivergence("GBPUSD"), "Run away from GBPUSD over 24 bars, in sigma")
register_feature("days_to_fomc", EventProximity(load_event_times("fomc.csv")), "Days to the next FOMC decision / 30")
register_feature("days_to_expiry", days_to_monthly_expiry, "Days to the monthly option expiry / 30")
```

A function takes a `FeatureContext` (symbol, time, bar, market features, last bars of the other symbols) and returns a
float, NaN for "not available". Names append in the order of registration; one that exists already is an error.
"""


def render_reference() -> str:
    """Return `docs/reference/features.md`."""
    market, llm = market_feature_specs(), llm_feature_specs()
    parts = [
        _HEAD.format(
            market=len(market), llm=len(llm), version=FEATURE_SCHEMA_VERSION, hash=schema_hash(), ready=READY_BARS
        ),
        "## Market features\n",
        *_tables(market, 0),
        "## LLM features\n",
        *_tables(llm, len(market)),
        _USER,
    ]
    return "\n".join(parts)


def _tables(specs: tuple[FeatureSpec, ...], first: int) -> list[str]:
    lines = []
    numbered = list(enumerate(specs, first))
    for group, rows in groupby(numbered, key=lambda item: item[1].group):
        members = list(rows)
        lines += [
            f"### {group.capitalize()} ({len(members)})\n",
            "| index | name | what it is | source |",
            "|---|---|---|---|",
        ]
        lines += [f"| {i} | `{spec.name}` | {spec.description} | {spec.source} |" for i, spec in members]
        lines.append("")
    return lines
