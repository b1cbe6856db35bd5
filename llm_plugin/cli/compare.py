"""`lean-llm compare`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, out, table

if TYPE_CHECKING:
    from llm_plugin.runs.compare import Comparison, Difference

__all__ = ["register"]

DIFFERENT = 1


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    run_a: Path = typer.Argument(..., help="A results folder, or the result JSON in it."),
    run_b: Path = typer.Argument(..., help="The other one; both may come from any LEAN."),
    ignore: list[str] = typer.Option(
        [], "--ignore", help="An order field (such as tag) or statistic that may differ; may be repeated."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print every difference as JSON."),
) -> None:
    """Compare two runs order by order and statistic by statistic; exit code 0 if equal, 1 if not."""
    from llm_plugin.runs.compare import compare_runs
    from llm_plugin.runs.lean_results import read_results

    result = compare_runs(read_results(run_a), read_results(run_b), ignore)
    emit({"equal": result.equal, **asdict(result)}, as_json=as_json, show=lambda _: _show(result, run_a, run_b))
    if not result.equal:
        raise typer.Exit(DIFFERENT)


def _show(result: Comparison, run_a: Path, run_b: Path) -> None:
    out.print(f"A  {run_a}\nB  {run_b}", markup=False, soft_wrap=True)
    out.print(
        f"orders      {result.orders_equal} equal of {result.orders_a} in A and {result.orders_b} in B\n"
        f"events      {result.events_equal} equal of {result.events_a} in A and {result.events_b} in B\n"
        f"statistics  {result.statistics_equal} equal, {len(result.statistics)} different",
        markup=False,
    )
    for name, differences in (("order", result.order_differences), ("order event", result.event_differences)):
        if differences:
            _first(name, differences[0], len(differences))
    if result.statistics:
        rows = [(key, _text(a), _text(b), _change(a, b)) for key, (a, b) in result.statistics.items()]
        table("statistics that differ", ("", "A", "B", "B - A"), rows, right=(1, 2, 3))
    out.print("equal" if result.equal else "different", markup=False)


def _first(name: str, item: Difference, count: int) -> None:
    out.print(f"first {name} that differs ({count} in all): {_where(item)}", markup=False)
    if item.fields:
        rows = [(key, _text(a), _text(b)) for key, (a, b) in item.fields.items()]
        table("", ("", "A", "B"), rows)
        return
    missing, row = ("B", item.row_a) if item.row_a is not None else ("A", item.row_b)
    out.print(f"  only in {'A' if missing == 'B' else 'B'}; {missing} has none such", markup=False)
    table("", ("", "value"), [(key, _text(value)) for key, value in (row or {}).items() if value not in (None, "")])


def _where(item: Difference) -> str:
    row = item.row_a or item.row_b or {}
    number = item.order_a if item.order_a is not None else item.order_b
    event = f", event {item.event}" if item.event is not None else ""
    what = " ".join(str(row[key]) for key in ("type", "quantity", "symbol") if row.get(key))
    return f"order {number}{event} at {row.get('time')} {what}".rstrip()


def _text(value: Any) -> str:
    return "–" if value is None else str(value)


def _change(a: str | None, b: str | None) -> str:
    """Return the difference of two figures that are numbers with the same unit, else nothing."""
    numbers = [_figure(a), _figure(b)]
    if numbers[0] is None or numbers[1] is None:
        return ""
    return f"{numbers[1] - numbers[0]:+.6g}"


def _figure(text: str | None) -> float | None:
    try:
        return float((text or "").strip().rstrip("%").lstrip("$").replace(",", ""))
    except ValueError:
        return None
