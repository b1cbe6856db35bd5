"""The rules of LEAN's backtest and the tests that hold the engine to each; prints the page of the documentation.

`python tests/engine_rules/rule_table.py` writes docs/reference/engine-rules.md anew.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "engine-rules.md"
F = TypeVar("F", bound=Callable[..., object])

RULES = {
    "0.1": "Money is decimal with its scale kept, in statistics and in the hash",
    "0.2": "A market order on daily data, or out of hours, becomes market-on-close or market-on-open",
    "0.3": "A daily equity bar ends when the market closes, early closes included",
    "0.4": "A dividend, split or delisting makes a slice of its own at midnight, and on_data runs",
    "0.5": "A filled-forward bar reaches slice and consolidators and leaves the price alone",
    "0.6": "Statistics come from chart points that were rounded",
    "0.7": "A closed trade's record has lost twice the closing fee",
    "0.8": "The immediate execution model sends asynchronous orders: filled within the call, as all of a backtest",
    "0.9": "Risk management runs on every slice with data, and must not return None",
    "0.10": "Default fees: Interactive Brokers for equity, none for forex, CFD, crypto",
    "0.11": "The Interactive Brokers model has no benchmark",
    "0.12": "Nothing is liquidated at the end",
    "0.13": "Bars that touch the start are kept",
    "0.14": "Cancelling a closed order fails and still changes its tag",
    "0.15": "Performance is sampled at every midnight, weekends too",
    "1.1": "Cash is 100,000 USD by default, and may be of several currencies",
    "1.2": "Start and end are days; an end before the start is an error",
    "1.3": "The clock is New York's by default; times are naive",
    "1.4": "Settings have LEAN's defaults",
    "1.5": "add_equity without a resolution takes the universe settings'",
    "1.6": "A ticker that nobody added is an error",
    "1.7": "The benchmark is the brokerage model's, or the user's",
    "1.8": "The account's currency may be another one",
    "1.9": "After the allowed number of orders the run stops",
    "2.1": "Points that end together are one slice",
    "2.2": "Events of one moment come in LEAN's order",
    "2.3": "quit ends the run, which is completed, and keeps the statistics",
    "2.4": "An error in a handler ends the run with status RuntimeError",
    "2.5": "on_end_of_day runs ten minutes before the close",
    "2.6": "The first slice is the start's midnight, with the securities that were added",
    "2.7": "What is selected starts with the bar that ends then, what is added by hand with the next; the held stay",
    "2.8": "A universe selects in a moment of its own, before that moment's data",
    "2.9": "A custom universe begins anew, 100 nanoseconds later, when the fill resolution changes",
    "3.1": "A warm-up runs all handlers and refuses orders",
    "3.2": "on_warmup_finished runs once, without a warm-up too",
    "3.3": "A warm-up at another resolution than the subscription's is refused by name",
    "4.1": "The market is open from the opening minute on and closed at the closing minute",
    "5.1": "A symbol is found by ticker, by itself and by identifier",
    "5.2": "The identifier has the first ticker and the first date of the map file",
    "5.3": "Contract size, lot and price variation come from the symbol properties",
    "6.1": "A missing day is no data, and the next day goes on",
    "6.2": "A missing bar is the last one again, with volume 0, in market hours only",
    "6.3": "Custom data is what the user's reader makes of each line",
    "7.1": "Adjusted prices are raw prices by the factor of their date",
    "7.2": "A dividend is told on the day after its factor row",
    "7.3": "A ticker change is told and the old file is read before it",
    "7.4": "Total-return and scaled-raw prices",
    "8.1": "slice[symbol] of equity is its trade bar, of forex its quote bar",
    "8.2": "A quote bar's prices are the middle of both sides",
    "8.3": "A slice lists ticks by symbol",
    "9.1": "Equity price is the trade's; bid and ask are the quotes', or the price where there are none",
    "9.2": "Unrealised profit is to the side that would be paid, less the fee",
    "9.3": "The session is the bar of the day so far",
    "10.1": "Orders that cannot be sent get a ticket that says why and are not counted",
    "10.2": "A market order fills within its call, every other type in a later slice",
    "10.3": "Updates and cancels wait for the next time orders are handled",
    "10.4": "Liquidate cancels open orders and closes the position",
    "10.5": "Day and good-till-date orders expire",
    "10.6": "Ids count from 1",
    "10.7": "Prices are rounded to the price variation, but not on adjusted equity data",
    "10.8": "Combo orders fill together",
    "10.9": "A trailing stop has a tag of its own",
    "10.10": "An order for more than the shortable shares is refused",
    "11.1": "Market: the quote of the side that is taken",
    "11.2": "Limit: at the limit, or at a better open",
    "11.3": "Stop market: at the stop, or at the open beyond it",
    "11.4": "Stop limit: triggered by the stop, filled within the limit",
    "11.5": "Trailing stop: follows the best price",
    "11.6": "Limit if touched: triggered first, then a limit",
    "11.7": "Market on open: the next day's open",
    "11.8": "Market on close: the close of the day",
    "11.9": "Slippage moves a market fill against the order",
    "11.10": "Stale prices: the order waits or fills with a warning",
    "11.11": "Forex fills on its side of the quote",
    "11.12": "Market on open takes the primary exchange's opening print of ticks",
    "12.1": "Interactive Brokers equity: half a cent a share, at least 1, at most 0.5 % of the value",
    "12.2": "A user's fee model is asked for each fill",
    "12.3": "Fees, orders and leverage of other brokerages",
    "12.4": "Fees in the base currency",
    "13.1": "An order that the margin cannot carry is invalid",
    "13.2": "set_holdings leaves a quarter of a percent and rounds down",
    "13.3": "A change below a thousandth of the portfolio is not made",
    "13.4": "Leverage multiplies what can be bought",
    "13.5": "A cash account's sale is settled a day later",
    "13.6": "A margin call sells what the margin lacks",
    "13.7": "Targets that free money come first",
    "13.8": "A cash account of crypto buys with what it has, fee included",
    "14.1": "Cash pays for the fill and its fee; the average price is weighted",
    "14.2": "Crossing zero closes first and opens at the fill's price",
    "14.3": "Total holdings value is absolute",
    "15.1": "Foreign cash is converted by the last prices of its pair",
    "15.2": "A rate over two pairs",
    "15.3": "Stable coins without a pair are worth one",
    "16.1": "A dividend is paid for raw prices and not for adjusted ones",
    "16.2": "A split changes quantity and average price of raw holdings",
    "16.3": "A delisting closes the holding",
    "17.1": "Insights become equal weights, and those become orders",
    "17.2": "An insight's end counts open market time",
    "17.3": "An expired insight's position is closed",
    "17.4": "A draw-down limit closes the security",
    "17.5": "Models of a user in both spellings",
    "17.6": "Other weightings, and when they rebalance",
    "17.7": "Draw-down of the portfolio and trailing stop",
    "17.8": "Composites concatenate alphas and chain risk models",
    "17.9": "The other alpha models of LEAN",
    "17.10": "The other execution models of LEAN",
    "18.1": "A scheduled event runs after the bar that ends then, before on_data",
    "18.2": "A time consolidator emits when its period ends",
    "18.3": "An average is ready after its period; EMA starts from the simple one",
    "18.4": "A rolling window has the newest first",
    "18.5": "A count consolidator emits with its last input",
    "18.6": "Date and time rules",
    "18.7": "Daily bars of intraday data run from open to close",
    "18.8": "Renko and range bars",
    "18.9": "Calendar bars",
    "18.10": "Indicators have LEAN's formulas and rounding",
    "18.11": "A consolidator is asked the time after its own data, and at the planned end of its bar once that is past",
    "19.1": "History gives the bars that have ended, by symbol and time",
    "19.2": "History of nothing is an empty frame",
    "19.3": "History of ticks, of custom data, of several types",
    "20.1": "Printed statistics are rounded half to even and keep zeros",
    "20.2": "Win rate, loss rate and expectancy come from closed trades",
    "20.3": "Without two samples of return the ratios are 0",
    "20.4": "Ratios, and what they cannot judge",
    "20.5": "Capacity",
    "20.6": "The risk-free rate is that of the date",
    "20.7": "Trades are built first in, first out",
    "20.8": "Rolling windows end with the months",
    "21.1": "The order list hash is the MD5 of the orders' JSON",
    "21.2": "Result files bear LEAN's names and keys",
}
"""Numbers are those of this project's specification of LEAN's semantics: section and place in it."""

# Tests of other folders that hold the engine to a rule.
ELSEWHERE = (
    ("0.1", "tests/engine/test_golden_traces.py::test_market_order_on_minute_bars_fills_at_the_ask"),
    ("0.6", "tests/engine/test_golden_traces.py::test_market_order_on_minute_bars_fills_at_the_ask"),
    ("0.15", "tests/engine/test_golden_traces.py::test_eleven_years_of_macd"),
    ("0.4", "tests/engine/test_golden_traces.py::test_eleven_years_of_macd"),
    ("0.2", "tests/engine/test_orders.py::test_open_exchange_with_daily_data_makes_market_on_close"),
    ("1.8", "tests/engine/test_golden_traces.py::test_crypto_in_a_euro_cash_account"),
    ("13.8", "tests/engine/test_golden_traces.py::test_crypto_in_a_euro_cash_account"),
    ("2.6", "tests/engine/test_time_loop.py::test_first_slice_is_the_start_midnight_with_the_changes_and_no_data"),
    ("2.7", "tests/engine/test_time_loop.py::test_securities_added_later_start_with_later_data_and_report_the_change"),
    (
        "2.7",
        "tests/engine/test_universe.py::test_deselected_security_is_told_at_once_and_goes_when_its_position_is_closed",
    ),
    ("10.3", "tests/engine/test_golden_traces.py::test_seven_order_types_with_updates_and_cancels"),
    (
        "11.11",
        "tests/engine/test_orders.py::test_forex_fills_on_its_side_of_the_quote_and_counts_through_the_cash_book",
    ),
    ("17.6", "tests/engine/test_framework.py::test_rebalancing_waits_for_its_time_or_a_change"),
    ("17.6", "tests/engine/test_framework.py::test_insight_confidence_and_accumulative_weighting"),
    ("17.7", "tests/engine/test_framework.py::test_portfolio_drawdown_and_trailing_stop"),
    ("17.8", "tests/engine/test_framework.py::test_composites_concatenate_alphas_and_chain_risk"),
    ("17.10", "tests/engine/test_framework.py::test_spread_execution_waits_for_a_narrow_spread"),
    ("17.1", "tests/engine/test_golden_traces.py::test_framework_pipeline_with_a_risk_model"),
    ("18.6", "tests/engine/test_scheduling.py::test_month_week_quarter_and_year_rules"),
    ("18.6", "tests/engine/test_scheduling.py::test_time_rules_give_utc_times_of_local_clocks"),
    ("18.7", "tests/engine/test_consolidators.py::test_daily_bars_run_from_open_to_close_and_skip_other_hours"),
    ("18.8", "tests/engine/test_consolidators.py::test_renko_needs_two_bricks_to_turn"),
    ("18.8", "tests/engine/test_consolidators.py::test_range_bars_have_one_range"),
    ("18.9", "tests/engine/test_consolidators.py::test_calendar_bars"),
    ("20.4", "tests/engine/test_statistics.py::test_summary_equals_a_computation_with_numpy_and_scipy"),
    ("20.5", "tests/engine/test_statistics_parts.py::test_capacity_counts_the_volume_after_a_fill"),
    ("20.6", "tests/engine/test_statistics_parts.py::test_interest_rates_are_carried_forward"),
    ("20.7", "tests/engine/test_statistics_parts.py::test_fills_become_trades_first_in_first_out"),
    ("20.8", "tests/engine/test_statistics.py::test_rolling_windows_end_with_the_months"),
    ("20.1", "tests/engine/test_statistics.py::test_printed_forms_follow_lean"),
    (
        "7.4",
        "tests/engine/test_engine_normalization.py::test_total_return_counts_no_dividend_from_before_the_subscription",
    ),
    ("7.4", "tests/engine/test_engine_normalization.py::test_scaled_raw_prices_are_those_of_the_last_day"),
    ("8.3", "tests/engine/test_engine_ticks.py::test_ticks_of_one_moment_come_in_one_slice"),
    (
        "11.12",
        "tests/engine/test_engine_ticks.py::test_market_on_open_takes_the_official_print_of_the_primary_exchange",
    ),
    ("19.3", "tests/engine/test_engine_ticks.py::test_history_of_ticks_is_a_frame_and_a_list"),
    ("9.3", "tests/engine/test_engine_sessions.py::test_bars_of_a_day_add_up"),
    (
        "18.10",
        "tests/engine/test_indicators.py::test_point_indicator_matches_an_independent_computation_and_gets_ready_on_time",
    ),
)


def rule(*numbers: str) -> Callable[[F], F]:
    """Say which rules a test is about."""
    unknown = [number for number in numbers if number not in RULES]
    if unknown or not numbers:
        raise ValueError(f"unknown rules {unknown}: add them to RULES")

    def keep(test: F) -> F:
        return test

    return keep


def rules_with_tests() -> dict[str, list[str]]:
    """Return rule number -> tests, read from the decorators."""
    found: dict[str, list[str]] = {number: [] for number in RULES}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "rule":
                    for number in mark.args:
                        assert isinstance(number, ast.Constant)
                        found[str(number.value)].append(f"{path.name}::{node.name}")
    for number, test in ELSEWHERE:
        found[number].append(test)
    return found


def render() -> str:
    """Return the page."""
    found = rules_with_tests()
    covered = sum(bool(tests) for tests in found.values())
    lines = [
        "# Rules of the engine and their tests",
        "",
        "Written by `python tests/engine_rules/rule_table.py`. Each rule is a behaviour of LEAN's backtest that the",
        "embedded engine follows; its tests are small algorithms of this project, with expectations worked out by hand",
        "or published by LEAN. A rule without a test says so. LEAN's own algorithms: [conformance](conformance.md).",
        "",
        f"{covered} of {len(found)} rules have a test.",
        "",
        "| rule | what | tests |",
        "|---|---|---|",
    ]
    for number, title in RULES.items():
        tests = ", ".join(f"`{name.rpartition('::')[2]}`" for name in found[number]) or "**none**"
        lines.append(f"| {number} | {title} | {tests} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
