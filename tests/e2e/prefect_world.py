"""A real model of some thousand weights that knows a rule, and a store in which the rule has turned round.

High ADX used to win and the model knows it; since the shift it loses. Prompts are one line, so that training takes
seconds; everything else is what production runs.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from questions import FEATURES, START, question, result

from llm_plugin.domain import Action, Decision, DecisionRequest, ExitPlan, OutcomeKind, Source, Verdict
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.prompts import PromptRenderer
from llm_plugin.settings import Settings

STEP_HOURS = 3
DECISIONS = 420
LIMIT = 25


def adx_of(place: int) -> int:
    """Return the ADX of a decision: no trend, a weak, a strong or a very strong one, as if drawn by chance."""
    return (15, 22, 30, 45)[(place * 2654435761 >> 7) % 4]


def write_config(file: Path, model: Path, url: str, **sections: dict[str, Any]) -> Path:
    """Write the configuration that service, flows and tests share."""
    values: dict[str, dict[str, Any]] = {
        "llm_model": {"name": str(model), "device": "cpu"},
        "prompts": {"system": "Judge.\n", "context_template": "trend {trend_strength}"},
        "fusion": {"strategy": "llm"},
        "memory": {"backend": "none"},
        "session": {"enabled": False},
        "signals": {"kind": "none"},
        "risk": {"enable_risk_veto": False},
        "registry": {"mirror": False},
        "learning": {
            "store_url": url,
            "min_outcomes": 5000,
            "min_outcomes_on_drift": 200,
            "window_decisions": DECISIONS,
            "holdout": 120,
            "context_rows": 0,
            "replay_fraction": 0.0,
            "busy_hours": [],
            "training": {
                "rank": 8,
                "alpha": 16,
                "sft_weight": 1.0,
                "learning_rate": 0.001,
                "min_steps": 100,
                "max_steps": 100,
                "save_steps": 100,
            },
        },
        "gate": {"repetitions": 999, "max_latency_ratio": 100.0},
        "service": {"port": 0, "poll_seconds": 0.5},
    }
    for name, changes in sections.items():
        values.setdefault(name, {}).update(changes)
    file.write_text(yaml.safe_dump(values))
    return file


def ask(place: int, settings: Settings, run_id: str = "run") -> tuple[DecisionRequest, Any]:
    """Return a question and its prompt as the service would render it."""
    features = {**FEATURES, "adx_14": float(adx_of(place))}
    plan = ExitPlan(1.366, 1.376, timedelta(hours=24))
    request = question(place * STEP_HOURS, Action.BUY, features=features, plan=plan, run_id=run_id)
    return request, PromptRenderer(settings.prompts, settings.features.user).render(request)


def make_base(folder: Path, settings: Settings, steps: int = 160) -> Path:
    """Train the base on the old rule: take the signal where the ADX is high."""
    import torch

    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network
    from llm_plugin.bootstrap.trainer import Example, TrainingPlan, train_network

    torch.set_num_threads(1)
    prompts = {adx_of(place): ask(place, settings)[1] for place in range(100)}
    prefix = next(iter(prompts.values())).prefix
    examples = [
        Example(
            (prompt.suffix,),
            Action.BUY,
            0.95 if adx > LIMIT else 0.05,
            1.0,
            (f" | 0.{percent:02d} | strong trend", f" | 0.{percent:02d} | weak trend"),
        )
        for adx, prompt in sorted(prompts.items())
        for percent in range(5, 100, 5)
    ]
    texts = [
        f"{prefix}{example.suffixes[0]} {action.value}{answer}"
        for example in examples
        for action in Action
        for answer in example.answers
    ]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(texts, folder, max_tokens=256)
    model = build_network(tokenizer, hidden=64, layers=2, max_tokens=256, seed=0)
    train_network(model, tokenizer, prefix, examples, TrainingPlan(steps=steps, batch=32, text_weight=0.3))
    save_network(model, folder)
    return folder


def fill_shifted(url: str, settings: Settings, count: int = DECISIONS) -> None:
    """Write decisions after the shift, answered by the old rule, with what became of them."""
    version = PromptRenderer(settings.prompts, settings.features.user).version
    with OutcomeStore(url, commit="group") as store:
        store.start_run("run", {}, {})
        for place in range(count):
            request, prompt = ask(place, settings)
            approved = adx_of(place) > LIMIT
            wins = (adx_of(place) < LIMIT) ^ (place % 10 == 3)
            store.save_decision(request, _answered(request, approved, prompt.hash), prompt.text, version, "features-1")
            kind = OutcomeKind.REPLAY if approved else OutcomeKind.SHADOW
            store.save_outcome(result(request, 1.5 if wins else -1.0, 6, kind))
        later, _ = ask(count + 20, settings)  # a sign of life, so that the last ones have matured
        store.save_decision(later, _answered(later, False, ""))


def _answered(request: DecisionRequest, approved: bool, prompt_hash: str) -> Decision:
    return Decision(
        decision_id=request.decision_id,
        run_id=request.run_id,
        kind=request.kind,
        symbol_id=request.market.symbol_id,
        time_utc=request.market.time_utc,
        verdict=Verdict.APPROVE if approved else Verdict.VETO,
        action=Action.BUY if approved else Action.HOLD,
        size_multiplier=1.0 if approved else 0.0,
        signal_action=Action.BUY,
        signal_confidence=0.6,
        confidence=0.7,
        source=Source.LLM,
        llm_action=Action.BUY if approved else Action.HOLD,
        llm_confidence=0.7,
        prompt_hash=prompt_hash,
        model_version="tiny@1",
    )


def now_shifted(place: int) -> bool:
    """Return whether taking this signal is right since the shift."""
    return adx_of(place) < LIMIT


__all__ = ["DECISIONS", "START", "adx_of", "ask", "fill_shifted", "make_base", "now_shifted", "write_config"]
