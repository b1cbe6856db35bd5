"""Makes ready what a backtest needs: the signal model, the language model, the memory's server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from llm_plugin.errors import MemoryUnavailable
from llm_plugin.runs.backtest import BacktestOptions
from llm_plugin.runs.training import OnStage, bootstrap_from_ensemble, recipe_of, train_signal_model
from llm_plugin.settings import Resolved, Settings

__all__ = ["Preparation", "Prepared", "require_cutoff"]

Say = Callable[[str], None]
BOOTSTRAP = "bootstrap"
MODEL_ARMS = ("llm", "tabular")


@dataclass
class Prepared:
    """What a run uses: its models, remarks for the report, and settings that had to change."""

    models: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    overrides: tuple[str, ...] = ()


class Preparation:
    """Called with the resolved configuration before the arms start.

    Args:
        options: The run.
        say: Prints one line for a person.
        on_stage: Called with a stage's text and its fraction done.
    """

    def __init__(self, options: BacktestOptions, say: Say, on_stage: OnStage | None = None) -> None:
        self._options = options
        self._say = say
        self._on_stage = on_stage or _Lines(say)

    def __call__(self, resolved: Resolved) -> Prepared:
        """Train, load and start what is missing; what is here is only looked at."""
        prepared = Prepared()
        settings = resolved.settings
        if self._options.decisions_from is not None or settings.validator.mode in ("service", "record"):
            return prepared
        with ThreadPoolExecutor(1, "memory") as beside:  # a first build of the server takes as long as the training
            memory = beside.submit(self._memory, settings, prepared)
            self._signals(settings, prepared)
            validates = settings.validator.mode == "in_process" and settings.validator.arm in MODEL_ARMS
            if self._options.ablation or validates:
                self._language_model(settings, prepared)
            memory.result()
        if self._options.start:
            start = datetime.combine(date.fromisoformat(self._options.start), time(), tzinfo=UTC)
            require_cutoff(prepared.models, start, settings.signals.allow_lookahead)
        return prepared

    def _memory(self, settings: Settings, prepared: Prepared) -> None:
        from llm_plugin.memory.server import running, start

        if settings.memory.backend != "weaviate" or settings.memory.url is not None:
            return
        if running() is None:
            self._say("memory: starting Weaviate")
        try:
            start(self._say)
        except MemoryUnavailable as error:
            note = f"Weaviate cannot be had ({error}); this run uses the exact local memory, with the same hits."
            self._say(f"note: {note}")
            prepared.notes.append(note)
            prepared.overrides = ("memory.backend=local",)

    def _signals(self, settings: Settings, prepared: Prepared) -> None:
        from llm_plugin.signals import EnsembleManifest, model_folder

        if settings.signals.kind != "ensemble":
            return
        folder = model_folder(settings.signals.model)
        if not folder.is_dir():
            recipe = recipe_of(settings.signals.model)
            self._say(f"signals: training the ensemble '{recipe.name}' on {recipe.ticker} up to {recipe.cutoff}")
            train_signal_model(recipe, settings, self._options.data_folder, self._on_stage)
        manifest = EnsembleManifest.read(folder)
        figures = manifest.metrics.get("out_of_fold", {}).get("auc", {})
        note = ", ".join(f"out-of-fold AUC {side} {value:.3f}" for side, value in figures.items())
        cutoff = manifest.data_cutoff_utc
        prepared.models.append(model_row("ensemble", f"{manifest.name} {manifest.version}", cutoff, note))

    def _language_model(self, settings: Settings, prepared: Prepared) -> None:
        from llm_plugin.validator.build import model_folder

        name = settings.llm_model.name
        folder = model_folder(name)
        if folder is None and name == BOOTSTRAP:
            source = settings.signals.model if settings.signals.kind == "ensemble" else DEFAULT_SIGNALS
            self._ensure_signals_for_bootstrap(source, settings)
            self._say("language model: training the bootstrap model (about two minutes on two cores)")
            bootstrap_from_ensemble(source, settings, self._options.data_folder, self._on_stage)
            folder = model_folder(name)
        row = _language_model_row(name, folder)
        prepared.models.append(row)
        if row["data_cutoff"] == "unknown":
            prepared.notes.append(f"language model {name}: {row['note']}")

    def _ensure_signals_for_bootstrap(self, name: str, settings: Settings) -> None:
        from llm_plugin.signals import model_folder

        if not model_folder(name).is_dir():
            recipe = recipe_of(name)
            self._say(f"signals: training the ensemble '{recipe.name}' that the bootstrap model learns from")
            train_signal_model(recipe, settings, self._options.data_folder, self._on_stage)


DEFAULT_SIGNALS = "eurusd_hour"


def model_row(kind: str, version: str, cutoff: datetime | None, note: str) -> dict[str, Any]:
    """Return one row of the report's table of models."""
    text = "unknown" if cutoff is None else cutoff.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {"kind": kind, "version": version, "data_cutoff": text, "note": note}


def _language_model_row(name: str, folder: Path | None) -> dict[str, Any]:
    manifest = folder / "manifest.json" if folder is not None else None
    if manifest is None or not manifest.is_file():
        unknown = "its training data is unknown: it may have read about the days it is judged on"
        return model_row("language model", name, None, unknown)
    values = json.loads(manifest.read_text(encoding="utf-8"))
    cutoff = datetime.fromisoformat(values["data_cutoff_utc"]) if values.get("data_cutoff_utc") else None
    small = values.get("kind") == "bootstrap-llm"
    note = "a small model trained here from replayed decisions, not a general language model" if small else ""
    digest = str(values.get("base_tensors_sha256", ""))[:12]
    return model_row("language model", f"{values.get('name', name)} {digest}".strip(), cutoff, note)


def require_cutoff(models: list[dict[str, Any]], start: datetime, allow: bool) -> None:
    """Refuse a run that starts before the data cutoff of a model.

    Raises:
        LookaheadError: Names the model, both dates and the remedy.
    """
    from llm_plugin.validator.cutoffs import SeenData, refuse_lookahead

    cutoffs = [None if m["data_cutoff"] == "unknown" else datetime.fromisoformat(m["data_cutoff"]) for m in models]
    seen = [SeenData(m["kind"], m["version"], cutoff) for m, cutoff in zip(models, cutoffs, strict=True)]
    refuse_lookahead(seen, start, allow)


class _Lines:
    """Stages as lines: one when a stage begins, not one for each step."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._tenths: dict[str, int] = {}

    def __call__(self, stage: str, fraction: float) -> None:
        name = "".join(c for c in stage if not c.isdigit())
        tenth = int(fraction * 4)
        if self._tenths.get(name) != tenth:
            self._tenths[name] = tenth
            self._say(f"  {100 * fraction:3.0f} %  {stage}")
