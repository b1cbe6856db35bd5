"""How many of LEAN's own algorithms give LEAN's published results; needs a checkout, named by LEAN_REPO."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llm_plugin.conformance.catalogue import absent_files, lean_parameters, read_tiers, survey
from llm_plugin.conformance.execute import Conditions, execute
from llm_plugin.conformance.report import figures


def test_conformance_with_lean(record_figure, tmp_path):
    named = os.environ.get("LEAN_REPO")
    if not named:
        pytest.skip("left out: needs a LEAN checkout; set LEAN_REPO, and LEAN_TIERS to a CSV of tiers if there is one")
    repo, tiers, listing = Path(named), os.environ.get("LEAN_TIERS"), os.environ.get("LEAN_LISTING")
    candidates = survey(repo, (), read_tiers(Path(tiers)) if tiers else None)
    absent = absent_files(Path(listing), repo) if listing else []
    conditions = Conditions(
        repo / "Data", tmp_path, os.cpu_count() or 1, absent=absent, parameters=lean_parameters(repo)
    )
    counts = figures(execute(candidates, conditions))
    for name, value in counts.items():
        bar = counts.get(name.replace("_pass", "_total"), value)
        record_figure(name, value, "algorithms", bar, "lower" if name.endswith("not_judgeable") else "higher")
    assert counts["conformance_all_total"] > 100
