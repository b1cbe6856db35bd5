"""`LLMValidatedAlphaModel`: the framework style. Any alpha model, wrapped; its entries are asked about.

Dropping an insight is no veto: portfolio models act on the last active insight of a symbol. So FLAT insights and
renewals of the direction that is active pass untouched, a vetoed new entry is dropped, a vetoed reversal becomes FLAT
(its exit half goes on), and a group is approved or vetoed whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from llm_plugin.domain import Action, Decision, DecisionBackend, ExitReason, Verdict
from llm_plugin.errors import ConfigError, UnsupportedLeanApi
from llm_plugin.lean.compat import each, method, number, security_id, utc_now
from llm_plugin.lean.config import calling_folder, load_config
from llm_plugin.lean.corporate import follow_corporate_events
from llm_plugin.lean.desk import Desk
from llm_plugin.lean.insights import InsightLog, KnownInsight, flat_insight
from llm_plugin.lean.ledger import Asked
from llm_plugin.lean.restart import StateKeeper

__all__ = ["LLMValidatedAlphaModel"]

UNKNOWN_CONFIDENCE = 0.5


@dataclass(slots=True)
class Leg:
    """One insight of a unit (an insight alone, or a group) with its question, where one is asked."""

    insight: Any
    direction: int
    reversal: bool = False
    asked: Asked | None = None


class LLMValidatedAlphaModel:
    """Wraps an alpha model: Python in either spelling, LEAN's own, or one written in C#.

        self.add_alpha(LLMValidatedAlphaModel(EmaCrossAlphaModel(), config="llm_config.yaml"))

    Args:
        model: The alpha model.
        config: Path relative to the algorithm's file, a dict, or an object-store key.
        backend: Who answers; made from the configuration where not given.
        restart_policy: What happens to a position that does not fit the saved state: `adopt` or `close`.

    Attributes:
        desk: The desk, once LEAN has called the model for the first time.
    """

    def __init__(
        self,
        model: Any,
        config: str | Path | Mapping[str, Any] | None = None,
        *,
        backend: DecisionBackend | None = None,
        restart_policy: str = "adopt",
    ) -> None:
        update = method(model, "update")
        if update is None:
            raise ConfigError(f"{type(model).__name__} is no alpha model: it has neither update nor Update")
        self.model = model
        self.name = f"LLMValidated({getattr(model, 'name', None) or type(model).__name__})"
        self.desk: Desk | None = None
        self.state: StateKeeper | None = None
        self.log = InsightLog()
        self._update = update
        self._config = config
        self._folder = calling_folder()
        self._backend = backend
        self._restart_policy = restart_policy
        self._decisions: dict[str, tuple[str, int, list[KnownInsight]]] = {}
        self._multipliers: dict[str, tuple[int, float]] = {}
        self._sent: set[str] = set()

    # -- LEAN's interface --------------------------------------------------------------------------------------------

    def update(self, algorithm: Any, data: Any) -> list[Any]:
        """Return the inner model's insights as far as they are approved."""
        desk = self.attach(algorithm)
        follow_corporate_events(desk, data)
        desk.begin()
        desk.ledger.orders.poll()
        now = utc_now(algorithm)
        self.log.refresh(now)
        self._end_decisions(now)
        insights = list(each(self._update(algorithm, data)))
        if not insights:
            return insights
        passed = [insight for unit in _units(insights) for insight in self._judge(unit, now)]
        self._sent = {str(insight.id) for insight in passed}
        return passed

    def on_securities_changed(self, algorithm: Any, changes: Any) -> None:
        """Start and stop the feeds of the securities, then hand the change to the inner model."""
        desk = self.attach(algorithm)
        for security in each(changes.added_securities):
            desk.hub.add(security)
        for security in each(changes.removed_securities):
            feed = desk.hub.remove(security)
            if feed is not None and feed.last is not None:
                desk.ledger.delist(feed, feed.last.close, feed.last.end_utc)
        inner = method(self.model, "on_securities_changed")
        if inner is not None:
            inner(algorithm, changes)

    def on_order_event(self, event: Any) -> None:
        """Forward the algorithm's order events here if you like: the outcomes are the same without."""
        if self.desk is not None:
            self.desk.begin()
            self.desk.ledger.orders.forward(event)

    def on_end(self) -> dict[str, Any]:
        """Settle what is still open at the end of the run; returns what was counted."""
        if self.desk is None:
            return {}
        self.desk.end()
        return self.desk.report()

    Update = update
    OnSecuritiesChanged = on_securities_changed
    OnOrderEvent = on_order_event

    # -- for the risk model ------------------------------------------------------------------------------------------

    def attach(self, algorithm: Any) -> Desk:
        """Return the desk, made at LEAN's first call: an alpha model learns of its algorithm only then."""
        if self.desk is None:
            config = load_config(self._config, self._folder, algorithm)
            self.desk = Desk(algorithm, config, self._backend, signal_exits=False)
            self.desk.ledger.explain_exit = self._explain_exit
            self.state = StateKeeper(self.desk, self._restart_policy)
            try:
                algorithm.insights_generated += self._on_generated
            except (AttributeError, UnsupportedLeanApi):
                self.desk.counts["bypass_not_counted"] += 1
        return self.desk

    def multiplier(self, symbol_id: str, side: int) -> float:
        """Return the size multiplier of the decision behind a target of this side, 1 where none is adjusted."""
        known_side, value = self._multipliers.get(symbol_id, (0, 1.0))
        return value if known_side == side else 1.0

    def turned(self, symbol_id: str, side: int) -> bool:
        """Return whether an active insight of another direction ends a position of this side already."""
        active = self.log.last_active(symbol_id, utc_now(self._desk().algorithm))
        return active is not None and active.direction != side

    # -- inside ------------------------------------------------------------------------------------------------------

    def _judge(self, unit: list[Any], now: datetime) -> list[Any]:
        legs = [self._leg(insight, now, grouped=len(unit) > 1) for insight in unit]
        questions = [leg.asked for leg in legs if leg.asked is not None]
        whole = all(asked.decision.approved for asked in questions)
        if len(questions) > 1:
            _bind_group(questions, whole)
        passed = []
        for leg in legs:
            if leg.asked is None or whole:
                passed.append(leg.insight)
                self._follow(leg, now)
            else:
                self._settle(leg)
                if leg.reversal:
                    until = self.log.longest_close(security_id(leg.insight.symbol), now)
                    flat = flat_insight(leg.insight, until, self._desk().hub.get(leg.insight.symbol).zone)
                    self.log.add(flat, now)
                    passed.append(flat)
        return passed

    def _leg(self, insight: Any, now: datetime, *, grouped: bool) -> Leg:
        direction = number(insight.direction)
        leg = Leg(insight, direction)
        if direction == 0:
            return leg
        desk = self._desk()
        active = self.log.last_active(security_id(insight.symbol), now)
        current = 0 if active is None else active.direction
        if current == direction:
            return leg
        held = float(desk.algorithm.portfolio[insight.symbol].quantity)
        leg.reversal = current == -direction or held * direction < 0
        confidence = insight.confidence
        group = insight.group_id
        leg.asked = desk.ask_entry(
            insight.symbol,
            Action.BUY if direction > 0 else Action.SELL,
            UNKNOWN_CONFIDENCE if confidence is None else min(1.0, max(0.0, float(confidence))),
            source=str(insight.source_model or self.name),
            group=str(group) if grouped and group is not None else None,
        )
        return leg

    def _follow(self, leg: Leg, now: datetime) -> None:
        """Note an insight that passes: a new decision, a renewal that prolongs one, or an exit."""
        known = self.log.add(leg.insight, now)
        desk = self._desk()
        if leg.direction == 0:
            feed = desk.hub.get(leg.insight.symbol)
            for side in (1, -1):
                desk.ledger.exit_signal(feed, side)
            self._multipliers.pop(known.symbol_id, None)
        elif leg.asked is None:
            for symbol_id, side, renewals in self._decisions.values():
                if symbol_id == known.symbol_id and side == leg.direction:
                    renewals.append(known)
        else:
            decision = self._settle(leg)
            desk.ledger.hand_over(desk.hub.get(leg.insight.symbol), decision)
            self._decisions[decision.decision_id] = (known.symbol_id, leg.direction, [known])
            self._multipliers[known.symbol_id] = (leg.direction, decision.size_multiplier)

    def _settle(self, leg: Leg) -> Decision:
        if leg.asked is None:
            raise ConfigError("an insight without a question has no decision")
        return self._desk().settle(leg.asked)

    def _end_decisions(self, now: datetime) -> None:
        """End the replays of decisions whose insights' own time is over."""
        over = [key for key, (_, _, insights) in self._decisions.items() if all(item.over(now) for item in insights)]
        for key in over:
            symbol_id, side, _ = self._decisions.pop(key)
            feed = self._desk().hub.feeds.get(symbol_id)
            if feed is not None:
                self._desk().ledger.exit_signal(feed, side, key)

    def _explain_exit(self, decision_id: str, symbol_id: str, side: int) -> ExitReason:
        """Say why a position was closed: by its insights, or by a risk model although an insight still wants it."""
        known = self._decisions.get(decision_id)
        if known is None:
            return ExitReason.SIGNAL
        now = utc_now(self._desk().algorithm)
        active = self.log.last_active(symbol_id, now)
        wanted = active is not None and active.direction == side
        cancelled = any(item.cancelled and not item.over(now) for item in known[2])
        return ExitReason.RISK_MODEL if wanted or cancelled else ExitReason.SIGNAL

    def _on_generated(self, _algorithm: Any, generated: Any) -> None:
        """Count insights that reached LEAN without the wrapper (`emit_insights`, or another alpha model)."""
        desk = self._desk()
        now = utc_now(desk.algorithm)
        for insight in each(generated.insights):
            if str(insight.id) not in self._sent:
                desk.counts["bypassing_insights"] += 1
                self.log.add(insight, now)

    def _desk(self) -> Desk:
        if self.desk is None:
            raise ConfigError(f"{self.name} was not called by LEAN yet")
        return self.desk


def _units(insights: list[Any]) -> list[list[Any]]:
    """Split into insights alone and groups, in the order of their first insight."""
    units: dict[str, list[Any]] = {}
    for number_, insight in enumerate(insights):
        group = insight.group_id
        units.setdefault(f"alone {number_}" if group is None else str(group), []).append(insight)
    return list(units.values())


def _bind_group(questions: list[Asked], whole: bool) -> None:
    """Make the answers of a group one: the smallest multiplier for all legs, or a veto for all."""
    smallest = min(asked.decision.size_multiplier for asked in questions)
    for asked in questions:
        decision = asked.decision
        if not whole and decision.approved:
            asked.decision = replace(
                decision, verdict=Verdict.VETO, action=Action.HOLD, size_multiplier=0.0, fusion_rule="group_veto"
            )
        elif whole and decision.size_multiplier != smallest:
            asked.decision = replace(
                decision, verdict=Verdict.ADJUST, size_multiplier=smallest, fusion_rule="group_smallest"
            )
