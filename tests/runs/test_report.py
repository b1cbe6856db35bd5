"""The report stands alone and says what the record says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llm_plugin.report import contents
from llm_plugin.report.contents import Price, ReportInput
from llm_plugin.report.figures import reliability
from llm_plugin.report.render import write_report
from llm_plugin.runs.record import ArmRecord
from llm_plugin.runs.summary import compare_arms, summarise, trading_days

MakeArm = Callable[..., ArmRecord]


@pytest.fixture
def data(make_arm: MakeArm) -> ReportInput:
    main = make_arm("llm", "LLM", veto_rate=0.4, drift=0.001)
    control = make_arm("none", "no validator", veto_rate=0.0, drift=0.0, seed=3)
    comparison = compare_arms([control, main], control)
    return ReportInput(
        project="</script><b>project",
        main=main,
        control=control,
        summary=summarise(main, comparison),
        comparison=comparison,
        config_rows=[("risk.max_consecutive_losses", 3, "file")],
        models=[{"kind": "llm", "version": "v1", "data_cutoff": "2012-12-31", "note": "small"}],
        prices=[Price("EURUSD", [datetime(2013, 1, 1, tzinfo=UTC)], [1.3])],
        days=trading_days(main),
    )


def test_the_page_needs_nothing_from_elsewhere(data: ReportInput, tmp_path: Path) -> None:
    html = write_report(tmp_path / "report.html", data).read_text(encoding="utf-8")
    assert not re.search(r'<(script|link|img)[^>]+(src|href)="http', html)
    assert html.count("</script>") == html.count("<script")


def test_text_of_the_run_cannot_break_out_of_the_page(data: ReportInput, tmp_path: Path) -> None:
    html = write_report(tmp_path / "report.html", data).read_text(encoding="utf-8")
    assert "</script><b>project" not in html
    assert "&lt;/script&gt;&lt;b&gt;project" in html


def test_the_table_holds_every_entry_with_its_outcome(data: ReportInput, tmp_path: Path) -> None:
    html = write_report(tmp_path / "report.html", data).read_text(encoding="utf-8")
    rows = json.loads(re.search(r'id="rows">(.*?)</script>', html, re.DOTALL).group(1))  # type: ignore[union-attr]
    assert len(rows) == data.summary["decisions"] == 480
    assert {row["kind"] for row in rows} == {"realised", "shadow"}
    assert all(row["r"] is not None for row in rows)


def test_what_vetoes_avoided_is_the_sum_of_their_shadow_trades(data: ReportInput) -> None:
    points = contents.veto_points(data.main)
    assert len(points) == data.summary["vetoed"]
    total = sum(r for _, r, _ in points)
    sentence = contents.veto_sentence(data.main)
    assert f"{'cost' if total > 0 else 'avoided'} {abs(total):.1f} R" in sentence


def test_a_run_without_vetoes_says_so(data: ReportInput) -> None:
    assert contents.veto_sentence(data.control) == "no vetoed trade has ended yet"
    assert contents.cards(replace(data, main=data.control))[4]["small"] == "no veto"


def test_reliability_bins_hold_equal_counts_and_too_few_are_not_drawn() -> None:
    confidence = [i / 100 for i in range(100)]
    bins = reliability(confidence, [c > 0.5 for c in confidence], bins=5)
    assert [b.n for b in bins] == [20] * 5
    assert bins[0].observed == 0.0
    assert bins[-1].observed == 1.0
    assert all(b.low <= b.observed <= b.high for b in bins)
    assert reliability([0.5] * 5, [True] * 5) == []
