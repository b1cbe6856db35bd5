"""Child process of the kill -9 tests: writes decisions and outcomes and acknowledges each one on standard output."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from itertools import count

from llm_plugin.domain import (
    AccountState,
    Action,
    Decision,
    DecisionRequest,
    ExitPlan,
    ExitReason,
    MarketContext,
    Outcome,
    OutcomeKind,
    PositionState,
    QuestionKind,
    Signal,
    Source,
    Verdict,
    decision_id,
)
from llm_plugin.outcomes.store import OutcomeStore

START = datetime(2015, 1, 5, tzinfo=UTC)
RUN = "killed"


def numbered(number: int) -> tuple[DecisionRequest, Decision, Outcome]:
    """Return the n-th decision of the run and its outcome; the same for every process."""
    moment = START + timedelta(hours=number)
    identity = decision_id(RUN, "X", moment, QuestionKind.ENTRY, number)
    market = MarketContext("X", "X", "oanda", "forex", moment, "hour", 1.0, 1.0, 1.0, {"rsi_14": number / 7})
    signal = Signal("X", "X", moment, Action.BUY, 0.6)
    account = AccountState(1.0, 1.0, 1.0, 1.0)
    legal = (Action.BUY, Action.HOLD)
    plan = ExitPlan(0.9, None, timedelta(hours=1))
    request = DecisionRequest(
        identity, RUN, QuestionKind.ENTRY, number, signal, market, PositionState(), account, legal, plan
    )
    decision = Decision(
        *(identity, RUN, QuestionKind.ENTRY, "X", moment, Verdict.APPROVE, Action.BUY),
        *(1.0, 0.6, Source.LLM, Action.BUY, 0.6),
        prompt_hash=f"hash-{number % 5}",
    )
    outcome = Outcome(
        *(identity, RUN, "X", Action.BUY, OutcomeKind.REALISED, True, moment, moment + timedelta(hours=1)),
        *(1.0, 1.1, 1.0, number / 3, 0.1, number / 3, 0.5, 1, -0.1, 1.0, 0.0, ExitReason.TARGET),
    )
    return request, decision, outcome


def main(url: str, first: int) -> None:
    """Write from the n-th decision on until killed; a line on standard output says what is safe."""
    with OutcomeStore(url) as store:
        for number in count(first):
            request, decision, outcome = numbered(number)
            store.save_decision(request, decision, f"prompt {number % 5}")
            print(f"decision {number}", flush=True)
            store.save_outcome(outcome)
            print(f"outcome {number}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
