"""One cell in a process of its own: `python -m llm_plugin.proofs.worker SPEC`, the specification as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from llm_plugin.errors import LeanLlmError
from llm_plugin.proofs.planted_config import VARIANTS, ProofConfig

__all__ = ["Reporter", "main"]

REPORT_SECONDS = 1.0


def main(argv: list[str] | None = None) -> int:
    """Run the cell and write its result; the file appears only when it is complete."""
    spec = json.loads((sys.argv[1:] if argv is None else argv)[0])
    out = Path(spec["out"])
    try:
        result = _run(spec)
    except LeanLlmError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    draft = out.with_suffix(".part")
    draft.write_text(json.dumps(result), encoding="utf-8")
    draft.replace(out)
    return 0


def _run(spec: dict[str, Any]) -> dict[str, Any]:
    from llm_plugin.proofs.planted_cell import run_cell

    config = ProofConfig.from_json(spec["config"])
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        work = Path(folder) / "cell"
        return run_cell(config, VARIANTS[spec["variant"]], int(spec["seed"]), work, on_stage=Reporter())


class Reporter:
    """Writes stage and fraction as a line, at most one a second within a stage.

    Args:
        stream: Where to; None takes the standard output.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stage, self._last = "", 0.0
        self._stream = stream or sys.stdout

    def __call__(self, stage: str, fraction: float) -> None:
        now = time.monotonic()
        if stage != self._stage or now - self._last >= REPORT_SECONDS:
            self._stage, self._last = stage, now
            self._stream.write(f"{stage}\t{fraction:.3f}\n")
            self._stream.flush()


if __name__ == "__main__":
    sys.exit(main())
