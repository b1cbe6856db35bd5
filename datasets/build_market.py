"""Build `datasets/market/` from a LEAN `Data` folder: a subset, copied byte for byte, with a manifest.

Launch: `python datasets/build_market.py PATH/TO/LEAN/Data datasets/market`. Standard library only. The same source
gives the same bytes: zips and csv files are copied unchanged, the two databases are cut down to the entries that the
subset needs (order kept), and `manifest.json` lists every file with its hash, rows and dates. If TO holds a
`README.md` with the contents markers, the table between them is rewritten.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
SCHEMA_VERSION = "1"
HOURS = "market-hours/market-hours-database.json"
PROPERTIES = "symbol-properties/symbol-properties-database.csv"
CONTENTS_BEGIN, CONTENTS_END = "<!-- contents:begin -->", "<!-- contents:end -->"

# Securities by the map file that describes them; the daily files are those of every ticker they ever had.
EQUITIES = (
    "aaa", "aapl", "aig", "bac", "bno", "eem", "fb", "goog", "googl", "ibm", "iwm", "qqq", "spy", "uso", "wm",
)  # fmt: skip
FORMER_TICKERS = ("goocv", "uw", "wmi")
SPY_MINUTE_DAYS = ("20131004", "20131007", "20131008", "20131009", "20131010", "20131011")
BTCEUR_MINUTE_DAYS = ("20180404", "20180405", "20180406")
HOURS_ENTRIES = ("Equity-usa-[*]", "Forex-oanda-[*]", "Crypto-coinbase-[*]")
PROPERTY_ROWS = (
    ("usa", "[*]", "equity"),
    ("oanda", "EURUSD", "forex"),
    ("coinbase", "BTCEUR", "crypto"),
    ("coinbase", "BTCUSD", "crypto"),
)
GROUPS = (
    ("forex/oanda/hour/", "EURUSD hourly quotes"),
    ("forex/oanda/daily/", "EURUSD daily quotes"),
    ("forex/oanda/minute/", "EURUSD minute quotes"),
    ("equity/usa/hour/", "SPY hourly trades"),
    ("equity/usa/daily/", "Daily trades, 15 securities"),
    ("equity/usa/minute/", "SPY minute trades and quotes"),
    ("equity/usa/map_files/", "Map files"),
    ("equity/usa/factor_files/", "Factor files"),
    ("crypto/coinbase/minute/", "BTCEUR minute trades and quotes"),
    ("alternative/", "US interest rate"),
    ("market-hours/", "Exchange hours"),
    ("symbol-properties/", "Symbol properties"),
)


def copied_paths(source: Path) -> list[str]:
    """Return the relative paths that are copied byte for byte, sorted."""
    paths = ["forex/oanda/hour/eurusd.zip", "forex/oanda/daily/eurusd.zip", "equity/usa/hour/spy.zip"]
    paths += [f"equity/usa/daily/{ticker}.zip" for ticker in (*EQUITIES, *FORMER_TICKERS)]
    paths += [f"equity/usa/map_files/{ticker}.csv" for ticker in EQUITIES]
    # LEAN has no factor file for a security without events.
    paths += [
        f"equity/usa/factor_files/{ticker}.csv"
        for ticker in EQUITIES
        if (source / f"equity/usa/factor_files/{ticker}.csv").is_file()
    ]
    for kind in ("trade", "quote"):
        paths += [f"equity/usa/minute/spy/{day}_{kind}.zip" for day in SPY_MINUTE_DAYS]
        paths += [f"crypto/coinbase/minute/btceur/{day}_{kind}.zip" for day in BTCEUR_MINUTE_DAYS]
    paths += [
        path.relative_to(source).as_posix() for path in (source / "forex/oanda/minute/eurusd").glob("2*_quote.zip")
    ]
    paths.append("alternative/interest-rate/usa/interest-rate.csv")
    return sorted(paths)


def cut_hours(text: str) -> str:
    """Keep the needed entries of the market-hours database, fields in their order."""
    entries = json.loads(text)["entries"]
    missing = [key for key in HOURS_ENTRIES if key not in entries]
    if missing:
        raise SystemExit(f"{HOURS}: no entry {missing}; is the source a complete LEAN Data folder?")
    return json.dumps({"entries": {key: entries[key] for key in HOURS_ENTRIES}}, indent=1) + "\n"


def cut_properties(text: str) -> str:
    """Keep the header and the needed rows of the symbol-properties database."""
    lines = text.splitlines()
    rows = {tuple(line.split(",")[:3]): line for line in lines[1:] if line and not line.startswith("#")}
    missing = [key for key in PROPERTY_ROWS if key not in rows]
    if missing:
        raise SystemExit(f"{PROPERTIES}: no row {missing}; is the source a complete LEAN Data folder?")
    return "\n".join([lines[0], *(rows[key] for key in PROPERTY_ROWS)]) + "\n"


def _lines(path: Path) -> list[str]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return archive.read(archive.namelist()[0]).decode("utf-8").splitlines()
    return path.read_text(encoding="utf-8").splitlines()


def describe(root: Path, relative: str) -> dict[str, Any]:
    """Return the manifest entry of one file; first and last are the dates of a data file's rows."""
    path = root / relative
    content = path.read_bytes()
    entry: dict[str, Any] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    if path.suffix == ".json":
        return entry
    lines = [line for line in _lines(path) if line.strip()]
    entry["rows"] = len(lines)
    if "/minute/" in relative:
        entry["first"] = entry["last"] = path.name[:8]
    elif path.suffix == ".zip":
        entry["first"], entry["last"] = lines[0][:8], lines[-1][:8]
    return entry


def contents_table(files: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown table of the dataset card."""
    table = ["| part | files | rows | first | last | KiB |", "|---|---:|---:|---|---|---:|"]
    for prefix, title in GROUPS:
        entries = [entry for path, entry in files.items() if path.startswith(prefix)]
        days = sorted(day for entry in entries for day in (entry.get("first"), entry.get("last")) if day)
        first, last = (f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in (days[0], days[-1])) if days else ("", "")
        rows = sum(entry.get("rows", 0) for entry in entries)
        size = round(sum(entry["bytes"] for entry in entries) / 1024)
        table.append(f"| {title} (`{prefix}`) | {len(entries)} | {rows or ''} | {first} | {last} | {size} |")
    return "\n".join(table)


def update_card(card: Path, table: str) -> None:
    """Rewrite the contents table of a dataset card between its markers."""
    text = card.read_text(encoding="utf-8")
    if CONTENTS_BEGIN not in text or CONTENTS_END not in text:
        raise SystemExit(f"{card}: no contents markers; add {CONTENTS_BEGIN} and {CONTENTS_END}")
    head, rest = text.split(CONTENTS_BEGIN, 1)
    tail = rest.split(CONTENTS_END, 1)[1]
    card.write_text(f"{head}{CONTENTS_BEGIN}\n{table}\n{CONTENTS_END}{tail}", encoding="utf-8")


def _clean(target: Path) -> None:
    for part in ("alternative", "crypto", "equity", "forex", "market-hours", "symbol-properties"):
        if (target / part).exists():
            shutil.rmtree(target / part)


def _write(target: Path, source: Path, paths: list[str]) -> Iterator[str]:
    for relative in paths:
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / relative, target / relative)
        yield relative
    for relative, cut in ((HOURS, cut_hours), (PROPERTIES, cut_properties)):
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        text = cut((source / relative).read_text(encoding="utf-8"))
        (target / relative).write_text(text, encoding="utf-8", newline="\n")
        yield relative


def build(source: Path, target: Path) -> dict[str, Any]:
    """Build the subset in `target` and return its manifest."""
    paths = copied_paths(source)
    missing = [relative for relative in (*paths, HOURS, PROPERTIES) if not (source / relative).is_file()]
    if missing:
        raise SystemExit(f"{source} lacks {len(missing)} files, first {missing[0]}; pass LEAN's Data folder")
    _clean(target)
    written = sorted(_write(target, source, paths))
    files = {relative: describe(target, relative) for relative in written}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "origin": "https://github.com/QuantConnect/Lean/tree/master/Data",
        "licence": "Apache-2.0",
        "total_bytes": sum(entry["bytes"] for entry in files.values()),
        "files": files,
    }
    (target / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8", newline="\n")
    if (target / "README.md").exists():
        update_card(target / "README.md", contents_table(files))
    return manifest


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Build datasets/market from a LEAN Data folder.")
    parser.add_argument("source", type=Path, metavar="FROM_LEAN_DATA_FOLDER")
    parser.add_argument("target", type=Path, metavar="TO")
    options = parser.parse_args(arguments)
    manifest = build(options.source, options.target)
    print(f"{len(manifest['files'])} files, {manifest['total_bytes'] / 1e6:.2f} MB in {options.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
