"""Whole projects on the embedded engine."""

from __future__ import annotations

import shutil
import zipfile

import pytest
from lean_projects import execute


@pytest.fixture
def run_project(tmp_path):
    """Run projects; `name` is the folder of the run."""
    return lambda *arguments, name="run", **options: execute(tmp_path / name, *arguments, **options)


@pytest.fixture
def hourly_data(tmp_path, market_data):
    """Write hourly EURUSD quote bars of one's own into a small LEAN data folder."""

    def write(bars):
        folder = tmp_path / "data"
        for part in ("market-hours", "symbol-properties"):
            shutil.copytree(market_data / part, folder / part)
        for part in ("alternative",):
            if (market_data / part).is_dir():
                shutil.copytree(market_data / part, folder / part)
        target = folder / "forex" / "oanda" / "hour" / "eurusd.zip"
        target.parent.mkdir(parents=True)
        lines = [
            f"{start:%Y%m%d %H:%M},{','.join(f'{p:.5f}' for p in prices)},0,"
            f"{','.join(f'{p + 0.0002:.5f}' for p in prices)},0"
            for start, prices in bars
        ]
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("eurusd.csv", "\n".join(lines) + "\n")
        return folder

    return write
