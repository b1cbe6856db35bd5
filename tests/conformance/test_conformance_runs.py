"""Planted offenders are found and named; their clean twin passes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from planted_checkout import GOLDEN, Checkout
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.conformance.judge import Difference
from llm_plugin.conformance.report import render_page
from llm_plugin.conformance.trace import first_difference, order_lines, trace_lines

ABSENT = "Data/equity/usa/minute/spy/20131011_trade.zip"
DOWN = """
class Down(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2013, 10, 7)
        self.set_end_date(2013, 10, 8)
        self.add_equity("SPY", Resolution.MINUTE)
        raise ValueError("planted")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory, market_data) -> Checkout:
    made = Checkout(tmp_path_factory.mktemp("planted") / "lean", market_data)
    made.buy_once("Clean")
    made.buy_once("WrongStatistic")
    made.expect("WrongStatistic", {**GOLDEN, "End Equity": "101691.93"})
    made.buy_once("Lacking", first="self.fly_to_the_moon()")
    made.buy_once("Hungry", first="self.bytes = bytearray(4 << 30)")
    made.algorithm("Down", DOWN)
    made.expect("Down", GOLDEN)
    made.buy_once("Optional", first="self.add_option('SPY')")
    made.algorithm(
        "NoTwin", "class NoTwin(QCAlgorithm):\n    def initialize(self):\n        self.set_end_date(1998, 2, 1)\n"
    )
    return made


@pytest.fixture(scope="module")
def ran(checkout, tmp_path_factory):
    """One run over the whole checkout: exit code, verdicts by name, page, figures."""
    folder = tmp_path_factory.mktemp("run")
    page, figures = folder / "page.md", folder / "results.json"
    page.write_text("# Conformance\n\nBefore.\n\n<!-- table: begin -->\nstale row\n<!-- table: end -->\n\nAfter.\n")
    done = CliRunner().invoke(
        app,
        f"conformance {checkout.root} -j 2 --seconds 300 --memory-mib 3000 --json --write {page} --figures {figures}",
    )
    text = done.stdout[done.stdout.index("[\n") :]
    verdicts = {item["name"]: item for item in json.loads(text)}
    return done.exit_code, verdicts, page.read_text(), json.loads(figures.read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("Clean", "pass", ""),
        ("WrongStatistic", "differs", "End Equity: 101691.93 expected, got 101691.92"),
        ("Lacking", "unsupported", "QCAlgorithm.fly_to_the_moon"),
        ("Hungry", "error", "memory: more than 3000 MiB"),
        ("Down", "error", r"AlgorithmError: Down.py:8: ValueError: planted"),
        ("NoTwin", "no expectation", "Completed, 0 orders"),
    ],
)
def test_each_planted_offender_is_named(ran, name, kind, reason):
    _, verdicts, _, _ = ran
    assert verdicts[name]["kind"] == kind
    assert re.fullmatch(reason, verdicts[name]["reason"])


@pytest.mark.slow
def test_only_what_is_in_scope_runs_and_a_difference_ends_with_code_one(ran):
    code, verdicts, _, _ = ran
    assert code == 1
    assert "Optional" not in verdicts
    assert len(verdicts) == 6


@pytest.mark.slow
def test_the_table_replaces_the_old_one_and_the_figures_count(ran):
    _, _, page, figures = ran
    assert "stale row" not in page
    assert page.startswith("# Conformance\n\nBefore.")
    assert page.endswith("After.\n")
    assert "| WrongStatistic | 1 | differs | End Equity: 101691.93 expected, got 101691.92 |" in page
    assert figures["conformance_tier1_pass"] == {"value": 1, "unit": "algorithms", "bar": 5, "better": "higher"}
    assert figures["conformance_all_total"]["value"] == 5


def test_an_algorithm_that_never_ends_is_stopped_and_named(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    checkout.buy_once("Endless", first="while True: pass")
    done = CliRunner().invoke(app, ["conformance", str(checkout.root), "--seconds", "6", "--json"])
    assert done.exit_code == 1
    (verdict,) = json.loads(done.stdout[done.stdout.index("[\n") :])
    assert (verdict["kind"], verdict["reason"]) == ("error", "time: stopped after 6 s")


def test_a_file_that_the_checkout_lacks_is_no_difference(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    checkout.buy_once("Missing")
    (checkout.root / ABSENT).unlink()
    listing = tmp_path / "listing.txt"
    listing.write_text(ABSENT + "\nData/market-hours/market-hours-database.json\n")
    told = CliRunner().invoke(app, ["conformance", str(checkout.root), "--listing", str(listing)])
    assert told.exit_code == 0, told.output
    assert "not judgeable" in told.output
    assert "lacks" in told.output
    # Without the listing nobody knows that the file belongs there: a difference is a difference.
    told = CliRunner().invoke(app, ["conformance", str(checkout.root), "--only", "Missing", "--trace"])
    assert told.exit_code == 1
    assert "first statistic that differs: End Equity: 101691.92 expected" in told.output
    assert re.search(r"1 [0-9a-f]{32} \{\"type\":0,\"id\":1", told.output)


def test_files_of_leans_own_tests_are_found_where_algorithms_look_for_them(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    line = "open('../../../Tests/TestData/days.csv').read()"
    checkout.buy_once("Reader", first=line)
    listing = tmp_path / "listing.txt"
    listing.write_text("Tests/TestData/days.csv\n")
    command = ["conformance", str(checkout.root), "--listing", str(listing)]
    told = CliRunner().invoke(app, command)
    assert "lacks Tests/TestData/days.csv" in " ".join(told.output.split()), told.output
    samples = checkout.root / "Tests" / "TestData"
    samples.mkdir(parents=True)
    (samples / "days.csv").write_text("20131007\n")
    told = CliRunner().invoke(app, command)
    assert "1 pass" in told.output, told.output


def test_the_trace_ends_with_the_hash_that_lean_publishes():
    lines = list(order_lines(['{"id":1}', '{"id":2}']))
    assert lines[1].endswith('{"id":2}')
    assert lines[0].split()[1] != lines[1].split()[1]


def test_the_first_order_that_differs_from_a_real_run_is_shown(tmp_path):
    theirs = {"orders": {"1": {"id": 1, "price": 10.0, "tag": ""}, "2": {"id": 2, "price": 11.0, "tag": ""}}}
    (tmp_path / "A.json").write_text(json.dumps(theirs))
    (tmp_path / "A-order-events.json").write_text('[{"orderId": 1, "status": "submitted"}]')
    ours = {
        "orders": ['{"id":1,"price":10,"tag":""}', '{"id":2,"price":11.5,"tag":""}'],
        "events": [{"orderId": 1, "status": "filled"}],
    }
    lines = list(trace_lines((Difference("End Equity", "1", "2"),), ours, tmp_path))
    assert lines == [
        "first statistic that differs: End Equity: 1 expected, got 2",
        "first order that differs: 2, price: 11.0 expected, got 11.5",
        "first order event that differs: 1, status: 'submitted' expected, got 'filled'",
    ]
    assert first_difference([{"a": 1}], [{"a": 1}]) == ""
    assert first_difference([{"a": 1}], []) == "1: 1 expected, got 0"


def test_against_needs_one_algorithm(tmp_path, market_data):
    checkout = Checkout(tmp_path / "lean", market_data)
    checkout.buy_once("One")
    done = CliRunner().invoke(app, ["conformance", str(checkout.root), "--against", str(tmp_path)])
    assert "--against compares one algorithm" in str(done.exception)


def test_a_page_without_marks_gets_the_table_at_its_end():
    page = render_page("# Title\n", [], "abc")
    assert page.startswith("# Title\n\n<!-- table: begin -->")
    assert "LEAN abc." in page
    assert Path(__file__).stem not in page
