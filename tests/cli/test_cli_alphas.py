"""`lean-llm alphas`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_plugin.alphas import check as alphas_check
from llm_plugin.alphas import operators
from llm_plugin.alphas.operators import Floats
from llm_plugin.cli.app import app
from llm_plugin.data.universe import UniverseConfig, write_universe
from llm_plugin.errors import ConfigError, DataError

runner = CliRunner()


def _json(*arguments: str) -> object:
    done = runner.invoke(app, ["alphas", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_list_and_show_print_what_an_alpha_needs() -> None:
    rows = _json("list")
    assert isinstance(rows, list)
    assert len(rows) == 101
    assert rows[47] == {**rows[47], "number": 48, "days": 252, "level": "subindustry"}
    shown = _json("show", "12", "--source")
    assert isinstance(shown, dict)
    assert shown["in words"] == "the sign of the 1-day change of the volume times (minus the 1-day change of the close)"
    assert shown["fields of a bar"] == "close, volume"
    assert "class WorldQuantAlpha012(QCAlgorithm):" in shown["source"]


def test_an_exported_project_trades_over_a_synthetic_universe(tmp_path: Path) -> None:
    universe = write_universe(tmp_path / "data", UniverseConfig(equities=122, days=40))
    project = tmp_path / "alpha"
    common = ("--universe", str(universe.folder), "--rebalance", "month", "--start", "2010-02-01")
    done = runner.invoke(app, ["alphas", "export", "12", "-o", str(project), *common], catch_exceptions=False)
    assert done.exit_code == 0
    text = (project / "main.py").read_text()
    assert '"SAER",\n]' in text
    assert "set_start_date(2010, 2, 1)" in text
    assert "set_end_date(2010, 2, 26)" in text
    assert json.loads((project / "config.json").read_text())["algorithm-language"] == "Python"
    facts = _json("trade", "12", *common)
    assert isinstance(facts, dict)
    assert facts["status"] == "Completed"
    assert facts["names"] > 100
    with pytest.raises(ConfigError, match="is not empty: name a new folder"):
        runner.invoke(app, ["alphas", "export", "12", "-o", str(project)], catch_exceptions=False)


def test_trade_says_when_nothing_is_filled(tmp_path: Path) -> None:
    universe = write_universe(tmp_path / "data", UniverseConfig(equities=4, days=40))
    arguments = ["alphas", "trade", "19", "--universe", str(universe.folder), "--json"]
    done = runner.invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["filled"] == 0


def test_check_counts_equal_alphas_and_names_one_that_is_not(
    market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alphas_check, "UNIVERSE", UniverseConfig(equities=24, days=40))
    arguments = ["alphas", "check", "--only", "33", "--no-trade", "--data", str(market_data), "--json"]
    done = runner.invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["figures"] == {"alphas_equal": 1}
    assert [each["panel"] for each in found["alphas"][0]["panels"]] == ["real", "synthetic"]
    assert found["alphas"][0]["panels"][1]["known"] == 40 * 24

    def doubled(x: Floats) -> Floats:
        return 2 * x

    monkeypatch.setattr(operators, "rank", doubled)
    done = runner.invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 1
    assert json.loads(done.stdout)["figures"] == {"alphas_equal": 0}
    assert "alpha 33 is not equal on real, synthetic" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        (["show", "0"], ConfigError, "there is no alpha 0: give 1 to 101"),
        (["check", "--only", "3", "--figures", "x.json"], ConfigError, "--figures counts all alphas"),
        (["trade", "3", "--start", "2018"], ConfigError, "--start is '2018': write YYYY-MM-DD"),
        (["trade", "3", "--tickers", "AAPL,TSLA"], ConfigError, "no classification for TSLA"),
        (["trade", "3", "--universe", "nowhere"], DataError, "write one with `lean-llm data universe`"),
        (["trade", "3", "--classification", "nowhere.csv"], DataError, "name a file with ticker, sector"),
    ],
)
def test_what_cannot_be_done_is_named(arguments: list[str], error: type[Exception], problem: str) -> None:
    with pytest.raises(error, match=problem):
        runner.invoke(app, ["alphas", *arguments], catch_exceptions=False)
