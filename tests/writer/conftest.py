"""One tiny writer, trained once, that all tests of this folder share."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_strategies import toy_rows, write_rows
from writer_world import make_job

from llm_plugin.writer.job import SftJob, SftResult


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.jsonl.gz", toy_rows(60))


@pytest.fixture(scope="session")
def trained(rows_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[SftJob, SftResult]:
    """A stand-in after a few steps: it has every part of a trained one and can nothing."""
    from llm_plugin.writer.process import train_writer

    job = make_job(rows_file, tmp_path_factory.mktemp("writer"))
    return job, train_writer(job)
