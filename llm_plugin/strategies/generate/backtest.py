"""The backtest that is handed over with a strategy: run in the sandbox, LEAN's result files, one page to read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from llm_plugin.files import write_whole
from llm_plugin.sandbox import SandboxLimits, SandboxResult, run_sandboxed

__all__ = ["FOLDER", "Backtest", "run_backtest", "write_report"]

FOLDER = "backtests/generated"
SHOWN = (
    "Net Profit",
    "Compounding Annual Return",
    "Sharpe Ratio",
    "Probabilistic Sharpe Ratio",
    "Drawdown",
    "Win Rate",
    "Profit-Loss Ratio",
    "Total Orders",
    "Total Fees",
    "Portfolio Turnover",
    "End Equity",
)


@dataclass(frozen=True)
class Backtest:
    """One run of the strategy.

    Attributes:
        result: What the sandboxed process gave.
        own_dates: Whether the file's own dates were used, as LEAN will; else those of the gates.
        folder: LEAN's result files.
    """

    result: SandboxResult
    own_dates: bool
    folder: Path

    @property
    def period(self) -> str:
        """First and last day of the equity curve."""
        days = self.result.days
        return f"{days[0]} to {days[-1]}" if days else "no day"

    def table(self) -> list[tuple[str, str]]:
        """LEAN's statistics that matter, as it prints them."""
        return [(name, self.result.statistics[name]) for name in SHOWN if name in self.result.statistics]


def run_backtest(project: Path, data_folder: Path, start: date, end: date, cash_seconds: float = 600.0) -> Backtest:
    """Run a project in the sandbox on its own dates; on those of the gates if there it does not trade or breaks.

    Args:
        project: The folder with `main.py`; results go below it.
        data_folder: LEAN-format data.
        start: First day of the gates' run.
        end: Last day of it.
        cash_seconds: Time of a run.

    Raises:
        SandboxUnavailable: This machine cannot build a sandbox; nothing was run.
    """
    folder = project / FOLDER
    limits = SandboxLimits(run_seconds=cash_seconds)
    own = run_sandboxed(project / "main.py", data_folder=data_folder, results_folder=folder, limits=limits)
    if own.orders and not own.error:
        return Backtest(own, True, folder)
    for path in sorted(folder.glob("*")):
        path.unlink()
    other = run_sandboxed(
        project / "main.py", data_folder=data_folder, results_folder=folder, start=start, end=end, limits=limits
    )
    return Backtest(other, False, folder)


def write_report(backtest: Backtest, facts: Mapping[str, Any], cautions: Sequence[str]) -> Path:
    """Write `summary.json` and `report.html` beside LEAN's result files and return the page.

    Args:
        backtest: The run.
        facts: `project`, `prompt`, `passed`, `gates` (name, state, reason), `models`.
        cautions: Sentences that must not be overlooked.
    """
    from jinja2 import Environment, PackageLoader, select_autoescape
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    from llm_plugin.runs.backtest import write_versions

    write_versions(backtest.folder / "versions.json")
    result = backtest.result
    summary = {
        **{name: value for name, value in asdict(result).items() if name not in ("files", "days", "equity")},
        "files": {name: path.name for name, path in result.files.items()},
        "own_dates": backtest.own_dates,
        "period": backtest.period,
        **facts,
    }
    text = json.dumps(summary, indent=1, ensure_ascii=False, default=str) + "\n"
    write_whole(backtest.folder / "summary.json", text)
    environment = Environment(
        loader=PackageLoader("llm_plugin.strategies.generate"), autoescape=select_autoescape(default=True)
    )
    figure = _equity(result)
    html = environment.get_template("strategy.html.j2").render(
        facts=facts,
        backtest=backtest,
        result=result,
        cautions=[*cautions, *result.notes],
        orders=_orders(backtest.folder),
        versions=json.loads((backtest.folder / "versions.json").read_text(encoding="utf-8")),
        plotly_js=Markup(get_plotlyjs()) if figure else "",  # noqa: S704 - plotly's own file
        figure_json=Markup(_script_json(figure)),  # noqa: S704 - cannot end the script
    )
    path = backtest.folder / "report.html"
    write_whole(path, html)
    return path


def _equity(result: SandboxResult) -> Any:
    from llm_plugin.report import figures

    if len(result.days) < 2:
        return None
    days = [date.fromisoformat(day) for day in result.days]
    values = np.maximum(np.array(result.equity, dtype=np.float64), 1e-9)
    return json.loads(figures.equity(days, [("strategy", figures.COLOURS["llm"], values)], "USD").to_json())


def _script_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c").replace("&", "\\u0026")


def _orders(folder: Path, most: int = 300) -> list[dict[str, str]]:
    """The first filled orders of LEAN's order events; none where the run wrote none."""
    for path in sorted(folder.glob("*order-events.json")):
        try:
            events = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            continue
        filled = [event for event in events if isinstance(event, dict) and event.get("status") == "filled"]
        return [_order(event) for event in filled[:most]]
    return []


def _order(event: Mapping[str, Any]) -> dict[str, str]:
    from datetime import UTC, datetime

    time = datetime.fromtimestamp(float(event.get("time", 0)), UTC)
    return {
        "time": f"{time:%Y-%m-%d %H:%M}",
        "symbol": str(event.get("symbolValue", "")).strip(),
        "quantity": f"{float(event.get('fillQuantity', 0)):+,g}",
        "price": f"{float(event.get('fillPrice', 0)):,.4f}",
        "tag": str(event.get("message", "")),
    }
