"""Where a cell's models come from: trained on its first part, or given by a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llm_plugin.domain import Action
from llm_plugin.reasoning.base import ActionScores, LanguageModel, PromptText

if TYPE_CHECKING:
    from llm_plugin.proofs.planted_config import ProofConfig
    from llm_plugin.proofs.planted_market import PlantedMarket
    from llm_plugin.reasoning.calibrator import Calibrator
    from llm_plugin.settings import Settings
    from llm_plugin.validator import MetaLabel

__all__ = ["OnStage", "RememberingModel", "Trained", "Trainer", "train_bootstrap"]

OnStage = Callable[[str, float], None]


@dataclass(frozen=True)
class Trained:
    """The models of a cell.

    Attributes:
        model: The language model.
        meta_label: The tabular model on the same inputs; None leaves its arm out.
        cutoff_utc: Nothing later was known to either.
        facts: How the training went.
    """

    model: LanguageModel
    meta_label: MetaLabel | None
    cutoff_utc: datetime
    facts: dict[str, Any] = field(default_factory=dict)


Trainer = Callable[["PlantedMarket", "Settings", "ProofConfig", int, Path, OnStage], Trained]


def train_bootstrap(
    market: PlantedMarket, settings: Settings, config: ProofConfig, seed: int, folder: Path, on_stage: OnStage
) -> Trained:
    """Train the bootstrap model and the meta-label beside it on the market's first part, as the command does."""
    from llm_plugin.bootstrap.build import META_LABEL_FOLDER, bootstrap_model
    from llm_plugin.bootstrap.config import BootstrapConfig
    from llm_plugin.bootstrap.market_rows import memory_lookup
    from llm_plugin.bootstrap.metalabel import MetaLabel
    from llm_plugin.prompts import PromptRenderer
    from llm_plugin.proofs.planted_market import training_rows
    from llm_plugin.reasoning.transformers_model import TransformersModel

    on_stage("rows", 0.0)
    rows = training_rows(market)
    manifest = bootstrap_model(
        rows,
        folder,
        cutoff_utc=market.cutoff_utc,
        settings=settings,
        config=BootstrapConfig(
            name="planted", max_training_tokens=config.training_tokens, seed=seed, threads=config.threads
        ),
        lookup=memory_lookup(rows, settings.memory.k, settings.memory.same_symbol_first),
        facts={"signals": "planted", "market": str(market.manifest.content["config"])},
        on_progress=on_stage,
    )
    version = PromptRenderer(settings.prompts, settings.features.user).version
    model = TransformersModel.load(folder, device="cpu", threads=config.threads, prompt_version=version)
    kept = ("signals", "context_rows", "mean_net_r", "teacher", "loop", "calibration", "config")
    facts = {name: manifest.training[name] for name in kept if name in manifest.training}
    return Trained(
        model=model,
        meta_label=MetaLabel.load(folder / META_LABEL_FOLDER),
        cutoff_utc=datetime.fromisoformat(manifest.data_cutoff_utc),
        facts={"version": manifest.version, **facts},
    )


class RememberingModel:
    """A language model that answers a prompt it knows from memory: arms and checks ask many twice."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self._known: dict[tuple[str, tuple[Action, ...]], ActionScores] = {}

    @property
    def version(self) -> str:
        """That of the model."""
        return self._model.version

    @property
    def calibrator(self) -> Calibrator | None:
        """That of the model."""
        return self._model.calibrator

    def score(self, prompts: Sequence[PromptText], legal: Sequence[tuple[Action, ...]]) -> list[ActionScores]:
        """Score each prompt by itself, so that an answer never depends on what else is asked."""
        answers = []
        for prompt, actions in zip(prompts, legal, strict=True):
            key = (prompt.hash, tuple(actions))
            if key not in self._known:
                self._known[key] = self._model.score([prompt], [actions])[0]
            answers.append(self._known[key])
        return answers

    def generate_reasons(
        self, prompts: Sequence[PromptText], actions: Sequence[Action], max_new_tokens: int = 50
    ) -> list[str]:
        """Pass on."""
        return self._model.generate_reasons(prompts, actions, max_new_tokens)

    def generate_reason(self, prompt: PromptText, action: Action, max_new_tokens: int = 50) -> str:
        """Pass on."""
        return self._model.generate_reason(prompt, action, max_new_tokens)
