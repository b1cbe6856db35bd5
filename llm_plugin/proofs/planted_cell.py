"""One cell of the proof: a market, models trained on its first part, every arm on its second part."""

from __future__ import annotations

import hashlib
import math
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from llm_plugin.domain import Source, to_jsonable
from llm_plugin.errors import BackendUnavailable, DataError, LookaheadError
from llm_plugin.proofs.models import OnStage, RememberingModel, Trained, Trainer, train_bootstrap
from llm_plugin.proofs.planted_config import SCHEMA_VERSION, ProofConfig, Variant
from llm_plugin.proofs.planted_market import RUN_ID, PlantedMarket, make_market, questions_on, trading_days
from llm_plugin.proofs.walk import Answer, PointInTime, check_point_in_time, walk

if TYPE_CHECKING:
    from llm_plugin.data.bars import PriceBars
    from llm_plugin.settings import Settings
    from llm_plugin.validator import Validator

__all__ = ["ARMS", "code_sha256", "proof_settings", "run_cell", "stopwatch", "versions"]

# The risk rules are an arm of their own: what the model is worth must not be mixed with what they are worth.
ARMS = {
    "llm": (),
    "llm_alone": ("memory.backend=none", "session.enabled=false"),
    "llm_and_risk": ("risk.enable_risk_veto=true",),
    "tabular": ("validator.arm=tabular",),
}
_CODE = (
    *("bootstrap", "data", "features", "fusion", "lean", "memory", "outcomes", "prompts", "proofs", "reasoning"),
    *("settings", "validator"),
)
_PACKAGES = ("lean-llm-plugin", "numpy", "torch", "transformers", "scikit-learn", "onnxruntime", "arch")
_ANSWERED = {Source.LLM, Source.CACHE}
_SOURCES = {"llm_and_risk": {*_ANSWERED, Source.RISK}, "tabular": {Source.RULE}}


@dataclass
class _Cell:
    """What the steps of a cell share."""

    config: ProofConfig
    market: PlantedMarket
    work: Path
    trained: Trained
    model: RememberingModel
    walks: int = 0
    opened: list[Validator] = field(default_factory=list)

    def validator(self, arm: str) -> Validator:
        """Return a fresh validator of an arm, with a store and a memory of its own."""
        from llm_plugin.validator import Validator

        self.walks += 1
        settings = proof_settings(self.market, self.config, ARMS[arm])
        options: dict[str, Any] = {"model": self.model} if settings.validator.arm == "llm" else {}
        if settings.validator.arm == "tabular":
            options = {"meta_label": self.trained.meta_label}
        folder = self.work / "runs" / f"{arm}-{self.walks}"
        made = Validator.from_settings(settings, RUN_ID, run_folder=folder, **options)
        self.opened.append(made)
        return made

    def close(self) -> None:
        """Close what is open."""
        while self.opened:
            self.opened.pop().close()


def proof_settings(market: PlantedMarket, config: ProofConfig, more: tuple[str, ...] = ()) -> Settings:
    """Return the default settings with the market's exits, local memory, and risk rules off."""
    from llm_plugin.settings import resolve

    base = (
        "signals.kind=none",
        "memory.backend=local",
        "risk.enable_risk_veto=false",
        "llm_model.device=cpu",
        f"reasoning.threads={config.threads}",
        "validator.timeout_seconds=600",
        "logging.log_risk_veto=false",
    )
    return resolve(overrides=[*base, *market.overrides, *config.overrides, *more], env={}).settings


def run_cell(
    config: ProofConfig,
    variant: Variant,
    seed: int,
    work: Path,
    *,
    train: Trainer = train_bootstrap,
    on_stage: OnStage = lambda stage, fraction: None,
) -> dict[str, Any]:
    """Run one cell and return its result as plain JSON types.

    Args:
        config: Settings of the proof.
        variant: The kind of market.
        seed: Of market and training.
        work: A folder of its own; emptied before and after.
        train: Makes the models from the first part.
        on_stage: Called with the stage's name and its fraction done.

    Raises:
        LookaheadError: The models know of the second part, or decisions change when the future is cut off.
        BackendUnavailable: Not every question was answered by the model.
    """
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    seconds: dict[str, float] = {}
    clock = stopwatch(seconds)
    on_stage("market", 0.0)
    market = make_market(work / "data", config, variant, seed)
    clock("market")
    trained = train(market, proof_settings(market, config), config, seed, work / "model", on_stage)
    clock("train")
    questions = questions_on(market)
    _refuse_lookahead(trained, market, questions[0].request.market.time_utc)
    clock("questions")
    cell = _Cell(config, market, work, trained, RememberingModel(trained.model))
    arms = {name: options for name, options in ARMS.items() if name != "tabular" or trained.meta_label is not None}
    answers: dict[str, list[Answer]] = {}
    try:
        for name in arms:
            answers[name] = walk(
                cell.validator(name),
                questions,
                market.bars,
                policy=market.policy,
                tick_size=market.instrument.tick_size,
                on_progress=lambda done, name=name: on_stage(name, done),  # type: ignore[misc]
            )
            clock(name)
        on_stage("point in time", 0.0)
        checked = _point_in_time(cell, answers["llm"])
        clock("point_in_time")
    finally:
        cell.close()
    _refuse_unanswered(answers)
    result = _result(config, variant, seed, market, trained, answers, checked)
    shutil.rmtree(work, ignore_errors=True)
    return {**result, "seconds": {name: round(value, 2) for name, value in seconds.items()}}


def _refuse_lookahead(trained: Trained, market: PlantedMarket, first: Any) -> None:
    if trained.cutoff_utc > min(first, market.cutoff_utc):
        raise LookaheadError(
            f"the model's data cutoff is {trained.cutoff_utc.isoformat()}, the first question is of "
            f"{first.isoformat()}: train on the first part alone"
        )


def _refuse_unanswered(answers: dict[str, list[Answer]]) -> None:
    """A proof must not be made of fall-backs."""
    for arm, given in answers.items():
        allowed = _SOURCES.get(arm, _ANSWERED)
        others = [answer.decision for answer in given if answer.decision.source not in allowed]
        if others:
            counts = dict(Counter(decision.source.value for decision in others))
            raise BackendUnavailable(
                f"arm {arm}: {counts} of {len(given)} decisions were not answered as they should: {others[0].reason}"
            )


def _point_in_time(cell: _Cell, answers: list[Answer]) -> PointInTime:
    def fresh(_: PriceBars) -> Validator:
        cell.close()
        return cell.validator("llm")

    checked = check_point_in_time(
        fresh,
        answers,
        lambda bars: questions_on(cell.market, bars),
        cell.market.bars,
        policy=cell.market.policy,
        tick_size=cell.market.instrument.tick_size,
        decisions=cell.config.checked_decisions,
        cuts=cell.config.checked_cuts,
    )
    if checked.changed:
        raise LookaheadError(
            f"decisions {list(checked.changed)} of {list(checked.checked)} changed when the market was cut off after "
            "them: something sees the future"
        )
    return checked


def _result(
    config: ProofConfig,
    variant: Variant,
    seed: int,
    market: PlantedMarket,
    trained: Trained,
    answers: dict[str, list[Answer]],
    checked: PointInTime,
) -> dict[str, Any]:
    reference = answers["llm"]
    done = [i for i, answer in enumerate(reference) if math.isfinite(answer.net_r)]
    net = [reference[i].net_r for i in done]
    for name, others in answers.items():
        if not np.allclose(net, [others[i].net_r for i in done], rtol=0, atol=1e-12):
            raise DataError(f"arm {name} was replayed to other outcomes than arm llm")
    days = trading_days(market.bars, market.half)
    place = {day: index for index, day in enumerate(days)}
    times = [reference[i].question.request.market.time_utc for i in done]
    return {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_json(),
        "config_sha256": config.sha256,
        "code_sha256": code_sha256(),
        "versions": versions(),
        "variant": variant.name,
        "profile": variant.profile,
        "rule": variant.rule,
        "seed": seed,
        "cutoff_utc": to_jsonable(market.cutoff_utc),
        "market": {"bars": len(market.bars), **market.manifest.content["realised"]["second_half"]},
        "model": to_jsonable(trained.facts),
        "point_in_time": {"cuts": list(checked.checked), "changed": list(checked.changed)},
        "days": days,
        "decisions": {
            "time_utc": [to_jsonable(time) for time in times],
            "day": [place[f"{time:%Y-%m-%d}"] for time in times],
            "net_r": net,
            "context": [reference[i].question.context for i in done],
        },
        "arms": {name: _arm(others, done) for name, others in answers.items()},
    }


def _arm(answers: list[Answer], done: list[int]) -> dict[str, Any]:
    decisions = [answers[i].decision for i in done]
    sizes = [decision.size_multiplier if decision.approved else 0.0 for decision in decisions]
    return {
        "sources": dict(Counter(decision.source.value for decision in decisions)),
        "size": sizes,
        "confidence": [round(decision.confidence, 4) for decision in decisions],
    }


def stopwatch(seconds: dict[str, float]) -> Callable[[str], None]:
    last = time.perf_counter()

    def note(name: str) -> None:
        nonlocal last
        now = time.perf_counter()
        seconds[name], last = now - last, now

    return note


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def code_sha256() -> str:
    """Hash the sources that a figure depends on: results of two hashes are results of two programs."""
    root = Path(__file__).resolve().parents[1]
    files = [path for folder in _CODE for path in (root / folder).rglob("*.py")]
    files += [root / "session.py", root / "risk.py", root / "domain.py"]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
