"""The work of a cycle, step by step; each step can be done again after a kill and then changes nothing.

A step leaves its result in the cycle's folder or in the registry and returns the facts that the journal keeps. What
is journaled is not done again; what was done and not journaled gives the same result once more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.cycle.models import base_folder, open_configured
from llm_plugin.cycle.words import CycleParts, TrainerTask
from llm_plugin.domain import to_jsonable
from llm_plugin.errors import DataError, ModelError, TrainingFailed
from llm_plugin.learning.database import CycleRow, GateRow
from llm_plugin.learning.types import MaturedDecision, PolicyAnswer
from llm_plugin.reasoning.model_folder import MANIFEST_NAME, check_adapter, file_sha256
from llm_plugin.registry.files import replace_file
from llm_plugin.registry.words import BASE

if TYPE_CHECKING:
    from llm_plugin.gate.health import ModelHealth
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.learning.leases import Lease
    from llm_plugin.learning.split import Split
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.reasoning.base import LanguageModel

__all__ = [
    "Bench",
    "judge_challenger",
    "make_pairs",
    "register_challenger",
    "train_challenger",
    "train_in_process",
]


@dataclass(frozen=True)
class Bench:
    """One cycle at work: its row, its parts with the settings it began with, its folder, its lease."""

    row: CycleRow
    parts: CycleParts
    folder: Path
    lease: Lease
    check: Callable[[], None]

    @property
    def database(self) -> LearningDatabase:
        """The loop's database."""
        return self.parts.database

    @property
    def prompt_version(self) -> str:
        """Template version of the prompts in use."""
        return _renderer(self.parts).version

    def open(self, version: str) -> LanguageModel:
        """Load a version after checking its files.

        Raises:
            ModelError: It is damaged or does not fit.
        """
        found = self.parts.registry.verify(
            version, base=base_folder(self.parts.settings), prompt_version=self.prompt_version
        )
        loader = self.parts.open_model or open_configured
        return loader(self.parts.settings, found.folder)

    def progress(self, stage: str) -> Callable[[float], None]:
        """Return what a long step reports to; it also stops the step once the lease is lost."""

        def report(fraction: float) -> None:
            self.check()
            self.parts.on_stage(stage, fraction)

        return report


def make_pairs(bench: Bench) -> dict[str, Any]:
    """Read matured decisions, split them in time, let the champion write the answers, and write the dataset.

    Raises:
        InsufficientData: Too few decisions or pairs; with the count.
        StoreUnavailable: The disk is full; what was there stays.
    """
    from llm_plugin.learning.answers import ModelAnswers
    from llm_plugin.learning.dataset import write_dataset
    from llm_plugin.learning.pairs import build_pairs, require_pairs, training_rows
    from llm_plugin.learning.split import read_window

    parts, report = bench.parts, bench.progress("pairs")
    learning, request = parts.settings.learning, bench.row.request
    since = request.get("since_utc")
    split = read_window(
        parts.stores,
        learning,
        as_of_utc=bench.row.as_of_utc,
        run_ids=request.get("run_ids"),
        prefix=_renderer(parts).template.system,
        since_utc=datetime.fromisoformat(since) if since else None,
        prompt_version=bench.prompt_version,
    )
    report(0.1)
    context, note = _context(bench, split)
    rows = training_rows(split, learning, context)
    champion = parts.registry.pointer().champion
    writer = ModelAnswers.configured(bench.open(BASE), parts.settings, lambda fraction: report(0.1 + 0.8 * fraction))
    pairs = build_pairs(rows, learning, writer)
    require_pairs(pairs)
    facts = {"cycle_id": bench.row.cycle_id, "parent": champion, "trigger": request["trigger"]}
    shutil.rmtree(bench.folder, ignore_errors=True)  # of a start that was killed, or of a database that is gone
    bench.folder.mkdir(parents=True)
    manifest = write_dataset(bench.folder / "dataset", split, pairs, facts)
    return {
        "champion": champion,
        "dataset": manifest.sha256,
        "window_id": manifest.window_id,
        "newest_utc": manifest.newest_utc,
        "counts": manifest.counts,
        "left_out": manifest.left_out,
        "context": note,
    }


def train_challenger(bench: Bench, pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Train in a process of its own; what lies in the folder afterwards is a whole adapter or refused.

    Raises:
        TrainingFailed: NaN, full disk, killed trainer; the champion stays.
    """
    parts, out = bench.parts, bench.folder / "adapter"
    _check_dataset(bench, pairs)
    parent = parts.registry.verify(pairs["champion"])
    task = TrainerTask(
        dataset=bench.folder / "dataset",
        parent=parent.folder,
        parent_id=parent.id,
        out=out,
        settings=parts.settings,
        prompt_version=bench.prompt_version,
    )
    (parts.train or train_in_process)(task, bench.progress("trained"))
    try:
        manifest = check_adapter(out, base_folder(parts.settings), prompt_version=bench.prompt_version)
    except ModelError as error:
        raise TrainingFailed(f"training left no usable adapter: {error}") from error
    if manifest is None or manifest.dataset_sha256 != pairs["dataset"]:
        found = "no manifest" if manifest is None else f"dataset {manifest.dataset_sha256[:12]}"
        raise TrainingFailed(f"training left {found} in {out}, dataset {pairs['dataset'][:12]} was asked for")
    return {
        "adapter": file_sha256(out / MANIFEST_NAME),
        "name": manifest.name,
        "training": {key: value for key, value in manifest.training.items() if isinstance(value, int | float | str)},
    }


def register_challenger(bench: Bench, pairs: Mapping[str, Any], trained: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the adapter into the registry and give it the alias `challenger`.

    Raises:
        ModelError: It is not the adapter that training left, or does not fit; nothing is registered.
        LeaseLost: Another cycle has taken over.
    """
    registry, out = bench.parts.registry, bench.folder / "adapter"
    if not (out / MANIFEST_NAME).is_file() or file_sha256(out / MANIFEST_NAME) != trained["adapter"]:
        raise ModelError(f"{out} is not the adapter that the training of {bench.row.cycle_id} left: nothing registered")
    bench.check()
    version = registry.register(
        out,
        parent=pairs["champion"],
        facts={
            "cycle_id": bench.row.cycle_id,
            "dataset": pairs["dataset"],
            "window_id": pairs["window_id"],
            "as_of_utc": bench.row.as_of_utc,
            "trigger": bench.row.request["trigger"],
        },
        base=base_folder(bench.parts.settings),
        prompt_version=bench.prompt_version,
    )
    registry.set_challenger(version.id, fence=bench.lease.token)
    return {"version": version.id, "folder": version.folder, "parent": version.parent}


def judge_challenger(bench: Bench, pairs: Mapping[str, Any], challenger: str) -> dict[str, Any]:
    """Let champion and challenger answer the same holdout, judge, and enter the result into the window's account once.

    Raises:
        BackendUnavailable: A model did not answer.
        LeaseLost: Another cycle has taken over.
    """
    from llm_plugin.gate.decision import GateDecision
    from llm_plugin.gate.judge import judge
    from llm_plugin.gate.paired import regimes_of
    from llm_plugin.learning.dataset import read_dataset

    parts, report = bench.parts, bench.progress("judged")
    champion = parts.registry.pointer().champion
    known = _judged(bench, pairs["window_id"], challenger, champion)
    if known is None:
        _check_dataset(bench, pairs)
        holdout = read_dataset(bench.folder / "dataset").holdout
        ours, _ = _answers(bench, champion, holdout, lambda part: report(0.5 * part))
        theirs, health = _answers(bench, challenger, holdout, lambda part: report(0.5 + 0.4 * part))
        decision = judge(
            ours,
            theirs,
            holdout,
            parts.settings.gate,
            tried=bench.database.tried(
                pairs["window_id"], excluding=challenger, span=(holdout[0].time_utc, holdout[-1].time_utc)
            ),
            window_id=pairs["window_id"],
            health=health,
            judged_utc=bench.row.as_of_utc,
            regimes=partial(regimes_of, fusion=parts.settings.fusion),
        )
        known = bench.database.save_gate(
            decision,
            window_id=pairs["window_id"],
            champion=champion,
            challenger=challenger,
            cycle_id=bench.row.cycle_id,
            span=(holdout[0].time_utc, holdout[-1].time_utc),
            fence=bench.lease,
            judged_utc=bench.row.as_of_utc,
        )
    decided = GateDecision.from_json(known.decision)
    parts.registry.save_gate(challenger, decided, champion=known.champion)
    shown = ("outcomes", "days", "gain", "gain_low", "gain_high", "p_value", "level", "tried")
    figures = {name: getattr(decided, name) for name in shown}
    told = {"verdict": known.verdict, "reason": decided.reason(), "champion": known.champion}
    return {**told, "challenger": challenger, "figures": figures}


def train_in_process(task: TrainerTask, on_progress: Callable[[float], None]) -> None:
    """Train a task with `training.train_adapter`; a task that is done already is left as it stands.

    Raises:
        TrainingFailed: NaN, full disk, killed trainer.
        ModelError: Base or parent do not fit.
    """
    from llm_plugin.registry.mirror import mirror_uri
    from llm_plugin.training import TrainingJob, train_adapter

    settings = task.settings
    job = TrainingJob(
        base=base_folder(settings) or settings.llm_model.name,
        parent_adapter=task.parent,
        dataset=task.dataset,
        out=task.out,
        settings=settings.learning.training,
        prompt_version=task.prompt_version,
        quantization=settings.llm_model.quantization,
        name=settings.learning.model,
        device=settings.llm_model.device,
        mlflow_uri=mirror_uri(settings),
    )
    train_adapter(job, on_progress)


def _context(bench: Bench, split: Split) -> tuple[Sequence[MaturedDecision], str]:
    """Return bars without a signal, as decisions, and where they come from; without market data there are none."""
    from llm_plugin.learning.context_rows import context_of

    parts = bench.parts
    if parts.context_rows is not None:
        return parts.context_rows(split), "given"
    run_ids = bench.row.request.get("run_ids")
    return context_of(split, parts.data_folder, parts.settings, parts.stores, run_ids=run_ids)


def _judged(bench: Bench, window_id: str, challenger: str, champion: str) -> GateRow | None:
    rows = [row for row in bench.database.gates(window_id) if row.challenger == challenger]
    return rows[0] if rows and rows[0].champion == champion else None


def _answers(
    bench: Bench, version: str, holdout: Sequence[MaturedDecision], on_progress: Callable[[float], None]
) -> tuple[list[PolicyAnswer], ModelHealth]:
    """Load a version, let it answer, and let go of it: two large models are never in memory together."""
    from llm_plugin.gate.health import measure_health
    from llm_plugin.gate.policy import answer_policy, session_statistics

    settings, path = bench.parts.settings, bench.folder / "answers" / f"{version}.json"
    model = bench.open(version)
    statistics = None
    if settings.fusion.strategy not in ("weighted", "regime", "llm", "signal"):
        statistics = session_statistics(list(bench.parts.stores), settings)
    answers = answer_policy(
        model,
        holdout,
        settings,
        version=version,
        statistics=statistics,
        on_progress=lambda done, total: on_progress(0.8 * done / total),
    )
    health = measure_health(model, holdout)
    on_progress(1.0)
    replace_file(path, json.dumps({"answers": to_jsonable(answers), "health": to_jsonable(health)}) + "\n")
    return answers, health


def _check_dataset(bench: Bench, pairs: Mapping[str, Any]) -> None:
    from llm_plugin.learning.dataset import read_dataset

    found = read_dataset(bench.folder / "dataset").manifest.sha256
    if found != pairs["dataset"]:
        raise DataError(
            f"{bench.folder / 'dataset'} has hash {found[:12]}, the journal of {bench.row.cycle_id} says "
            f"{pairs['dataset'][:12]}: it was changed meanwhile"
        )


def _renderer(parts: CycleParts) -> PromptRenderer:
    from llm_plugin.prompts import PromptRenderer

    return PromptRenderer(parts.settings.prompts, parts.settings.features.user)
