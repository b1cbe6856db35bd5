"""`LLMValidatedAlphaModel` and `LLMRiskManagementModel`, the framework style."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import lean_fakes as fakes
import pytest

from llm_plugin.domain import Action, ExitReason, OutcomeKind, Verdict
from llm_plugin.errors import ConfigError
from llm_plugin.lean import LLMRiskManagementModel, LLMValidatedAlphaModel

UP, DOWN, FLAT = fakes.InsightDirection.UP, fakes.InsightDirection.DOWN, fakes.InsightDirection.FLAT
CONFIG = {"validator": {"mode": "none"}}
HOURS = timedelta(hours=1)


class ScriptedAlpha:
    """Emits what the test puts into `next`."""

    def __init__(self):
        self.next, self.changes = [], []

    def update(self, algorithm, data):
        found, self.next = self.next, []
        return found

    def on_securities_changed(self, algorithm, changes):
        self.changes.append(changes)


class World:
    """An algorithm, a wrapped alpha, and the framework's equal weighting in a few lines."""

    def __init__(self, backend, inner=None, forward=False, parameters=None, **risk):
        self.algorithm = fakes.FakeAlgorithm(parameters)
        self.algorithm.history_bars = fakes.flat_history()
        self.inner = inner or ScriptedAlpha()
        self.backend = backend
        self.alpha = LLMValidatedAlphaModel(self.inner, CONFIG, backend=backend)
        self.risk = LLMRiskManagementModel(self.alpha, **risk)
        self.active = []
        self.size = 10_000
        self.squeeze = 1.0
        securities = list(self.algorithm.securities.values())
        self.alpha.on_securities_changed(
            self.algorithm, SimpleNamespace(added_securities=securities, removed_securities=[])
        )
        if forward:
            self.algorithm.forward = self.alpha.on_order_event
        self.algorithm.insights.cancel = self.cancel

    def insight(self, direction, hours=10, symbol=None, confidence=0.6, group=None):
        item = fakes.Insight.price(symbol or self.algorithm.symbol, hours * HOURS, direction, None, confidence, "inner")
        item.group_id = group
        return item

    def cancel(self, symbols):
        for insight in self.active:
            if insight.symbol in symbols:
                insight.close_time_utc = self.algorithm.utc_time - timedelta(seconds=1)

    def emit(self, insights):
        """What LEAN does with insights, from the wrapper or by `emit_insights`."""
        for insight in insights:
            insight.close_time_utc = self.close_time(insight.period)
        self.active += insights
        if insights:
            self.algorithm.insights_generated(self.algorithm, SimpleNamespace(insights=insights))

    def close_time(self, period):
        """LEAN takes a period, whose hours it squeezes into trading hours, or a close time of the exchange's zone."""
        if isinstance(period, datetime):
            return period.replace(tzinfo=fakes.NEW_YORK).astimezone(UTC).replace(tzinfo=None)
        return self.algorithm.utc_time + self.squeeze * period

    def step(self, *insights, low=1.2995, high=1.3005, close=1.3, cancel=False):
        """One bar, then the framework's pipeline; returns the insights that passed."""
        self.algorithm.bar(low, high, close)
        self.inner.next = list(insights)
        passed = list(self.alpha.update(self.algorithm, None))
        self.emit(passed)
        if cancel:
            self.cancel([self.algorithm.symbol])
        targets = []
        for symbol in {i.symbol for i in self.active}:
            live = [i for i in self.active if i.symbol == symbol and i.close_time_utc >= self.algorithm.utc_time]
            direction = int(live[-1].direction) if live else 0
            targets.append(fakes.PortfolioTarget(symbol, direction * self.size))
        final = {t.symbol: t for t in targets}
        final.update({t.symbol: t for t in self.risk.manage_risk(self.algorithm, targets)})
        for target in final.values():
            delta = target.quantity - self.algorithm.portfolio[target.symbol].quantity
            if delta:
                self.algorithm.market_order(target.symbol, delta)
        self.algorithm.finish()
        return passed

    @property
    def held(self):
        return self.algorithm.portfolio["EURUSD"].quantity

    def outcomes(self, kind):
        return [o for o in self.backend.outcomes if o.kind is kind and o.action is not Action.HOLD]


@pytest.fixture
def make_world(lean, scripted):
    def make(answer=None, **options):
        return World(scripted(answer), **options)

    return make


VETO = {"answer": lambda _: 0.0}


def test_an_approved_insight_passes(make_world):
    world = make_world()
    insight = world.insight(UP)
    assert world.step(insight) == [insight]
    assert world.held == 10_000
    assert world.backend.entries[0].signal.confidence == 0.6


def test_a_vetoed_new_entry_is_dropped(make_world):
    world = make_world(**VETO)
    assert world.step(world.insight(UP)) == []
    assert world.held == 0


def test_a_vetoed_reversal_becomes_flat(make_world):
    """Dropping DOWN while UP is active would block the exit."""
    world = make_world()
    world.step(world.insight(UP))
    world.backend.answer = lambda _: 0.0
    (passed,) = world.step(world.insight(DOWN))
    assert passed.direction == FLAT
    assert world.held == 0


def test_the_flat_of_a_vetoed_reversal_outlives_what_it_ends(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=50))
    world.backend.answer = lambda _: 0.0
    world.squeeze = 0.05  # a period of one day and two hours ends before the insight that was sent the day before
    world.step(world.insight(DOWN, hours=2))
    for _ in range(6):
        world.step()
    assert world.held == 0  # the FLAT has not run out before the UP, which would have come back


def test_an_approved_reversal_passes(make_world):
    world = make_world()
    world.step(world.insight(UP))
    world.step(world.insight(DOWN))
    assert world.held == -10_000


def test_flat_passes_untouched(make_world):
    world = make_world()
    world.step(world.insight(UP))
    world.backend.answer = lambda _: 0.0
    flat = world.insight(FLAT)
    assert world.step(flat) == [flat]
    assert len(world.backend.entries) == 1
    assert world.held == 0


def test_same_direction_renewals_pass_untouched(make_world):
    world = make_world()
    world.step(world.insight(UP))
    world.backend.answer = lambda _: 0.0
    renewal = world.insight(UP)
    assert world.step(renewal) == [renewal]
    assert len(world.backend.entries) == 1


def test_after_a_veto_the_next_insight_is_an_entry_again(make_world):
    world = make_world(**VETO)
    world.step(world.insight(UP))
    world.step(world.insight(UP))
    assert len(world.backend.entries) == 2


def second_symbol(world):
    symbol = world.algorithm.add(fakes.FakeSymbol("GBPUSD", "GBPUSD 8G"), 1.3)
    changes = SimpleNamespace(added_securities=[world.algorithm.securities["GBPUSD"]], removed_securities=[])
    world.alpha.on_securities_changed(world.algorithm, changes)
    return symbol


def test_a_group_is_vetoed_whole(make_world):
    world = make_world(answer=lambda request: 0.0 if request.market.ticker == "GBPUSD" else 1.0)
    other = second_symbol(world)
    pair = [world.insight(UP, group="g"), world.insight(DOWN, symbol=other, group="g")]
    assert world.step(*pair) == []
    decisions = [asked.decision for asked in world.alpha.desk.ledger.asked.values()]
    assert [d.verdict for d in decisions] == [Verdict.VETO, Verdict.VETO]
    assert [d.fusion_rule for d in decisions] == ["group_veto", "scripted"]
    assert {r.signal.group for r in world.backend.entries} == {"g"}


def test_a_group_is_approved_whole_at_its_smallest_size(make_world):
    world = make_world(answer=lambda request: 0.5 if request.market.ticker == "GBPUSD" else 1.0)
    other = second_symbol(world)
    pair = [world.insight(UP, group="g"), world.insight(DOWN, symbol=other, group="g")]
    assert world.step(*pair) == pair
    assert world.held == 5_000
    assert world.algorithm.portfolio["GBPUSD"].quantity == -5_000


def test_exits_in_a_vetoed_group_pass(make_world):
    world = make_world()
    other = second_symbol(world)
    world.step(world.insight(UP))
    world.backend.answer = lambda _: 0.0
    exit_leg, entry_leg = world.insight(FLAT, group="g"), world.insight(UP, symbol=other, group="g")
    assert world.step(exit_leg, entry_leg) == [exit_leg]
    assert world.held == 0


def test_adjust_acts_through_the_risk_model(make_world):
    world = make_world(answer=lambda _: 0.75)
    world.step(world.insight(UP))
    assert world.held == 7_500
    world.step()
    assert world.held == 7_500  # the portfolio model's full target is scaled each time, once


def test_without_the_risk_model_nothing_is_scaled(make_world):
    """The planted offender: equal weighting ignores weight and confidence."""
    world = make_world(answer=lambda _: 0.75)
    world.risk = SimpleNamespace(manage_risk=lambda algorithm, targets: [])
    world.step(world.insight(UP))
    assert world.held == 10_000


def test_insights_sent_by_emit_insights_bypass_the_wrapper_and_are_counted(make_world):
    world = make_world()
    world.step()
    world.emit([world.insight(UP)])
    assert world.alpha.desk.counts["bypassing_insights"] == 1
    renewal = world.insight(UP)
    assert world.step(renewal) == [renewal]
    assert not world.backend.entries


def test_exit_of_a_decision_is_its_insights_close_time(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=3))
    for _ in range(5):
        world.step()
    (realised,), (replayed,) = world.outcomes(OutcomeKind.REALISED), world.outcomes(OutcomeKind.REPLAY)
    assert realised.exit_reason is replayed.exit_reason is ExitReason.SIGNAL
    assert realised.bars_held == replayed.bars_held == 4
    assert realised.r_multiple == pytest.approx(replayed.r_multiple)


def test_exit_of_a_decision_is_a_newer_opposite_insight(make_world):
    world = make_world()
    world.step(world.insight(UP))
    world.step()
    world.step(world.insight(DOWN), low=1.3004, high=1.3012, close=1.3010)
    (replayed,) = world.outcomes(OutcomeKind.REPLAY)
    assert replayed.exit_reason is ExitReason.SIGNAL
    world.step()
    (realised,) = world.outcomes(OutcomeKind.REALISED)
    assert realised.r_multiple == pytest.approx(replayed.r_multiple)


def test_exit_of_a_decision_is_a_newer_flat_insight(make_world):
    world = make_world(**VETO)
    world.step(world.insight(UP))
    world.step(world.insight(FLAT))
    (shadow,) = world.outcomes(OutcomeKind.SHADOW)
    assert shadow.exit_reason is ExitReason.SIGNAL


def test_exit_of_a_decision_is_the_exit_plan_and_the_risk_model_carries_it_out(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=40))
    world.step(low=1.2970, high=1.3000, close=1.2985)
    assert world.held == 0
    world.step()
    (realised,), (replayed,) = world.outcomes(OutcomeKind.REALISED), world.outcomes(OutcomeKind.REPLAY)
    assert realised.exit_reason is replayed.exit_reason is ExitReason.STOP
    assert world.held == 0  # its insight was cancelled: the portfolio model does not come back


def test_a_renewal_prolongs_the_decision(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=3))
    world.step()
    world.step(world.insight(UP, hours=6))
    for _ in range(3):
        world.step()
    assert world.held == 10_000
    assert not world.outcomes(OutcomeKind.REPLAY)


def test_exits_forced_by_a_risk_model_count_in_realised_outcomes_only(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=6))
    world.step(cancel=True)
    assert world.held == 0
    world.step()
    (realised,) = world.outcomes(OutcomeKind.REALISED)
    assert realised.exit_reason is ExitReason.RISK_MODEL
    assert not world.outcomes(OutcomeKind.REPLAY)
    for _ in range(6):
        world.step()
    (replayed,) = world.outcomes(OutcomeKind.REPLAY)
    assert replayed.exit_reason is ExitReason.SIGNAL  # the insight's own time


def test_forwarding_on_order_event_gives_the_same_outcomes(make_world):
    forwarded, followed = traded(make_world(forward=True)), traded(make_world(forward=False))
    assert len(forwarded) == 6
    assert forwarded == followed


def traded(world):
    world.step(world.insight(UP, hours=4))
    world.step(low=1.2999, high=1.3012, close=1.3009)
    world.step(world.insight(DOWN, hours=3))
    for _ in range(6):
        world.step()
    seen = sorted(
        (o.kind, o.action, o.opened_utc, o.closed_utc, o.pnl, o.r_multiple, o.bars_held, o.mae_r, o.mfe_r)
        for o in world.backend.outcomes
    )
    return seen


class PascalAlpha:
    def __init__(self):
        self.next, self.changed = [], 0

    def Update(self, algorithm, data):
        found, self.next = self.next, []
        return found

    def OnSecuritiesChanged(self, algorithm, changes):
        self.changed += 1


class LazyEnumerable:
    """What a C# `yield return` looks like from Python: no iteration protocol, evaluated when walked."""

    def __init__(self, items):
        self.items, self.walked = items, 0

    def GetEnumerator(self):
        outer = self

        class Enumerator:
            at = -1

            def MoveNext(self):
                self.at += 1
                outer.walked += 1
                return self.at < len(outer.items)

            @property
            def Current(self):
                return outer.items[self.at]

        return Enumerator()


class CSharpAlpha(PascalAlpha):
    Name = "CSharpAlpha"

    def Update(self, algorithm, data):
        return LazyEnumerable(super().Update(algorithm, data))


@pytest.mark.parametrize("kind", [ScriptedAlpha, PascalAlpha, CSharpAlpha])
def test_wraps_python_in_both_spellings_and_csharp(make_world, kind):
    world = make_world(inner=kind())
    insight = world.insight(UP)
    assert world.step(insight) == [insight]
    if kind is not ScriptedAlpha:
        assert world.inner.changed == 1


def test_both_spellings_of_the_wrapper_itself_are_there():
    assert LLMValidatedAlphaModel.Update is LLMValidatedAlphaModel.update
    assert LLMValidatedAlphaModel.OnSecuritiesChanged is LLMValidatedAlphaModel.on_securities_changed
    assert LLMRiskManagementModel.ManageRisk is LLMRiskManagementModel.manage_risk


def test_what_is_no_alpha_model_is_refused():
    with pytest.raises(ConfigError, match="str"):
        LLMValidatedAlphaModel("EmaCross", CONFIG)


def test_an_insight_without_confidence_is_asked_with_one_half(make_world):
    world = make_world()
    world.step(world.insight(UP, confidence=None))
    assert world.backend.entries[0].signal.confidence == 0.5


def test_removed_securities_stop_their_feed_and_close_their_shadows(make_world):
    world = make_world(**VETO)
    world.step(world.insight(UP))
    security = world.algorithm.securities["EURUSD"]
    changes = SimpleNamespace(added_securities=[], removed_securities=[security])
    world.alpha.on_securities_changed(world.algorithm, changes)
    assert not world.algorithm.consolidators["EURUSD"]
    (shadow,) = world.outcomes(OutcomeKind.SHADOW)
    assert shadow.exit_reason is ExitReason.DELISTED
    assert world.inner.changes == [changes] or len(world.inner.changes) == 2


def test_an_insight_that_is_cancelled_at_once_is_forgotten(make_world):
    world = make_world()
    world.step(world.insight(UP), cancel=True)
    world.step()
    world.step()
    assert world.alpha.log.known == {"EURUSD 8G": []}


def test_a_position_passes_to_the_decision_that_keeps_it(make_world):
    """The old insight ends and a new one comes in the same bar: LEAN sends no order, the position goes on."""
    world = make_world()
    world.step(world.insight(UP, hours=2))
    world.step()
    world.step()
    world.step(world.insight(UP, hours=40))
    assert len(world.backend.entries) == 2
    assert len(world.algorithm.tickets) == 1
    (old,) = world.outcomes(OutcomeKind.REALISED)
    assert (old.decision_id, old.exit_reason) == (world.backend.entries[0].decision_id, ExitReason.SIGNAL)
    report = world.alpha.desk.report()
    assert (report["handed_over"], report["executed"], report["unvalidated_fills"]) == (1, 2, 0)
    world.step(low=1.2970, high=1.3000, close=1.2985)
    assert world.held == 0  # the new decision's exit plan is carried out
    world.step()
    assert world.outcomes(OutcomeKind.REALISED)[1].exit_reason is ExitReason.STOP
    assert "not_executed" not in world.alpha.on_end()


def test_a_veto_of_the_decision_that_would_keep_it_ends_the_position(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=2))
    world.step()
    world.step()
    world.backend.answer = lambda _: 0.0
    world.step(world.insight(UP, hours=40))
    assert world.held == 0


def test_an_approved_reversal_in_the_bar_in_which_the_old_plan_ends_is_not_lost(make_world):
    world = make_world()
    world.step(world.insight(UP, hours=40))
    world.step(world.insight(DOWN, hours=40), low=1.2970, high=1.3000, close=1.2985)
    assert world.held == -10_000
    world.step()
    assert "not_executed" not in world.alpha.on_end()
