"""Rules of the LEAN side that need a real engine: splits, time zones, warm-up, scheduled questions."""

from __future__ import annotations

from datetime import timedelta

import pytest
from lean_projects import RuleBackend

from llm_plugin.domain import Action, ExitReason, OutcomeKind, Source

HEAD = """
from datetime import timedelta

from AlgorithmImports import *

from llm_plugin.lean import Action, LLMPlugin


class Project(QCAlgorithm):
    def initialize(self):
        self.set_start_date(2014, 1, 2)
        self.set_cash(100000)
        self.calls = []
        self.answers = []
SETUP
        self.llm = LLMPlugin(self, "llm_config.yaml")

    def on_data(self, data):
        self.llm.on_data(data)
ON_DATA

    def ask(self):
        self.answers.append(self.llm.validate(self.pair, Action.BUY, 0.6))

    def on_order_event(self, event):
        self.llm.on_order_event(event)

    def on_end_of_algorithm(self):
        self.llm.on_end()
"""


@pytest.fixture
def run_code(tmp_path, run_project):
    def run(setup, on_data, start, end, resolution="hour", name="run", extra="", **options):
        project = tmp_path / f"project_{name}"
        project.mkdir()
        code = HEAD.replace("SETUP", _indent(setup)).replace("ON_DATA", _indent(on_data or "pass"))
        (project / "main.py").write_text(code)
        (project / "llm_config.yaml").write_text(f"features:\n  resolution: {resolution}\n{extra}")
        return run_project(project, start, end, name=name, **options)

    return run


def _indent(text):
    return "\n".join("        " + line for line in text.splitlines())


class Approve(RuleBackend):
    """Approves every entry and holds every position."""

    def validate(self, request):
        from llm_plugin.lean.backend import local_decision

        return local_decision(request, Source.LLM, approve=True, rule="approve")


FAR = "outcomes:\n  exit:\n    stop_atr: 8.0\n    target_atr: null\n    timeout_bars: 30\n"
AAPL = """mode = DataNormalizationMode.MODE
self.pair = self.add_equity("AAPL", Resolution.DAILY, data_normalization_mode=mode).symbol"""
BUY_ONCE = """if data.bars.contains_key(self.pair) and not self.answers:
    self.ask()
    self.llm.enter(self.answers[0], 100)"""


@pytest.mark.parametrize("mode", ["RAW", "ADJUSTED"])
def test_a_split_neither_stops_the_trade_nor_its_shadow(run_code, mode):
    """AAPL split 7:1 on 2014-06-09: under raw prices every remembered price must follow."""
    run = run_code(
        AAPL.replace("MODE", mode), BUY_ONCE, "2014-06-02", "2014-07-31", "daily", extra=FAR, backend=Approve()
    )
    (realised,) = [o for o in run.outcomes if o.kind is OutcomeKind.REALISED]
    (replayed,) = [o for o in run.outcomes if o.kind is OutcomeKind.REPLAY and o.action is Action.BUY and o.taken]
    assert realised.exit_reason is replayed.exit_reason is ExitReason.TIMEOUT
    assert abs(realised.quantity) == (699 if mode == "RAW" else 100)  # the fraction of a share is paid in cash
    assert run.result.algorithm.portfolio["AAPL"].quantity == 0
    assert realised.r_multiple == pytest.approx(replayed.r_multiple, abs=0.02)
    assert 0 < realised.r_multiple < 2


def test_without_the_forwarded_slices_the_split_would_stop_the_replay(run_code, monkeypatch):
    """The planted offender of the test above."""
    monkeypatch.setattr("llm_plugin.lean.plugin.follow_corporate_events", lambda *_: None)
    run = run_code(
        AAPL.replace("MODE", "RAW"), BUY_ONCE, "2014-06-02", "2014-07-31", "daily", extra=FAR, backend=Approve()
    )
    (replayed,) = [o for o in run.outcomes if o.kind is OutcomeKind.REPLAY and o.action is Action.BUY and o.taken]
    assert replayed.exit_reason is ExitReason.STOP


EURUSD = """self.pair = self.add_forex("EURUSD", Resolution.HOUR, Market.OANDA).symbol"""
EVERY_BAR = """if data.quote_bars.contains_key(self.pair) and self.utc_time.hour % 6 == 0:
    self.ask()"""


def test_decisions_do_not_depend_on_the_algorithms_time_zone(run_code):
    """Same bars, same ids, same UTC times, whatever `set_time_zone` says."""
    runs = [
        run_code(
            f"{zone}\n{EURUSD}", EVERY_BAR, "2014-03-03", "2014-04-04", name=name, backend=RuleBackend(), llm_run_id="z"
        )
        for name, zone in (("new_york", "pass"), ("tokyo", "self.set_time_zone('Asia/Tokyo')"))
    ]
    first, second = ({row["bar_utc"]: row for row in r.rows if row["kind"] == "decision"} for r in runs)
    shared = sorted(set(first) & set(second))
    assert len(shared) >= 80
    for bar in shared:
        assert first[bar]["decision_id"] == second[bar]["decision_id"]
        assert first[bar]["time_utc"] == second[bar]["time_utc"]
        assert first[bar]["verdict"] == second[bar]["verdict"]


def test_while_lean_warms_up_no_question_is_asked(run_code):
    backend = RuleBackend()
    asked = []
    plain = backend.validate
    backend.validate = lambda request: asked.append(request) or plain(request)
    run = run_code(
        f"{EURUSD}\nself.set_warm_up(timedelta(days=5))", EVERY_BAR, "2014-03-03", "2014-03-07", backend=backend
    )
    warming = [d for d in run.entries if d.source is Source.WARMING]
    assert warming
    assert not any(d.approved for d in warming)
    assert len(run.entries) - len(warming) >= 10
    start = run.result.algorithm.start_date
    assert all(d.time_utc.replace(tzinfo=None) <= start + timedelta(hours=5) for d in warming)


def test_a_scheduled_question_sees_the_last_completed_bar(run_code):
    setup = EURUSD + "\nself.schedule.on(self.date_rules.every_day(), self.time_rules.at(10, 20), self.ask)"
    run = run_code(setup, "", "2014-03-10", "2014-03-14", backend=RuleBackend())
    rows = [row for row in run.rows if row["kind"] == "decision"]
    assert len(rows) == 5
    for row in rows:
        assert row["bar_utc"].endswith("T14:00:00Z")  # 10:00 in New York
        assert row["time_utc"].endswith("T14:20:00Z")


def test_orders_that_the_algorithm_never_sends_end_as_not_executed(run_code):
    run = run_code(EURUSD, EVERY_BAR, "2014-03-03", "2014-03-14", backend=RuleBackend())
    report = run.result.algorithm.llm.desk.report()
    approved = sum(d.approved for d in run.entries)
    assert approved >= 10
    assert report["not_executed"] == approved
    assert not run.result.orders
    replays = [o for o in run.outcomes if o.kind is OutcomeKind.REPLAY and o.action is Action.BUY]
    assert len(replays) == approved
    assert not any(o.taken for o in replays)
