"""`lean-llm compare`: what is equal, the first order that differs, statistics, and runs that are missing or damaged."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llm_plugin.cli.app import app
from llm_plugin.errors import ConfigError, RecordError
from llm_plugin.runs.compare import compare_runs
from llm_plugin.runs.lean_results import data_points, read_results

SPY = {"value": "SPY", "id": "SPY R735QTJ8XC9X", "permtick": "SPY"}


def order(number: int, minute: int, quantity: int = 10, **values: Any) -> dict[str, Any]:
    return {
        "type": 0,
        "id": number,
        "symbol": SPY,
        "price": 145.25,
        "time": f"2013-10-07T13:{minute:02d}:00Z",
        "createdTime": f"2013-10-07T13:{minute:02d}:00Z",
        "quantity": quantity,
        "status": 3,
        "tag": "",
        **values,
    }


def event(number: int, minute: int, status: str = "filled", **values: Any) -> dict[str, Any]:
    return {
        "orderId": number,
        "orderEventId": 1,
        "time": 1381152600.0 + 60 * minute,
        "status": status,
        "fillPrice": 145.25,
        "fillQuantity": 10.0,
        "message": "",
        **values,
    }


def result(orders: list[dict[str, Any]], **statistics: str) -> dict[str, Any]:
    figures = {"Total Orders": str(len(orders)), "Net Profit": "1.50%", "OrderListHash": "abc", **statistics}
    return {
        "charts": {},
        "orders": {str(row["id"]): row for row in orders},
        "statistics": figures,
        "state": {"Status": "Completed", "RuntimeError": ""},
    }


def write(folder: Path, data: dict[str, Any], events: list[dict[str, Any]] | None = None, name: str = "Algo") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(data, indent=2))
    (folder / f"{name}-summary.json").write_text(json.dumps({"statistics": {}}))
    if events is not None:
        (folder / f"{name}-order-events.json").write_text(json.dumps(events))
    return folder


THREE = [order(1, 31), order(2, 32, -10), order(3, 33, 20)]
EVENTS = [event(1, 1), event(2, 2), event(3, 3)]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["compare", *arguments])


def test_equal_runs_end_with_0_and_say_what_was_looked_at(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", result(THREE), EVENTS), write(tmp_path / "b", result(THREE), EVENTS)
    done = run(str(a), str(b))
    assert done.exit_code == 0
    assert "orders      3 equal of 3 in A and 3 in B" in done.stdout
    assert "events      3 equal of 3 in A and 3 in B" in done.stdout
    assert "statistics  3 equal, 0 different" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("time", "2013-10-07T13:32:30Z", ("2013-10-07T13:32:00.000Z", "2013-10-07T13:32:30.000Z")),
        ("symbol", {"value": "IBM", "id": "IBM R735QTJ8XC9X"}, ("SPY R735QTJ8XC9X", "IBM R735QTJ8XC9X")),
        ("quantity", -11, ("-10", "-11")),
        ("type", 4, ("Market", "MarketOnOpen")),
        ("price", 145.26, ("145.25", "145.26")),
        ("status", 5, ("Filled", "Canceled")),
        ("tag", "late", ("", "late")),
        ("limitPrice", 1.5, (None, "1.5")),
    ],
)
def test_the_first_order_that_differs_is_named_with_its_field(
    tmp_path: Path, name: str, value: Any, told: tuple[str | None, str]
) -> None:
    other = copy.deepcopy(THREE)
    other[1][name] = value
    a, b = write(tmp_path / "a", result(THREE), EVENTS), write(tmp_path / "b", result(other), EVENTS)
    compared = compare_runs(read_results(a), read_results(b))
    assert compared.orders_equal == 2
    (difference,) = compared.order_differences
    assert (difference.order_a, difference.order_b) == (2, 2)
    assert difference.fields == {name: told}
    done = run(str(a), str(b))
    assert done.exit_code == 1
    assert "first order that differs (1 in all): order 2 at 2013-10-07T13:32:00.000Z Market -10 SPY" in done.stdout
    assert run(str(a), str(b), "--ignore", name).exit_code == 0


def test_one_order_more_in_the_middle_is_one_difference(tmp_path: Path) -> None:
    more = [order(1, 31), order(2, 31, 5, tag="extra"), order(3, 32, -10), order(4, 33, 20)]
    a = write(tmp_path / "a", result(THREE), EVENTS)
    b = write(tmp_path / "b", result(more), [event(1, 1), event(2, 1), event(3, 2), event(4, 3)])
    compared = compare_runs(read_results(a), read_results(b))
    assert compared.orders_equal == 3
    assert compared.events_equal == 3
    (difference,) = compared.order_differences
    assert (difference.order_a, difference.order_b, difference.fields) == (None, 2, {})
    told = run(str(a), str(b)).stdout
    assert "only in B; A has none such" in told
    assert "extra" in told


def test_events_and_statistics_are_compared_too(tmp_path: Path) -> None:
    events = [event(1, 1), event(2, 2, fillPrice=145.5), event(3, 3, status="canceled")]
    a = write(tmp_path / "a", result(THREE), EVENTS)
    b = write(tmp_path / "b", result(THREE, **{"Net Profit": "1.75%", "Alpha": "0.1"}), events)
    done = run(str(a), str(b), "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["equal"] is False
    assert [(item["order_a"], item["fields"]) for item in told["event_differences"]] == [
        (2, {"fillPrice": ["145.25", "145.5"]}),
        (3, {"status": ["filled", "canceled"]}),
    ]
    assert told["statistics"] == {"Net Profit": ["1.50%", "1.75%"], "Alpha": [None, "0.1"]}
    shown = run(str(a), str(b)).stdout
    assert "+0.25" in shown
    assert "first order event that differs (2 in all): order 2, event 1" in shown


def test_older_leans_spelling_and_layout_are_read(tmp_path: Path) -> None:
    def pascal(value: Any) -> Any:
        if isinstance(value, dict):
            return {key[:1].upper() + key[1:]: pascal(item) for key, item in value.items()}
        return [pascal(item) for item in value] if isinstance(value, list) else value

    old = tmp_path / "old"
    old.mkdir()
    data = pascal(result(THREE))
    data["Statistics"] = result(THREE)["statistics"]
    (old / "1234567890.json").write_text(json.dumps(data))
    events = [{"order-id": row["orderId"], "order-event-id": 1, "time": row["time"], "status": row["status"],
               "fill-price": row["fillPrice"], "fill-quantity": row["fillQuantity"]} for row in EVENTS]  # fmt: skip
    (old / "1234567890-order-events.json").write_text(json.dumps(events))
    (old / "log.txt").write_text("TRACE:: completed in 2 seconds. Processing total of 28,834 data points.\n")
    (old / "data-monitor-report-1.json").write_text('{"statistics": {}, "orders": {}}')
    new = write(tmp_path / "new", result(THREE), EVENTS)
    read = read_results(old)
    assert compare_runs(read, read_results(new)).equal
    assert data_points(read.log_lines) == 28834


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("missing", r"nowhere does not exist"),
        ("empty", r"holds no LEAN result JSON \(there is: nothing\)"),
        ("cut", r"Algo\.json is damaged: .*killed while it wrote"),
        ("list", r"Algo\.json holds a list"),
        ("no statistics", r"Algo\.json has no statistics"),
        ("two", r"results of several runs \(Algo\.json, Other\.json\)"),
        ("events", r"Algo-order-events\.json is no list of order events"),
        ("order", r"is no order"),
    ],
)
def test_what_is_missing_or_damaged_is_named(tmp_path: Path, damage: str, told: str) -> None:
    folder = write(tmp_path / "run", result(THREE), EVENTS)
    file = folder / "Algo.json"
    if damage == "missing":
        folder = tmp_path / "nowhere"
    elif damage == "empty":
        folder = tmp_path / "empty"
        folder.mkdir()
    elif damage == "cut":
        file.write_text(file.read_text()[:200])
    elif damage == "list":
        file.write_text("[]")
    elif damage == "no statistics":
        file.write_text("{}")
    elif damage == "two":
        write(folder, result(THREE), EVENTS, "Other")
    elif damage == "events":
        (folder / "Algo-order-events.json").write_text("[1]")
    else:
        file.write_text(json.dumps(result(THREE) | {"orders": {"1": {"id": 1}}}))
    with pytest.raises(RecordError, match=told):
        read_results(folder)


def test_a_file_names_one_run_of_several(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", result(THREE), EVENTS)
    write(folder, result(THREE[:1]), [], "Other")
    assert len(read_results(folder / "Other.json").orders) == 1


def test_an_unknown_field_to_ignore_is_refused(tmp_path: Path) -> None:
    read = read_results(write(tmp_path / "a", result(THREE), EVENTS))
    with pytest.raises(ConfigError, match=r"--ignore tags: no such field or statistic \(did you mean 'tag'\?\)"):
        compare_runs(read, read, ["tags"])
