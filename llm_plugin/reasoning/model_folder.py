"""Model folders: what must be in one, its manifest, and every reason to refuse it.

Only safetensors weights are read, no code of a model folder is ever run, and a folder with a manifest must match
it file by file. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llm_plugin.errors import ModelError

__all__ = [
    "MANIFEST_NAME",
    "ModelManifest",
    "base_hashes",
    "check_adapter",
    "check_model_folder",
    "file_sha256",
    "read_manifest",
    "tensors_sha256",
    "tokenizer_sha256",
    "write_manifest",
]

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = "1"
_DRAFT_NAME = MANIFEST_NAME + ".part"
_REMEDY = "copy the folder again, or train it with `lean-llm model bootstrap`"


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What a generation says about itself; written last, so that a folder with a manifest is complete.

    Attributes:
        kind: `bootstrap-llm` or `lora-adapter`.
        name: The folder's own name for itself.
        base_tensors_sha256: Hash of the base model's tensors (names, types, shapes and values).
        tokenizer_sha256: Hash of the tokenizer's content.
        action_token_ids: Token ids of each action as it stands in an answer.
        prompt_version: Version or hash of the prompt templates that it was trained on.
        feature_schema_version: Version of the features in those prompts.
        data_cutoff_utc: Nothing later than this was seen in training; ISO 8601.
        dataset_sha256: Hash of the training rows.
        calibrator: JSON of the calibrator, null where none could be fitted.
        parent: Version that this one was trained from, null for a first one.
        quantization: `none`, `int8` or `int4`: how the base was loaded in training.
        files: SHA-256 of every other file in the folder.
        training: Configuration, seeds, versions and figures of the training.
    """

    kind: str
    name: str
    base_tensors_sha256: str
    tokenizer_sha256: str
    action_token_ids: Mapping[str, list[int]]
    prompt_version: str
    feature_schema_version: str
    data_cutoff_utc: str
    dataset_sha256: str
    calibrator: Mapping[str, Any] | None = None
    parent: str | None = None
    quantization: str = "none"
    files: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    schema_version: str = SCHEMA_VERSION

    @property
    def version(self) -> str:
        """`name@hash`, over everything that can change an answer."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return f"{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def tensors_sha256(folder: Path) -> str:
    """Hash a model's tensors, whatever the number of files they are spread over.

    Raises:
        ModelError: No weights, or a damaged file.
    """
    entries: list[tuple[str, Path, dict[str, Any], int]] = []
    for path in _weight_files(folder):
        header, start = _safetensors_header(path)
        entries += [(name, path, entry, start) for name, entry in header.items() if name != "__metadata__"]
    digest = hashlib.sha256()
    for name, path, entry, start in sorted(entries, key=lambda item: item[0]):
        digest.update(json.dumps([name, entry["dtype"], entry["shape"]]).encode())
        for chunk in _tensor_bytes(path, start, entry["data_offsets"]):
            digest.update(chunk)
    return digest.hexdigest()


def tokenizer_sha256(folder: Path) -> str:
    """Hash what decides how text becomes tokens: the tokenizer file and the chat template.

    Raises:
        ModelError: The folder has no tokenizer.
    """
    digest = hashlib.sha256()
    found = False
    for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja"):
        path = folder / name
        if path.is_file():
            found = True
            digest.update(name.encode() + b"\0" + path.read_bytes())
    if not found:
        raise ModelError(f"{folder} has no tokenizer (tokenizer.json or tokenizer.model); {_REMEDY}")
    return digest.hexdigest()


def check_model_folder(folder: Path) -> ModelManifest | None:
    """Refuse a folder that is incomplete, damaged, unsafe, or not what its manifest says.

    Returns:
        Its manifest; None for a foreign model that has none.

    Raises:
        ModelError: Names the file and the remedy.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is no model folder; give a folder with config.json and *.safetensors")
    config = _read_json(folder / "config.json")
    _refuse_code(folder, config)
    _refuse_code(folder, _read_json(folder / "tokenizer_config.json", optional=True))
    for path in _weight_files(folder):
        _safetensors_header(path)
    tokenizer_sha256(folder)
    manifest = read_manifest(folder)
    if manifest is not None:
        _verify_files(folder, manifest)
    return manifest


def base_hashes(base: Path) -> dict[str, str]:
    """Return the hashes of a base folder that an adapter's manifest names.

    Raises:
        ModelError: No weights or no tokenizer there.
    """
    return {"base tensors": tensors_sha256(base), "tokenizer": tokenizer_sha256(base)}


def check_adapter(
    adapter: Path,
    base: Path | None,
    *,
    prompt_version: str | None = None,
    hashes: Mapping[str, str] | None = None,
) -> ModelManifest | None:
    """Refuse an adapter that does not belong to this base, tokenizer or prompt template.

    Args:
        adapter: A PEFT folder.
        base: The base model's folder; None where it came by name and cannot be compared.
        prompt_version: The template version in use, None to skip that comparison.
        hashes: `base_hashes` of the base where they are known already; None computes them.

    Returns:
        Its manifest; None for a foreign adapter that has none.

    Raises:
        ModelError: Names what does not fit, both values, and the remedy.
    """
    if not (adapter / "adapter_config.json").is_file():
        raise ModelError(f"{adapter} is no adapter: adapter_config.json is missing; give a folder saved by PEFT")
    config = _read_json(adapter / "adapter_config.json")
    _refuse_code(adapter, config)
    weights = adapter / "adapter_model.safetensors"
    if not weights.is_file():
        raise ModelError(f"{adapter} has no adapter_model.safetensors (pickled weights are never read); {_REMEDY}")
    _check_rank(weights, config, _safetensors_header(weights)[0])
    manifest = read_manifest(adapter)
    if manifest is None:
        return None
    _verify_files(adapter, manifest)
    if base is not None:
        found = hashes if hashes is not None else base_hashes(base)
        wanted = {"base tensors": manifest.base_tensors_sha256, "tokenizer": manifest.tokenizer_sha256}
        for what, value in found.items():
            if value != wanted[what]:
                raise ModelError(
                    f"adapter {adapter} was trained on {what} {wanted[what][:12]}, but {base} has {value[:12]}; "
                    "load the base that it was trained on, or train the adapter again"
                )
    check_prompt_version(manifest, prompt_version, adapter)
    return manifest


def _check_rank(weights: Path, config: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    """Refuse LoRA tensors of another rank than the configuration says: loading would fail late or scale wrongly."""
    if str(config.get("peft_type", "LORA")).upper() != "LORA":
        return
    rank = config.get("r")
    if not isinstance(rank, int) or rank < 1:
        raise ModelError(f"{weights.parent / 'adapter_config.json'} has rank r={rank!r}, not a whole number; {_REMEDY}")
    found = 0
    for name, entry in header.items():
        side = re.search(r"\.lora_(?:embedding_)?([AB])(?:\.|$)", name)
        if side is None:
            continue
        found += 1
        module = name[: side.start()]
        wanted = next((r for key, r in config.get("rank_pattern", {}).items() if _names(key, module)), rank)
        shape = entry["shape"]
        own = shape[0 if side[1] == "A" else 1] if len(shape) >= 2 else None
        if own != wanted:
            raise ModelError(
                f"{weights} has rank {own} in {name} (shape {shape}), adapter_config.json says {wanted}: the files do "
                f"not belong together; {_REMEDY}"
            )
    if not found:
        raise ModelError(f"{weights} holds no LoRA tensors, though adapter_config.json says rank {rank}; {_REMEDY}")


def _names(pattern: str, module: str) -> bool:
    """True where a key of PEFT's `rank_pattern` means this module."""
    return re.match(rf"(.*\.)?({pattern})$", module) is not None


def check_prompt_version(manifest: ModelManifest, prompt_version: str | None, folder: Path) -> None:
    """Refuse a generation that was trained on other prompt templates.

    Raises:
        ModelError: Names both versions.
    """
    if prompt_version is not None and manifest.prompt_version != prompt_version:
        raise ModelError(
            f"{folder} was trained on prompt templates {manifest.prompt_version}, but {prompt_version} is configured; "
            "restore the templates, or train again (`lean-llm model bootstrap`)"
        )


def read_manifest(folder: Path) -> ModelManifest | None:
    """Return a folder's manifest, None where there is none.

    Raises:
        ModelError: It cannot be read, or is of another schema.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    data = _read_json(path)
    if data.get("schema_version") != SCHEMA_VERSION:
        raise ModelError(f"{path} has schema {data.get('schema_version')!r}, {SCHEMA_VERSION!r} is known; {_REMEDY}")
    known = ModelManifest.__dataclass_fields__
    unknown = sorted(set(data) - set(known))
    if unknown:
        raise ModelError(f"{path} has unknown fields {', '.join(unknown)}; it belongs to another version: {_REMEDY}")
    try:
        return ModelManifest(**data)
    except TypeError as error:
        raise ModelError(f"{path} is incomplete: {error}; {_REMEDY}") from error


def write_manifest(folder: Path, manifest: ModelManifest) -> ModelManifest:
    """Hash every file of the folder into the manifest and write it last.

    Returns:
        The manifest as written.
    """
    files = {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (MANIFEST_NAME, _DRAFT_NAME)  # a killed writer leaves its draft
    }
    complete = ModelManifest(**{**asdict(manifest), "files": files})
    draft = folder / _DRAFT_NAME
    draft.write_text(json.dumps(asdict(complete), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    draft.replace(folder / MANIFEST_NAME)
    return complete


def _verify_files(folder: Path, manifest: ModelManifest) -> None:
    if not manifest.files:
        raise ModelError(f"{folder / MANIFEST_NAME} lists no files, so nothing can be checked; {_REMEDY}")
    for name, wanted in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path} is listed in the manifest and missing; {_REMEDY}")
        found = file_sha256(path)
        if found != wanted:
            raise ModelError(f"{path} has hash {found[:12]}, the manifest says {wanted[:12]}: it is damaged; {_REMEDY}")


def _weight_files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    files = [path for path in files if not path.name.startswith("adapter_")]
    if files:
        return files
    pickled = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
    if pickled:
        raise ModelError(
            f"{folder} has only pickled weights ({pickled[0]}), which are never read; convert to safetensors"
        )
    raise ModelError(f"{folder} has no weights (*.safetensors); {_REMEDY}")


def _refuse_code(folder: Path, config: Mapping[str, Any]) -> None:
    if "auto_map" in config:
        raise ModelError(
            f"{folder} wants to run its own code (auto_map: {config['auto_map']}), which is never done; "
            "use a model whose architecture transformers knows"
        )


def _read_json(path: Path, *, optional: bool = False) -> dict[str, Any]:
    if not path.is_file():
        if optional:
            return {}
        raise ModelError(f"{path} is missing; {_REMEDY}")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be read: {error}; {_REMEDY}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} holds a {type(data).__name__}, not an object; {_REMEDY}")
    return data


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    """Read a header and check that the file is as long as it says: a truncated download is found here."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        lead = stream.read(8)
        length = struct.unpack("<Q", lead)[0] if len(lead) == 8 else size
        if length > size - 8:
            raise ModelError(f"{path} is truncated or no safetensors file ({size} bytes); {_REMEDY}")
        try:
            header = json.loads(stream.read(length))
            end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} has a damaged header ({error}); {_REMEDY}") from error
    if 8 + length + end != size:
        raise ModelError(
            f"{path} has {size} bytes, its header says {8 + length + end}: truncated or damaged; {_REMEDY}"
        )
    return header, 8 + length


def _tensor_bytes(path: Path, start: int, offsets: list[int]) -> Iterator[bytes]:
    with path.open("rb") as stream:
        stream.seek(start + offsets[0])
        remaining = offsets[1] - offsets[0]
        while remaining:
            chunk = stream.read(min(remaining, 1 << 20))
            if not chunk:
                raise ModelError(f"{path} ends inside a tensor; {_REMEDY}")
            remaining -= len(chunk)
            yield chunk
