"""`lean-llm backtest --sandbox`: one plain algorithm, shut in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from llm_plugin.cli.console import emit, err, key_values, out
from llm_plugin.errors import ConfigError

if TYPE_CHECKING:
    from llm_plugin.runs.backtest import BacktestOptions
    from llm_plugin.sandbox import SandboxResult

__all__ = ["run_in_sandbox"]

_SHOWN = ("Net Profit", "Sharpe Ratio", "Drawdown", "Total Orders", "Total Fees", "OrderListHash")


def run_in_sandbox(options: BacktestOptions, *, as_json: bool) -> int:
    """Run the project in a sandbox, write its results and print them; return the exit code.

    Raises:
        ConfigError: The project needs what a sandbox cannot give.
        SandboxUnavailable: This machine cannot build one.
    """
    from llm_plugin.files import write_whole
    from llm_plugin.runs.backtest import write_versions
    from llm_plugin.sandbox import SandboxLimits, run_sandboxed

    if options.engine != "embedded":
        raise ConfigError(f"--sandbox and --engine {options.engine} exclude each other: it is the embedded engine's")
    if (options.project / "llm_config.yaml").is_file():
        raise ConfigError(
            f"--sandbox runs plain algorithms: {options.project / 'llm_config.yaml'} asks for models and stores of "
            "this machine; run a copy of the project without it"
        )
    given, standard = options.run_options, SandboxLimits()
    limits = SandboxLimits(
        run_seconds=given.run_seconds or standard.run_seconds,
        step_seconds=given.step_seconds or standard.step_seconds,
        memory_mib=given.memory_mib or standard.memory_mib,
    )
    result = run_sandboxed(
        options.project,
        data_folder=options.data_folder,
        results_folder=options.output,
        parameters=options.parameters,
        start=date.fromisoformat(options.start) if options.start else None,
        end=date.fromisoformat(options.end) if options.end else None,
        limits=limits,
        bad_data=given.bad_data,
        missing_data=given.missing_data,
        on_event=_tell,
    )
    summary = _summary(result)
    write_whole(options.output / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    write_versions(options.output / "versions.json")
    emit(summary, as_json=as_json, show=_show)
    if result.error:
        err.print(f"{result.kind}: {result.error}", markup=False, soft_wrap=True)
    if not as_json:
        out.print(f"results: {options.output}", markup=False, soft_wrap=True)
    return 130 if result.status == "Stopped" and not result.error else result.exit_code


def _tell(event: Mapping[str, Any]) -> None:
    if event["event"] == "refusal":
        err.print(str(event["text"]), markup=False, soft_wrap=True)


def _summary(result: SandboxResult) -> dict[str, Any]:
    values = asdict(result)
    values["files"] = {name: str(path) for name, path in result.files.items()}
    return values


def _show(summary: Mapping[str, Any]) -> None:
    found = summary["statistics"]
    rows = {"status": summary["status"], **{name: found[name] for name in _SHOWN if name in found}}
    key_values("", rows)
    out.print(f"{summary['bars']:,} bars in {summary['seconds']:.1f} s; shut in by " + ", ".join(summary["layers"]))
    if summary["refusals"]:
        out.print(f"{len(summary['refusals'])} attempts were refused")
    for note in summary["notes"]:
        out.print(f"note: {note}", markup=False)
