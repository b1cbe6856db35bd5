"""After the arms: reasons, `summary.json` and `report.html`."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from llm_plugin.domain import to_jsonable
from llm_plugin.errors import LeanLlmError
from llm_plugin.files import write_whole
from llm_plugin.report.contents import Price, ReportInput
from llm_plugin.runs.arms import LLM, arms_for
from llm_plugin.runs.backtest import BacktestOptions, BacktestRun, control_of
from llm_plugin.runs.record import ArmRecord
from llm_plugin.runs.summary import compare_arms, summarise, trading_days

__all__ = ["finish"]


def finish(options: BacktestOptions, run: BacktestRun) -> dict[str, Any]:
    """Write the summary and the report of a run and return the summary.

    A run without the arm `none` is compared with itself, so the report has one curve; an interrupted one says so.
    """
    main = run.records.get(LLM.name) or next(iter(run.records.values()))
    control = control_of(run) or main
    ordered = [run.records[arm.name] for arm in arms_for(True) if arm.name in run.records]
    comparison = compare_arms(ordered, control)
    summary = summarise(main, comparison if options.ablation else None)
    notes = [*run.notes, *_notes(run, main)]
    summary |= {
        "project": options.project.name,
        "run_folder": str(run.folder),
        "status": main.status,
        "interrupted": run.interrupted,
        "notes": notes,
        "models": run.models,
        "comparison": comparison,
    }
    text = json.dumps(to_jsonable(summary), indent=1, ensure_ascii=False) + "\n"
    write_whole(run.folder / "summary.json", text)
    _report(options, run, main, control, comparison, summary, notes)
    return summary


def _notes(run: BacktestRun, main: ArmRecord) -> list[str]:
    notes = []
    if run.interrupted:
        notes.append("Stopped by Ctrl-C: these results are partial.")
    if main.error:
        notes.append(f"The algorithm ended with an error: {main.error}")
    if run.resolved.settings.signals.allow_lookahead:
        notes.append(
            "Look-ahead was allowed: a model may have seen the days it is judged on. These results prove nothing."
        )
    notes += [
        n for path in sorted(run.folder.glob("note-*.txt")) for n in path.read_text(encoding="utf-8").splitlines()
    ]
    return notes


def _report(
    options: BacktestOptions,
    run: BacktestRun,
    main: ArmRecord,
    control: ArmRecord,
    comparison: list[dict[str, Any]],
    summary: dict[str, Any],
    notes: list[str],
) -> None:
    from llm_plugin.report.render import write_report

    store = run.folder / "store.sqlite"
    write_report(
        run.folder / "report.html",
        ReportInput(
            project=options.project.name,
            main=main,
            control=control,
            summary=summary,
            comparison=comparison,
            config_rows=run.resolved.rows(),
            models=run.models,
            notes=notes,
            prices=_prices(options, main),
            days=trading_days(main),
            store=store if store.is_file() else None,
            versions=json.loads((run.folder / "versions.json").read_text(encoding="utf-8")),
            currency=str(main.result.get("algorithmConfiguration", {}).get("accountCurrency", "USD")),
        ),
    )


def _prices(options: BacktestOptions, main: ArmRecord) -> list[Price]:
    """Daily closes of the symbol with the most decisions, from the run's own data folder; none where it has no file."""
    from llm_plugin.data.bars import load_price_bars
    from llm_plugin.engine.market.symbols import SecurityIdentifier

    if not main.entries:
        return []
    symbol_id, _ = Counter(d.symbol_id for d in main.entries).most_common(1)[0]
    sid = SecurityIdentifier.parse(symbol_id)
    days = trading_days(main)
    for resolution in ("daily", "hour"):
        try:
            bars = load_price_bars(
                options.data_folder,
                security_type=sid.security_type.name.lower(),
                market=sid.market,
                ticker=sid.symbol,
                resolution=resolution,
                start=days[0],
                end=days[-1] + timedelta(days=1),
            )
        except LeanLlmError:
            continue
        last = {datetime.fromtimestamp(us / 1e6, UTC).date(): i for i, us in enumerate(bars.end_us.tolist())}
        times = [datetime.fromtimestamp(int(bars.end_us[i]) / 1e6, UTC) for i in last.values()]
        return [Price(sid.symbol, times, [round(float(bars.close[i]), 6) for i in last.values()])]
    return []
