"""Synthetic markets in LEAN's format with a planted, documented rule.

`write_market` writes a LEAN `Data` folder and, beside it, `synth.json`: the settings, the rule in words and figures,
the truth of every signal (context, planned and replayed outcome), and the hash of every file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.data.lean_write import file_hashes, hours_entry, new_folder, write_hours, write_properties, write_zip
from llm_plugin.data.planted import SIGNALS, PlantedEvent, PlantedRule
from llm_plugin.data.synth_calendar import BarTimes, bar_times
from llm_plugin.data.synth_config import PROFILES, SynthConfig
from llm_plugin.data.synth_path import PlannedTrade, PlantedPath, generate_path
from llm_plugin.domain import to_jsonable
from llm_plugin.engine.base.zones import DAY_US
from llm_plugin.engine.models import fill_rules
from llm_plugin.errors import DataError

__all__ = ["MANIFEST", "SynthConfig", "SynthManifest", "load_manifest", "write_market"]

MANIFEST = "synth.json"
_TICK_MILLISECONDS = 250
SCHEMA_VERSION = "1"
SIGNAL_COLUMNS = (
    "index", "time_utc", "side", "reference_price", "stop", "target", "context", "good", "win", "exit_index", "r",
    "volatility_ratio", "trend_strength", "rsi", "hour_end_utc",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SynthManifest:
    """What `synth.json` holds; `content` is the JSON object."""

    folder: Path
    content: dict[str, Any]

    @property
    def signals(self) -> list[dict[str, Any]]:
        """The truth, one mapping per signal."""
        table = self.content["signals"]
        return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]

    @property
    def planted_rule(self) -> PlantedRule:
        """The signal, context and exits, for `PlantedSignal`."""
        return PlantedRule(**self.content["rule"]["parameters"])

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 of every file by relative path."""
        return dict(self.content["files"])


def write_market(out: Path, config: SynthConfig | None = None) -> SynthManifest:
    """Write a synthetic market.

    Args:
        out: A new or empty folder.
        config: Settings; the default is an hourly EURUSD of about six and a half years.

    Raises:
        DataError: The folder is not empty, or the settings allow no path with the planned outcomes.
    """
    config = config or SynthConfig()
    folder = new_folder(out)
    times = bar_times(config)
    path = generate_path(config, times)
    outcomes = replay_r(path, config)
    _verify(path, outcomes)
    _write_bars(folder, config, times, path)
    _write_reference(folder, config, times)
    content = _content(config, times, path, outcomes) | {"files": file_hashes(folder)}
    text = json.dumps(content, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8", newline="\n")
    return SynthManifest(folder, json.loads(text))


def load_manifest(folder: Path) -> SynthManifest:
    """Read `synth.json` of a folder that `write_market` wrote.

    Raises:
        DataError: It is missing, damaged or of another version.
    """
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / MANIFEST}: {error}; write the market with `lean-llm data synth`") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise DataError(
            f"{folder / MANIFEST}: schema version {version!r} is not {SCHEMA_VERSION!r}: write the market anew"
        )
    return SynthManifest(folder, content)


def replay_r(path: PlantedPath, config: SynthConfig) -> NDArray[np.float64]:
    """Replay every signal on the written quotes and return its net R.

    Entry at the signal bar's close on the trade's side of the quote; exits by the engine's own fill rules, the stop
    before the target within a bar.
    """
    scale = round(1 / config.price_increment)
    results = np.full(len(path.trades), np.nan)
    for row, trade in enumerate(path.trades):
        event, side = trade.event, trade.event.side
        window = slice(event.index + 1, event.index + 1 + config.planted_rule().horizon)
        exits = (path.bid[window] + (0 if side > 0 else path.spread[window, None])) / scale
        entry = (path.bid[event.index, 3] + (path.spread[event.index] if side > 0 else 0)) / scale
        risk = abs(event.reference_price - event.exit.stop)
        fills = (_exit_fill(config.security_type, event, tuple(bar)) for bar in exits.tolist())
        price = next((fill for fill in fills if fill is not None), math.nan)
        results[row] = side * (price - entry) / risk
    return results


def _exit_fill(security_type: str, event: PlantedEvent, bar: tuple[float, ...]) -> float | None:
    """Return where a bar (open, high, low, close of the exit side) ends the trade, the stop first."""
    opened, high, low, close = bar
    buy, stop, target = event.side < 0, event.exit.stop, event.exit.target
    if security_type == "equity":
        price = fill_rules.equity_stop_market_fill(buy, stop, opened, high, low, 0.0)
        if price is None and target is not None:
            price = fill_rules.equity_limit_fill(buy, target, opened, high, low)
        return price
    price = fill_rules.stop_market_fill(buy, stop, high, low, close, 0.0)
    if price is None and target is not None:
        price = fill_rules.limit_fill(buy, target, high, low)
    return price


def _verify(path: PlantedPath, outcomes: NDArray[np.float64]) -> None:
    wins = np.array([trade.win for trade in path.trades], dtype=bool)
    wrong = np.flatnonzero(~((outcomes > 0) == wins) | np.isnan(outcomes))
    if len(wrong):
        trade = path.trades[int(wrong[0])]
        raise DataError(
            f"{len(wrong)} planted outcomes are not what a replay finds, first at bar {trade.event.index}: planned "
            f"{'win' if trade.win else 'loss'}, replayed {outcomes[wrong[0]]:.3f} R; use less spread or more volatility"
        )


def _decimal(points: NDArray[np.int64]) -> list[str]:
    """Format points of 1/100000 without trailing zeros, as LEAN's files are."""
    return [f"{value / 100_000:.5f}".rstrip("0").rstrip(".") for value in points.tolist()]


def _stamp(start_us: int) -> str:
    return datetime.fromtimestamp(start_us / 1e6, UTC).strftime("%Y%m%d %H:%M")


def _volumes(config: SynthConfig, path: PlantedPath) -> NDArray[np.int64]:
    """Volume grows with the bar's range, so that volume features mean what they mean elsewhere."""
    rng = np.random.default_rng([config.seed, 3])
    span = (path.bid[:, 1] - path.bid[:, 2]) / np.maximum(1.0, path.bid[:, 3]) / config.bar_volatility
    size = 1_000 * config.bar_seconds / 60 * (0.2 + span) * np.exp(0.3 * rng.standard_normal(len(span)))
    return np.rint(np.maximum(size, 1)).astype(np.int64)


def _rows(config: SynthConfig, path: PlantedPath) -> dict[str, list[list[str]]]:
    """Return the csv rows by data kind, without their time column; a list of rows for each bar."""
    ask = path.bid + path.spread[:, None]
    if config.security_type == "forex":
        sides = [[_decimal(side[:, column]) for column in range(4)] for side in (path.bid, ask)]
        bars = zip(zip(*sides[0], strict=True), zip(*sides[1], strict=True), strict=True)
        if config.resolution == "tick":
            return {"quote": [[f"{bid[i]},{offer[i]}" for i in _tick_order(bid)] for bid, offer in bars]}
        return {"quote": [[f"{','.join(bid)},0,{','.join(offer)},0"] for bid, offer in bars]}
    volume = _volumes(config, path).tolist()
    trade, offers = (path.bid * 100).tolist(), (ask * 100).tolist()  # cents to LEAN's 1/10000 dollar
    if config.resolution == "tick":
        return {
            "trade": [
                [f"{bar[i]},{max(1, size // 4)},Q,0,0" for i in _tick_order(bar)]
                for bar, size in zip(trade, volume, strict=True)
            ],
            "quote": [
                [f"{bid[i]},100,{offer[i]},100,Q,0,0" for i in _tick_order(bid)]
                for bid, offer in zip(trade, offers, strict=True)
            ],
        }
    rows = {"trade": [[f"{','.join(map(str, bar))},{size}"] for bar, size in zip(trade, volume, strict=True)]}
    if config.resolution in ("second", "minute"):
        both = zip(trade, offers, strict=True)
        rows["quote"] = [[f"{','.join(map(str, bid))},100,{','.join(map(str, offer))},100"] for bid, offer in both]
    return rows


def _tick_order(bar: Sequence[str | int]) -> tuple[int, int, int, int]:
    """Return the order of open, high, low, close within a bar: away from the close first."""
    return (0, 2, 1, 3) if float(bar[3]) >= float(bar[0]) else (0, 1, 2, 3)


def _write_bars(folder: Path, config: SynthConfig, times: BarTimes, path: PlantedPath) -> None:
    ticker, resolution = config.lean_ticker, config.resolution
    base = folder / config.security_type / config.lean_market / resolution
    rows = _rows(config, path)
    if resolution in ("hour", "daily"):
        (lines,) = rows.values()
        bars = zip(times.start_data_us.tolist(), lines, strict=True)
        write_zip(base / f"{ticker}.zip", f"{ticker}.csv", "".join(f"{_stamp(at)},{line}\n" for at, (line,) in bars))
        return
    days, firsts = np.unique(times.start_data_us // DAY_US, return_index=True)
    lasts = [*firsts[1:].tolist(), len(times.start_data_us)]
    in_day = (times.start_data_us % DAY_US // 1_000).tolist()
    for day, first, last in zip(days.tolist(), firsts.tolist(), lasts, strict=True):
        date = _stamp(day * DAY_US)[:8]
        for kind, lines in rows.items():
            text = "".join(
                f"{in_day[i] + place * _TICK_MILLISECONDS},{line}\n"
                for i in range(first, last)
                for place, line in enumerate(lines[i])
            )
            tail = (
                f"{kind.title()}_Tick"
                if (resolution, config.security_type) == ("tick", "equity")
                else f"{resolution}_{kind}"
            )
            write_zip(base / ticker / f"{date}_{kind}.zip", f"{date}_{ticker}_{tail}.csv", text)


def _write_reference(folder: Path, config: SynthConfig, times: BarTimes) -> None:
    market, ticker = config.lean_market, config.lean_ticker
    symbol = "[*]" if config.security_type == "equity" else ticker.upper()
    key = f"{config.security_type.capitalize()}-{market}-[*]"
    write_hours(folder, {key: hours_entry(config.security_type)})
    step = "0.01" if config.security_type == "equity" else "0.00001"
    quote = ticker[3:6].upper() if config.security_type == "forex" else "USD"
    write_properties(folder, [f"{market},{symbol},{config.security_type},Synthetic,{quote},1,{step},1"])
    if config.security_type != "equity":
        return
    first = _stamp(int(times.start_data_us[0]))[:8]
    base = folder / "equity" / market
    for kind, text in (
        ("map_files", f"{first},{ticker},Q\n20501231,{ticker},Q\n"),
        ("factor_files", f"{first},1,1,1\n20501231,1,1,0\n"),
    ):
        (base / kind).mkdir(parents=True, exist_ok=True)
        (base / kind / f"{ticker}.csv").write_text(text, encoding="ascii", newline="\n")


def _row(trade: PlannedTrade, outcome: float) -> list[Any]:
    event, values = trade.event, trade.event.values
    figures = (values.volatility_ratio, values.trend_strength, values.rsi, values.hour_end_utc)
    return [
        event.index, to_jsonable(event.time_utc), event.side, round(event.reference_price, 6), event.exit.stop,
        event.exit.target, event.context, trade.good, trade.win, trade.exit_index, round(outcome, 6),
        *(round(value, 6) for value in figures),
    ]  # fmt: skip


def _summary(
    trades: tuple[PlannedTrade, ...], outcomes: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> dict[str, Any]:
    """Count, win rates and expectancy of some signals; None where there are none."""
    good = np.array([trade.good for trade in trades], dtype=bool)
    wins = np.array([trade.win for trade in trades], dtype=bool)

    def mean(values: NDArray[Any], mask: NDArray[np.bool_]) -> float | None:
        return round(float(values[mask].mean()), 6) if mask.any() else None

    oracle = np.where(good, outcomes, 0.0)
    return {
        "signals": int(chosen.sum()),
        "good_share": mean(good, chosen),
        "win_rate": mean(wins, chosen),
        "win_rate_good": mean(wins, chosen & good),
        "win_rate_bad": mean(wins, chosen & ~good),
        "expectancy_r": mean(outcomes, chosen),
        "expectancy_good_r": mean(outcomes, chosen & good),
        "expectancy_bad_r": mean(outcomes, chosen & ~good),
        "gain_of_knowing_r": mean(oracle - outcomes, chosen),
    }


def _config_json(config: SynthConfig) -> dict[str, Any]:
    plain = asdict(config) | {"start": str(config.start), "shifts": [str(day) for day in config.shifts]}
    return {name: to_jsonable(value) for name, value in plain.items()}


def _content(config: SynthConfig, times: BarTimes, path: PlantedPath, outcomes: NDArray[np.float64]) -> dict[str, Any]:
    rule, profile = config.planted_rule(), PROFILES[config.profile]
    index = np.array([trade.event.index for trade in path.trades], dtype=np.int64)
    win_good, win_bad = config.win_rates if config.rule else (config.win_all, config.win_all)
    end = times.end_utc_us
    return {
        "schema_version": SCHEMA_VERSION,
        "config": _config_json(config),
        "market": config.lean_market,
        "ticker": config.lean_ticker,
        "bars": len(end),
        "first_end_utc": to_jsonable(datetime.fromtimestamp(int(end[0]) / 1e6, UTC)),
        "last_end_utc": to_jsonable(datetime.fromtimestamp(int(end[-1]) / 1e6, UTC)),
        "rule": {
            "planted": config.rule,
            "signal": SIGNALS[config.signal],
            "good_context": rule.context_text,
            "shifts": "good and bad change places at each of config.shifts",
            "profile": profile.text,
            "win_rate_good": win_good,
            "win_rate_bad": win_bad,
            "parameters": asdict(rule),
        },
        "exit": {
            "stop_atr": rule.stop_atr,
            "target_atr": rule.target_atr,
            "timeout_bars": math.ceil(rule.timeout_hours * 3_600 / config.bar_seconds),
            "timeout_hours": rule.timeout_hours,
        },
        "realised": {
            "all": _summary(path.trades, outcomes, np.ones(len(index), dtype=bool)),
            "first_half": _summary(path.trades, outcomes, index < len(end) // 2),
            "second_half": _summary(path.trades, outcomes, index >= len(end) // 2),
        },
        "signals": {
            "columns": list(SIGNAL_COLUMNS),
            "rows": [_row(trade, float(r)) for trade, r in zip(path.trades, outcomes, strict=True)],
        },
    }
