"""Versions are whole, unchanged and passed by the gate before they serve; the pointer moves as one."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llm_plugin.errors import GateRefused, LeaseLost, ModelError, StoreUnavailable
from llm_plugin.reasoning.model_folder import file_sha256, read_manifest, write_manifest
from llm_plugin.registry import files
from llm_plugin.registry.store import Registry


@dataclass(frozen=True)
class Said:
    """A gate decision as far as the registry looks at it."""

    verdict: str = "pass"

    def to_json(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "gain": 0.25, "gate_id": "g1"}


def registered(registry: Registry, folder: Path, parent: str = "base", verdict: str | None = "pass") -> str:
    version = registry.register(folder, parent=parent, facts={"cycle_id": "c1"})
    if verdict is not None:
        registry.save_gate(version.id, Said(verdict), champion=registry.pointer().champion)
    return version.id


def test_without_anything_the_base_serves(registry: Registry) -> None:
    assert registry.pointer().champion == "base"
    assert [(row.id, row.stage, row.folder) for row in registry.versions()] == [("base", "production", None)]
    assert registry.verify("champion").id == "base"


def test_a_version_keeps_its_files_its_parent_and_its_facts(registry: Registry, make_adapter: Any) -> None:
    source = make_adapter()
    version = registry.register(source, parent="base", facts={"cycle_id": "c7"})
    assert version.id.startswith("v0001-")
    assert (version.parent, version.stage, version.facts) == ("base", "training", {"cycle_id": "c7"})
    assert version.folder is not None
    (source / "adapter_model.safetensors").write_bytes(b"changed at the source")
    assert registry.verify(version.id).manifest == version.manifest


def test_the_same_adapter_is_the_same_version(registry: Registry, make_adapter: Any) -> None:
    first = registry.register(make_adapter(), parent="base")
    again = registry.register(make_adapter(name="copy"), parent="base")
    assert (again.id, len(registry.versions())) == (first.id, 2)
    assert registry.register(make_adapter(31.0), parent=first.id).id.startswith("v0002-")


def test_what_the_manifest_does_not_list_stays_behind(registry: Registry, make_adapter: Any) -> None:
    source = make_adapter()
    (source / "optimizer.pt").write_bytes(b"pickle")
    version = registry.register(source, parent="base")
    assert version.folder is not None
    assert not (version.folder / "optimizer.pt").exists()


def test_a_listed_pickle_is_refused(registry: Registry, make_adapter: Any) -> None:
    source = make_adapter()
    (source / "training_args.bin").write_bytes(b"pickle")
    manifest = read_manifest(source)
    assert manifest is not None
    write_manifest(source, manifest)
    with pytest.raises(ModelError, match=r"training_args\.bin.*pickles"):
        registry.register(source, parent="base")
    assert len(registry.versions()) == 1


@pytest.mark.parametrize("name", ["../escaped.json", "absolute", "version.json"])
def test_a_listed_file_outside_the_folder_is_refused(
    registry: Registry, make_adapter: Any, name: str, tmp_path: Path
) -> None:
    source = make_adapter()
    name = str(tmp_path / "escaped.json") if name == "absolute" else name
    outside = source / name
    data = json.loads((source / "manifest.json").read_text())
    outside.write_text("{}")
    data["files"][name] = file_sha256(outside)
    (source / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(ModelError, match="outside the adapter's folder"):
        registry.register(source, parent="base")


def test_a_link_instead_of_a_file_is_refused(registry: Registry, make_adapter: Any, tmp_path: Path) -> None:
    source = make_adapter()
    moved = (source / "adapter_model.safetensors").rename(tmp_path / "elsewhere.safetensors")
    (source / "adapter_model.safetensors").symlink_to(moved)
    with pytest.raises(ModelError, match="is a link"):
        registry.register(source, parent="base")


def test_an_adapter_without_manifest_is_refused(registry: Registry, make_adapter: Any) -> None:
    source = make_adapter()
    (source / "manifest.json").unlink()
    with pytest.raises(ModelError, match=r"no manifest\.json"):
        registry.register(source, parent="base")


def test_a_wrong_rank_is_refused(registry: Registry, make_adapter: Any) -> None:
    source = make_adapter()
    config = json.loads((source / "adapter_config.json").read_text())
    (source / "adapter_config.json").write_text(json.dumps({**config, "r": 16}))
    manifest = read_manifest(source)
    assert manifest is not None
    write_manifest(source, manifest)
    with pytest.raises(ModelError, match=r"rank 2 in .*lora_A.*adapter_config\.json says 16"):
        registry.register(source, parent="base")


@pytest.mark.parametrize("rank", [None, 0, "16"])
def test_a_rank_that_is_no_number_is_refused(registry: Registry, make_adapter: Any, rank: Any) -> None:
    source = make_adapter()
    config = json.loads((source / "adapter_config.json").read_text())
    (source / "adapter_config.json").write_text(json.dumps({**config, "r": rank}))
    with pytest.raises(ModelError, match=f"r={rank!r}"):
        registry.register(source, parent="base")


def test_a_rank_pattern_is_believed(registry: Registry, make_adapter: Any) -> None:
    source = make_adapter(rank=4)
    config = json.loads((source / "adapter_config.json").read_text())
    (source / "adapter_config.json").write_text(json.dumps({**config, "r": 16, "rank_pattern": {"q_proj": 4}}))
    manifest = read_manifest(source)
    assert manifest is not None
    write_manifest(source, manifest)
    assert registry.register(source, parent="base").id.startswith("v0001")


def test_an_adapter_of_another_base_than_its_parents_is_refused(registry: Registry, make_adapter: Any) -> None:
    first = registered(registry, make_adapter())
    foreign = make_adapter(31.0)
    manifest = read_manifest(foreign)
    assert manifest is not None
    write_manifest(foreign, replace(manifest, base_tensors_sha256="e" * 64))
    with pytest.raises(ModelError, match=r"base tensors e{12}, its parent v0001"):
        registry.register(foreign, parent=first)


def test_other_prompt_templates_are_refused_at_load(registry: Registry, make_adapter: Any) -> None:
    version = registered(registry, make_adapter())
    with pytest.raises(ModelError, match=r"templates-1, but templates-2 is configured"):
        registry.verify(version, prompt_version="templates-2")


def test_a_damaged_version_is_refused_and_the_champion_stays(registry: Registry, make_adapter: Any) -> None:
    version = registered(registry, make_adapter())
    weights = registry.get(version).folder / "adapter_model.safetensors"  # type: ignore[operator]
    weights.chmod(0o644)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match="it is damaged"):
        registry.promote(version, reason="try")
    assert registry.pointer().champion == "base"


def test_a_version_rewritten_with_its_manifest_is_refused(registry: Registry, make_adapter: Any) -> None:
    version = registered(registry, make_adapter())
    folder = registry.get(version).folder
    assert folder is not None
    for path in folder.iterdir():
        path.chmod(0o644)
    other = make_adapter(31.0)
    for name in ("adapter_model.safetensors", "manifest.json"):
        (folder / name).write_bytes((other / name).read_bytes())
    with pytest.raises(ModelError, match="not the manifest that was registered"):
        registry.verify(version)


def test_a_half_written_version_is_never_seen(registry: Registry, make_adapter: Any, monkeypatch: Any) -> None:
    source = make_adapter()
    for at in range(6):
        count = [0]

        def dying(handle: int, count: list[int] = count, at: int = at, real: Any = os.fsync) -> None:
            if count[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)
            count[0] += 1
            real(handle)

        child = os.fork()
        if child == 0:
            files.os.fsync = dying  # type: ignore[assignment]
            registry.register(source, parent="base")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        assert len(registry.versions()) == 1
    version = registry.register(source, parent="base")
    assert not list((registry.folder / "versions").glob(".draft-*"))
    assert registry.verify(version.id).id == version.id


def test_a_full_disk_registers_nothing(registry: Registry, make_adapter: Any, monkeypatch: Any) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        registry.register(make_adapter(), parent="base")
    monkeypatch.undo()
    assert [row.id for row in registry.versions()] == ["base"]
    assert not list((registry.folder / "versions").glob(".draft-*"))


def test_promotion_needs_a_pass(registry: Registry, make_adapter: Any) -> None:
    unjudged = registered(registry, make_adapter(), verdict=None)
    with pytest.raises(GateRefused, match="was never judged"):
        registry.promote(unjudged, reason="try")
    for verdict in ("fail", "cannot_judge"):
        registry.save_gate(unjudged, Said(verdict), champion="base")
        with pytest.raises(GateRefused, match=f"the gate said {verdict}"):
            registry.promote(unjudged, reason="try")
    assert registry.pointer().champion == "base"
    registry.save_gate(unjudged, Said("pass"), champion="base")
    pointer = registry.promote(unjudged, reason="passed")
    assert (pointer.champion, pointer.previous, pointer.forced) == (unjudged, "base", False)


def test_a_forced_promotion_needs_a_reason_and_says_so(registry: Registry, make_adapter: Any) -> None:
    version = registered(registry, make_adapter(), verdict="fail")
    with pytest.raises(ModelError, match="needs a reason"):
        registry.promote(version, reason=" ", force=True)
    assert registry.promote(version, reason="a test of the watch", force=True).forced
    last = registry.history()[-1]
    assert (last.forced, last.reason, last.what) == (True, "a test of the watch", "promoted")


def test_a_pass_against_another_champion_counts_no_more(registry: Registry, make_adapter: Any) -> None:
    first = registered(registry, make_adapter())
    second = registered(registry, make_adapter(31.0))
    registry.promote(first, reason="passed")
    with pytest.raises(GateRefused, match=f"compared with base, but {first} serves now"):
        registry.promote(second, reason="passed")


@dataclass(frozen=True)
class SaidAbout(Said):
    """A gate decision that names whom it is about."""

    challenger: str = ""
    champion: str = "base"


def test_a_gate_decision_about_another_version_counts_not(registry: Registry, make_adapter: Any) -> None:
    version = registered(registry, make_adapter(), verdict=None)
    with pytest.raises(GateRefused, match="the gate decision is about v0009-x, not about v0001"):
        registry.promote(version, reason="try", gate=SaidAbout(challenger="v0009-x"))
    with pytest.raises(GateRefused, match="compared with v0007-y, but base serves now"):
        registry.promote(version, reason="try", gate=SaidAbout(challenger=version, champion="v0007-y"))
    assert registry.promote(version, reason="right", gate=SaidAbout(challenger=version)).champion == version


def test_stages_follow_the_pointer(registry: Registry, make_adapter: Any) -> None:
    names = [registered(registry, make_adapter(30.0 + place), verdict=None) for place in range(3)]
    for name in names:
        registry.set_challenger(name)
        assert registry.get(name).stage == "validation"
        registry.save_gate(name, Said(), champion=registry.pointer().champion)
        registry.promote(name, reason="passed")
    assert [registry.get(name).stage for name in ("base", *names)] == ["retired", "retired", "staging", "production"]
    assert registry.pointer().aliases == {"champion": names[2], "previous": names[1]}
    registry.rollback("worse")
    assert registry.pointer().aliases == {"champion": names[1]}
    assert registry.get(names[2]).stage == "retired"


def test_a_rollback_is_done_once(registry: Registry, make_adapter: Any) -> None:
    first = registered(registry, make_adapter())
    registry.promote(first, reason="passed")
    pointer = registry.rollback("worse", of=first)
    assert registry.rollback("worse", of=first) == pointer
    assert [row.what for row in registry.history()] == ["promoted", "rolled-back"]
    with pytest.raises(ModelError, match=r"no previous version.*base, v0001"):
        registry.rollback("again")


def test_a_stale_fencing_token_is_refused(registry: Registry, make_adapter: Any) -> None:
    first, second = registered(registry, make_adapter()), registered(registry, make_adapter(31.0))
    registry.set_challenger(second, fence=8)
    for attempt in (
        lambda: registry.promote(first, reason="late", fence=7),
        lambda: registry.set_challenger(first, fence=7),
        lambda: registry.rollback("late", to="base", fence=7),
        lambda: registry.retire(first, fence=7),
    ):
        with pytest.raises(LeaseLost, match=r"fencing token 7 is older than 8"):
            attempt()
    assert registry.promote(second, reason="in time", fence=8).fencing_token == 8


def test_a_clock_that_goes_backwards_changes_no_order(tmp_path: Path, make_adapter: Any) -> None:
    now = [datetime(2026, 1, 2, tzinfo=UTC)]
    registry = Registry(tmp_path / "registry", clock=lambda: now[0])
    first = registered(registry, make_adapter())
    registry.promote(first, reason="passed")
    now[0] -= timedelta(days=1)
    second = registered(registry, make_adapter(31.0))
    pointer = registry.promote(second, reason="passed")
    assert (pointer.sequence, pointer.champion) == (2, second)
    assert [row.sequence for row in registry.history()] == [1, 2]
    assert second.startswith("v0002-")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": "9"}', '{"schema_version": "1", "champion": 3}'])
def test_a_damaged_pointer_is_named_and_can_be_written_again(registry: Registry, make_adapter: Any, text: str) -> None:
    first = registered(registry, make_adapter())
    registry.promote(first, reason="passed")
    (registry.folder / "pointer.json").write_text(text)
    with pytest.raises(ModelError, match=r"pointer\.json .*lean-llm models rollback"):
        registry.pointer()
    pointer = registry.rollback("the pointer was damaged", to=first)
    assert (pointer.champion, pointer.sequence) == (first, 2)
    assert registry.pointer() == pointer


def test_a_journal_row_that_a_killed_writer_missed_is_made_good(registry: Registry, make_adapter: Any) -> None:
    first = registered(registry, make_adapter())
    registry.promote(first, reason="passed")
    journal = registry.folder / "journal.jsonl"
    journal.write_text('{"sequence": 1, "torn')
    assert [row.sequence for row in registry.history()] == [1]
    registry.rollback("worse")
    assert [row.what for row in registry.history()] == ["promoted", "rolled-back"]
    assert sum(line.startswith('{"') and line.endswith("}") for line in journal.read_text().splitlines()) == 2


def test_an_unknown_version_is_named_with_the_nearest(registry: Registry, make_adapter: Any) -> None:
    version = registered(registry, make_adapter())
    with pytest.raises(ModelError, match=rf"no version '{version[:-1]}x' \(did you mean '{version}'"):
        registry.get(version[:-1] + "x")
    for odd in ("../versions", "", ".draft-1"):
        with pytest.raises(ModelError, match="no version"):
            registry.get(odd)


def test_one_damaged_record_does_not_hide_the_others(registry: Registry, make_adapter: Any) -> None:
    first, second = registered(registry, make_adapter()), registered(registry, make_adapter(31.0))
    record = registry.folder / "versions" / first / "version.json"
    record.write_text("{")
    assert [row.id for row in registry.versions()] == ["base", second]
    assert any(first in text for text in registry.problems())


def test_the_champion_cannot_be_retired_or_challenge_itself(registry: Registry, make_adapter: Any) -> None:
    first = registered(registry, make_adapter())
    registry.promote(first, reason="passed")
    with pytest.raises(ModelError, match="serves: promote another one"):
        registry.retire(first)
    with pytest.raises(ModelError, match="cannot be its own challenger"):
        registry.set_challenger(first)


def test_readers_never_see_half_a_pointer(registry: Registry, make_adapter: Any) -> None:
    first, second = registered(registry, make_adapter()), registered(registry, make_adapter(31.0))
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(registry.pointer().sequence)

    reader = threading.Thread(target=read)
    reader.start()
    for place in range(40):
        registry.promote((first, second)[place % 2], reason="swap", force=True)
    stop.set()
    reader.join()
    assert seen == sorted(seen)
    assert registry.pointer().sequence == 40
    assert len(registry.history()) == 40
