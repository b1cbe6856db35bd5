"""Everything that was known of one decision, from the store of its run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import RecordError
from llm_plugin.outcomes.store import OutcomeStore, StoredDecision

__all__ = ["explain_decision", "find_decision"]

SHORTEST_PREFIX = 6


def explain_decision(decision_id: str, run: Path | None = None) -> dict[str, Any]:
    """Return request, decision, prompt, memory hits and outcomes of a decision as JSON types.

    Args:
        decision_id: The id, or at least its first six characters.
        run: The run's folder; None searches `./backtests` and projects' `backtests`, newest first.

    Raises:
        RecordError: No run knows it, or a beginning fits several.
    """
    with find_decision(decision_id, run) as (store, stored, folder):
        return _tell(store, stored, folder)


@contextmanager
def find_decision(decision_id: str, run: Path | None) -> Iterator[tuple[OutcomeStore, StoredDecision, Path]]:
    """Open the store that knows a decision; yields the store, the decision and the run's folder.

    Raises:
        RecordError: No run knows it, or a beginning fits several.
    """
    if len(decision_id) < SHORTEST_PREFIX:
        raise RecordError(f"'{decision_id}' is too short: give at least {SHORTEST_PREFIX} characters of the id")
    stores = [run / "store.sqlite"] if run is not None else _stores(Path.cwd())
    for path in stores:
        if not path.is_file():
            raise RecordError(f"{path} does not exist: is {path.parent} a run's folder?")
        with OutcomeStore(f"sqlite:///{path.resolve()}") as store:
            found = _find(store, decision_id)
            if found is not None:
                yield store, found, path.parent
                return
    where = f"in {run}" if run else f"in {len(stores)} runs below {Path.cwd()}"
    raise RecordError(f"no decision '{decision_id}' {where}; name its run's folder with --run")


def _stores(folder: Path) -> list[Path]:
    found = [*folder.glob("backtests/*/store.sqlite"), *folder.glob("*/backtests/*/store.sqlite")]
    found += folder.glob("*/*/backtests/*/store.sqlite")
    return sorted(found, key=lambda path: path.parent.name, reverse=True)


def _find(store: OutcomeStore, decision_id: str) -> StoredDecision | None:
    exact = store.decision(decision_id)
    if exact is not None:
        return exact
    matches = [
        stored
        for run_id in store.run_ids()
        for stored in store.decisions(run_id)
        if stored.decision.decision_id.startswith(decision_id)
    ]
    if len(matches) > 1:
        ids = ", ".join(m.decision.decision_id for m in matches[:3])
        raise RecordError(f"'{decision_id}' fits {len(matches)} decisions ({ids}, …): give more of the id")
    return matches[0] if matches else None


def _tell(store: OutcomeStore, stored: StoredDecision, folder: Path) -> dict[str, Any]:
    decision = stored.decision
    outcomes = [o for o in store.outcomes(decision.run_id) if o.decision_id == decision.decision_id]
    return {
        "run_folder": str(folder),
        "decision": to_jsonable(decision),
        "request": to_jsonable(stored.request),
        "prompt": stored.prompt_text,
        "template_version": stored.template_version,
        "memory": [_hit(store, hit) for hit in decision.memory_hits],
        "outcomes": [to_jsonable(outcome) for outcome in outcomes],
    }


def _hit(store: OutcomeStore, decision_id: str) -> dict[str, Any]:
    stored = store.decision(decision_id)
    if stored is None:
        return {"decision_id": decision_id, "time_utc": "of another run", "action": "", "r_multiple": None, "kind": ""}
    outcome = next((o for o in store.primary_outcomes(stored.decision.run_id) if o.decision_id == decision_id), None)
    return {
        "decision_id": decision_id,
        "time_utc": to_jsonable(stored.decision.time_utc),
        "action": stored.decision.signal_action.value,
        "r_multiple": outcome.r_multiple if outcome else None,
        "kind": outcome.kind.value if outcome else "open",
    }
