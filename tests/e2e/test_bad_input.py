"""What a user can get wrong, through the command line: the error says what, where, and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from e2e_tools import EURUSD, FAKE, PROJECTS, QUICK, Done, backtest, copy_project, market_with, sets

SPAN = {"start": "2013-01-02", "end": "2013-01-31"}
QUICKLY = ("--no-baseline", *sets("memory.backend=local", *QUICK, *FAKE))


def run(tmp_path: Path, project: Any = "eurusd_ensemble", *arguments: Any, **dates: str) -> Done:
    return backtest(tmp_path / "runs", project, *QUICKLY, *arguments, **(dates or SPAN))


def test_all_unknown_keys_are_told_at_once_with_what_was_meant(tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    with (project / "llm_config.yaml").open("a") as stream:
        stream.write("memry:\n  k: 3\nrisk:\n  max_consecutive_loses: 3\n")
    done = run(tmp_path, project, "--set", "fusion.llm_wait=0.5")
    assert done.code == 2
    for unknown, meant in (("memry", "memory"), ("max_consecutive_loses", "max_consecutive_losses")):
        assert unknown in done.text
        assert f"did you mean '{meant}'?" in done.text or f"{meant}'?" in done.text
    assert "llm_wait" in done.text
    assert "llm_weight" in done.text


def test_a_template_with_an_unknown_field_ends_the_run_before_its_first_bar(shared_home: Path, tmp_path: Path) -> None:
    wrong = "SIG={signal_action} RSI={rsi_41} ->"
    done = run(tmp_path, "eurusd_ensemble", "--set", f"prompts.context_template={wrong}")
    assert done.code == 2
    assert "rsi_41" in done.text
    assert "did you mean" in done.text
    assert not list((tmp_path / "runs").glob("*/decisions.jsonl"))


def test_a_model_folder_without_weights_is_refused(shared_home: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(shared_home / "models" / "llm" / "bootstrap", tmp_path / "model"))
    (model / "model.safetensors").unlink()
    options = ["--no-baseline", *sets("memory.backend=local", f"llm_model.name={model}")]
    done = backtest(tmp_path / "runs", "eurusd_ensemble", *options, **SPAN)
    assert done.code == 4
    assert "ModelError" in done.text
    assert "safetensors" in done.text
    assert str(model) in done.text


def test_a_missing_file_is_named(shared_home: Path, tmp_path: Path) -> None:
    data = market_with(tmp_path / "data", lambda lines: lines)
    (data / EURUSD).unlink()
    done = run(tmp_path, "eurusd_ensemble", "--data", data)
    assert done.code == 3
    assert f"{data / EURUSD} (missing)" in done.text
    assert "--data" in done.text


def test_a_truncated_zip_is_named_with_its_remedy(shared_home: Path, tmp_path: Path) -> None:
    data = market_with(tmp_path / "data", lambda lines: lines)
    whole = (data / EURUSD).read_bytes()
    (data / EURUSD).write_bytes(whole[: len(whole) // 2])
    done = run(tmp_path, "eurusd_ensemble", "--data", data)
    assert done.code == 3
    assert str(data / EURUSD) in done.text
    assert "replace the file" in done.text


def test_a_corrupted_row_is_named_by_file_and_row(shared_home: Path, tmp_path: Path) -> None:
    def spoil(lines: list[str]) -> list[str]:
        spoilt = next(index for index, line in enumerate(lines) if line.startswith("20130115 10:00"))
        lines[spoilt] = lines[spoilt].replace(",1.", ",x.", 1)
        return lines

    data = market_with(tmp_path / "data", spoil)
    done = run(tmp_path, "eurusd_ensemble", "--data", data)
    assert done.code == 3
    assert str(data / EURUSD) in done.text
    assert "20130115 10:00" in done.text or "row" in done.text


def test_gaps_are_found_by_the_check_and_survived_by_the_run(shared_home: Path, tmp_path: Path) -> None:
    from e2e_tools import lean_llm

    data = market_with(tmp_path / "data", lambda lines: [line for line in lines if line[:8] not in GAP])
    checked = lean_llm("data", "check", data)
    assert "2013-01-15" in checked.text
    assert "eurusd" in checked.text
    done = run(tmp_path, "eurusd_ensemble", "--data", data)
    assert done.code == 0, done.err
    assert done.run.summary["decisions"] > 5


GAP = ("20130115", "20130116", "20130117")


@pytest.mark.slow
@pytest.mark.parametrize("named", [True, False], ids=["by --start", "by the algorithm's own start date"])
def test_a_run_that_starts_in_a_models_training_data_is_refused(shared_home: Path, tmp_path: Path, named: bool) -> None:
    project = copy_project(tmp_path / "project")
    dates = {"start": "2012-06-01", "end": "2012-06-30"}
    if not named:
        main = project / "main.py"
        main.write_text(main.read_text().replace('"2013-01-01"', '"2012-06-01"').replace("2018-12-31", "2012-06-30"))
        dates = {"start": "", "end": ""}
    options = ["--no-baseline", *sets("memory.backend=local", *QUICK)]
    done = backtest(tmp_path / "runs", project, *options, **dates)
    assert done.code == 4
    assert "LookaheadError" in done.text
    assert "the run starts on 2012-06-01" in done.text
    assert "ensemble eurusd_hour" in done.text
    assert "language model bootstrap" in done.text
    assert "has seen data up to 2012-12-31" in done.text
    assert "--allow-lookahead" in done.text
    allowed = backtest(tmp_path / "allowed", project, *options, "--allow-lookahead", **dates)
    assert allowed.code == 0, allowed.err
    told = "Look-ahead was allowed"
    assert told in allowed.text
    assert any(told in note for note in allowed.run.summary["notes"])
    assert told in (allowed.run.folder / "report.html").read_text()


def test_the_arm_without_a_validator_is_refused_too(shared_home: Path, tmp_path: Path) -> None:
    project = copy_project(tmp_path / "project")
    main = project / "main.py"
    main.write_text(main.read_text().replace('"2013-01-01"', '"2012-06-01"').replace("2018-12-31", "2012-06-30"))
    done = backtest(tmp_path / "runs", project, "--no-baseline", *sets("validator.mode=none"))
    assert done.code == 4
    assert "model eurusd_hour" in done.text


def test_an_algorithm_that_raises_is_named_by_file_and_line_and_keeps_its_results(
    shared_home: Path, tmp_path: Path
) -> None:
    project = copy_project(tmp_path / "project")
    main = project / "main.py"
    text = main.read_text()
    head = "        signal = self.llm.signal(self.pair.symbol)\n"
    assert head in text
    main.write_text(text.replace(head, head + "        assert self.time.day < 20, 'after the nineteenth'\n"))
    line = main.read_text().splitlines().index("        assert self.time.day < 20, 'after the nineteenth'") + 1
    done = run(tmp_path, project)
    assert done.code == 8
    assert f"{main}:{line}" in done.text
    assert "after the nineteenth" in done.text
    folder = done.run.folder
    assert (folder / "EurusdEnsemble.json").stat().st_size > 1000
    assert [row for row in done.run.rows if row["kind"] == "decision"]
    assert max(row["bar_utc"] for row in done.run.rows if row["kind"] == "decision") < "2013-01-21"


def test_the_same_input_in_order_runs(shared_home: Path, tmp_path: Path) -> None:
    """The clean twin of this page."""
    done = run(tmp_path, PROJECTS / "eurusd_ensemble")
    assert done.code == 0, done.err
    assert done.run.summary["decisions"] > 5
