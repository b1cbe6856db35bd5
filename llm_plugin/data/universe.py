"""A seeded universe of synthetic equities in LEAN's format, with what cross-sectional strategies need beside prices.

Returns are `beta x market + industry beta x industry + idiosyncratic`. The idiosyncratic part reverts a little from
day to day (`reversal`), a documented truth that a cross-sectional study can look for; at 0 there is none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.data.lean_write import file_hashes, hours_entry, new_folder, write_hours, write_properties, write_zip
from llm_plugin.data.synth_calendar import trading_days
from llm_plugin.engine.base.zones import DAY_US
from llm_plugin.errors import ConfigError, did_you_mean

__all__ = ["MANIFEST", "UniverseConfig", "UniverseManifest", "write_universe"]

MANIFEST = "universe.json"
SCHEMA_VERSION = "1"
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SECTORS = {
    "Energy": ("Oil Producers", "Oil Services"),
    "Financials": ("Banks", "Insurers"),
    "Health Care": ("Pharmaceuticals", "Medical Devices"),
    "Industrials": ("Machinery", "Transport"),
    "Information Technology": ("Software", "Semiconductors"),
    "Consumer": ("Retail", "Food"),
}
_INTRADAY = 13  # half hours of a session: the path that gives high, low and VWAP
_CENTS = 100
_DIVIDEND_YIELD = 0.02
_SPLIT_ABOVE, _SPLIT_RATIO = 250.0, 0.5
_SPLIT_DAYS_APART = 120


@dataclass(frozen=True, slots=True)
class UniverseConfig:
    """A synthetic universe.

    Attributes:
        seed: Same settings and seed give the same bytes.
        equities: Number of securities; the proofs need at least 100.
        days: Trading days.
        start: First date.
        market_volatility: Daily standard deviation of the common factor.
        industry_volatility: The same of each industry's factor.
        idiosyncratic_volatility: The same of a security's own part, on average.
        reversal: Share of yesterday's own return that is taken back today, 0 for none.
    """

    seed: int = 0
    equities: int = 120
    days: int = 1_000
    start: date = date(2010, 1, 4)
    market_volatility: float = 0.010
    industry_volatility: float = 0.006
    idiosyncratic_volatility: float = 0.015
    reversal: float = 0.05

    def __post_init__(self) -> None:
        """Refuse impossible settings, all at once."""
        problems = [
            f"{name} is {getattr(self, name)!r}: give {low} to {high}"
            for name, low, high in (
                ("seed", 0, 2**63 - 1),
                ("equities", 2, 2_000),
                ("days", 30, 10_000),
                ("market_volatility", 0.0, 0.05),
                ("industry_volatility", 0.0, 0.05),
                ("idiosyncratic_volatility", 0.0001, 0.05),
                ("reversal", 0.0, 0.5),
            )
            if not low <= getattr(self, name) <= high
        ]
        if problems:
            raise ConfigError(problems)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> UniverseConfig:
        """Build a configuration from plain values; the start may be an ISO string.

        Raises:
            ConfigError: An unknown key (with the nearest known one) or an impossible value.
        """
        known = [item.name for item in fields(cls)]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise ConfigError([f"{key!r} is no setting of a universe{did_you_mean(key, known)}" for key in unknown])
        plain = dict(values)
        try:
            if isinstance(plain.get("start"), str):
                plain["start"] = date.fromisoformat(plain["start"])
        except ValueError as error:
            raise ConfigError(f"{error}: write dates as YYYY-MM-DD") from None
        return cls(**plain)


@dataclass(frozen=True, slots=True)
class UniverseManifest:
    """What `universe.json` holds; `content` is the JSON object."""

    folder: Path
    content: dict[str, Any]

    @property
    def tickers(self) -> list[str]:
        """All tickers, sorted."""
        return list(self.content["tickers"])

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file by relative path."""
        return dict(self.content["files"])


@dataclass(frozen=True, slots=True)
class _Truth:
    """Loadings and returns, shape [days, equities] where both occur."""

    beta: Floats
    industry: Ints
    industry_beta: Floats
    idiosyncratic: Floats
    returns: Floats


@dataclass(slots=True)
class _Series:
    """One security as written: cents [days, 4] and factor rows (day, price, split, reference)."""

    cents: Ints
    volume: Ints
    vwap: Floats
    shares: Floats
    factors: list[tuple[int, float, float, float]]


def _tickers(count: int) -> list[str]:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [f"S{letters[index // 676 % 26]}{letters[index // 26 % 26]}{letters[index % 26]}" for index in range(count)]


def _truth(config: UniverseConfig, rng: np.random.Generator) -> _Truth:
    industries = sum(len(names) for names in SECTORS.values())
    shape = (config.days, config.equities)
    beta = rng.normal(1.0, 0.25, config.equities).clip(0.3, 1.8)
    industry = np.arange(config.equities, dtype=np.int64) % industries
    industry_beta = rng.normal(1.0, 0.2, config.equities).clip(0.3, 1.7)
    market = 0.0003 + config.market_volatility * rng.standard_normal(config.days)
    groups = config.industry_volatility * rng.standard_normal((config.days, industries))
    scale = config.idiosyncratic_volatility * np.exp(0.3 * rng.standard_normal(config.equities))
    own = scale * rng.standard_normal(shape)
    for day in range(1, config.days):
        own[day] -= config.reversal * own[day - 1]
    returns = beta * market[:, None] + industry_beta * groups[:, industry] + own
    return _Truth(beta, industry, industry_beta, own, returns)


def _series(returns: Floats, days: Ints, rng: np.random.Generator) -> _Series:
    """Turn daily log returns into traded prices with dividends, splits, volume and an intraday VWAP."""
    count = len(returns)
    cents, volume = np.zeros((count, 4), dtype=np.int64), np.zeros(count, dtype=np.int64)
    vwap, outstanding = np.zeros(count), np.zeros(count)
    close = float(np.exp(rng.normal(3.8, 0.5)))
    shares = float(round(np.exp(rng.normal(18.5, 1.0))))
    turnover = float(np.exp(rng.normal(-5.0, 0.4)))
    phase, last_split = int(rng.integers(63)), -_SPLIT_DAYS_APART
    pays = bool(rng.random() < 0.6)
    noise = rng.standard_normal((count, _INTRADAY))
    activity = np.exp(0.4 * rng.standard_normal((count, _INTRADAY + 1)))
    events: list[tuple[int, float, float, float]] = []
    for day in range(count):
        if day and pays and (day + phase) % 63 == 0:
            dividend = max(0.01, round(close * _DIVIDEND_YIELD / 4, 2))
            events.append((day - 1, 1 - dividend / close, 1.0, close))
            close -= dividend
        if day and close > _SPLIT_ABOVE and day - last_split >= _SPLIT_DAYS_APART:
            events.append((day - 1, 1.0, _SPLIT_RATIO, close))
            close, shares, last_split = close * _SPLIT_RATIO, shares / _SPLIT_RATIO, day
        path = _intraday(close, float(returns[day]), noise[day])
        weights = activity[day] * shares * turnover / (_INTRADAY + 1)
        cents[day] = path[0], path.max(), path.min(), path[-1]
        volume[day] = max(1, round(float(weights.sum())))
        vwap[day] = float((path * weights).sum() / weights.sum()) / _CENTS
        outstanding[day] = shares
        close = int(path[-1]) / _CENTS
    return _Series(cents, volume, vwap, outstanding, _factor_rows(events, days))


def _intraday(close: float, log_return: float, noise: Floats) -> Ints:
    """Return the session's path in cents from the open to the close: a bridge to the day's return."""
    gap = 0.3 * log_return
    steps = np.cumsum(noise) * abs(log_return) * 0.15 + np.cumsum(noise) * 0.0012
    time = np.arange(1, _INTRADAY + 1) / _INTRADAY
    bridge = steps - time * steps[-1] + time * (log_return - gap)
    path = close * np.exp(gap + np.concatenate(([0.0], bridge)))
    return np.maximum(1, np.rint(path * _CENTS)).astype(np.int64)


def _factor_rows(events: list[tuple[int, float, float, float]], days: Ints) -> list[tuple[int, float, float, float]]:
    """Turn events into LEAN's factor rows: a row holds the product of all later events, oldest first."""
    rows: list[tuple[int, float, float, float]] = []
    price, split = 1.0, 1.0
    for day, price_ratio, split_ratio, reference in reversed(events):
        price, split = price * price_ratio, split * split_ratio
        if rows and rows[-1][0] == int(days[day]):
            rows.pop()
        rows.append((int(days[day]), price, split, reference))
    return rows[::-1]


def write_universe(out: Path, config: UniverseConfig | None = None) -> UniverseManifest:
    """Write a synthetic universe: LEAN daily data, map and factor files, and `universe/*.csv`.

    `universe/industries.csv` has ticker, sector, industry; `universe/market_cap.csv` (dollars at the close),
    `universe/vwap.csv` and `universe/volume.csv` (as traded, not adjusted) have a row per day and a column per ticker.

    Args:
        out: A new or empty folder.
        config: Settings; the default is 120 equities over 1000 trading days.

    Raises:
        DataError: The folder is not empty.
    """
    config = config or UniverseConfig()
    folder = new_folder(out)
    days = trading_days(config.start, config.days)
    truth = _truth(config, np.random.default_rng([config.seed, 0]))
    tickers = _tickers(config.equities)
    series = []
    for index, ticker in enumerate(tickers):
        one = _series(truth.returns[:, index], days, np.random.default_rng([config.seed, 1, index]))
        _write_security(folder, ticker.lower(), days, one)
        series.append(one)
    write_hours(folder, {"Equity-usa-[*]": hours_entry("equity")})
    write_properties(folder, ["usa,[*],equity,,USD,1,0.01,1"])
    _write_tables(folder, tickers, days, truth, series)
    content = _content(config, tickers, days, truth) | {"files": file_hashes(folder)}
    text = json.dumps(content, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")
    return UniverseManifest(folder, json.loads(text))


def _stamp(day_us: int) -> str:
    return datetime.fromtimestamp(day_us / 1e6, UTC).strftime("%Y%m%d")


def _write_text(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def _write_security(folder: Path, ticker: str, days: Ints, series: _Series) -> None:
    base = folder / "equity" / "usa"
    rows = zip(days.tolist(), (series.cents * 100).tolist(), series.volume.tolist(), strict=True)
    text = "".join(f"{_stamp(day)} 00:00,{','.join(map(str, bar))},{size}\n" for day, bar, size in rows)
    write_zip(base / "daily" / f"{ticker}.zip", f"{ticker}.csv", text)
    first = _stamp(int(days[0]))
    _write_text(base / "map_files" / f"{ticker}.csv", [f"{first},{ticker},Q", f"20501231,{ticker},Q"])
    start = series.factors[0] if series.factors else (0, 1.0, 1.0, 1.0)
    factors = [f"{first},{start[1]:.7f},{start[2]:g},1"]
    factors += [f"{_stamp(day)},{price:.7f},{split:g},{close:.2f}" for day, price, split, close in series.factors]
    _write_text(base / "factor_files" / f"{ticker}.csv", [*factors, "20501231,1,1,0"])


def _write_tables(folder: Path, tickers: list[str], days: Ints, truth: _Truth, series: list[_Series]) -> None:
    names = [(sector, name) for sector, group in SECTORS.items() for name in group]
    rows = [f"{ticker},{','.join(names[truth.industry[index]])}" for index, ticker in enumerate(tickers)]
    _write_text(folder / "universe" / "industries.csv", ["ticker,sector,industry", *rows])
    cap = np.stack([one.cents[:, 3] / _CENTS * one.shares for one in series], axis=1)
    for name, table, form in (
        ("market_cap", cap, "{:.0f}"),
        ("vwap", np.stack([one.vwap for one in series], axis=1), "{:.4f}"),
        ("volume", np.stack([one.volume for one in series], axis=1), "{:.0f}"),
    ):
        lines = [",".join(["date", *tickers])]
        for day, values in zip((days // DAY_US).tolist(), table.tolist(), strict=True):
            lines.append(",".join([_stamp(day * DAY_US), *(form.format(value) for value in values)]))
        _write_text(folder / "universe" / f"{name}.csv", lines)


def _content(config: UniverseConfig, tickers: list[str], days: Ints, truth: _Truth) -> dict[str, Any]:
    own = truth.idiosyncratic
    lagged = float(np.mean([np.corrcoef(own[1:, i], own[:-1, i])[0, 1] for i in range(own.shape[1])]))
    names = [name for group in SECTORS.values() for name in group]
    return {
        "schema_version": SCHEMA_VERSION,
        "config": asdict(config) | {"start": str(config.start)},
        "rule": {
            "returns": "log return = beta x market + industry_beta x industry + own",
            "planted": f"own return of a day = -{config.reversal:g} x own return of the day before + noise",
            "own_autocorrelation": None if math.isnan(lagged) else round(lagged, 6),
        },
        "first_date": _stamp(int(days[0])),
        "last_date": _stamp(int(days[-1])),
        "tickers": tickers,
        "beta": [round(value, 6) for value in truth.beta.tolist()],
        "industry": [names[index] for index in truth.industry.tolist()],
        "industry_beta": [round(value, 6) for value in truth.industry_beta.tolist()],
    }
