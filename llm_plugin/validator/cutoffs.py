"""Which models of a run have seen what: a backtest must not start inside the data that one of them was trained on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llm_plugin.errors import LookaheadError

if TYPE_CHECKING:
    from llm_plugin.settings import Settings

__all__ = ["SeenData", "refuse_lookahead", "seen_data"]

MODEL_ARMS = ("llm", "tabular")


@dataclass(frozen=True, slots=True)
class SeenData:
    """One model and the end of the data that anything in it has seen; None where nobody recorded it."""

    kind: str
    version: str
    cutoff_utc: datetime | None


def seen_data(settings: Settings) -> list[SeenData]:
    """Return the models that a configuration asks and that are on this machine."""
    found = []
    if settings.signals.kind == "ensemble":
        from llm_plugin.signals import EnsembleManifest, model_folder

        folder = model_folder(settings.signals.model)
        if folder.is_dir():
            manifest = EnsembleManifest.read(folder)
            found.append(SeenData("ensemble", f"{manifest.name} {manifest.version}", manifest.data_cutoff_utc))
    if settings.validator.mode == "in_process" and settings.validator.arm in MODEL_ARMS:
        found.append(_language_model(settings.llm_model.name))
    return found


def refuse_lookahead(models: Iterable[SeenData], start_utc: datetime, allow: bool) -> None:
    """Refuse a run that starts before the data cutoff of a model.

    Args:
        models: What the run asks.
        start_utc: First moment of the run.
        allow: Go on nevertheless (`--allow-lookahead`).

    Raises:
        LookaheadError: Names the models, the dates and the remedy.
    """
    late = [m for m in models if m.cutoff_utc is not None and m.cutoff_utc > start_utc]
    if late and not allow:
        listed = "; ".join(f"{m.kind} {m.version} has seen data up to {_text(m.cutoff_utc)}" for m in late)
        raise LookaheadError(
            f"the run starts on {start_utc:%Y-%m-%d}, but {listed}: start later, train with an earlier cutoff, "
            "or pass --allow-lookahead (the report then says so)"
        )


def _language_model(name: str) -> SeenData:
    from llm_plugin.validator.build import model_folder

    folder = model_folder(name)
    manifest = folder / "manifest.json" if folder is not None else None
    if manifest is None or not manifest.is_file():
        return SeenData("language model", name, None)
    values = json.loads(manifest.read_text(encoding="utf-8"))
    stamp = values.get("data_cutoff_utc")
    cutoff = datetime.fromisoformat(stamp.replace("Z", "+00:00")) if stamp else None
    return SeenData("language model", str(values.get("name", name)), cutoff)


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
