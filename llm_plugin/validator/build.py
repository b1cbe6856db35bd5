"""From a configuration to the parts of a validator: model, store, memory, session, rules, arm, signal source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from llm_plugin.domain import OutcomeKind
from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.files import home
from llm_plugin.fusion import get_fusion
from llm_plugin.memory.local import LocalMemory
from llm_plugin.memory.rebuild import stored_records
from llm_plugin.prompts import PromptRenderer
from llm_plugin.reasoning import ScoringCache, create_model
from llm_plugin.risk import RiskGate
from llm_plugin.session import SessionTracker
from llm_plugin.validator.arms import Arm, MetaLabel, follow, random_veto, tabular
from llm_plugin.validator.ledger import Ledger
from llm_plugin.validator.pipeline import Parts, SignalSource
from llm_plugin.validator.reasons import ReasonWriter
from llm_plugin.validator.recall import Recall

if TYPE_CHECKING:
    from llm_plugin.memory.records import MemoryRecord, TradeMemory
    from llm_plugin.memory.vector import VectorTransform
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.reasoning import LanguageModel
    from llm_plugin.settings import Settings

__all__ = ["build_parts", "model_folder"]

META_LABEL_FOLDER = "meta_label"


@dataclass
class _Given:
    """What the caller brought along, and what has to be released in the end."""

    run_id: str
    store: OutcomeStore | None
    run_folder: Path
    live: bool
    release: list[Callable[[], None]] = field(default_factory=list)


def build_parts(
    settings: Settings,
    run_id: str,
    *,
    store: OutcomeStore | None = None,
    memory: TradeMemory | None = None,
    model: LanguageModel | None = None,
    signal_source: SignalSource | None = None,
    meta_label: MetaLabel | None = None,
    run_folder: Path | str | None = None,
    live: bool = False,
) -> Parts:
    """Make the parts; whatever is given is used and stays the caller's to close, the rest is made and closed here.

    Args:
        settings: The configuration.
        run_id: The run.
        store: Outcome store; None opens `outcomes.store_url`.
        memory: Trade memory; None opens `memory.backend`.
        model: Language model; None loads `llm_model`, unless the arm asks none.
        signal_source: Signal model; None loads `signals`.
        meta_label: Tabular model of arm tabular; None loads the one beside the language model.
        run_folder: What a relative path in `outcomes.store_url` is relative to; None = the working folder.
        live: Every write is durable before it returns; a backtest commits in groups.

    Raises:
        ConfigError: The configuration asks for what is not here.
        ModelError: A model cannot be loaded.
    """
    _check_mode(settings)
    get_fusion(settings.fusion.strategy)
    given = _Given(run_id, store, Path(run_folder or Path.cwd()), live)
    renderer = PromptRenderer(settings.prompts, settings.features.user)
    tracker = make_tracker(settings)
    gate = RiskGate(settings.risk, tracker.shadow_wins)
    cache = _cache(settings, model, renderer)
    kept = store if store is not None else _open_store(settings, given)
    versions = _versions(renderer, cache)
    resumed = not kept.start_run(run_id, settings.model_dump(mode="json"), versions)
    if resumed:
        _resume(kept, run_id, tracker, gate)
    recall = _recall(settings, memory, kept, given)
    return Parts(
        renderer=renderer,
        tracker=tracker,
        gate=gate,
        ledger=Ledger(kept, renderer.version, versions["features"], resumed),
        cache=cache,
        recall=recall,
        arm=_arm(settings, meta_label),
        load_signals=lambda: signal_source if signal_source is not None else _signal_source(settings),
        reasons=_reasons(settings, kept, cache, run_id, renderer),
        on_close=tuple(given.release),
    )


def make_tracker(settings: Settings) -> SessionTracker:
    """Return an empty session tracker of the configuration."""
    session = settings.session
    return SessionTracker(
        recent_trades=session.recent_trades,
        pattern_min_trades=session.pattern_min_trades,
        hot_win_rate=session.hot_win_rate,
        cold_win_rate=session.cold_win_rate,
        style=settings.prompts.style,
    )


def model_folder(name: str) -> Path | None:
    """Return the folder of a model: the path itself, or that name under LEAN_LLM_HOME; None where neither exists."""
    for folder in (Path(name).expanduser(), home() / "models" / "llm" / name):
        if folder.is_dir():
            return folder
    return None


def _check_mode(settings: Settings) -> None:
    mode = settings.validator.mode
    if mode in ("service", "record"):
        what = "the service's address" if mode == "service" else "the recorded run"
        raise ConfigError(
            f"validator.mode = {mode!r}: asks {what}, not a validator in this process; the LEAN side picks its back end"
        )


def _asks_model(settings: Settings) -> bool:
    return settings.validator.mode == "in_process" and settings.validator.arm == "llm"


def _cache(settings: Settings, model: LanguageModel | None, renderer: PromptRenderer) -> ScoringCache | None:
    if not _asks_model(settings):
        return None
    loaded = model if model is not None else _load_model(settings, renderer)
    return ScoringCache(loaded, settings.reasoning.cache_size)


def _load_model(settings: Settings, renderer: PromptRenderer) -> LanguageModel:
    wanted = settings.llm_model
    folder = model_folder(wanted.name)
    if folder is None and wanted.name == "bootstrap":
        raise ModelError("no bootstrap model is here; make one with `lean-llm model bootstrap`")
    return create_model(
        wanted.provider,
        name=str(folder) if folder is not None else wanted.name,
        adapter=wanted.adapter,
        quantization=wanted.quantization,
        device=wanted.device,
        max_memory=wanted.max_memory,
        threads=settings.reasoning.threads,
        prompt_version=renderer.version,
        max_batch=settings.reasoning.batch_size,
        temperature=wanted.temperature,
        top_p=wanted.top_p,
        seed=settings.validator.seed,
        server=wanted.server,
    )


def _open_store(settings: Settings, given: _Given) -> OutcomeStore:
    from llm_plugin.outcomes.store import OutcomeStore

    opened = OutcomeStore(store_url(settings.outcomes.store_url, given.run_folder), "each" if given.live else "group")
    given.release.append(opened.close)
    return opened


def store_url(url: str, folder: Path) -> str:
    """Return a database URL with a relative SQLite path put into a folder."""
    head = "sqlite:///"
    if not url.startswith(head) or url.removeprefix(head).startswith(("/", ":memory:")):
        return url
    folder.mkdir(parents=True, exist_ok=True)
    return f"{head}{(folder / url.removeprefix(head)).resolve()}"


def _versions(renderer: PromptRenderer, cache: ScoringCache | None) -> dict[str, str]:
    from llm_plugin.features.catalog import schema_hash

    model = "" if cache is None else cache.model.version
    return {"model": model, "templates": renderer.version, "features": schema_hash()}


def _tenant(given: _Given) -> str:
    from llm_plugin.memory.opening import tenant_of

    return given.run_id if given.live else tenant_of(given.run_id, given.run_folder)


def _resume(store: OutcomeStore, run_id: str, tracker: SessionTracker, gate: RiskGate) -> None:
    """A restart: the session is derived from the store again, the blocks are read back."""
    gate.restore(store.session(run_id, "risk") or {})
    requests = {row.request.decision_id: row.request for row in store.decisions(run_id)}
    for request in requests.values():
        tracker.observe(request)
    for outcome in store.outcomes(run_id, kinds=(OutcomeKind.REALISED, OutcomeKind.SHADOW)):
        tracker.record(outcome, requests[outcome.decision_id])


def _arm(settings: Settings, meta_label: MetaLabel | None) -> Arm | None:
    validator = settings.validator
    if validator.mode == "none" or validator.arm == "none":
        return follow("none")
    if validator.arm == "risk":
        return follow("risk")
    if validator.arm == "random":
        return random_veto(validator.random_veto_rate, validator.seed)
    if validator.arm == "tabular":
        return tabular(meta_label if meta_label is not None else _load_meta_label(settings))
    return None


def _load_meta_label(settings: Settings) -> MetaLabel:
    from llm_plugin.bootstrap.metalabel import MetaLabel as Stored

    folder = model_folder(settings.llm_model.name)
    if folder is None:
        raise ModelError(f"model {settings.llm_model.name!r} is not here; make one with `lean-llm model bootstrap`")
    return Stored.load(folder / META_LABEL_FOLDER)


def _signal_source(settings: Settings) -> SignalSource | None:
    if settings.signals.kind == "none":
        return None
    from llm_plugin.signals import EnsembleSignalSource

    return EnsembleSignalSource.from_settings(settings)


def _recall(settings: Settings, memory: TradeMemory | None, store: OutcomeStore, given: _Given) -> Recall | None:
    wanted = settings.memory
    if wanted.backend == "none" or settings.validator.arm not in ("llm", "tabular"):
        return None
    from llm_plugin.memory import VectorTransform, open_memory

    transform = VectorTransform()
    seeds = _seed_records(settings, store, given, transform)

    def known() -> list[MemoryRecord]:
        return [*seeds, *stored_records(store, given.run_id, transform, wanted.shadow)]

    def local_copy() -> TradeMemory:
        copy = LocalMemory()
        copy.add_many(known())
        return copy

    opened = memory if memory is not None else open_memory(wanted, _tenant(given), live=given.live)
    opened.add_many(known())
    recall = Recall(
        opened,
        transform,
        local_copy,
        k=wanted.k,
        same_symbol_first=wanted.same_symbol_first,
        shadow=wanted.shadow,
        timeout_seconds=wanted.timeout_seconds,
        seeded_until=max((record.closed_utc for record in seeds), default=None),
    )
    given.release.append(recall.close if memory is None else recall.close_replacement)
    return recall


def _seed_records(
    settings: Settings, store: OutcomeStore, given: _Given, transform: VectorTransform
) -> list[MemoryRecord]:
    """Return what `memory.seed_run` holds: a run of the same store, or the folder of another one."""
    name = settings.memory.seed_run
    if name is None:
        return []
    shadow, folder = settings.memory.shadow, given.run_folder / name
    if not (folder / "store.sqlite").is_file():
        if store.run(name) is None:
            raise ConfigError(
                f"memory.seed_run = {name!r}: neither a run of {store.url} nor a run folder with a store.sqlite"
            )
        return list(stored_records(store, name, transform, shadow))
    from llm_plugin.outcomes.store import OutcomeStore as Store

    with Store(f"sqlite:///{(folder / 'store.sqlite').resolve()}") as other:
        return [record for run in other.run_ids() for record in stored_records(other, run, transform, shadow)]


def _reasons(
    settings: Settings, store: OutcomeStore, cache: ScoringCache | None, run_id: str, renderer: PromptRenderer
) -> ReasonWriter | None:
    if cache is None:
        return None
    return ReasonWriter(
        store,
        cache.model,
        run_id,
        renderer.template.system,
        batch_size=settings.reasoning.batch_size,
        max_new_tokens=settings.llm_model.max_new_tokens,
    )
