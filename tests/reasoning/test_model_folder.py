"""Every reason to refuse a model folder, each beside a twin that loads."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from llm_plugin.errors import ModelError
from llm_plugin.reasoning.model_folder import (
    ModelManifest,
    check_adapter,
    check_model_folder,
    read_manifest,
    tensors_sha256,
    tokenizer_sha256,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path, model_folder: Path) -> Path:
    return Path(shutil.copytree(model_folder, tmp_path / "model"))


@pytest.fixture
def adapter(tmp_path: Path, adapter_folder: Path) -> Path:
    return Path(shutil.copytree(adapter_folder, tmp_path / "adapter"))


def manifest_of(base: Path, kind: str = "bootstrap-llm") -> ModelManifest:
    return ModelManifest(
        kind=kind,
        name="tiny",
        base_tensors_sha256=tensors_sha256(base),
        tokenizer_sha256=tokenizer_sha256(base),
        action_token_ids={},
        prompt_version="1-abc",
        feature_schema_version="1",
        data_cutoff_utc="2012-12-31T00:00:00+00:00",
        dataset_sha256="0" * 64,
    )


def test_complete_folder_is_accepted(folder: Path) -> None:
    assert check_model_folder(folder) is None
    written = write_manifest(folder, manifest_of(folder))
    assert check_model_folder(folder) == written
    assert set(written.files) >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing-here is no model folder"):
        check_model_folder(tmp_path / "nothing-here")


def test_folder_without_weights_names_the_remedy(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"has no weights .*lean-llm model bootstrap"):
        check_model_folder(folder)


def test_pickled_weights_are_never_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pickled weights \(pytorch_model.bin\)"):
        check_model_folder(folder)


def test_truncated_weights_are_found(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="truncated or damaged"):
        check_model_folder(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no tensors", b"\x10\0\0\0\0\0\0\0not json at all!"])
def test_rubbish_instead_of_weights_is_found(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"truncated|damaged"):
        check_model_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_in_a_model_folder_is_refused(folder: Path, name: str) -> None:
    data = json.loads((folder / name).read_text())
    data["auto_map"] = {"AutoModelForCausalLM": "evil.Model"}
    (folder / name).write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"run its own code \(auto_map: .*evil.Model"):
        check_model_folder(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=r"config\.json is missing|has no tokenizer"):
        check_model_folder(folder)


def test_changed_file_does_not_match_its_manifest(folder: Path) -> None:
    write_manifest(folder, manifest_of(folder))
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError, match=r"model.safetensors has hash .*the manifest says"):
        check_model_folder(folder)


def test_file_of_the_manifest_that_is_gone_is_named(folder: Path) -> None:
    (folder / "extra.txt").write_text("x")
    write_manifest(folder, manifest_of(folder))
    (folder / "extra.txt").unlink()
    with pytest.raises(ModelError, match=r"extra\.txt is listed in the manifest and missing"):
        check_model_folder(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": "7"}, "schema '7'"),
        ({"surprise": 1}, "unknown fields surprise"),
        ({"files": {}}, "lists no"),
    ],
    ids=["schema", "field", "files"],
)
def test_foreign_manifest_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    write_manifest(folder, manifest_of(folder))
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ModelError, match=message):
        check_model_folder(folder)


def test_tensor_hash_looks_at_values_not_at_files(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    split = tmp_path / "split"
    split.mkdir()
    save_file({n: tensors[n] for n in names[:3]}, split / "a.safetensors", metadata={"note": "other header"})
    save_file({n: tensors[n] for n in names[3:]}, split / "b.safetensors")
    assert tensors_sha256(split) == tensors_sha256(folder)
    tensors[names[0]] = tensors[names[0]] + 1e-3
    save_file(tensors, split / "a.safetensors")
    (split / "b.safetensors").unlink()
    assert tensors_sha256(split) != tensors_sha256(folder)


def test_adapter_on_its_own_base_is_accepted(folder: Path, adapter: Path) -> None:
    assert check_adapter(adapter, folder) is None
    write_manifest(adapter, manifest_of(folder, "lora-adapter"))
    assert check_adapter(adapter, folder, prompt_version="1-abc") is not None


def test_adapter_of_another_base_is_refused(folder: Path, adapter: Path) -> None:
    write_manifest(adapter, replace(manifest_of(folder, "lora-adapter"), base_tensors_sha256="f" * 64))
    with pytest.raises(ModelError, match="was trained on base tensors ffffffffffff"):
        check_adapter(adapter, folder)


def test_adapter_of_another_tokenizer_is_refused(folder: Path, adapter: Path) -> None:
    write_manifest(adapter, replace(manifest_of(folder, "lora-adapter"), tokenizer_sha256="e" * 64))
    with pytest.raises(ModelError, match="was trained on tokenizer eeeeeeeeeeee"):
        check_adapter(adapter, folder)


def test_adapter_of_other_templates_is_refused(folder: Path, adapter: Path) -> None:
    write_manifest(adapter, manifest_of(folder, "lora-adapter"))
    with pytest.raises(ModelError, match="trained on prompt templates 1-abc, but 2-def is configured"):
        check_adapter(adapter, folder, prompt_version="2-def")


def test_folder_that_is_no_adapter_is_named(folder: Path, adapter: Path) -> None:
    with pytest.raises(ModelError, match=r"adapter_config\.json is missing"):
        check_adapter(folder, folder)
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="pickled weights are never read"):
        check_adapter(adapter, folder)


def test_version_changes_with_the_content(folder: Path) -> None:
    first = write_manifest(folder, manifest_of(folder))
    second = write_manifest(folder, replace(manifest_of(folder), data_cutoff_utc="2013-01-01T00:00:00+00:00"))
    assert first.version != second.version
    assert read_manifest(folder) == second
