"""A training dataset as a folder: JSON lines, a manifest with hashes, and a card for people.

The folder is complete or not there: it is written beside its place and renamed; the manifest is written last. The same
decisions and settings give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action, to_jsonable
from llm_plugin.errors import DataError, StoreUnavailable
from llm_plugin.learning.card import dataset_card
from llm_plugin.learning.codec import matured_from_json, matured_to_json
from llm_plugin.learning.pairs import KtoRow, Pairs, PreferenceRow
from llm_plugin.learning.split import SIDES, Split, check_split
from llm_plugin.learning.types import MaturedDecision

__all__ = ["DATASET_VERSION", "Dataset", "DatasetManifest", "read_dataset", "row_counts", "write_dataset"]

DATASET_VERSION = "1"
FILES = ("pairs.jsonl", "kto.jsonl", "calibration.jsonl", "holdout.jsonl")
MANIFEST = "manifest.json"
CARD = "README.md"


@dataclass(frozen=True)
class DatasetManifest:
    """What a dataset is.

    Attributes:
        dataset_version: Of the format.
        sha256: Over the files' own hashes; the dataset's identity.
        files: SHA-256 of each file.
        counts: Rows per file and side.
        left_out: Decisions left out of the window, and rows that made no pair, by reason.
        window_id: Of the holdout.
        prompt_version: Template version of all prompts.
        schema_versions: Feature-schema versions of all prompts.
        answered_by: Who wrote the answers.
        as_of_utc: Nothing later was known.
        since_utc: Change point at which the window began.
        newest_utc: Time of the newest decision: what counts as new after this dataset came later.
        ranges: First and last decision time of each side.
        settings: Section `learning`.
        facts: What the caller adds, such as parent version, stores, runs.
    """

    dataset_version: str
    sha256: str
    files: dict[str, str]
    counts: dict[str, int]
    left_out: dict[str, dict[str, int]]
    window_id: str
    prompt_version: str
    schema_versions: list[str]
    answered_by: str
    as_of_utc: datetime
    since_utc: datetime | None
    newest_utc: datetime
    ranges: dict[str, list[str]]
    settings: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {name: to_jsonable(value) for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DatasetManifest:
        """Rebuild a manifest.

        Raises:
            DataError: Another format version, or a field that is missing or unknown.
        """
        if values.get("dataset_version") != DATASET_VERSION:
            raise DataError(
                f"dataset version {values.get('dataset_version')!r} is not {DATASET_VERSION!r}: write the dataset again"
            )
        known = dict(values)
        try:
            for name in ("as_of_utc", "newest_utc"):
                known[name] = datetime.fromisoformat(known[name])
            known["since_utc"] = known["since_utc"] and datetime.fromisoformat(known["since_utc"])
            return cls(**known)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"dataset manifest cannot be read: {error}") from error


@dataclass(frozen=True)
class Dataset:
    """A written dataset; its rows are read when asked for."""

    folder: Path
    manifest: DatasetManifest

    @property
    def pairs(self) -> list[PreferenceRow]:
        """Preference pairs."""
        return [
            PreferenceRow(
                **{**row, "time_utc": datetime.fromisoformat(row["time_utc"]), "action": Action(row["action"])}
            )
            for row in self._lines("pairs.jsonl")
        ]

    @property
    def kto(self) -> list[KtoRow]:
        """Rows without a counterpart."""
        return [
            KtoRow(**{**row, "time_utc": datetime.fromisoformat(row["time_utc"])}) for row in self._lines("kto.jsonl")
        ]

    @property
    def calibration(self) -> list[MaturedDecision]:
        """What only the calibrator sees."""
        return [matured_from_json(row) for row in self._lines("calibration.jsonl")]

    @property
    def holdout(self) -> list[MaturedDecision]:
        """What only the gate sees."""
        return [matured_from_json(row) for row in self._lines("holdout.jsonl")]

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        for line in (self.folder / name).read_text(encoding="utf-8").splitlines():
            yield json.loads(line)


def write_dataset(folder: Path, split: Split, pairs: Pairs, facts: Mapping[str, Any] | None = None) -> DatasetManifest:
    """Write a dataset; a folder that is there is replaced once the new one is complete.

    Args:
        folder: Where it shall lie.
        split: The window.
        pairs: What was made of its training side.
        facts: Added to the manifest.

    Raises:
        DataError: The split leaks, or a pair was made of a decision that only calibrator or gate may see.
        StoreUnavailable: It cannot be written; what was there before stays.
    """
    check_split(split)
    _check_sides(split, pairs)
    draft = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        hashes = {name: _write_lines(draft / name, rows) for name, rows in _contents(split, pairs).items()}
        manifest = _manifest(split, pairs, hashes, dict(facts or {}))
        (draft / CARD).write_text(dataset_card(manifest.to_json()), encoding="utf-8", newline="\n")
        text = json.dumps(manifest.to_json(), indent=1, sort_keys=True) + "\n"
        (draft / MANIFEST).write_text(text, encoding="utf-8", newline="\n")
        old = folder.with_name(folder.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise StoreUnavailable(
            f"cannot write the dataset {folder}: {error.strerror}; free space or see to the permissions, run again"
        ) from error
    return manifest


def read_dataset(folder: Path) -> Dataset:
    """Open a dataset and check its files.

    Raises:
        DataError: No manifest, another format, or a file that is missing or changed; named.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} is no dataset: it has no {MANIFEST}; write one with `lean-llm pairs --out`")
    try:
        manifest = DatasetManifest.from_json(json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    for name in FILES:
        file = folder / name
        if not file.is_file():
            raise DataError(f"{file} is missing: write the dataset again")
        if hashlib.sha256(file.read_bytes()).hexdigest() != manifest.files.get(name):
            raise DataError(f"{file} is not the file that the manifest names (SHA-256): write the dataset again")
    if _whole_hash(manifest.files) != manifest.sha256:
        raise DataError(f"{path}: sha256 does not belong to its files: write the dataset again")
    return Dataset(folder, manifest)


def _check_sides(split: Split, pairs: Pairs) -> None:
    rows: list[PreferenceRow | KtoRow] = [*pairs.rows, *pairs.kto]
    made = {row.decision_id for row in rows}
    for side in ("calibration", "embargo", "holdout"):
        for decision in getattr(split, side):
            if decision.decision_id in made:
                raise DataError(f"decision {decision.decision_id} of the {side} side was made into a training row")
    late = [row for row in rows if row.time_utc >= split.calibration_start_utc]
    if late:
        raise DataError(
            f"training row {late[0].decision_id} was asked at {late[0].time_utc.isoformat()}, not before the "
            f"calibration slice at {split.calibration_start_utc.isoformat()}"
        )


def _contents(split: Split, pairs: Pairs) -> dict[str, Iterable[Mapping[str, Any]]]:
    return {
        "pairs.jsonl": [to_jsonable(asdict(row)) for row in pairs.rows],
        "kto.jsonl": [to_jsonable(asdict(row)) for row in pairs.kto],
        "calibration.jsonl": [matured_to_json(decision) for decision in split.calibration],
        "holdout.jsonl": [matured_to_json(decision) for decision in split.holdout],
    }


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for row in rows:
            line = json.dumps(row, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
            digest.update(line)
            file.write(line)
    return digest.hexdigest()


def row_counts(split: Split, pairs: Pairs) -> dict[str, int]:
    """Return how many decisions each side has, and how many training rows of each kind there are."""
    counts = {name: len(getattr(split, name)) for name in SIDES}
    trained = {d.decision_id for d in split.train}
    own = [row for row in pairs.rows if row.origin == "signal"]
    return counts | {
        "pairs": len(pairs.rows),
        "pairs_of_window": sum(row.decision_id in trained for row in own),
        "pairs_of_older_regimes": sum(row.decision_id not in trained for row in own),
        "pairs_of_bars_without_signal": len(pairs.rows) - len(own),
        "pairs_for_signal": sum(row.net_r > 0 for row in pairs.rows),
        "pairs_for_hold": sum(row.net_r < 0 for row in pairs.rows),
        "kto": len(pairs.kto),
    }


def _manifest(split: Split, pairs: Pairs, hashes: dict[str, str], facts: dict[str, Any]) -> DatasetManifest:
    filled = {name: getattr(split, name) for name in SIDES if getattr(split, name)}
    every = [d for name in SIDES for d in getattr(split, name)]
    return DatasetManifest(
        dataset_version=DATASET_VERSION,
        sha256=_whole_hash(hashes),
        files=hashes,
        counts=row_counts(split, pairs),
        left_out={"window": dict(sorted(split.left_out.items())), "pairs": dict(sorted(pairs.left_out.items()))},
        window_id=split.window_id,
        prompt_version=split.prompt_version,
        schema_versions=sorted({d.schema_version for d in every}),
        answered_by=pairs.answered_by,
        as_of_utc=split.as_of_utc,
        since_utc=split.since_utc,
        newest_utc=split.holdout[-1].time_utc,
        ranges={name: [to_jsonable(rows[0].time_utc), to_jsonable(rows[-1].time_utc)] for name, rows in filled.items()},
        settings=split.settings,
        facts=to_jsonable(facts),
    )


def _whole_hash(files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(sorted(files.items()))).encode()).hexdigest()
