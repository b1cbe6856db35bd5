"""The chain of models, and the loop of each: plan, code, gates, the failing gate's words back to the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from llm_plugin.errors import BackendUnavailable, ConfigError, LeanLlmError, ModelError
from llm_plugin.strategies.generate.answers import take_code
from llm_plugin.strategies.generate.asking import Asker, Show
from llm_plugin.strategies.generate.attempts import Attempt, Judge, Request, same_code
from llm_plugin.strategies.generate.budget import BudgetSpent, Meter
from llm_plugin.strategies.generate.config import GenerateConfig, ModelStep
from llm_plugin.strategies.generate.messages import code_messages, plan_messages, repair_messages
from llm_plugin.strategies.generate.record import Record
from llm_plugin.strategies.judge.verdict import Verdict
from llm_plugin.strategies.models import Completion, Message, ModelOptions, StrategyModel

__all__ = ["Outcome", "StepDown", "run_chain"]

MOST_CUTS = 2
MOST_REPEATS = 2
HOTTER = 0.3
HOTTEST = 1.2
Opener = Callable[[str, ModelOptions], StrategyModel]


@dataclass(frozen=True, slots=True)
class StepDown:
    """Why a model was left; `later` where it may answer another time."""

    model: str
    reason: str
    later: bool = False


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        attempts: Every turn, in order.
        left: Models that were left, with the reason.
        stopped: Why no further model was asked, where the budget ended it.
        plans: Each model's plan.
        meter: What it cost.
    """

    meter: Meter
    attempts: list[Attempt] = field(default_factory=list)
    left: list[StepDown] = field(default_factory=list)
    stopped: str = ""
    plans: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> Attempt | None:
        """The attempt to hand over: the one that passed, else the one that came farthest; None without any code."""
        with_code = [attempt for attempt in self.attempts if attempt.code]
        return max(with_code, key=lambda attempt: (attempt.passed, attempt.merit)) if with_code else None

    @property
    def passed(self) -> bool:
        """Whether one passed."""
        return any(attempt.passed for attempt in self.attempts)


def run_chain(
    request: Request, config: GenerateConfig, judge: Judge, record: Record, show: Show, opener: Opener
) -> Outcome:
    """Ask one model after the other until a file passes every gate.

    Args:
        request: What is asked for.
        config: The chain, its turns and its budget.
        judge: Says which gates a file passes.
        record: Every message, answer and verdict; what it holds already is not done again.
        show: Called with events for the person.
        opener: Opens a model by its text.
    """
    outcome = Outcome(Meter(config.budget))
    asker = Asker(record, outcome.meter, show)
    for place, step in enumerate(config.models):
        follower = config.models[place + 1].model if place + 1 < len(config.models) else ""
        later = False
        try:
            outcome.meter.check_time()
            model = opener(step.model, step.options(outcome.meter.left_seconds()))
            show("model", model=step.model, name=model.name)
            record.add("model", model=step.model, name=model.name)
            reason = _Turns(request, config, judge, record, show, asker, outcome, step, model).run()
        except BudgetSpent as error:
            outcome.stopped = str(error)
            record.add("budget_spent", reason=str(error), **outcome.meter.to_json())
            show("stopped", reason=str(error))
            break
        except (ModelError, ConfigError, BackendUnavailable) as error:
            reason, later = str(error), isinstance(error, BackendUnavailable)
        if outcome.passed:
            break
        outcome.left.append(StepDown(step.model, reason, later))
        record.add("step_down", model=step.model, reason=reason, next=follower)
        show("step_down", model=step.model, reason=reason, next=follower)
    return outcome


class _Turns:
    """The turns of one model."""

    def __init__(
        self,
        request: Request,
        config: GenerateConfig,
        judge: Judge,
        record: Record,
        show: Show,
        asker: Asker,
        outcome: Outcome,
        step: ModelStep,
        model: StrategyModel,
    ) -> None:
        self.request, self.config, self.judge = request, config, judge
        self.record, self.show, self.asker = record, show, asker
        self.outcome, self.step, self.model = outcome, step, model
        self.chat = step.chats(model)
        self.seen: dict[str, Attempt] = {}
        self.cuts = self.repeats = 0

    def run(self) -> str:
        """Ask until a file passes or the turns are used up; return why this model is left."""
        first = self._first_question()
        question, turns = first, self.step.attempts or self.config.attempts
        for turn in range(turns):
            attempt = self._turn(question, turn)
            self.outcome.attempts.append(attempt)
            if attempt.passed:
                return ""
            if self.cuts >= MOST_CUTS:
                return (
                    f"its answers were cut off {self.cuts} times in a row: {attempt.notes[-1] if attempt.notes else ''}"
                )
            if self.repeats >= MOST_REPEATS:
                return f"it gave the same file {self.repeats + 1} times, whatever it was told"
            if self.chat:
                what, reason = attempt.what_failed()
                question = repair_messages(first, attempt.answer, what, reason)
        best = max(self.outcome.attempts[-turns:], key=lambda attempt: attempt.merit)
        return f"no file passed in {turns} turns; the best one: {' '.join(best.what_failed())[:300]}"

    def _first_question(self) -> list[Message]:
        request, plan = self.request, None
        if self.chat and self.config.plan:
            self.show("asks", what="plan", model=self.step.model, turn=0, of=0)
            asked = plan_messages(request.prompt, request.start, request.end)
            answer = self._ask(asked, what="plan", turn=0)
            plan = answer.text if answer.stop_reason not in ("loop", "cut") else ""
            self.outcome.plans[self.step.model] = plan
        return code_messages(request.prompt, plan or None, request.start, request.end, chat=self.chat)

    def _turn(self, question: list[Message], turn: int) -> Attempt:
        number, of = len(self.outcome.attempts) + 1, self.step.attempts or self.config.attempts
        self.show("asks", what="code", model=self.step.model, turn=turn + 1, of=of)
        answer = self._ask(question, what="code", turn=turn)
        taken = take_code(answer.text, answer.stop_reason)
        notes = (*taken.notes, *answer.notes)
        attempt = Attempt(number, self.step.model, turn, taken.code, taken.problem, notes=notes, answer=answer.text)
        self.cuts = self.cuts + 1 if answer.stop_reason == "cut" and taken.problem else 0
        if answer.stop_reason == "loop" and taken.problem:
            attempt.problem = f"{answer.notes[0]}. {taken.problem}"
        if not attempt.problem:
            self._judge(attempt)
        what, reason = attempt.what_failed()
        self.show("judged", attempt=attempt, what=what, reason=reason)
        return attempt

    def _judge(self, attempt: Attempt) -> None:
        mark = same_code(attempt.code)
        earlier = self.seen.get(mark)
        if earlier is not None:
            self.repeats += 1
            attempt.verdict, attempt.broken = earlier.verdict, earlier.broken
            what, reason = earlier.what_failed()
            attempt.problem = f"the file is the same as before, in attempt {earlier.number}. {what} {reason}"
            return
        self.repeats = 0
        self.seen[mark] = attempt
        key = f"{mark} {self.request.start} {self.request.end} {self.request.cash:g}"
        known = self.record.recall("verdict", key)
        if known is not None:
            attempt.verdict = Verdict.from_json(known["verdict"])
            attempt.look_for_facts(self.request.facts)
            self.outcome.meter.earlier_seconds += attempt.verdict.seconds
            return
        self.outcome.meter.check_time()
        self.show("judging", code=attempt.code)
        attempt.judge_with(self.judge, self.request)
        verdict = attempt.verdict.to_json() if attempt.verdict is not None else None
        self.record.add("verdict", key=key, attempt=attempt.number, verdict=verdict, broken=list(attempt.broken))

    def _ask(self, messages: list[Message], *, what: str, turn: int) -> Completion:
        # A model that hears nothing of the gates, or repeats itself, only writes something else when it is hotter.
        temperature = self.step.temperature + HOTTER * (self.repeats + (turn if not self.chat else 0))
        try:
            return self.asker.ask(
                self.step,
                self.model,
                messages,
                what=what,
                temperature=round(min(temperature, max(HOTTEST, self.step.temperature)), 3),
                seed=self.config.seed + turn,
            )
        except LeanLlmError as error:
            self.record.add("no_answer", model=self.step.model, what=what, kind=type(error).__name__, error=str(error))
            raise
