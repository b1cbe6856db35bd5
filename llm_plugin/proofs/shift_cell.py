"""A planted shift: good and bad contexts change places, one retrain cycle follows, and fresh states judge it.

A base model learns the market before the shift. After it, the model decides as it always has; its decisions, their
replayed outcomes and prompts go to an outcome store. Once so many have matured, one cycle runs: pairs, training, gate,
pointer, swap. Base and new version then answer the questions that came later, and are compared with the planted rule.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.data.synth_calendar import bar_times
from llm_plugin.data.synth_config import SynthConfig
from llm_plugin.errors import ConfigError, DataError
from llm_plugin.proofs.models import OnStage, train_bootstrap
from llm_plugin.proofs.planted_config import ProofConfig
from llm_plugin.proofs.planted_market import RUN_ID, PlantedMarket, plant_market, questions_on
from llm_plugin.proofs.walk import walk

if TYPE_CHECKING:
    from llm_plugin.cycle.words import CycleResult
    from llm_plugin.learning.types import MaturedDecision
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning.base import LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["ShiftConfig", "run_shift"]

SCHEMA_VERSION = "1"
_READY = "ready.json"


@dataclass(frozen=True, slots=True)
class ShiftConfig:
    """What the proof depends on; each value can change a figure.

    Attributes:
        training_bars: The base model knows these first bars.
        bars_after: Bars after the shift: enough for the matured and the fresh decisions.
        matured: Decisions after the shift that have matured when the cycle starts.
        fresh: Later decisions, on which accuracy is measured.
        profile: Payoff of the signal, key of `PROFILES`.
        context: What decides, key of `planted.CONTEXTS`.
        win_good: Probability that a trade in the good context wins.
        win_bad: The same in the bad context.
        training_tokens: Effort of the base model.
        threads: Threads of everything.
        overrides: Settings beyond the defaults, as `--set` takes them.
    """

    training_bars: int = 20_000
    bars_after: int = 26_000
    matured: int = 1_000
    fresh: int = 500
    profile: str = "balanced"
    context: str = "volatility"
    win_good: float = 0.9
    win_bad: float = 0.1
    training_tokens: int = 3_000_000
    threads: int = 1
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        problems = [
            f"{name} is {getattr(self, name)!r}: give {low} or more"
            for name, low in (
                ("training_bars", 1_500),
                ("bars_after", 1_000),
                ("matured", 100),
                ("fresh", 20),
                ("training_tokens", 1),
                ("threads", 1),
            )
            if getattr(self, name) < low
        ]
        if problems:
            raise ConfigError(problems)

    @property
    def sha256(self) -> str:
        """Names the configuration and the recipe: results of another one are not its results."""
        from llm_plugin.settings import LearningSettings

        recipe = LearningSettings().model_dump(mode="json")
        text = json.dumps([SCHEMA_VERSION, asdict(self), recipe], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def market(self, seed: int) -> SynthConfig:
        """Return the market of a seed; it shifts on the day after the base model's last bar."""
        plain = SynthConfig(
            seed=seed,
            bars=self.training_bars + self.bars_after,
            context=self.context,
            profile=self.profile,
            win_good=self.win_good,
            win_bad=self.win_bad,
        )
        last = datetime.fromtimestamp(int(bar_times(plain).end_utc_us[self.training_bars]) / 1e6, UTC)
        return replace(plain, shifts=((last + timedelta(days=1)).date(),))


def run_shift(
    config: ShiftConfig,
    seed: int,
    work: Path,
    *,
    on_stage: OnStage = lambda stage, fraction: None,
) -> dict[str, Any]:
    """Run one seed.

    Args:
        config: What is run.
        seed: Of market, models and gate.
        work: A folder of its own; what a killed run had prepared there is used again.
        on_stage: Called with the stage's name and its fraction done.

    Returns:
        `accuracy_before`, `accuracy_after`, `cycle_seconds` and what they come from, as plain JSON types.

    Raises:
        DataError: The market has too few signals.
    """
    from llm_plugin.learning.read import matured_decisions
    from llm_plugin.outcomes.store import OutcomeStore

    market, settings, seconds = _prepare(config, seed, work, on_stage)
    store = OutcomeStore(f"sqlite:///{(work / 'store.sqlite').resolve()}", "group")
    try:
        end = market.bars.bar(len(market.bars) - 1).end_utc + timedelta(days=30)
        every = matured_decisions([store], as_of_utc=end, prefix=_prefix(settings))
        if len(every) < config.matured + config.fresh:
            raise DataError(
                f"{len(every)} decisions matured after the shift, {config.matured + config.fresh} are needed: "
                "give more bars_after"
            )
        as_of = every[config.matured - 1].matured_utc + timedelta(seconds=1)
        fresh = [row for row in every if row.time_utc > as_of][: config.fresh]
        truth = {question.request.decision_id: not question.context for question in questions_on(market)}
        return {
            "schema_version": SCHEMA_VERSION,
            "config_sha256": config.sha256,
            "config": asdict(config),
            "seed": seed,
            "prepare_seconds": seconds,
            **_cycle(settings, store, work, as_of, fresh, truth, on_stage),
        }
    finally:
        store.close()


def _prepare(
    config: ShiftConfig, seed: int, work: Path, on_stage: OnStage
) -> tuple[PlantedMarket, Settings, dict[str, float]]:
    """Make market, base model and the record of the decisions after the shift; what is there is used again."""
    from llm_plugin.reasoning.transformers_model import TransformersModel

    ready = work / _READY
    known = json.loads(ready.read_text(encoding="utf-8")) if ready.is_file() else {}
    if known.get("config_sha256") != config.sha256 or known.get("seed") != seed:
        known = {}
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
    shutil.rmtree(work / "data", ignore_errors=True)
    on_stage("market", 0.0)
    market = plant_market(work / "data", config.market(seed), config.training_bars, 0.5)
    settings = _settings(market, config, seed, work / "model")
    if known:
        return market, settings, dict(known["seconds"])
    clock, seconds = time.perf_counter(), {}
    effort = ProofConfig(training_tokens=config.training_tokens, threads=config.threads)
    train_bootstrap(market, settings, effort, seed, work / "model", on_stage)
    seconds["base"] = round(time.perf_counter() - clock, 1)
    clock = time.perf_counter()
    shift = datetime.combine(config.market(seed).shifts[0], datetime.min.time(), UTC)
    questions = [q for q in questions_on(market) if q.request.market.time_utc >= shift]
    model = TransformersModel.load(work / "model", device="cpu", threads=config.threads)
    _decide(market, settings, model, questions, work, lambda done: on_stage("decisions", done))
    seconds["decisions"] = round(time.perf_counter() - clock, 1)
    ready.write_text(json.dumps({"config_sha256": config.sha256, "seed": seed, "seconds": seconds}), encoding="utf-8")
    return market, settings, seconds


def _settings(market: PlantedMarket, config: ShiftConfig, seed: int, model: Path) -> Settings:
    from llm_plugin.settings import resolve

    chosen = (
        "signals.kind=none",
        "memory.backend=local",
        "risk.enable_risk_veto=false",
        "llm_model.device=cpu",
        f"llm_model.name={model}",
        "validator.timeout_seconds=600",
        "logging.log_risk_veto=false",
        "reasoning.reasons=never",
        f"reasoning.threads={config.threads}",
        f"learning.window_decisions={config.matured}",
        "learning.context_rows=0",  # a bar without a signal has no planted outcome
        "learning.busy_hours=[]",
        f"learning.training.threads={config.threads}",
        f"learning.training.seed={seed}",
        f"gate.seed={seed}",
        "gate.max_latency_ratio=1000",  # a shared machine's clock decides nothing here
        "registry.mirror=false",
    )
    return resolve(overrides=[*chosen, *market.overrides, *config.overrides], env={}).settings


def _prefix(settings: Settings) -> str:
    from llm_plugin.prompts import PromptRenderer

    return PromptRenderer(settings.prompts, settings.features.user).template.system


def _decide(
    market: PlantedMarket,
    settings: Settings,
    model: LanguageModel,
    questions: Sequence[Any],
    work: Path,
    on_progress: Callable[[float], None],
) -> None:
    """Let the base model decide after the shift, as it would live; everything goes to the outcome store."""
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.validator import Validator

    (work / "store.sqlite").unlink(missing_ok=True)
    store = OutcomeStore(f"sqlite:///{(work / 'store.sqlite').resolve()}", "group")
    try:
        validator = Validator.from_settings(settings, RUN_ID, store=store, model=model, run_folder=work)
        try:
            walk(
                validator,
                questions,
                market.bars,
                policy=market.policy,
                tick_size=market.instrument.tick_size,
                on_progress=on_progress,
            )
        finally:
            validator.close()
    finally:
        store.close()


def _cycle(
    settings: Settings,
    store: OutcomeStore,
    work: Path,
    as_of: datetime,
    fresh: Sequence[MaturedDecision],
    truth: dict[str, bool],
    on_stage: OnStage,
) -> dict[str, Any]:
    """Run one cycle from the trigger to the swap and compare both versions with the rule on fresh states."""
    from llm_plugin.cycle.run import run_cycle
    from llm_plugin.cycle.words import CycleParts, CycleRequest
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.reasoning.generations import Generations
    from llm_plugin.registry.store import Registry

    for name in ("registry", "cycles"):
        shutil.rmtree(work / name, ignore_errors=True)
    (work / "loop.sqlite").unlink(missing_ok=True)
    serving = Generations.load(settings.llm_model.name, device="cpu", threads=settings.reasoning.threads)
    database = LearningDatabase(f"sqlite:///{(work / 'loop.sqlite').resolve()}")
    stages = _Stages(on_stage)
    parts = CycleParts(
        settings=settings,
        stores=[store],
        registry=Registry(work / "registry"),
        database=database,
        folder=work / "cycles",
        on_stage=stages,
    )
    try:
        before = _accuracy(serving, fresh, truth, settings)
        begun = time.perf_counter()
        result = run_cycle(CycleRequest(as_of_utc=as_of, trigger="operator", holder="proof"), parts)
        stages.end()
        swapped = _swap(serving, parts, result)
        cycle_seconds = time.perf_counter() - begun
        after = _accuracy(serving, fresh, truth, settings) if swapped else before
        return {
            "status": result.status,
            "reason": result.reason,
            "accuracy_before": before["accuracy"],
            "accuracy_after": after["accuracy"],
            "cycle_seconds": round(cycle_seconds, 2),
            "before": before,
            "after": after,
            "fresh": len(fresh),
            "stage_seconds": stages.seconds,
            "counts": result.facts.get("counts", {}),
            "gate": result.facts.get("figures", {}),
            "training": _training(parts, result),
        }
    finally:
        serving.close()
        database.close()


def _swap(serving: Any, parts: Any, result: CycleResult) -> bool:
    if not result.promoted or result.challenger is None:
        return False
    serving.swap(serving.build(parts.registry.verify(result.challenger).folder, result.challenger))
    return True


def _accuracy(
    model: LanguageModel, fresh: Sequence[MaturedDecision], truth: dict[str, bool], settings: Settings
) -> dict[str, Any]:
    """Compare the validator's verdicts with the rule: a trade in a good context is taken, in a bad one it is not."""
    from llm_plugin.gate.policy import answer_policy

    answers = answer_policy(model, fresh, settings)
    right = [answer.approved == truth[answer.decision_id] for answer in answers]
    good = [answer.approved for answer in answers if truth[answer.decision_id]]
    bad = [answer.approved for answer in answers if not truth[answer.decision_id]]
    known = {row.decision_id: row.net_r or 0.0 for row in fresh}
    return {
        "accuracy": sum(right) / len(right),
        "approved_good": sum(good) / max(1, len(good)),
        "approved_bad": sum(bad) / max(1, len(bad)),
        "net_r": sum(answer.size * known[answer.decision_id] for answer in answers) / len(answers),
        "net_r_of_all": sum(known.values()) / len(known),
        "action_mass": sum(answer.action_mass for answer in answers) / len(answers),
    }


def _training(parts: Any, result: CycleResult) -> dict[str, Any]:
    if result.challenger is None:
        return {}
    manifest = parts.registry.get(result.challenger).manifest
    return {} if manifest is None else dict(manifest.training)


class _Stages:
    """Passes stages on and keeps how long each took."""

    def __init__(self, on_stage: OnStage) -> None:
        self._on_stage, self._name, self._begun = on_stage, "", time.perf_counter()
        self.seconds: dict[str, float] = {}

    def __call__(self, stage: str, fraction: float) -> None:
        if stage != self._name:
            self.end()
            self._name = stage
        self._on_stage(stage, fraction)

    def end(self) -> None:
        """Close the last stage."""
        now = time.perf_counter()
        if self._name:
            self.seconds[self._name] = round(self.seconds.get(self._name, 0.0) + now - self._begun, 2)
        self._begun, self._name = now, ""
