"""Fine-tuning in a process of its own: what it leaves, kills, full disks, several processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from writer_world import make_job

from llm_plugin.errors import DataError, StoreUnavailable, TrainingFailed
from llm_plugin.reasoning.model_folder import check_adapter, read_manifest
from llm_plugin.training.job import TrainingStep, run_folder
from llm_plugin.writer.job import SftJob, SftResult
from llm_plugin.writer.process import train_writer

LIMIT_SECONDS = 180
Trained = tuple[SftJob, SftResult]


def workers_of(job: SftJob) -> list[int]:
    """Return the processes that work on this job, by their command line."""
    wanted, found = str(run_folder(job.out) / "job.json").encode(), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in words:
            found.append(int(path.parent.name))
    return found


def test_adapter_is_whole_and_says_how_it_came_to_be(trained: Trained) -> None:
    job, result = trained
    manifest = check_adapter(job.out, Path(job.base))
    assert manifest is not None
    assert manifest.dataset_sha256 == job.dataset_sha256
    facts = manifest.training
    assert facts["settings"] == job.settings.model_dump(mode="json")
    assert facts["settings"]["seed"] == 0
    assert {"torch", "trl", "peft", "transformers", "python"} <= set(facts["versions"])
    assert facts["recipe"]["rows"] == 100  # 48 with a copy of each, and 4 drawn ones
    assert facts["steps"] == result.steps == 6
    assert [look["step"] for look in facts["evaluations"]] == [3, 6]
    assert "LoRA: rank 4, alpha 32" in (job.out / "README.md").read_text(encoding="utf-8")
    assert sorted(path.name for path in run_folder(job.out).iterdir()) == ["job.json", "tensorboard", "worker.log"]
    assert list((run_folder(job.out) / "tensorboard").glob("events.*"))


def test_base_of_the_stand_in_has_learned_without_instructions(trained: Trained) -> None:
    manifest = read_manifest(Path(trained[0].base))
    assert manifest is not None
    assert manifest.kind == "standin-llm"
    assert manifest.training["last_loss"] < manifest.training["first_loss"]
    assert not run_folder(Path(trained[0].base)).exists()


def test_finished_job_is_not_trained_again_and_another_one_is_refused_its_folder(trained: Trained) -> None:
    job, result = trained
    again = train_writer(job)
    assert again.seconds == 0
    assert again.version == result.version
    other = SftJob(**{**vars(job), "settings": job.settings.model_copy(update={"seed": 1})})
    with pytest.raises(TrainingFailed, match="exists and is not the result of this training"):
        train_writer(other)


def test_job_survives_its_file(trained: Trained, tmp_path: Path) -> None:
    job = trained[0]
    job.write(tmp_path / "job.json")
    assert SftJob.read(tmp_path / "job.json") == job
    assert SftJob.read(tmp_path / "job.json").sha256 == job.sha256
    data = json.loads((tmp_path / "job.json").read_text(encoding="utf-8"))
    with pytest.raises(DataError, match="fine-tuning specification '0' is not '1'"):
        SftJob.from_json({**data, "spec_version": "0"})
    del data["out"]
    with pytest.raises(DataError, match="lacks 'out'"):
        SftJob.from_json(data)


@pytest.mark.slow
def test_run_killed_in_both_stages_equals_an_uninterrupted_one(
    trained: Trained, rows_file: Path, tmp_path: Path
) -> None:
    job = make_job(rows_file, tmp_path)
    job.write(tmp_path / "spec.json")
    script = (
        "import sys, pathlib\nfrom llm_plugin.writer import SftJob, train_writer\n"
        "train_writer(SftJob.read(pathlib.Path(sys.argv[1])), lambda s: print(s.stage, s.step, flush=True))\n"
    )
    first = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "spec.json")], stdout=subprocess.PIPE)
    assert first.stdout is not None
    for line in first.stdout:
        stage, step = line.decode().split()
        if stage == "base" and int(step) >= 4:  # behind the checkpoint of step 3
            break
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    end = time.monotonic() + LIMIT_SECONDS
    while workers_of(job):
        assert time.monotonic() < end, "the worker outlived its parent"
        time.sleep(0.05)
    assert not job.out.exists()
    seen: list[tuple[str, int]] = []

    def kill_once(step: TrainingStep) -> None:
        if (step.stage, step.step) == ("train", 3) and ("train", 3) not in seen:
            for process in workers_of(job):
                os.kill(process, signal.SIGKILL)
        seen.append((step.stage, step.step))

    result = train_writer(job, kill_once)
    assert ("base", 3) not in seen or ("base", 1) not in seen  # the base went on where it was
    uninterrupted = trained[0]
    pairs = [(Path(job.base), Path(uninterrupted.base), "model.safetensors")]
    pairs += [(job.out, uninterrupted.out, name) for name in ("adapter_model.safetensors", "adapter_config.json")]
    for ours, theirs, name in pairs:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    assert result.facts["steps"] == 6


def test_full_disk_is_named_and_leaves_no_half_folder(rows_file: Path, tmp_path: Path) -> None:
    job = make_job(rows_file, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))  # no file grows further: what a full disk does
    try:
        with pytest.raises(StoreUnavailable, match=r"the disk is full .*[Ff]ile too large.* checkpoints are kept"):
            train_writer(job)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(("adapter", "base"))) == [
        "adapter.run"
    ]


@pytest.mark.slow
def test_two_processes_train_one_adapter(rows_file: Path, tmp_path: Path) -> None:
    job = make_job(rows_file, tmp_path, processes="2", micro_batch="2", max_steps="2")
    result = train_writer(job)
    assert result.facts["recipe"]["batch"] == 4
    assert result.steps == 2
    assert check_adapter(job.out, Path(job.base)) is not None
