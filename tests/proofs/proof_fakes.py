"""Models and results whose worth is known, so that the harness itself can be judged."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.data.bars import PriceBars
from llm_plugin.domain import Action, Decision, DecisionRequest, Outcome, Source
from llm_plugin.proofs.models import OnStage, Trained
from llm_plugin.proofs.planted_config import ProofConfig
from llm_plugin.proofs.planted_market import PlantedMarket
from llm_plugin.reasoning import FakeModel
from llm_plugin.settings import Settings
from llm_plugin.validator.answers import signal_decision

TEMPLATE = "VR={atr_ratio_14_100:.4f} SIG={signal_action} AT={time} MEM={memory} SES={session_stats} ->"
SEES_THE_RULE = (f"prompts.context_template={TEMPLATE}",)


class MetaLabelFake:
    """A tabular model that approves what a function of the features says."""

    version = "meta@test"

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def approve(self, request: DecisionRequest, statistics: Any = None, hits: Any = ()) -> bool:
        """Approve by the volatility ratio."""
        return request.market.features["atr_ratio_14_100"] >= self.threshold

    def probability(self, request: DecisionRequest, statistics: Any = None, hits: Any = ()) -> float:
        """Return a fixed probability."""
        return 0.6 if self.approve(request) else 0.4


def knowing(market: PlantedMarket) -> FakeModel:
    """A model that reads the planted figure in the prompt and knows its threshold."""
    threshold = market.manifest.planted_rule.threshold

    def rule(prompt: Any, legal: tuple[Action, ...]) -> dict[Action, float]:
        found = re.search(r"VR=([\d.]+)", prompt.suffix)
        assert found is not None
        take = 0.95 if float(found.group(1)) >= threshold else 0.05
        return {action: take if action.side else 1 - take for action in legal}

    return FakeModel(rule, version="knowing@1")


def guessing(_: PlantedMarket) -> FakeModel:
    """A model whose answer is a hash of the prompt, and so of its time."""

    def rule(prompt: Any, legal: tuple[Action, ...]) -> dict[Action, float]:
        take = 0.95 if int(prompt.hash[:8], 16) % 2 else 0.05
        return {action: take if action.side else 1 - take for action in legal}

    return FakeModel(rule, version="guessing@1")


def trainer(make: Any, late: timedelta = timedelta(0)) -> Any:
    """Return a trainer that trains nothing."""

    def train(
        market: PlantedMarket, settings: Settings, config: ProofConfig, seed: int, folder: Path, on_stage: OnStage
    ) -> Trained:
        on_stage("train", 1.0)
        meta = MetaLabelFake(market.manifest.planted_rule.threshold)
        return Trained(make(market), meta, market.cutoff_utc + late)

    return train


class Taking:
    """Approves everything and writes down what it is told, in order."""

    def __init__(self) -> None:
        self.log: list[tuple[str, Any]] = []

    def validate(self, request: DecisionRequest) -> Decision:
        """Approve."""
        self.log.append(("question", request))
        return signal_decision(request, self.takes(request), Source.RULE, confidence=0.5)

    def takes(self, request: DecisionRequest) -> bool:
        """Whether to approve."""
        return True

    def record_outcome(self, outcome: Outcome) -> None:
        """Write it down."""
        self.log.append(("outcome", outcome))


class Peeking(Taking):
    """Looks up in the bars it was given how the trade will end, and vetoes what loses."""

    def __init__(self, bars: PriceBars) -> None:
        super().__init__()
        self.bars = bars

    def takes(self, request: DecisionRequest) -> bool:
        """Whether the next ten bars of the market, where they exist, go the trade's way."""
        place = int(np.searchsorted(self.bars.end_us, int(request.market.time_utc.timestamp() * 1e6)))
        later = self.bars.close[place + 1 : place + 11]
        return len(later) == 0 or (later[-1] - request.market.price) * request.signal.action.side > 0


def made_cell(
    variant: str = "balanced",
    seed: int = 1,
    *,
    edge: float = 0.5,
    skill: float = 1.0,
    base: float = 0.1,
    size: float = 1.0,
    rule: bool = True,
    signals: int = 600,
) -> dict[str, Any]:
    """A result in memory.

    Args:
        variant: Kind of market.
        seed: Of everything.
        edge: Distance of the good and the bad context from `base`, in R.
        skill: 1 = the LLM vetoes exactly the bad context, 0 = at random.
        base: Expectancy of the signal.
        size: Multiplier of an approved trade.
        rule: What the result says of itself.
        signals: Two a day.
    """
    rng = np.random.default_rng([seed, 5])
    context = rng.random(signals) < 0.5
    net = base + np.where(context, edge, -edge) + rng.normal(0, 1.0, signals)
    approved = np.where(rng.random(signals) < skill, context, rng.random(signals) < 0.5)
    days = [f"{date(2010, 1, 4) + timedelta(days=day):%Y-%m-%d}" for day in range(signals // 2)]
    config = ProofConfig()
    return {
        "schema_version": "1",
        "config": config.to_json(),
        "config_sha256": config.sha256,
        "code_sha256": "c0de" * 16,
        "versions": {"python": "3.11"},
        "variant": variant,
        "rule": rule,
        "seed": seed,
        "model": {},
        "seconds": {"train": 10.0},
        "days": days,
        "decisions": {
            "day": [i // 2 for i in range(signals)],
            "net_r": net.tolist(),
            "context": [bool(value) for value in context],
        },
        "arms": {
            "llm": {"size": (approved * size).tolist()},
            "tabular": {"size": context.astype(float).tolist()},
        },
    }
