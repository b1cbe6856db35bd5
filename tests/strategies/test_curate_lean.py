"""LEAN's examples: what they say of themselves is the instruction; tests of the engine and other versions are not."""

from __future__ import annotations

from pathlib import Path

import pytest
from curate_fakes import DIP, TREND, program

from llm_plugin.errors import ConfigError
from llm_plugin.strategies.curate.lean_examples import description, lean_examples, lean_text

HEADER = "# A LICENCE\n# of several lines\n\n"


def with_summary(code: str, words: str) -> str:
    head, rest = code.split("\n\n\n", 1)
    lines = "\n".join(f"### {line}" for line in ["<summary>", *words.split("\n"), "</summary>"])
    return f'{HEADER}{head}\n\n{lines}\n### <meta name="tag" content="x" />\n{rest}'


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    python = tmp_path / "Algorithm.Python"
    for folder in ("Algorithm.Python", "Algorithm.CSharp", "Data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Algorithm.CSharp/Any.cs").write_text("public class Any {}")
    (python / "DipAlgorithm.py").write_text(
        with_summary(program(DIP), "Buys <b>dips</b> of SPY\nby an RSI of two days")
    )
    test = with_summary(program(TREND), "This regression algorithm asserts that stops are filled at the open")
    (python / "StopRegressionAlgorithm.py").write_text(test)
    (python / "SilentAlgorithm.py").write_text(HEADER + program(TREND))
    return tmp_path


def test_the_header_comment_is_the_instruction_and_the_code_has_no_licence(repo: Path) -> None:
    found = lean_examples(repo)
    assert [each.row.id for each in found] == ["lean-DipAlgorithm"]
    row = found[0].row
    assert row.instruction.endswith("Buys dips of SPY by an RSI of two days")
    assert row.reference == "Algorithm.Python/DipAlgorithm.py"
    assert "LICENCE" not in row.completion
    assert "###" not in row.completion
    assert row.completion.startswith("from AlgorithmImports import *")


def test_a_reference_gives_the_code_of_the_version_that_was_curated(repo: Path) -> None:
    row = lean_examples(repo)[0].row
    assert lean_text(repo, row.reference, row.sha256) == row.completion
    path = repo / row.reference
    path.write_text(path.read_text().replace("0.5", "0.6"))
    with pytest.raises(ConfigError, match=r"DipAlgorithm\.py is not the version that was curated"):
        lean_text(repo, row.reference, row.sha256)
    with pytest.raises(ConfigError, match="has no Algorithm"):
        lean_text(repo, "Algorithm.Python/Gone.py", row.sha256)


def test_a_docstring_says_it_where_no_summary_does() -> None:
    code = program(DIP).replace(
        "    def initialize", '    """Buys what fell for two days in a row."""\n\n    def initialize', 1
    )
    assert description(code) == "Buys what fell for two days in a row."
    assert description(program(DIP)) == ""
    assert description("def f(:") == ""


def test_another_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give the root of a LEAN checkout with --lean-repo"):
        lean_examples(tmp_path)
