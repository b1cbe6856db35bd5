"""The market sample in the repository: complete, unchanged, described, and rebuilt byte for byte."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARKET = ROOT / "datasets" / "market"
MAX_BYTES = 8_000_000


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_market", ROOT / "datasets" / "build_market.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _manifest() -> dict[str, dict[str, object]]:
    return json.loads((MARKET / "manifest.json").read_text())["files"]  # type: ignore[no-any-return]


def _data_files(root: Path) -> dict[str, Path]:
    files = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {name: path for name, path in files.items() if name not in ("README.md", "manifest.json")}


def test_manifest_names_every_file_with_its_hash() -> None:
    files = _data_files(MARKET)
    assert len(files) > 80
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == {
        name: entry["sha256"] for name, entry in _manifest().items()
    }


def test_sample_stays_small() -> None:
    assert sum(path.stat().st_size for path in _data_files(MARKET).values()) <= MAX_BYTES


def test_card_table_equals_manifest(builder: ModuleType) -> None:
    card = (MARKET / "README.md").read_text()
    table = card.split(builder.CONTENTS_BEGIN)[1].split(builder.CONTENTS_END)[0].strip()
    assert table == builder.contents_table(_manifest())


def _fake_source(builder: ModuleType, source: Path) -> Path:
    """A LEAN Data folder made of the sample itself plus database entries that must be cut away."""
    for name, path in _data_files(MARKET).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(path.read_bytes())
    hours = json.loads((source / builder.HOURS).read_text())
    hours["entries"] = {"Forex-fxcm-[*]": {}, **hours["entries"]}
    (source / builder.HOURS).write_text(json.dumps(hours))
    with (source / builder.PROPERTIES).open("a") as stream:
        stream.write("\n# comment\nfxcm,EURUSD,forex,EUR/USD,USD,1,0.00001,1000\n")
    return source


def test_rebuild_is_byte_identical(builder: ModuleType, tmp_path: Path) -> None:
    source = _fake_source(builder, tmp_path / "Data")
    target = tmp_path / "market"
    target.mkdir()
    (target / "README.md").write_bytes((MARKET / "README.md").read_bytes())
    builder.build(source, target)
    built = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    stored = {path.relative_to(MARKET).as_posix(): path.read_bytes() for path in MARKET.rglob("*") if path.is_file()}
    assert built.keys() == stored.keys()
    assert [name for name in built if built[name] != stored[name]] == []


def test_rebuild_names_what_the_source_lacks(builder: ModuleType, tmp_path: Path) -> None:
    source = _fake_source(builder, tmp_path / "Data")
    (source / "equity/usa/daily/spy.zip").unlink()
    with pytest.raises(SystemExit, match=r"equity/usa/daily/spy\.zip"):
        builder.build(source, tmp_path / "market")


def test_datasets_is_no_package() -> None:
    assert not (ROOT / "datasets" / "__init__.py").exists()
