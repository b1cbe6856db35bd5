"""One part of the loop's proof in a process of its own: `python -m llm_plugin.proofs.loop_worker SPEC`, as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_plugin.errors import ConfigError, LeanLlmError

__all__ = ["main"]

Reporter = Callable[[str, float], None]


def main(argv: list[str] | None = None) -> int:
    """Run the part and write its result; the file appears only when it is complete."""
    from llm_plugin.proofs.worker import Reporter as Lines

    spec = json.loads((sys.argv[1:] if argv is None else argv)[0])
    out = Path(spec["out"])
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, never between the progress lines
    try:
        result = PARTS[spec["task"]](spec, Lines(channel))
    except KeyError:
        sys.stderr.write(f"ConfigError: part {spec.get('task')!r} is unknown; known: {', '.join(PARTS)}\n")
        return ConfigError.exit_code
    except LeanLlmError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return error.exit_code
    finally:
        channel.close()
    draft = out.with_suffix(".part")
    draft.write_text(json.dumps({"key": spec["key"], "result": result}), encoding="utf-8")
    draft.replace(out)
    return 0


def _cell(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    from llm_plugin.proofs.loop_cell import run_loop_cell
    from llm_plugin.proofs.loop_config import LOOP_VARIANTS, LoopProofConfig

    config, variant = LoopProofConfig.from_json(spec["config"]), LOOP_VARIANTS[spec["variant"]]
    with tempfile.TemporaryDirectory(prefix="loop-") as folder:
        work, kept = Path(folder) / "cell", Path(spec["kept"])
        return run_loop_cell(config, variant, int(spec["seed"]), work, kept, on_stage=report)


def _shift(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    import shutil

    from llm_plugin.proofs.shift_cell import ShiftConfig, run_shift

    work = Path(spec["kept"]).parent / f"shift-work-seed{spec['seed']}"
    result = run_shift(ShiftConfig(), int(spec["seed"]), work, on_stage=report)
    shutil.rmtree(work, ignore_errors=True)
    return result


def _walkforward(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """A walk-forward of a project, as the command runs it."""
    from llm_plugin.runs.prepare import Preparation
    from llm_plugin.walkforward.finish import finish
    from llm_plugin.walkforward.plan import WalkForwardOptions
    from llm_plugin.walkforward.run import run_walkforward

    options = WalkForwardOptions(
        project=Path(spec["project"]),
        data_folder=Path(spec["data"]),
        output=Path(spec["kept"]).parent / spec["name"],
        start=spec.get("start", ""),
        end=spec.get("end", ""),
        overrides=tuple(spec.get("overrides", ())),
        retrain_every=spec["retrain_every"],
        seed=int(spec["seed"]),
    )

    def on_event(arm: str, event: Any) -> None:
        if event["event"] == "progress":
            report(arm, float(event["fraction"]))

    def say(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    def prepare(backtest: Any, resolved: Any) -> Any:
        return Preparation(backtest, say=say, on_stage=report)(resolved)

    return finish(run_walkforward(options, on_event, prepare))


def _benches(spec: dict[str, Any], report: Reporter) -> dict[str, Any]:
    """Benchmarks of a checkout; their figures are read back from where they write them."""
    import subprocess

    root = Path(spec["root"])
    report("benchmarks", 0.0)
    files = [str(root / "tests" / "benchmarks" / name) for name in spec["files"]]
    done = subprocess.run(  # noqa: S603 - pytest on our own files
        [sys.executable, "-m", "pytest", "--benchmark-enable", "-p", "no:cacheprovider", *files],
        cwd=root,
        env={**os.environ, "LEAN_LLM_BENCH": "1"},
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        raise LeanLlmError(f"benchmarks {', '.join(spec['files'])} ended with exit code {done.returncode}")
    known = json.loads((root / ".bench" / "results.json").read_text(encoding="utf-8"))
    return {name: figure for name, figure in known.items() if name.startswith(tuple(spec["figures"]))}


PARTS: dict[str, Callable[[dict[str, Any], Reporter], dict[str, Any]]] = {
    "cell": _cell,
    "shift": _shift,
    "walkforward": _walkforward,
    "benches": _benches,
}


if __name__ == "__main__":
    sys.exit(main())
