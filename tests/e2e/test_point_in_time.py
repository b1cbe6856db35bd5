"""Nothing that is known at a decision depends on a later bar: cut the future off, and the past is the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e_tools import FAKE, QUICK, Run, in_process, market_with

from llm_plugin.domain import OutcomeKind, to_jsonable
from llm_plugin.memory.local import LocalMemory
from llm_plugin.outcomes.store import OutcomeStore

SPAN = ("2013-01-01", "2013-03-31")
LOCAL = "memory.backend=local"
CUTS = ("20130206", "20130227", "20130318")
UNTIMED = ("latency_seconds", "reason")

Cut = Callable[[str], Path]


@pytest.fixture(scope="module")
def cut_market(tmp_path_factory: pytest.TempPathFactory) -> Cut:
    """The sample without the hours from a day on; made once for each day."""
    made: dict[str, Path] = {}

    def cut(day: str) -> Path:
        if day not in made:
            folder = tmp_path_factory.mktemp("cut") / day
            made[day] = market_with(folder, lambda lines: [line for line in lines if line[:8] < day])
        return made[day]

    return cut


def run(folder: Path, data: Path | None = None) -> Run:
    """Run with the public fake model: it answers by the hash of the prompt, so any change of a prompt shows."""
    given = {} if data is None else {"data": data}
    return in_process(folder, "eurusd_ensemble", *SPAN, LOCAL, *QUICK, *FAKE, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEAN_LLM_HOME", str(trained_home))
        return run(tmp_path_factory.mktemp("whole") / "run")


def known_before(run_: Run, day: str) -> dict[str, list[Any]]:
    """Return all that was known, asked, answered and closed before a day: what must not depend on the days after."""
    until = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    stamp = to_jsonable(until)
    rows = [{k: v for k, v in row.items() if k not in UNTIMED} for row in run_.rows]
    known: dict[str, list[Any]] = {
        "signals": [r for r in rows if r["kind"] == "signal" and r["time_utc"] < stamp],
        "decisions": [r for r in rows if r["kind"] == "decision" and r["bar_utc"] < stamp],
        "outcomes": [r for r in rows if r["kind"] == "outcome" and r["closed_utc"] < stamp],
        "requests": [],
        "prompts": [],
    }
    with OutcomeStore(f"sqlite:///{run_.folder / 'store.sqlite'}") as store:
        for run_id in store.run_ids():
            for stored in store.decisions(run_id):
                if stored.request.market.time_utc < until:
                    known["requests"].append(to_jsonable(stored.request))
                    known["prompts"].append(stored.prompt_text)
    return known


def differences(one: Run, other: Run, day: str) -> list[str]:
    """Return the kinds of knowledge in which two runs differ before a day."""
    left, right = known_before(one, day), known_before(other, day)
    return [name for name in left if left[name] != right[name]]


@pytest.mark.parametrize("day", CUTS)
def test_without_the_future_everything_before_is_the_same(
    whole: Run, cut_market: Cut, shared_home: Path, tmp_path: Path, day: str
) -> None:
    known = known_before(whole, day)
    assert min(len(values) for values in known.values()) > 5
    assert any(row["memory_hits"] for row in known["decisions"])
    assert any("SES" in (text or "") or "trades" in (text or "") for text in known["prompts"])
    assert differences(whole, run(tmp_path / "cut", cut_market(day)), day) == []


def test_the_whole_run_goes_on_after_the_cuts(whole: Run) -> None:
    """Otherwise nothing was cut off."""
    last = max(row["bar_utc"] for row in whole.rows if row["kind"] == "decision")
    assert last > "2013-03-25"
    assert {outcome.kind for outcome in whole.outcomes} == set(OutcomeKind)


def test_a_feature_that_peeks_is_caught(
    shared_home: Path, cut_market: Cut, tmp_path: Path, market_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The planted offender: a feature of the day's end, known in the morning."""
    from llm_plugin.data.bars import load_price_bars
    from llm_plugin.lean import desk

    honest = desk.market_context

    def peeking_on(data: Path) -> Callable[..., Any]:
        bars = load_price_bars(data, security_type="forex", market="oanda", ticker="EURUSD", resolution="hour")

        def market_context(algorithm: Any, feed: Any) -> Any:
            market = honest(algorithm, feed)
            ahead = int((market.time_utc + timedelta(hours=24)).timestamp() * 1e6)
            row = min(int(np.searchsorted(bars.end_us, ahead)), len(bars) - 1)
            features = {**market.features, "return_3": 100 * (float(bars.close[row]) / market.price - 1)}
            return replace(market, features=features)

        return market_context

    monkeypatch.setattr(desk, "market_context", peeking_on(market_data))
    peeked = run(tmp_path / "whole")
    monkeypatch.setattr(desk, "market_context", peeking_on(cut_market(CUTS[0])))
    again = run(tmp_path / "cut", cut_market(CUTS[0]))
    assert {"requests", "prompts"} <= set(differences(peeked, again, CUTS[0]))


class Prefilled(LocalMemory):
    """A memory that holds the trades of a finished run of the same days, as a shared server might."""

    honest = True

    def __init__(self, finished: Run) -> None:
        from llm_plugin.memory.rebuild import stored_records

        super().__init__()
        with OutcomeStore(f"sqlite:///{finished.folder / 'store.sqlite'}") as store:
            for run_id in store.run_ids():
                self.add_many(list(stored_records(store, run_id)))

    def search(self, vector: Any, k: int, as_of_utc: datetime, symbol_id: str | None = None) -> Any:
        """Search as of the time, or of all times."""
        as_of = as_of_utc if self.honest else datetime(2100, 1, 1, tzinfo=UTC)
        return super().search(vector, k, as_of, symbol_id)


class Timeless(Prefilled):
    """The planted offender: a search that ignores `as_of_utc`."""

    honest = False


def test_a_memory_that_ignores_the_time_is_caught_and_one_that_minds_it_is_not(
    whole: Run, cut_market: Cut, shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = CUTS[1]
    short = run(tmp_path / "short", cut_market(day))

    def with_memory(kind: type[Prefilled], finished: Run, data: Path | None, name: str) -> Run:
        monkeypatch.setattr("llm_plugin.memory.open_memory", lambda *_, **__: kind(finished))
        return run(tmp_path / name, data)

    minded = with_memory(Prefilled, whole, None, "minded")
    assert differences(whole, minded, day) == []
    leaked = with_memory(Timeless, whole, None, "leaked")
    leaked_short = with_memory(Timeless, short, cut_market(day), "leaked-short")
    assert {"decisions", "prompts"} <= set(differences(leaked, leaked_short, day))
