"""`lean-llm data check`, `synth` and `universe`: what they write and print, and which bad input they name."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.data.bars import load_price_bars
from llm_plugin.data.planted import planted_signal
from llm_plugin.data.synth import load_manifest
from llm_plugin.errors import ConfigError, DataError

runner = CliRunner()
SMALL = ("--bars", "1500")


def data(*arguments: str | Path) -> Any:
    """Run a data command in this process."""
    return runner.invoke(app, ["data", *map(str, arguments)])


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "market"
    result = data("synth", folder, *SMALL, "--seed", "3")
    assert result.exit_code == 0, result.output
    return folder


def _bars(folder: Path) -> Any:
    return load_price_bars(folder, security_type="forex", market="oanda", ticker="eurusd", resolution="hour")


def test_synth_writes_a_market_that_check_passes(market: Path) -> None:
    assert len(_bars(market)) == 1500
    result = data("check", market)
    assert result.exit_code == 0, result.output


def test_synth_takes_every_option(tmp_path: Path) -> None:
    options = ["--seed", "5", "--start", "2011-02-01", "--profile", "high_win_rate_negative", "--no-rule"]
    options += ["--signal", "reversion", "--context", "trend", "--shift", "2011-03-01", "--shift", "2011-04-01"]
    result = data("synth", tmp_path / "market", *SMALL, *options, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)["config"]
    wanted = {
        "seed": 5,
        "bars": 1500,
        "start": "2011-02-01",
        "profile": "high_win_rate_negative",
        "rule": False,
        "signal": "reversion",
        "context": "trend",
        "shifts": ["2011-03-01", "2011-04-01"],
    }
    assert {name: printed[name] for name in wanted} == wanted


def test_synth_prints_the_manifest_that_it_wrote(tmp_path: Path) -> None:
    result = data("synth", tmp_path / "market", *SMALL, "--json")
    assert json.loads(result.stdout) == load_manifest(tmp_path / "market").content


def test_synth_shows_rule_and_counts_to_a_person(tmp_path: Path) -> None:
    result = data("synth", tmp_path / "market", *SMALL)
    assert "synthetic market in" in result.stdout
    assert "rule.planted" in result.stdout
    assert "realised.all.win_rate" in result.stdout
    signals = len(load_manifest(tmp_path / "market").signals)
    assert re.search(rf"signals +│ {signals} entries", result.stdout)


def test_the_signal_of_a_written_market_is_its_truth(market: Path) -> None:
    manifest = load_manifest(market)
    events = planted_signal(_bars(market), manifest.planted_rule)
    assert [e.index for e in events][: len(manifest.signals)] == [row["index"] for row in manifest.signals]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--start", "01.02.2011"], r"01\.02\.2011.*write dates as YYYY-MM-DD"),
        (["--shift", "2011-13-01"], r"month must be in 1\.\.12.*write dates as YYYY-MM-DD"),
        (["--profile", "balancd"], r"profile is 'balancd' \(did you mean 'balanced'\?\)"),
        (["--resolution", "hourly"], r"resolution is 'hourly' \(did you mean 'hour'\?\)"),
        (["--security-type", "crypto"], r"security_type is 'crypto'.*forex, equity"),
        (["--context", "volatilty"], r"context is 'volatilty' \(did you mean 'volatility'\?\)"),
        (["--signal", "breakot"], r"signal is 'breakot' \(did you mean 'breakout'\?\)"),
        (["--bars", "10"], r"bars is 10: give 1000 to"),
        (["--seed", "-1"], r"seed is -1"),
        (["--shift", "2006-01-01"], r"2006-01-01.*must come after the start 2007-01-01"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_synth_names_what_is_wrong_and_writes_nothing(tmp_path: Path, options: list[str], match: str) -> None:
    result = data("synth", tmp_path / "market", *options)
    assert isinstance(result.exception, ConfigError), result.output
    with pytest.raises(ConfigError, match=match):
        raise result.exception
    assert not (tmp_path / "market").exists()


def test_synth_names_all_problems_at_once(tmp_path: Path) -> None:
    result = data("synth", tmp_path / "market", "--profile", "x", "--resolution", "y", "--bars", "1")
    assert isinstance(result.exception, ConfigError)
    assert len(result.exception.problems) == 3


def test_synth_leaves_a_folder_in_use_alone(market: Path) -> None:
    before = load_manifest(market).content
    result = data("synth", market, *SMALL)
    with pytest.raises(DataError, match=f"{market}.*is not empty"):
        raise result.exception
    assert load_manifest(market).content == before


def test_check_names_the_damage_and_ends_with_the_code_of_data(tmp_path: Path) -> None:
    assert data("synth", tmp_path / "market", *SMALL).exit_code == 0
    archive = tmp_path / "market" / "forex" / "oanda" / "hour" / "eurusd.zip"
    archive.write_bytes(archive.read_bytes()[:200])
    result = data("check", tmp_path / "market", "--json")
    assert result.exit_code == 3
    findings = json.loads(result.stdout)["findings"]
    assert any(f["code"] == "zip" and "eurusd.zip" in f["path"] for f in findings)
    shown = data("check", tmp_path / "market")
    assert shown.exit_code == 3
    assert "eurusd.zip" in shown.stdout


def test_check_refuses_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    result = data("check", tmp_path / "nowhere")
    assert result.exit_code != 0
    with pytest.raises(DataError, match="nowhere"):
        raise result.exception


def test_universe_writes_what_it_prints(tmp_path: Path) -> None:
    result = data("universe", tmp_path / "u", "--equities", "4", "--days", "40", "--start", "2012-03-01", "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert printed == json.loads((tmp_path / "u" / "universe.json").read_text())
    assert printed["config"]["start"] == "2012-03-01"
    assert len(printed["tickers"]) == 4
    assert data("check", tmp_path / "u").exit_code == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--start", "March"], r"'March'.*write dates as YYYY-MM-DD"),
        (["--equities", "1"], r"equities is 1: give 2 to 2000"),
        (["--days", "3"], r"days is 3: give 30 to"),
        (["--seed", "-2"], r"seed is -2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_universe_names_what_is_wrong_and_writes_nothing(tmp_path: Path, options: list[str], match: str) -> None:
    result = data("universe", tmp_path / "u", *options)
    with pytest.raises(ConfigError, match=match):
        raise result.exception
    assert not (tmp_path / "u").exists()
