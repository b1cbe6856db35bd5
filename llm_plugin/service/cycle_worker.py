"""`python -m llm_plugin.service.cycle_worker`: one cycle, as the service asked for it on standard input."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

__all__ = ["main"]

NICENESS = 10


def main() -> int:
    """Run the cycle; the result is in the database, and a line of it is printed."""
    from llm_plugin.cycle.run import run_cycle
    from llm_plugin.cycle.words import CycleParts, CycleRequest
    from llm_plugin.data.locate import known_data_folder
    from llm_plugin.errors import LeanLlmError
    from llm_plugin.learning.database import LearningDatabase
    from llm_plugin.outcomes.store import OutcomeStore
    from llm_plugin.registry.mirror import mirror_of
    from llm_plugin.registry.store import Registry
    from llm_plugin.settings import load_settings

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    spec: dict[str, Any] = json.load(sys.stdin)
    os.nice(NICENESS)
    settings = load_settings(spec["settings"])
    database = LearningDatabase(spec["store_url"])
    try:
        with OutcomeStore(spec["store_url"], "each") as store:
            registry = Registry(name=settings.learning.model)
            mirror = mirror_of(settings, registry)
            parts = CycleParts(
                settings,
                [store],
                registry,
                database,
                data_folder=known_data_folder(),
                mirror=mirror,
                on_stage=_tell,
            )
            result = run_cycle(CycleRequest(trigger="operator", holder="http"), parts)
    except LeanLlmError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return error.exit_code
    finally:
        database.close()
    print(f"{result.status}: {result.reason}", flush=True)
    return 0


def _tell(stage: str, fraction: float) -> None:
    print(f"{stage} {fraction:.0%}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
