"""From training decisions to a model folder: slices, soft labels, tokenizer, network, calibrator, card, manifest."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llm_plugin.bootstrap.answers import answer_texts, leading_fields
from llm_plugin.bootstrap.card import write_card
from llm_plugin.bootstrap.centring import centre_decisions
from llm_plugin.bootstrap.config import BootstrapConfig
from llm_plugin.bootstrap.context import MemoryLookup, RowContext, attach_context, render_variants
from llm_plugin.bootstrap.metalabel import MetaLabel, save_meta_label
from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network
from llm_plugin.bootstrap.positions import open_position_examples
from llm_plugin.bootstrap.rows import DecisionRow, Slices, rows_sha256, slice_rows
from llm_plugin.bootstrap.tabular import TabularEncoder
from llm_plugin.bootstrap.teacher import Teaching, teach
from llm_plugin.bootstrap.trainer import Example, TrainingPlan, TrainingReport, train_network
from llm_plugin.domain import Action
from llm_plugin.prompts import PromptContext, PromptRenderer, parse_answer
from llm_plugin.reasoning.calibrator import MIN_CALIBRATION_ROWS, Calibrator
from llm_plugin.reasoning.model_folder import ModelManifest, tensors_sha256, tokenizer_sha256, write_manifest
from llm_plugin.session import SessionTracker
from llm_plugin.settings import Settings

__all__ = ["META_LABEL_FOLDER", "bootstrap_model"]

META_LABEL_FOLDER = "meta_label"
MAX_TOKENS = 2048
MOST_SIGNALS = 12_000
Progress = Callable[[str, float], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything that is known before the network trains."""

    slices: Slices
    contexts: dict[int, RowContext]
    encoder: TabularEncoder
    table: Floats
    teaching: Teaching
    examples: list[Example]
    entry_count: int
    prefix: str


def bootstrap_model(
    rows: Sequence[DecisionRow],
    out: Path,
    *,
    cutoff_utc: datetime,
    settings: Settings,
    config: BootstrapConfig | None = None,
    lookup: MemoryLookup | None = None,
    facts: dict[str, Any] | None = None,
    on_progress: Progress = lambda stage, fraction: None,
) -> ModelManifest:
    """Train a bootstrap model and, beside it, the tabular meta-label.

    Args:
        rows: Signals with replayed outcomes, and bars without a signal; all known by the cutoff.
        out: The model's folder; replaced as a whole once the new one is complete.
        cutoff_utc: Nothing later was known.
        settings: Prompts and session, as they will be when the model answers.
        config: Size and effort.
        lookup: Similar earlier trades of a row; None trains without memory.
        facts: Where the rows come from (market, signal model and the like); `training.source` of the manifest.
        on_progress: Called with the stage's name and its fraction done.

    Returns:
        The manifest as written.

    Raises:
        DataError: Rows that leak or are too few.
    """
    import torch

    config = config or BootstrapConfig()
    torch.set_num_threads(config.threads)
    renderer = PromptRenderer(settings.prompts, settings.features.user)
    prepared = _prepare(rows, cutoff_utc, settings, config, renderer, lookup, on_progress)
    draft = out.with_name(out.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    report = _train(prepared, draft, config, on_progress)
    known: dict[str, Any] = {
        "data_cutoff_utc": cutoff_utc.isoformat(),
        "dataset_sha256": rows_sha256(prepared.slices.train),
        "feature_schema_version": _feature_version(),
    }
    meta = _meta_label(prepared, draft, config, known)
    on_progress("calibrate", 0.0)
    figures, calibrator = _judge(prepared, draft, renderer, meta)
    training = _training_record(prepared, config, report, figures, facts or {})
    manifest = ModelManifest(
        kind="bootstrap-llm",
        name=config.name,
        base_tensors_sha256=tensors_sha256(draft),
        tokenizer_sha256=tokenizer_sha256(draft),
        action_token_ids=_action_ids(draft),
        prompt_version=renderer.version,
        calibrator=calibrator.to_json() if calibrator is not None else None,
        training=training,
        **known,
    )
    write_card(draft, manifest)
    written = write_manifest(draft, manifest)
    _replace_folder(draft, out)
    on_progress("calibrate", 1.0)
    return written


def _prepare(
    rows: Sequence[DecisionRow],
    cutoff_utc: datetime,
    settings: Settings,
    config: BootstrapConfig,
    renderer: PromptRenderer,
    lookup: MemoryLookup | None,
    on_progress: Progress,
) -> _Prepared:
    on_progress("prepare", 0.0)
    slices = slice_rows(_thin(rows, config), cutoff_utc, config)
    every = [*slices.train, *slices.calibration]
    session = settings.session
    tracker = SessionTracker(
        recent_trades=session.recent_trades,
        pattern_min_trades=session.pattern_min_trades,
        hot_win_rate=session.hot_win_rate,
        cold_win_rate=session.cold_win_rate,
        style=settings.prompts.style,
    )
    attached = attach_context(every, tracker, lookup)
    contexts = {id(row): context for row, context in zip(every, attached, strict=True)}
    on_progress("prepare", 0.3)
    encoder = TabularEncoder.fit(renderer.template.fields, [row.request for row in slices.train])
    table = np.array([_encode(encoder, row, contexts) for row in slices.train])
    teaching = teach(slices.train, table, config)
    on_progress("prepare", 0.7)
    names = leading_fields(encoder, table, teaching.edge, config.seed)
    examples, prefix = [], ""
    for place in _rendered(slices.train):
        row = slices.train[place]
        context = contexts[id(row)]
        prompts = render_variants(renderer, row, context)
        prefix = prompts[0].prefix
        shown = PromptContext(row.request, context.statistics, context.hits, context.session_text)
        edge, target = float(teaching.edge[place]), float(teaching.targets[place])
        answers = answer_texts(renderer.template, shown, names, edge)
        example = Example(tuple(p.suffix for p in prompts), row.action, target, 1.0, answers)
        examples += [example, example] if row.is_signal else [example]
    entry_count = len(examples)
    signals = [row for row in slices.train if row.is_signal]
    examples += open_position_examples(signals, [contexts[id(row)] for row in signals], renderer, config.seed)
    on_progress("prepare", 1.0)
    return _Prepared(slices, contexts, encoder, table, teaching, examples, entry_count, prefix)


def _rendered(rows: Sequence[DecisionRow]) -> list[int]:
    """Return which rows the network is shown: an even sample in time of very many signals, and all other bars."""
    signals = [i for i, row in enumerate(rows) if row.is_signal]
    if len(signals) > MOST_SIGNALS:
        signals = [signals[int(i)] for i in np.linspace(0, len(signals) - 1, MOST_SIGNALS).round()]
    return sorted(signals + [i for i, row in enumerate(rows) if not row.is_signal])


def _thin(rows: Sequence[DecisionRow], config: BootstrapConfig) -> list[DecisionRow]:
    """Keep all signals and an even sample in time of the other bars."""
    signals = [row for row in rows if row.is_signal]
    others = sorted((row for row in rows if not row.is_signal), key=lambda r: (r.time_utc, r.request.decision_id))
    if len(others) > config.max_context_rows:
        places = np.linspace(0, len(others) - 1, config.max_context_rows).round().astype(int)
        others = [others[i] for i in sorted(set(places.tolist()))]
    return signals + others


def _train(prepared: _Prepared, draft: Path, config: BootstrapConfig, on_progress: Progress) -> TrainingReport:
    rng = np.random.default_rng(config.seed)
    sample = [prepared.examples[int(i)] for i in rng.permutation(len(prepared.examples))[:4000]]
    texts = [
        f"{prepared.prefix}{example.suffixes[i % len(example.suffixes)]} {example.action.value}{example.answers[i % 2]}"
        for i, example in enumerate(sample)
    ]
    tokenizer = build_tokenizer(texts, draft, max_tokens=MAX_TOKENS)
    model = build_network(
        tokenizer, hidden=config.hidden, layers=config.layers, max_tokens=MAX_TOKENS, seed=config.seed
    )
    lengths = [len(ids) for ids in tokenizer([text.removeprefix(prepared.prefix) for text in texts[:500]])["input_ids"]]
    per_step = config.batch * float(np.mean(lengths))
    steps = int(np.clip(config.max_training_tokens / per_step, 50, 40 * len(prepared.examples) / config.batch + 50))
    plan = TrainingPlan(
        steps=steps,
        batch=config.batch,
        learning_rate=config.learning_rate,
        text_weight=config.text_weight,
        seed=config.seed,
    )
    report = train_network(
        model, tokenizer, prepared.prefix, prepared.examples, plan, lambda done: on_progress("train", done)
    )
    entries = prepared.examples[: prepared.entry_count]
    centre_decisions(model, tokenizer, prepared.prefix, entries, config.seed)
    save_network(model, draft)
    return report


def _meta_label(prepared: _Prepared, draft: Path, config: BootstrapConfig, facts: dict[str, Any]) -> MetaLabel:
    train = prepared.slices.train
    signal = np.array([row.is_signal for row in train])
    weights = np.where(signal, 1.0, prepared.teaching.context_weight)
    used = weights > 0
    return save_meta_label(
        draft / META_LABEL_FOLDER,
        prepared.table[used],
        np.array([row.net_r for row in train])[used],
        weights[used],
        prepared.encoder,
        threshold=prepared.teaching.threshold,
        clip_r=config.clip_r,
        seed=config.seed,
        facts=facts,
    )


def _judge(
    prepared: _Prepared, draft: Path, renderer: PromptRenderer, meta: MetaLabel
) -> tuple[dict[str, Any], Calibrator | None]:
    """Score the calibration slice: fit the calibrator on it and state what the model did there."""
    from llm_plugin.reasoning.transformers_model import TransformersModel

    model = TransformersModel.load(draft, device="cpu")
    rows = prepared.slices.calibration
    contexts = [prepared.contexts[id(row)] for row in rows]
    prompts = [render_variants(renderer, row, context)[0] for row, context in zip(rows, contexts, strict=True)]
    scores = model.score(prompts, [(row.action, Action.HOLD) for row in rows])
    net = np.array([row.net_r for row in rows])
    approved = np.array([score.action is not Action.HOLD for score in scores])
    tabular = np.array(
        [
            meta.approve(row.request, context.statistics, context.hits)
            for row, context in zip(rows, contexts, strict=True)
        ]
    )
    texts = model.complete([f"{prompt.prefix}{prompt.suffix}" for prompt in prompts[:64]], 60)
    parsed = [parse_answer(text, (row.action, Action.HOLD)).ok for text, row in zip(texts, rows, strict=False)]
    calibrator = None
    if len(rows) >= MIN_CALIBRATION_ROWS:
        calibrator = Calibrator.fit([score.margin for score in scores], [bool(value > 0) for value in net])
    figures = {
        "rows": len(rows),
        "mean_net_r": float(net.mean()),
        "llm_approval_fraction": float(approved.mean()),
        "llm_mean_net_r_of_approved": float(net[approved].mean()) if approved.any() else None,
        "tabular_approval_fraction": float(tabular.mean()),
        "tabular_mean_net_r_of_approved": float(net[tabular].mean()) if tabular.any() else None,
        "agreement_with_tabular": float((approved == tabular).mean()),
        "action_mass": float(np.mean([score.action_mass for score in scores])),
        "parse_fraction": float(np.mean(parsed)),
    }
    return figures, calibrator


def _training_record(
    prepared: _Prepared, config: BootstrapConfig, report: TrainingReport, figures: dict[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    import torch
    import transformers

    train, teaching = prepared.slices.train, prepared.teaching
    signals = [row for row in train if row.is_signal]
    return {
        "config": {**asdict(config), "embargo": config.embargo.total_seconds()},
        "signals": len(signals),
        "context_rows": len(train) - len(signals),
        "mean_net_r": float(np.mean([row.net_r for row in signals])),
        "train_start_utc": train[0].time_utc.isoformat(),
        "calibration_start_utc": prepared.slices.calibration_start_utc.isoformat(),
        "calibration_end_utc": prepared.slices.calibration_end_utc.isoformat(),
        "teacher": {
            "context_weight": teaching.context_weight,
            "slope": teaching.slope,
            "shift": teaching.shift,
            "sharpness": teaching.sharpness,
            "approval_floor_active": teaching.shift > 0,
            "log_loss": teaching.loss,
            "base_log_loss": teaching.base_loss,
        },
        "loop": asdict(report),
        "calibration": figures,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "source": facts,
    }


def _encode(encoder: TabularEncoder, row: DecisionRow, contexts: dict[int, RowContext]) -> Floats:
    context = contexts[id(row)]
    return encoder.encode(row.request, context.statistics, context.hits)


def _action_ids(folder: Path) -> dict[str, list[int]]:
    from transformers import PreTrainedTokenizerFast

    from llm_plugin.reasoning.scoring import action_token_ids

    tokenizer = PreTrainedTokenizerFast.from_pretrained(str(folder))
    return {action.value: list(ids) for action, ids in action_token_ids(tokenizer, tuple(Action)).items()}


def _feature_version() -> str:
    from llm_plugin.features.catalog import FEATURE_SCHEMA_VERSION

    return FEATURE_SCHEMA_VERSION


def _replace_folder(draft: Path, out: Path) -> None:
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    draft.rename(out)
    shutil.rmtree(old, ignore_errors=True)
