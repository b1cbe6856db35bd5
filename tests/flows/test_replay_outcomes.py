"""Stored labels are replayed from market data: what the data give again, what they do not, and what cannot be said."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

sys.path += [str(Path(__file__).parents[1] / "learning"), str(Path(__file__).parents[1])]

from questions import question, result

from llm_plugin.data.bars import PriceBars, load_price_bars
from llm_plugin.domain import Action, DecisionRequest, ExitPlan, ExitReason, OutcomeKind, QuestionKind, Source
from llm_plugin.errors import ConfigError, DataError, InsufficientData, RecordError
from llm_plugin.lean.backend import local_decision
from llm_plugin.outcomes.batch import PRICES, REASONS, BatchEntries, replay_many
from llm_plugin.outcomes.exits import ExitPolicy
from llm_plugin.outcomes.store import OutcomeStore
from llm_plugin.settings import Settings
from llm_plugin.stack.loop import open_loop
from llm_plugin.stack.replay_check import (
    Chunk,
    ReplayChecked,
    check_chunk,
    known_folder,
    largest_differences,
    plan_chunks,
    totals,
)

HOLD_HOURS = 24
COUNT = 120
FIRST = datetime(2014, 3, 3, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def bars(market_data: Path) -> PriceBars:
    """Hour bars without a gap in open hours, from before the decisions on."""
    found = load_price_bars(market_data, security_type="forex", market="oanda", ticker="EURUSD", resolution="hour")
    return found.between(FIRST - timedelta(days=2), FIRST + timedelta(days=90))


def ask(bars: PriceBars, place: int, side: int, run_id: str = "run") -> DecisionRequest:
    """Return the question at the end of a bar, with a plan of 20 and 30 pips."""
    bar = bars.bar(place)
    action = Action.BUY if side > 0 else Action.SELL
    price = (bar.bid_close + bar.ask_close) / 2
    plan = ExitPlan(round(price - side * 0.002, 5), round(price + side * 0.003, 5), timedelta(hours=HOLD_HOURS))
    asked = question((bar.end_utc - datetime(2014, 3, 3, tzinfo=UTC)) / timedelta(hours=1), action, run_id=run_id)
    market = replace(
        asked.market, price=price, bid=bar.bid_close, ask=bar.ask_close, tick_size=1e-5, time_utc=bar.end_utc
    )
    return replace(asked, market=market, exit=plan)


def batch_labels(bars: PriceBars, requests: Sequence[DecisionRequest], places: Sequence[int]) -> Any:
    """Replay by the other implementation, the one over arrays; on week days a market order fills at once."""
    entries = BatchEntries(
        bar=np.array(places),
        side=np.array([request.signal.action.side for request in requests]),
        stop=np.array([request.exit.stop for request in requests if request.exit]),
        target=np.array([request.exit.target for request in requests if request.exit]),
    )
    columns = {name: getattr(bars, name) for name in ("start_us", "end_us", *PRICES)}
    return replay_many(columns, entries, timeout=timedelta(hours=HOLD_HOURS), policy=ExitPolicy())


@pytest.fixture
def config(tmp_path: Path, own_home: Path, bars: PriceBars) -> Path:
    """A store whose labels were made from the project's own market data."""
    url = f"sqlite:///{own_home}/service/store.sqlite"
    hours = [bars.bar(i).end_utc for i in range(len(bars))]
    places = [i for i, end in enumerate(hours) if end >= FIRST and end.weekday() < 3 and end.hour % 4 == 0][:COUNT]
    requests = [ask(bars, place, 1 if number % 3 else -1) for number, place in enumerate(places)]
    labels = batch_labels(bars, requests, places)
    with OutcomeStore(url, commit="group") as store:
        store.start_run("run", Settings().model_dump(mode="json"), {})
        for number, request in enumerate(requests):
            store.save_decision(request, local_decision(request, Source.RULE, approve=number % 2 == 0, rule="test"))
            kind = OutcomeKind.SHADOW if number % 2 else OutcomeKind.REPLAY
            closed = datetime.fromtimestamp(labels.closed_us[number] / 1e6, UTC)
            outcome = replace(result(request, float(labels.r_multiple[number]), kind=kind), closed_utc=closed)
            store.save_outcome(replace(outcome, exit_reason=REASONS[labels.reason[number]]))
    file = tmp_path / "llm_config.yaml"
    file.write_text(yaml.safe_dump({"learning": {"store_url": url}}))
    return file


def check(config: Path, data: Path, size: int = 50, **options: Any) -> list[ReplayChecked]:
    with open_loop(config) as loop:
        chunks = plan_chunks(loop, size)
    return [check_chunk(config, (), data, chunk, **options) for chunk in chunks]


def change(config: Path, place: int, **fields: Any) -> str:
    """Falsify a stored outcome behind the store's back; return the decision."""
    import json
    import sqlite3

    path = yaml.safe_load(config.read_text())["learning"]["store_url"].removeprefix("sqlite:///")
    with sqlite3.connect(path) as database:
        query = (
            "select o.decision_id, o.outcome from outcomes o join decisions d using (decision_id) order by d.time_us"
        )
        key, text = database.execute(query).fetchall()[place]
        changed = json.loads(text) | fields
        database.execute(
            "update outcomes set outcome = ?, r_multiple = ? where decision_id = ?",
            (json.dumps(changed, separators=(",", ":")), changed["r_multiple"], key),
        )
    return str(key)


def test_labels_of_the_other_implementation_are_given_again_bit_for_bit(config: Path, market_data: Path) -> None:
    url = yaml.safe_load(config.read_text())["learning"]["store_url"]
    with OutcomeStore(url) as store:
        rows = store.counts("run")
    checked = check(config, market_data)
    total = totals(checked)
    assert 100 < total.decisions <= COUNT
    assert (total.equal, total.differing, total.left_out) == (total.decisions, 0, {})
    assert total.doubtful_fraction == 0
    assert max(item.largest_equal_r for item in checked) < 1e-9
    assert len(checked) == -(-total.decisions // 50)
    with OutcomeStore(url) as store:
        assert store.counts("run") == rows


def test_a_label_that_the_data_do_not_give_is_named_with_both_values(config: Path, market_data: Path) -> None:
    small, large = change(config, 7, r_multiple=0.9), change(config, 60, r_multiple=-2.5)
    checked = check(config, market_data)
    total, worst = totals(checked), largest_differences(checked)
    assert total.differing == 2
    assert [item.decision_id for item in worst] == [large, small]
    assert worst[0].stored_r == -2.5
    assert worst[0].size_r == abs(worst[0].stored_r - worst[0].replayed_r)
    assert total.doubtful_fraction == pytest.approx(2 / total.decisions)
    assert totals(check(config, market_data, tolerance_r=5.0)).differing == 0


def test_what_the_algorithm_or_an_answer_ended_is_not_compared(
    config: Path, market_data: Path, bars: PriceBars
) -> None:
    change(config, 3, exit_reason=ExitReason.SIGNAL.value, r_multiple=0.77)
    change(config, 4, exit_reason=ExitReason.DELISTED.value)
    url = yaml.safe_load(config.read_text())["learning"]["store_url"]
    with OutcomeStore(url) as store:
        asked = list(store.decisions("run"))[20].request
        moved = replace(
            question(kind=QuestionKind.POSITION, legal=(Action.HOLD, Action.MOVE_TO_BE)),
            market=replace(asked.market, time_utc=asked.market.time_utc + timedelta(hours=1)),
        )
        answer = replace(local_decision(moved, Source.RULE, approve=True, rule="test"), action=Action.MOVE_TO_BE)
        store.save_decision(moved, replace(answer, time_utc=moved.market.time_utc))
    total = totals(check(config, market_data))
    assert total.differing == 0
    assert total.left_out["ended by a signal of the algorithm"] == 1
    assert total.left_out["delisted"] == 1
    assert total.left_out["changed by an answer about the open position"] >= 1


def test_data_that_the_run_did_not_see_are_doubted(config: Path, tmp_path: Path, market_data: Path) -> None:
    """The same folder with EURUSD replaced by other prices, and one without EURUSD at all."""
    import shutil
    import zipfile

    other = tmp_path / "other"
    shutil.copytree(market_data / "market-hours", other / "market-hours")
    shutil.copytree(market_data / "symbol-properties", other / "symbol-properties")
    place = other / "forex" / "oanda" / "hour"
    place.mkdir(parents=True)
    total = totals(check(config, other))
    assert total.doubtful_fraction is None
    assert [cause.startswith("no market data: ") for cause in total.left_out] == [True]
    with zipfile.ZipFile(market_data / "forex" / "oanda" / "hour" / "eurusd.zip") as source:
        (name,) = source.namelist()
        text = source.read(name).decode().replace(",1.", ",2.")
    with zipfile.ZipFile(place / "eurusd.zip", "w") as target:
        target.writestr(name, text)
    total = totals(check(config, other))
    assert total.left_out == {"other quote in the data": total.decisions}
    assert total.doubtful_fraction == 1.0


def test_a_gap_is_filled_as_the_run_fed_it(market_data: Path) -> None:
    from llm_plugin.stack.replay_again import _filled, _hours

    found = load_price_bars(market_data, security_type="forex", market="oanda", ticker="EURUSD", resolution="hour")
    week = found.between(datetime(2014, 3, 3, tzinfo=UTC), datetime(2014, 3, 11, tzinfo=UTC))
    hours = _hours(market_data, "forex", "oanda", "EURUSD")
    whole = _filled(week, hours)
    keep = np.ones(len(week), dtype=bool)
    keep[[10, 11, 12]] = False
    again = _filled(week.take(keep), hours)
    assert again.end_us.tolist() == whole.end_us.tolist()
    assert (again.bid_high[10:13] == week.bid_high[9]).all()
    weekend = (np.diff(whole.end_us) > 3_600_000_000).sum()
    assert weekend == 1


def test_wrong_questions_are_refused(config: Path, market_data: Path, tmp_path: Path) -> None:
    with open_loop(config) as loop:
        with pytest.raises(ConfigError, match="chunks of 0 decisions"):
            plan_chunks(loop, 0)
        with pytest.raises(RecordError, match=r"no run 'rum' \(did you mean 'run'\?\)"):
            plan_chunks(loop, 10, run_ids=["rum"])
        with pytest.raises(InsufficientData, match="0 matured decisions with a replay"):
            plan_chunks(loop, 10, as_of_utc=FIRST)
        chunk: Chunk = plan_chunks(loop, 10)[0]
    with pytest.raises(ConfigError, match="tolerance_r is -1"):
        check_chunk(config, (), market_data, chunk, tolerance_r=-1)
    with pytest.raises(ConfigError, match="brokerage 'oandaa' is not known"):
        check_chunk(config, (), market_data, chunk, brokerage="oandaa")
    with pytest.raises(DataError, match="no market data"):
        known_folder(None, None)
    with pytest.raises(DataError, match="is no LEAN data folder"):
        known_folder(tmp_path, None)


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_the_flow_fails_where_more_labels_are_doubtful_than_allowed(config: Path, market_data: Path) -> None:
    from prefect.artifacts import Artifact

    from flows.replay_outcomes import replay_outcomes

    asked = {"config": config, "data_folder": market_data, "chunk_decisions": 60, "return_state": True}
    state = replay_outcomes(**asked)
    assert state.is_completed()
    wrong = change(config, 30, r_multiple=2.9)
    state = replay_outcomes(**asked)
    assert state.is_failed()
    assert wrong in state.message
    worst = Artifact.get("largest-replay-differences")
    assert worst is not None
    assert [row["decision"] for row in yaml.safe_load(worst.data)] == [wrong]
    assert replay_outcomes(**asked, max_doubtful_fraction=0.05).is_completed()
