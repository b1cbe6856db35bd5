"""`lean-llm alphas list|show|check|export|trade`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from llm_plugin.cli.console import emit, err, key_values, out, table

if TYPE_CHECKING:
    from llm_plugin.alphas.catalogue import Alpha
    from llm_plugin.alphas.check import Comparison
    from llm_plugin.alphas.source import AlgorithmPlan
    from llm_plugin.alphas.trade import Trading

__all__ = ["register"]

NUMBER = typer.Argument(..., help="Number of the alpha, 1 to 101.")
TICKERS = typer.Option("", help="US equities, separated by commas; default: fourteen of datasets/market.")
UNIVERSE = typer.Option(None, help="A folder of `lean-llm data universe`: its names are traded.")
CLASSIFICATION = typer.Option(None, help="CSV with ticker, sector, industry, subindustry; default: the shipped one.")
WEIGHTING = typer.Option("dollar-neutral", help="dollar-neutral or long-only.")
REBALANCE = typer.Option("week", help="day, week or month.")
START = typer.Option("", help="First day, YYYY-MM-DD.")
END = typer.Option("", help="Last day, YYYY-MM-DD.")
AS_JSON = typer.Option(False, "--json", help="Print JSON.")
_FORMULA_WIDTH = 84

alphas_app = typer.Typer(
    no_args_is_help=True,
    help="The 101 WorldQuant alphas: read them, check them, write and run them as LEAN algorithms.",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(alphas_app, name="alphas")


@alphas_app.command("list")
def list_alphas(as_json: bool = AS_JSON) -> None:
    """Print all formulas with the days of bars that they need and the groups they neutralise by."""
    from llm_plugin.alphas.catalogue import alphas

    rows = [
        {"number": each.number, "days": each.lookback, "level": each.level, "formula": each.formula}
        for each in alphas()
    ]
    emit(rows, as_json=as_json, show=_list)


def _list(rows: Sequence[dict[str, Any]]) -> None:
    shown = [(row["number"], row["days"], row["level"] or "–", _short(row["formula"])) for row in rows]
    table("", ("alpha", "days", "neutral by", "formula"), shown, right=(0, 1))


def _short(formula: str) -> str:
    return formula if len(formula) <= _FORMULA_WIDTH else f"{formula[: _FORMULA_WIDTH - 1]}…"


@alphas_app.command("show")
def show(
    number: int = NUMBER,
    source: bool = typer.Option(False, "--source", help="Print the LEAN algorithm instead."),
    as_json: bool = AS_JSON,
) -> None:
    """Print one alpha: the formula, an English reading, what it needs; or its LEAN algorithm."""
    from llm_plugin.alphas.catalogue import alpha
    from llm_plugin.alphas.examples import default_plan
    from llm_plugin.alphas.lowering import meaning
    from llm_plugin.alphas.source import algorithm_source
    from llm_plugin.alphas.source_formula import bar_fields
    from llm_plugin.alphas.words import in_words

    found = alpha(number)
    facts = {
        "number": found.number,
        "formula": found.formula,
        "in words": in_words(found.formula),
        "fields of a bar": ", ".join(bar_fields(meaning(found.formula))),
        "days of bars": found.lookback,
        "neutral by": found.level or "–",
    }
    text = algorithm_source(found, default_plan()) if source else ""

    def told(_: Any) -> None:
        if source:
            out.print(text, markup=False, soft_wrap=True, end="")
        else:
            key_values("", facts)

    emit(facts | ({"source": text} if source else {}), as_json=as_json, show=told)


@alphas_app.command("export")
def export(
    number: int = NUMBER,
    output: Path = typer.Option(..., "--output", "-o", help="The project folder to write; new or empty."),
    tickers: str = TICKERS,
    universe: Path | None = UNIVERSE,
    classification: Path | None = CLASSIFICATION,
    weighting: str = WEIGHTING,
    rebalance: str = REBALANCE,
    start: str = START,
    end: str = END,
) -> None:
    """Write an alpha as a LEAN project whose main.py needs nothing of this package."""
    from llm_plugin.alphas.catalogue import alpha
    from llm_plugin.alphas.trade import write_project

    plan = _plan(tickers, universe, classification, weighting, rebalance, start, end)
    for path in write_project(alpha(number), plan, output):
        out.print(str(path), markup=False, soft_wrap=True)


@alphas_app.command("trade")
def trade(
    number: int = NUMBER,
    data: Path | None = typer.Option(None, help="LEAN data folder; default: the universe's, or datasets/market."),
    tickers: str = TICKERS,
    universe: Path | None = UNIVERSE,
    classification: Path | None = CLASSIFICATION,
    weighting: str = WEIGHTING,
    rebalance: str = REBALANCE,
    start: str = START,
    end: str = END,
    as_json: bool = AS_JSON,
) -> None:
    """Run an alpha as a LEAN algorithm on the embedded engine and print what it traded."""
    from llm_plugin.alphas.catalogue import alpha
    from llm_plugin.alphas.trade import trade_all
    from llm_plugin.data.locate import find_data_folder

    plan = _plan(tickers, universe, classification, weighting, rebalance, start, end)
    folder = find_data_folder(Path.cwd(), data or universe)
    with tempfile.TemporaryDirectory(prefix="alphas-") as work:
        (result,) = trade_all([alpha(number)], plan, folder, Path(work), jobs=1)
    emit(asdict(result), as_json=as_json, show=lambda facts: key_values(f"alpha {number}", facts))
    if not result.trades:
        raise typer.Exit(1)


def _plan(
    tickers: str,
    universe: Path | None,
    classification: Path | None,
    weighting: str,
    rebalance: str,
    start: str,
    end: str,
) -> AlgorithmPlan:
    from llm_plugin.alphas.panel import load_classification
    from llm_plugin.alphas.plans import plan_of

    groups = None if classification is None else load_classification(classification)
    names = tuple(ticker.strip().upper() for ticker in tickers.split(",") if ticker.strip())
    return plan_of(
        tickers=names,
        universe=universe,
        classification=groups,
        weighting=weighting,
        rebalance=rebalance,
        start=_day(start, "--start"),
        end=_day(end, "--end"),
    )


def _day(text: str, option: str) -> date | None:
    from llm_plugin.errors import ConfigError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{option} is {text!r}: write YYYY-MM-DD") from None


@alphas_app.command("check")
def check(
    only: list[int] = typer.Option([], "--only", help="Check this alpha; may be repeated. Default: all."),
    data: Path | None = typer.Option(
        None, help="LEAN data folder with the fifteen daily equities; default: datasets/market."
    ),
    trading: bool = typer.Option(True, "--trade/--no-trade", help="Run each alpha as a LEAN algorithm, too."),
    jobs: int = typer.Option(2, "--jobs", "-j", min=1, help="Algorithms that run at the same time."),
    figures: Path | None = typer.Option(
        None, help="Merge alphas_equal and alphas_trade into this file (all alphas only)."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Compare two implementations of every alpha number by number, and trade each one over 120 synthetic names.

    Exit code 1 when one differs or does not trade.
    """
    from llm_plugin.alphas.catalogue import COUNT, alpha, alphas
    from llm_plugin.alphas.figures import figures as count
    from llm_plugin.alphas.figures import merge_figures
    from llm_plugin.errors import ConfigError

    chosen = [alpha(number) for number in only] if only else list(alphas())
    if figures is not None and len(chosen) != COUNT:
        raise ConfigError("--figures counts all alphas: leave --only away")
    with tempfile.TemporaryDirectory(prefix="alphas-") as work:
        comparisons, results = _checked(chosen, data, Path(work), jobs if trading else 0)
    counts = count(comparisons, results if trading else None)
    rows = _rows(chosen, comparisons, results)
    emit({"figures": counts, "alphas": rows}, as_json=as_json, show=lambda _: _show(rows, counts, len(chosen)))
    if figures is not None:
        merge_figures(figures, counts)
    if any(value < len(chosen) for value in counts.values()):
        raise typer.Exit(1)


def _checked(
    chosen: list[Alpha], data: Path | None, work: Path, jobs: int
) -> tuple[list[list[Comparison]], list[Trading]]:
    """Compare all and, if jobs are allowed, trade all."""
    from llm_plugin.alphas.check import compare_all, real_panel, synthetic_panel, synthetic_universe
    from llm_plugin.alphas.plans import universe_plan
    from llm_plugin.alphas.trade import trade_all
    from llm_plugin.data.locate import find_data_folder

    err.print("writing the synthetic universe …")
    universe = synthetic_universe(work / "universe")
    panels = {"real": real_panel(find_data_folder(Path.cwd(), data)), "synthetic": synthetic_panel(universe)}
    comparisons = []
    for found in compare_all(chosen, panels):
        comparisons.append(found)
        wrong = [each.panel for each in found if not each.equal]
        if wrong:
            err.print(f"alpha {found[0].number} is not equal on {', '.join(wrong)}")
    err.print(f"{len(comparisons)} compared")
    results = []
    if jobs:

        def told(number: int, error: str) -> None:
            err.print(f"alpha {number} ran{f': {error}' if error else ''}", markup=False, soft_wrap=True)

        results = trade_all(chosen, universe_plan(universe), universe.folder, work, jobs, told)
    return comparisons, results


def _rows(chosen: list[Alpha], comparisons: list[list[Comparison]], results: list[Trading]) -> list[dict[str, Any]]:
    traded = {each.number: each for each in results}
    rows = []
    for alpha, found in zip(chosen, comparisons, strict=True):
        result = traded.get(alpha.number)
        rows.append(
            {
                "number": alpha.number,
                "equal": all(each.equal for each in found),
                "panels": [asdict(each) | {"equal": each.equal} for each in found],
                "trades": result.trades if result else None,
                "trading": asdict(result) if result else None,
            }
        )
    return rows


def _show(rows: list[dict[str, Any]], counts: dict[str, int], total: int) -> None:
    shown = []
    for row in rows:
        trading = row["trading"] or {}
        compared = [f"{each['known']:,}" for each in row["panels"]]
        largest = max(each["largest"] for each in row["panels"])
        fills = f"{trading['filled']} of {trading['names']} names" if trading else "–"
        told = [_mark(row["equal"]), *compared, f"{largest:.0e}", _mark(row["trades"]), fills]
        shown.append((row["number"], *told, trading.get("error", "").splitlines()[-1:] or ""))
    columns = ("alpha", "equal", "real values", "synthetic values", "largest difference", "trades", "fills", "error")
    table("", columns, shown, right=(0, 2, 3, 4))
    for name, value in counts.items():
        out.print(f"{name}: {value} of {total}", markup=False)


def _mark(value: bool | None) -> str:
    return {True: "yes", False: "[bold red]NO[/]", None: "–"}[value]
