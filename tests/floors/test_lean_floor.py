"""The LEAN side runs where only the standard library, numpy and pandas are, in their oldest supported versions."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from llm_plugin.lean.vendor import vendor, vendored_modules

PACKAGE = Path(__file__).resolve().parents[2] / "llm_plugin"
HEAVY = (
    "torch",
    "transformers",
    "sklearn",
    "pydantic",
    "yaml",
    "sqlalchemy",
    "weaviate",
    "onnxruntime",
    "typer",
    "scipy",
)


def test_every_module_that_lean_gets_imports_and_brings_nothing_heavy() -> None:
    names = vendored_modules(PACKAGE)
    assert len(names) > 20
    modules = [".".join(("llm_plugin", *(p for p in Path(n).with_suffix("").parts if p != "__init__"))) for n in names]
    code = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(done.stdout.split())


def test_the_floor_is_the_floor() -> None:
    if any(importlib.util.find_spec(name) for name in HEAVY):
        pytest.skip("left out: this is the full environment; `make floors` runs it in a bare one")
    assert metadata.version("numpy").startswith("1.24.")
    assert metadata.version("pandas") == "1.5.3"


def test_a_vendored_copy_imports_from_the_project_folder(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from llm_plugin.lean import LLMPlugin; import llm_plugin; print(llm_plugin.__file__)\n"
    )
    report = vendor(tmp_path)
    assert report.files
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); exec(open({str(tmp_path / 'main.py')!r}).read())"
    done = subprocess.run([sys.executable, "-S", "-c", _with_site(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == tmp_path / "llm_plugin"


def _with_site(code: str) -> str:
    """The packages of this environment, but never the checkout."""
    folders = [p for p in sys.path if "site-packages" in p]
    return f"import sys; sys.path[:] = [p for p in sys.path if p] + {folders!r}\n{code}"
