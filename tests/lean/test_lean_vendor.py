"""`lean-llm vendor`: the LEAN side inside a project folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from llm_plugin.errors import DataError
from llm_plugin.lean.vendor import MANIFEST, check_vendored, vendor, vendored_modules


@pytest.fixture
def project(tmp_path):
    (tmp_path / "main.py").write_text("from AlgorithmImports import *\n")
    return tmp_path


BARE = """
import sys, importlib.abc
ALLOWED = set(sys.stdlib_module_names) | {"numpy", "pandas", "llm_plugin", "dateutil", "pytz", "six", "tzdata"}
class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in ALLOWED:
            raise ImportError("outside the LEAN side: " + name)
sys.meta_path.insert(0, Guard())
sys.path.insert(0, sys.argv[1])
import llm_plugin, llm_plugin.lean as lean
from llm_plugin.features import FeatureEngine
FeatureEngine("hour")
assert llm_plugin.__file__.startswith(sys.argv[1]), llm_plugin.__file__
print(",".join(lean.__all__), "llm_plugin.validator" in sys.modules)
"""


def test_the_copy_runs_on_the_standard_library_numpy_and_pandas_alone(project):
    vendor(project)
    done = subprocess.run([sys.executable, "-c", BARE, str(project)], capture_output=True, text=True, cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "Action,ExitPlan,LLMPlugin,LLMRiskManagementModel,LLMValidatedAlphaModel False"


def test_the_guard_of_that_test_bites(project):
    vendor(project)
    (project / "llm_plugin" / "domain.py").write_text("import pydantic\n")
    done = subprocess.run([sys.executable, "-c", BARE, str(project)], capture_output=True, text=True, cwd=project)
    assert "outside the LEAN side: pydantic" in done.stderr


def test_nothing_heavy_is_copied(project):
    report = vendor(project)
    assert len(report.files) > 30
    folders = {Path(name).parts[0] for name in report.files}
    assert folders <= {"__init__.py", "domain.py", "errors.py", "lean", "features", "outcomes", "engine"}
    assert {"lean/vendor.py", "outcomes/store.py", "engine/runner.py"}.isdisjoint(report.files)


def test_a_fresh_copy_is_in_order_and_a_second_run_changes_nothing(project):
    assert vendor(project).changed
    assert check_vendored(project) == []
    assert not vendor(project).changed


def test_no_copy_is_no_problem(project):
    assert check_vendored(project) == []


def test_an_edited_copy_is_reported_by_name(project):
    report = vendor(project)
    edited = report.target / "lean" / "plugin.py"
    edited.write_text(edited.read_text() + "\n# mine\n")
    (problem,) = check_vendored(project)
    assert "plugin.py was edited" in problem
    (report.target / "domain.py").unlink()
    assert any("domain.py is missing" in text for text in check_vendored(project))


def test_a_stale_copy_is_reported(project):
    report = vendor(project)
    manifest = report.target / MANIFEST
    data = json.loads(manifest.read_text())
    old = report.target / "lean" / "rows.py"
    old.write_text("# an older version\n")
    import hashlib

    data["files"]["lean/rows.py"] = hashlib.sha256(old.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(data))
    (problem,) = check_vendored(project)
    assert "stale" in problem
    assert "lean/rows.py" in problem
    vendor(project)
    assert check_vendored(project) == []


def test_a_copy_without_its_manifest_is_incomplete(project):
    (vendor(project).target / MANIFEST).unlink()
    (problem,) = check_vendored(project)
    assert "incomplete" in problem


def test_files_that_are_no_longer_needed_are_removed(project):
    report = vendor(project)
    manifest = report.target / MANIFEST
    data = json.loads(manifest.read_text())
    data["files"]["old.py"] = "0"
    manifest.write_text(json.dumps(data))
    (report.target / "old.py").write_text("")
    assert vendor(project).removed == ("old.py",)
    assert not (report.target / "old.py").exists()


def test_a_users_own_folder_of_that_name_is_left_alone(project):
    (project / "llm_plugin").mkdir()
    (project / "llm_plugin" / "mine.py").write_text("x = 1\n")
    with pytest.raises(DataError, match="was not written by"):
        vendor(project)
    assert (project / "llm_plugin" / "mine.py").read_text() == "x = 1\n"


def test_no_project_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"main\.py"):
        vendor(tmp_path)


def test_every_module_of_the_lean_side_is_followed():
    source = Path(__file__).resolve().parents[2] / "llm_plugin"
    names = vendored_modules(source)
    expected = {f"lean/{path.name}" for path in (source / "lean").glob("*.py")} - {"lean/vendor.py"}
    assert len(expected) > 15
    assert expected <= set(names)
