"""After the arms: `summary.json` and `walkforward.html`."""

from __future__ import annotations

import json
from typing import Any

from llm_plugin.files import write_whole
from llm_plugin.walkforward.report import write_report
from llm_plugin.walkforward.run import WalkForwardRun
from llm_plugin.walkforward.summary import summarise

__all__ = ["finish"]


def finish(run: WalkForwardRun) -> dict[str, Any]:
    """Write the summary and the report of a walk-forward and return the summary."""
    summary = summarise(run)
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(run.folder / "summary.json", text)
    write_report(run, summary)
    return summary
