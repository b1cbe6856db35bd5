"""One algorithm in a process of its own: `python -m llm_plugin.conformance.child JOB.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(job_file: Path) -> None:
    """Run the algorithm that a job file names and write what came out of it beside the file."""
    job = json.loads(job_file.read_text(encoding="utf-8"))
    _limit_memory(int(job["memory_mib"]))
    from llm_plugin.conformance.inputs import MissingFileWatch

    watch = MissingFileWatch([Path(root) for root in job["roots"]], job["absent"])
    watch.start()
    outcome = _run(job)
    outcome["missing"] = sorted(watch.asked)
    draft = job_file.with_name("outcome.draft")
    draft.write_text(json.dumps(outcome), encoding="utf-8")
    draft.replace(job_file.with_name("outcome.json"))


def _run(job: dict[str, Any]) -> dict[str, Any]:
    from llm_plugin.engine.results.files import order_event_json
    from llm_plugin.engine.runner import BacktestResult, run_backtest
    from llm_plugin.errors import UnsupportedLeanApi

    failure: Exception | None = None
    try:
        result = run_backtest(
            Path(job["path"]),
            data_folder=Path(job["data"]),
            results_folder=Path(job["results"]),
            parameters=job["parameters"],
        )
    except MemoryError:
        return {"kind": "memory", "error": f"more than {job['memory_mib']} MiB"}
    except Exception as error:
        failure = error
        found: BacktestResult | None = getattr(error, "result", None)
        if found is None:
            return {"kind": type(error).__name__, "error": str(error), "member": getattr(error, "member", "")}
        result = found
    if isinstance(getattr(failure, "__cause__", None), MemoryError):
        return {"kind": "memory", "error": f"more than {job['memory_mib']} MiB"}
    state = result.run_state
    return {
        "kind": type(failure).__name__ if failure is not None else "",
        "error": str(failure or ""),
        "member": failure.member if isinstance(failure, UnsupportedLeanApi) else "",
        "status": result.status,
        "statistics": dict(result.statistics),
        "hash": result.order_list_hash,
        "seconds": result.seconds,
        "points": result.bars,
        "orders": list(state.order_texts) if state is not None else [],
        "events": [_plain(order_event_json(event, result.algorithm_id)) for event in result.order_events],
    }


def _plain(event: dict[str, Any]) -> dict[str, Any]:
    from llm_plugin.engine.base.json_text import to_json_text

    plain: dict[str, Any] = json.loads(to_json_text(event))
    return plain


def _limit_memory(mebibytes: int) -> None:
    try:
        import resource
    except ImportError:  # no limits on this platform
        return
    size = mebibytes << 20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
