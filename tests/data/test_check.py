"""`check_folder`: each finding is planted in a clean folder and found with file and row; clean twins are silent."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_plugin.data.check import CheckReport, Finding, Severity, check_folder, format_report
from llm_plugin.data.findings import CODES
from llm_plugin.data.lean_write import HOURS_FILE, PROPERTIES_FILE, write_zip
from llm_plugin.data.synth import SynthConfig, write_market
from llm_plugin.errors import DataError

FOREX = "forex/oanda/hour/eurusd.zip"
DAILY = "equity/usa/daily/synt.zip"
MINUTE = "equity/usa/minute/synt"
TRADES, QUOTES = f"{MINUTE}/20070102_trade.zip", f"{MINUTE}/20070102_quote.zip"
TICKS, FXTICKS = "equity/usa/tick/synt/20070101_trade.zip", "forex/oanda/tick/eurusd/20070101_quote.zip"
MAP, FACTOR = "equity/usa/map_files/synt.csv", "equity/usa/factor_files/synt.csv"
Change = Callable[[Path], None]


@pytest.fixture(scope="session")
def clean_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("clean")
    configs = {
        "forex": SynthConfig(bars=1_200),
        "daily": SynthConfig(bars=1_000, security_type="equity", resolution="daily"),
        "tick": SynthConfig(bars=1_000, security_type="equity", resolution="tick"),
        "fxtick": SynthConfig(bars=1_000, resolution="tick"),
        "minute": SynthConfig(bars=1_200, security_type="equity", resolution="minute"),
    }
    for name, config in configs.items():
        write_market(base / name, config)
    return {name: base / name for name in configs}


def _rows(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0]).decode().splitlines()


def _edit(relative: str, change: Callable[[list[str]], list[str]]) -> Change:
    def apply(folder: Path) -> None:
        path = folder / relative
        with zipfile.ZipFile(path) as archive:
            member = archive.namelist()[0]
        write_zip(path, member, "".join(row + "\n" for row in change(_rows(path))))

    return apply


def _field(row: int, column: int, value: str) -> Callable[[list[str]], list[str]]:
    def change(rows: list[str]) -> list[str]:
        parts = rows[row - 1].split(",")
        parts[column] = value
        return [*rows[: row - 1], ",".join(parts), *rows[row:]]

    return change


def _swap_sides(rows: list[str]) -> list[str]:
    time, *values = rows[9].split(",")
    return [*rows[:9], ",".join([time, *values[5:], *values[:5]]), *rows[10:]]


def _shifted(rows: list[str]) -> list[str]:
    """The rows stamped in New York time although the data time zone is UTC."""
    form = "%Y%m%d %H:%M"
    stamps = [datetime.strptime(row[:14], form).replace(tzinfo=UTC) - timedelta(hours=5) for row in rows]
    return [stamp.strftime(form) + row[14:] for stamp, row in zip(stamps, rows, strict=True)]


def _text(relative: str, content: str) -> Change:
    return lambda folder: (folder / relative).write_text(content) and None


def _remove(relative: str) -> Change:
    return lambda folder: (folder / relative).unlink()


def _truncate(folder: Path) -> None:
    data = (folder / FOREX).read_bytes()
    (folder / FOREX).write_bytes(data[: len(data) // 2])


def _flip(folder: Path) -> None:
    data = bytearray((folder / FOREX).read_bytes())
    data[len(data) // 2] ^= 0xFF
    (folder / FOREX).write_bytes(bytes(data))


def _rename_member(folder: Path) -> None:
    write_zip(folder / FOREX, "gbpusd.csv", "\n".join(_rows(folder / FOREX)) + "\n")


def _second_member(folder: Path) -> None:
    with zipfile.ZipFile(folder / FOREX, "a") as archive:
        archive.writestr("more.csv", "1,2")


def _hours(change: Callable[[dict[str, object]], None]) -> Change:
    def apply(folder: Path) -> None:
        content = json.loads((folder / HOURS_FILE).read_text())
        change(content["entries"])
        (folder / HOURS_FILE).write_text(json.dumps(content))

    return apply


def _zone(name: str) -> Change:
    return _hours(lambda entries: entries["Forex-oanda-[*]"].update(dataTimeZone=name))  # type: ignore[attr-defined]


def _rename_day(folder: Path) -> None:
    first = min((folder / MINUTE).glob("*_trade.zip"))
    first.rename(first.with_name("20071399_trade.zip"))


def _remove_day(folder: Path) -> None:
    for path in sorted((folder / MINUTE).glob("*.zip"))[2:4]:
        path.unlink()


E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741
OFFENDERS = [
    ("forex", "zip", E, FOREX, None, _truncate),
    ("forex", "zip", E, FOREX, None, _flip),
    ("forex", "zip", E, FOREX, None, lambda f: zipfile.ZipFile(f / FOREX, "w").close()),
    ("forex", "member_name", W, FOREX, None, _rename_member),
    ("forex", "members", W, FOREX, None, _second_member),
    ("forex", "empty", E, FOREX, None, _edit(FOREX, lambda rows: [])),
    ("forex", "bad_row", E, FOREX, 7, _edit(FOREX, _field(7, 2, "1.2x"))),
    ("forex", "bad_row", E, FOREX, 8, _edit(FOREX, lambda rows: [*rows[:7], rows[7] + ",9", *rows[8:]])),
    ("forex", "bad_row", E, FOREX, 1, _edit(FOREX, lambda rows: ["time,open,high", *rows])),
    ("forex", "bad_time", E, FOREX, 5, _edit(FOREX, _field(5, 0, "2007-01-01 05:00"))),
    ("forex", "unsorted", E, FOREX, 12, _edit(FOREX, lambda rows: [*rows[:10], rows[11], rows[10], *rows[12:]])),
    ("forex", "duplicate_time", E, FOREX, 12, _edit(FOREX, lambda rows: [*rows[:11], *rows[10:]])),
    ("forex", "overlap", E, FOREX, 4, _edit(FOREX, _field(3, 0, "20070101 02:30"))),
    ("forex", "bid_above_ask", E, FOREX, 10, _edit(FOREX, _swap_sides)),
    ("forex", "ohlc", E, FOREX, 6, _edit(FOREX, _field(6, 2, "0.9"))),
    ("forex", "bad_price", E, FOREX, 6, _edit(FOREX, _field(6, 3, "-1.3"))),
    ("forex", "spike", W, FOREX, 6, _edit(FOREX, _field(6, 3, "0.01"))),
    ("forex", "one_sided", I, FOREX, 6, _edit(FOREX, _field(6, 3, "0"))),
    ("forex", "gap", W, FOREX, 51, _edit(FOREX, lambda rows: [*rows[:50], *rows[90:]])),
    ("forex", "time_zone", W, FOREX, None, _edit(FOREX, _shifted)),
    ("forex", "hours_missing", E, HOURS_FILE, None, _remove(HOURS_FILE)),
    ("forex", "hours_damaged", E, HOURS_FILE, None, _text(HOURS_FILE, "{")),
    ("forex", "hours_entry", E, HOURS_FILE, None, _hours(lambda e: e.update({"Crypto-x-[*]": e.popitem()[1]}))),
    ("forex", "hours_entry", E, HOURS_FILE, None, _zone("America/Neu_York")),
    ("forex", "properties_missing", E, PROPERTIES_FILE, None, _remove(PROPERTIES_FILE)),
    ("forex", "properties_row", E, PROPERTIES_FILE, None, _text(PROPERTIES_FILE, "market,symbol,type\n")),
    ("forex", "no_data", E, ".", None, _remove(FOREX)),
    ("daily", "negative_size", E, DAILY, 3, _edit(DAILY, _field(3, 5, "-5"))),
    ("daily", "bad_row", E, DAILY, 3, _edit(DAILY, _field(3, 5, ""))),
    ("daily", "map_missing", W, DAILY, None, _remove(MAP)),
    ("daily", "factor_missing", W, DAILY, None, _remove(FACTOR)),
    ("daily", "map_end", I, MAP, 2, _text(MAP, "20070101,synt,Q\n20080102,synt,Q\n")),
    ("daily", "after_delisting", W, DAILY, None, _text(MAP, "20070101,synt,Q\n20080102,synt,Q\n")),
    ("daily", "unmapped_rows", I, DAILY, 1, _text(MAP, "20070601,synt,Q\n20501231,synt,Q\n")),
    ("daily", "bad_row", E, MAP, 2, _text(MAP, "20070101,synt,Q\n2050-12-31,synt,Q\n")),
    ("daily", "unsorted", E, FACTOR, 2, _text(FACTOR, "20070102,1,1,1\n20070101,1,1,1\n20501231,1,1,0\n")),
    ("daily", "bad_factor", E, FACTOR, 1, _text(FACTOR, "20070101,0,1,1\n20501231,1,1,0\n")),
    ("daily", "bad_factor", E, FACTOR, 1, _text(FACTOR, "20070101,a,1,1\n20501231,1,1,0\n")),
    ("daily", "factor_end", W, FACTOR, 1, _text(FACTOR, "20070101,1,1,1\n")),
    ("daily", "factor_end", W, FACTOR, 2, _text(FACTOR, "20070101,1,1,1\n20501231,0.5,1,0\n")),
    ("minute", "bad_time", E, TRADES, 2, _edit(TRADES, _field(2, 0, "86400000"))),
    ("minute", "gap", W, QUOTES, 11, _edit(QUOTES, lambda r: [*r[:10], *r[100:]])),
    ("tick", "empty", E, TICKS, None, _edit(TICKS, lambda rows: [])),
    ("tick", "bad_row", E, TICKS, 4, _edit(TICKS, _field(4, 1, "4x"))),
    ("tick", "bad_row", E, TICKS, 4, _edit(TICKS, lambda rows: [*rows[:3], "34200750,4000000", *rows[4:]])),
    ("tick", "bad_time", E, TICKS, 4, _edit(TICKS, _field(4, 0, "-1"))),
    ("tick", "unsorted", E, TICKS, 4, _edit(TICKS, _field(4, 0, "34200000"))),
    ("tick", "bad_price", E, TICKS, 4, _edit(TICKS, _field(4, 1, "0"))),
    ("tick", "negative_size", E, TICKS, 4, _edit(TICKS, _field(4, 2, "-1"))),
    ("tick", "member_name", W, TICKS, None, lambda f: write_zip(f / TICKS, "x.csv", "1,2,3,Q,0,0\n")),
    ("fxtick", "crossed_moment", I, FXTICKS, 4, _edit(FXTICKS, _field(4, 1, "1.9"))),
    ("fxtick", "bad_price", E, FXTICKS, 4, _edit(FXTICKS, _field(4, 2, "-1.3"))),
    ("fxtick", "bid_above_ask", E, FXTICKS, 1, _edit(FXTICKS, lambda rows: [f"{i},1.3,1.2" for i in range(len(rows))])),
    ("minute", "file_name", E, f"{MINUTE}/20071399_trade.zip", None, _rename_day),
    ("minute", "missing_days", I, f"{MINUTE}/trade", None, _remove_day),
]  # fmt: skip


@pytest.mark.parametrize("name", ["forex", "daily", "minute", "tick", "fxtick"])
def test_clean_folders_have_no_finding(clean_folders: dict[str, Path], name: str) -> None:
    report = check_folder(clean_folders[name])
    assert report.rows >= 1_000
    assert [str(finding) for finding in report.findings if finding.code != "unchecked"] == []


@pytest.mark.parametrize(
    ("base", "code", "severity", "path", "row", "plant"),
    OFFENDERS,
    ids=[f"{index}-{case[0]}-{case[1]}" for index, case in enumerate(OFFENDERS)],
)
def test_planted_offender_is_found(
    clean_folders: dict[str, Path],
    tmp_path: Path,
    base: str,
    code: str,
    severity: Severity,
    path: str,
    row: int | None,
    plant: Change,
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(clean_folders[base], folder)
    plant(folder)
    found = [finding for finding in check_folder(folder).findings if finding.code == code and finding.path == path]
    assert found, [str(finding) for finding in check_folder(folder).findings]
    assert found[0].severity is severity
    assert found[0].message
    assert found[0].remedy
    if row is not None:
        assert found[0].row == row


def test_every_finding_code_has_an_offender() -> None:
    own_test = {"unchecked", "gaps", "closed_hours", "crossed_moment"}
    assert {case[1] for case in OFFENDERS} | own_test == set(CODES)


def test_an_undocumented_code_is_refused() -> None:
    with pytest.raises(ValueError, match="'surprise' is not in CODES"):
        Finding("surprise", Severity.INFO, "x", None, "message", "remedy")


def test_counts_of_a_repeated_fault_are_one_finding(clean_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(clean_folders["forex"], folder)
    _edit(FOREX, lambda rows: [*(row.replace(",1.", ",x.") for row in rows[:20]), *rows[20:]])(folder)
    (finding,) = check_folder(folder).errors
    assert (finding.code, finding.row, finding.count) == ("bad_row", 1, 20)
    assert "and 19 more" in str(finding)


def test_short_gaps_are_summed_up(clean_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(clean_folders["forex"], folder)
    _edit(FOREX, lambda rows: [row for index, row in enumerate(rows) if index % 50 != 3])(folder)
    codes = {finding.code: finding for finding in check_folder(folder).findings}
    assert codes["gaps"].severity is Severity.WARNING
    assert "24 of 1200 bars are missing in 24 places" in codes["gaps"].message


def test_a_few_bars_in_closed_hours_are_an_info(clean_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(clean_folders["forex"], folder)
    price = "1.3,1.3,1.3,1.3,0,1.31,1.31,1.31,1.31,0"
    _edit(FOREX, lambda rows: sorted([*rows, f"20070106 12:00,{price}"]))(folder)
    (finding,) = [f for f in check_folder(folder).findings if f.code != "unchecked"]
    assert (finding.code, finding.severity) == ("closed_hours", Severity.INFO)
    assert "2007-01-06 12:00 UTC" in finding.message


def test_a_momentary_cross_is_no_error(clean_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(clean_folders["forex"], folder)
    _edit(FOREX, _field(6, 2, "1.4"))(folder)
    report = check_folder(folder)
    assert report.ok
    assert [finding.code for finding in report.findings if finding.code != "unchecked"] == ["crossed_moment"]


def test_market_sample_has_no_errors(market_data: Path) -> None:
    report = check_folder(market_data)
    assert report.ok, format_report(report)
    assert report.rows > 200_000
    assert {"gap", "spike", "unmapped_rows"} <= {finding.code for finding in report.findings}


def test_report_is_plain_json_and_text(market_data: Path) -> None:
    report = check_folder(market_data)
    content = json.loads(json.dumps(report.to_jsonable()))
    assert content["ok"] is True
    assert content["counts"]["warning"] == len(report.warnings)
    text = format_report(report)
    assert "0 errors" in text.splitlines()[-1]
    assert "spike" in text


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        check_folder(tmp_path / "nowhere")


@settings(max_examples=40, deadline=None)
@given(junk=st.binary(max_size=200))
def test_any_bytes_give_findings_and_never_an_exception(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("junk")
    path = folder / "forex" / "oanda" / "hour" / "eurusd.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("eurusd.csv", junk)
    (folder / "equity/usa/map_files").mkdir(parents=True)
    (folder / "equity/usa/map_files/a.csv").write_bytes(junk.replace(b"\x00", b""))
    (folder / HOURS_FILE).parent.mkdir()
    (folder / HOURS_FILE).write_bytes(junk)
    report = check_folder(folder)
    assert isinstance(report, CheckReport)
    assert not report.ok
    assert json.dumps(report.to_jsonable())


def test_every_code_is_in_the_reference() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "data.md").read_text()
    assert [code for code in CODES if f"`{code}`" not in page] == []
