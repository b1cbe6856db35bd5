"""`python real_cycle.py FOLDER`: one cycle with a real base and the real trainer in what `prepare` made."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cycle_world import at, fill_store, world_settings

from llm_plugin.cycle.run import run_cycle
from llm_plugin.cycle.words import CycleParts
from llm_plugin.domain import Action
from llm_plugin.learning.database import LearningDatabase
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.registry.store import Registry
from llm_plugin.settings import Settings

DECISIONS = 260


def prepare(folder: Path) -> Path:
    """Write an untrained base and a store of matured decisions."""
    from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network

    folder.mkdir(parents=True, exist_ok=True)
    texts = [f"Judge the signal.\nadx {15 + place % 31}.0 at {place} BUY -> {action.value} | 0.{place:02d} | trend"
             for place in range(100) for action in Action]  # fmt: skip
    tokenizer = build_tokenizer(texts, folder / "base")
    save_network(build_network(tokenizer, hidden=32, layers=2, max_tokens=256, seed=0), folder / "base")
    with OutcomeStore(str(folder / "store.sqlite"), commit="group") as store:
        as_of = fill_store(store, real_settings(folder), count=DECISIONS)
    (folder / "as_of").write_text(as_of.isoformat())
    return folder


def real_settings(folder: Path) -> Settings:
    """Return settings of a training of a few steps."""
    training = {"min_steps": 24, "max_steps": 24, "save_steps": 4, "batch_size": 8, "micro_batch": 8, "rank": 4}
    settings = world_settings(window_decisions=DECISIONS, training=training)
    changes = {"provider": "transformers", "name": str(folder / "base"), "max_new_tokens": 8}
    return settings.model_copy(
        update={
            "llm_model": settings.llm_model.model_copy(update=changes),
            "registry": settings.registry.model_copy(update={"mirror": False}),
        }
    )


def parts_of(folder: Path, store: OutcomeStore) -> CycleParts:
    """Return the parts of the cycle."""
    return CycleParts(
        settings=real_settings(folder),
        stores=[store],
        registry=Registry(folder / "registry"),
        database=LearningDatabase(str(folder / "store.sqlite")),
        folder=folder / "cycles",
        on_stage=lambda stage, fraction: print(f"{stage} {fraction:.3f}", flush=True),
    )


def main(folder: Path) -> None:
    """Run the cycle and print how it ended as JSON."""
    as_of = datetime.fromisoformat((folder / "as_of").read_text())
    with OutcomeStore(str(folder / "store.sqlite")) as store:
        result = run_cycle(at(as_of, trigger="operator"), parts_of(folder, store))
    shown = {"status": result.status, "reason": result.reason, "resumed": result.resumed}
    print(json.dumps({**shown, "challenger": result.challenger, "seconds": result.facts.get("seconds")}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
