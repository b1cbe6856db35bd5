"""Training in a process of its own: what it leaves, kills, full disks, foreign bases, several processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from training_world import QUICK, make_base, make_job

from llm_plugin.errors import DataError, ModelError, TrainingFailed
from llm_plugin.reasoning.model_folder import MANIFEST_NAME, check_adapter, read_manifest
from llm_plugin.reasoning.transformers_model import TransformersModel
from llm_plugin.training import TrainingJob, TrainingResult, TrainingStep, train_adapter
from llm_plugin.training.job import run_folder
from llm_plugin.training.process import worker_command, worker_environment

pytestmark = pytest.mark.slow
LIMIT_SECONDS = 120


def workers_of(job: TrainingJob) -> list[int]:
    """Return the processes that work on this job, by their command line."""
    wanted, found = str(run_folder(job.out) / "job.json"), []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted.encode() in words:
            found.append(int(path.parent.name))
    return found


def wait_until(what: str, condition: object) -> None:
    """Wait for a condition, a callable; fail with its name."""
    end = time.monotonic() + LIMIT_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture(scope="module")
def trained(base: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingJob, TrainingResult]:
    job = make_job(base, dataset, tmp_path_factory.mktemp("trained") / "adapter")
    return job, train_adapter(job)


def test_adapter_is_whole_and_holds_nothing_else(trained: tuple[TrainingJob, TrainingResult], base: Path) -> None:
    job, result = trained
    assert sorted(path.name for path in job.out.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        MANIFEST_NAME,
    ]
    manifest = check_adapter(job.out, base, prompt_version="1")
    assert manifest is not None
    assert manifest.version == result.version
    assert (manifest.kind, manifest.parent, manifest.quantization) == ("lora-adapter", None, "none")
    assert manifest.training["settings"] == QUICK.model_dump(mode="json")
    assert manifest.training["versions"]["trl"]
    assert manifest.calibrator is not None
    assert manifest.calibrator["rows"] == manifest.training["calibration"]["rows"] == 30
    assert str(base.parent) not in "".join(p.read_text(errors="replace") for p in job.out.iterdir())
    assert TransformersModel.load(base, adapter=job.out, device="cpu", prompt_version="1").calibrator is not None
    left = {path.name for path in run_folder(job.out).iterdir()}
    assert left == {"job.json", "tensorboard", "worker.log"}  # no checkpoint: it holds pickles
    assert any((run_folder(job.out) / "tensorboard").iterdir())


def test_finished_job_is_not_trained_again_and_another_one_is_refused_its_folder(
    trained: tuple[TrainingJob, TrainingResult],
) -> None:
    job, result = trained
    assert replace(train_adapter(job), seconds=result.seconds) == result
    other = replace(job, settings=QUICK.model_copy(update={"seed": 3}))
    with pytest.raises(TrainingFailed, match="is not the result of this training"):
        train_adapter(other)


def test_killed_trainer_goes_on_and_equals_an_uninterrupted_one(
    trained: tuple[TrainingJob, TrainingResult], base: Path, dataset: Path, tmp_path: Path
) -> None:
    job = make_job(base, dataset, tmp_path / "adapter")
    job.write(tmp_path / "spec.json")
    script = (
        "import sys, pathlib\nfrom llm_plugin.training import TrainingJob, train_adapter\n"
        "train_adapter(TrainingJob.read(pathlib.Path(sys.argv[1])), on_step=lambda s: print(s.step, flush=True))\n"
    )
    cycle = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "spec.json")], stdout=subprocess.PIPE)
    assert cycle.stdout is not None
    for line in cycle.stdout:
        if int(line) >= 3:
            break
    cycle.send_signal(signal.SIGKILL)
    cycle.wait()
    cycle.stdout.close()
    wait_until("the worker outlived its cycle", lambda: not workers_of(job))
    checkpoints = run_folder(job.out) / "checkpoints"
    if not job.out.exists():  # it may have been quicker than the kill
        assert list(checkpoints.glob("checkpoint-*/complete"))
        half = checkpoints / "checkpoint-5"  # a checkpoint that was being written when the kill came
        half.mkdir()
    steps: list[int] = []

    def kill_once(step: TrainingStep) -> None:
        if step.stage == "train":
            steps.append(step.step)
            if len(steps) == 1:
                for process in workers_of(job):
                    os.kill(process, signal.SIGKILL)

    result = train_adapter(job, on_step=kill_once)
    assert not steps or steps[0] >= 3
    uninterrupted = trained[0].out
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (result.folder / name).read_bytes() == (uninterrupted / name).read_bytes(), name
    ours, theirs = read_manifest(result.folder), read_manifest(uninterrupted)
    assert ours is not None
    assert theirs is not None
    assert ours.calibrator == theirs.calibrator
    assert ours.training["first_margin"] == 0.0
    assert ours.training["steps"] == 6


def test_caller_that_gives_up_takes_the_worker_along(base: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(base, dataset, tmp_path / "adapter")

    def lost(fraction: float) -> None:
        if fraction > 0:
            raise InterruptedError("the lease is lost")

    with pytest.raises(InterruptedError, match="lease is lost"):
        train_adapter(job, lost)
    assert workers_of(job) == []
    assert not job.out.exists()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow further in child processes: what a full disk does, without filling one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_nothing_that_could_be_registered(base: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(base, dataset, tmp_path / "adapter")
    with files_of_at_most(16_000), pytest.raises(TrainingFailed, match=r"training stopped: .*[Ff]ile too large"):
        train_adapter(job)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("adapter")) == ["adapter.run"]
    assert not (run_folder(job.out) / "checkpoints").exists()


def test_adapter_of_another_base_is_refused_by_name(
    trained: tuple[TrainingJob, TrainingResult], dataset: Path, tmp_path: Path
) -> None:
    other = make_base(tmp_path / "other", seed=9)
    job = make_job(other, dataset, tmp_path / "adapter", parent=trained[0].out)
    with pytest.raises(ModelError, match="was trained on base tensors"):
        train_adapter(job)
    assert not job.out.exists()


def test_damaged_dataset_is_named(base: Path, dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "set"
    copy.mkdir()
    for path in dataset.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "pairs.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"pairs\.jsonl"):
        train_adapter(make_job(base, copy, tmp_path / "adapter"))


def test_broken_mlflow_does_not_stop_training(base: Path, dataset: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "no-folder"
    blocked.write_text("a file where a folder would have to be")
    job = make_job(base, dataset, tmp_path / "adapter", mlflow_uri=f"sqlite:///{blocked}/mlflow.db")
    assert train_adapter(job).folder.is_dir()
    assert "did not take the run" in (run_folder(job.out) / "worker.log").read_text(encoding="utf-8")


def test_two_processes_train_one_adapter(base: Path, dataset: Path, tmp_path: Path) -> None:
    settings = QUICK.model_copy(update={"processes": 2, "batch_size": 8})
    job = make_job(base, dataset, tmp_path / "adapter", settings)
    result = train_adapter(job)
    assert result.facts["recipe"]["micro_batch"] == 4
    assert result.facts["first_margin"] == pytest.approx(0.0, abs=1e-6)
    assert check_adapter(job.out, base, prompt_version="1") is not None


def test_worker_has_its_threads_and_no_network(base: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(base, dataset, tmp_path / "adapter", QUICK.model_copy(update={"threads": 3}))
    environment = worker_environment(job.settings, tmp_path)
    assert {environment[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")} == {"3"}
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"
    assert environment["HF_HUB_OFFLINE"] == environment["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert worker_command(job.settings, tmp_path / "job.json")[1:] == [
        "-m",
        "llm_plugin.training.worker",
        str(tmp_path / "job.json"),
    ]


def test_specification_survives_its_file(base: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(base, dataset, tmp_path / "adapter", mlflow_uri="sqlite:///x.db", prompt_version="1")
    job.write(tmp_path / "job.json")
    assert TrainingJob.read(tmp_path / "job.json") == job
    named = replace(job, base="org/model", parent_adapter=tmp_path)
    assert TrainingJob.from_json(json.loads(json.dumps(named.to_json()))) == named
    with pytest.raises(DataError, match="specification '9' is not '1'"):
        TrainingJob.from_json({"spec_version": "9"})
