"""The page of experiments says what was measured, keeps older sections, and never mixes configurations."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from proof_fakes import made_cell

from llm_plugin.errors import DataError
from llm_plugin.proofs.planted_config import SEEDS, VARIANTS
from llm_plugin.proofs.planted_report import COLUMNS, markdown, summarise, terminal_rows, write_section

DAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    cells = [made_cell("balanced", seed) for seed in SEEDS]
    cells += [made_cell("balanced_without_rule", seed, edge=0.0, skill=0.0, rule=False) for seed in SEEDS[:2]]
    return summarise(cells, interval_draws=1)


def test_a_section_shows_every_arm_seed_and_interval(summary: dict[str, Any]) -> None:
    text = markdown(summary, DAY)
    market = summary["markets"]["balanced"]
    for control in ("none", "random"):
        gain = market["arms"]["llm"][control]["pooled"]
        assert f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]" in text
        for seed in market["arms"]["llm"][control]["seeds"]:
            assert f"{seed['mean']:+.3f} [{seed['low']:+.3f}, {seed['high']:+.3f}]" in text
    for title in ("no LLM", "LLM + memory + session", "tabular meta-label", "oracle (knows the rule)"):
        assert title in text
    assert f"## 2026-11-21: a planted rule ({summary['config_sha256'][:12]})" in text
    assert "training_tokens 3000000" in text
    assert "python 3.11" in text


def test_what_is_missing_is_named_and_not_judged(summary: dict[str, Any]) -> None:
    text = markdown(summary, DAY)
    assert "### balanced: as expected" in text
    assert "### balanced_without_rule: cannot be judged: seeds are missing" in text
    assert "balanced_without_rule seed 3" in summary["missing"]
    assert "low_win_rate_positive seed 1" in summary["missing"]
    assert "balanced seed 1" not in summary["missing"]
    assert len(summary["missing"]) == 20 - 7


def test_a_result_that_is_not_as_expected_says_so_aloud() -> None:
    text = markdown(summarise([made_cell(seed=seed, skill=0.0) for seed in SEEDS], interval_draws=1), DAY)
    assert "### balanced: NOT as expected" in text


def test_terminal_rows_fit_their_columns(summary: dict[str, Any]) -> None:
    rows = terminal_rows(summary)
    assert len(rows) == 2 * 4
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert {row[0] for row in rows} <= set(VARIANTS)


def test_cells_of_two_configurations_are_not_pooled() -> None:
    other = {**made_cell(seed=2), "config_sha256": "f" * 64}
    with pytest.raises(DataError, match=r"cells of 2 configurations cannot be pooled.*ffffffffffff"):
        summarise([made_cell(seed=1), other])
    with pytest.raises(DataError, match="no cell of the proof is complete"):
        summarise([])


def test_two_programs_are_told(summary: dict[str, Any]) -> None:
    other = {**made_cell(seed=2), "code_sha256": "d00d" * 16}
    assert "Code: c0dec0dec0de and d00dd00dd00d." in markdown(
        summarise([made_cell(seed=1), other], interval_draws=1), DAY
    )


def test_a_section_replaces_itself_and_stands_above_older_ones(tmp_path: Path) -> None:
    page = tmp_path / "experiments.md"
    page.write_text("# Experiments\n\nWhat this is.\n\n## 2026-01-01: older\n\nold figures\n")
    write_section(page, "## 2026-11-21: new (abc)\n\nfirst\n")
    write_section(page, "## 2026-11-21: new (abc)\n\nsecond\n")
    text = page.read_text()
    assert "first" not in text
    assert text.count("## 2026-11-21: new (abc)") == 1
    assert text.index("What this is.") < text.index("second") < text.index("old figures")
    older = "## 2026-01-01: older\n\nold figures\n"
    assert text == f"# Experiments\n\nWhat this is.\n\n## 2026-11-21: new (abc)\n\nsecond\n\n{older}"


def test_a_page_that_is_none_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.md does not exist"):
        write_section(tmp_path / "nowhere.md", "## x\n")
    page = tmp_path / "notes.md"
    page.write_text("notes\n")
    with pytest.raises(DataError, match=r"notes\.md has no title"):
        write_section(page, "## x\n")
    assert page.read_text() == "notes\n"
