"""Signals and verdicts from a recorded run (`--decisions-from RUN`): the same algorithm on any LEAN, the same orders.

Standard library only. Rows are found by decision id, or by security identifier, bar time and sequence; times and
ids are text, no float is ever a key. What the record does not know is an error that names it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from llm_plugin.domain import Decision, DecisionRequest, MarketContext, Outcome, QuestionKind, Signal
from llm_plugin.errors import RecordError
from llm_plugin.lean.rows import decision_of, signal_of, time_key

__all__ = ["RecordedBackend"]

FILE_NAME = "decisions.jsonl"


class RecordedBackend:
    """A `DecisionBackend` that answers from `decisions.jsonl`.

    Attributes:
        run_id: Run id of the record: the replaying run asks under the same ids.
        source: The file.
    """

    def __init__(self, rows: list[dict[str, Any]], source: str) -> None:
        self.source = source
        self.run_id = ""
        self._signals: dict[tuple[str, str], Signal] = {}
        self._by_id: dict[str, Decision] = {}
        self._by_bar: dict[tuple[str, str, str, int], Decision] = {}
        self._alias: dict[str, str] = {}
        self._known: set[str] = set()
        for number, row in enumerate(rows, start=1):
            try:
                self._add(row)
            except (KeyError, ValueError, TypeError) as error:
                raise RecordError(f"{source}, row {number}: not a row of a decision record: {error!r}") from error
        self._known.update(self._alias.values())
        if not self._by_id and not self._signals:
            raise RecordError(
                f"{source} holds neither signals nor decisions: was the run cut off before its first bar?"
            )

    @classmethod
    def load(cls, path: Path | str) -> RecordedBackend:
        """Read a run folder or its `decisions.jsonl`.

        Raises:
            RecordError: No such file, or a line that is not a row.
        """
        file = Path(path)
        file = file / FILE_NAME if file.is_dir() else file
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise RecordError(f"cannot read the recorded run {file}: {error.strerror}") from error
        rows = []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                rows.append(_row(line, f"{file}, line {number}"))
        return cls(rows, str(file))

    def signal(self, market: MarketContext) -> Signal:
        """Return the recorded signal of a bar.

        Raises:
            RecordError: The record has no signal for this symbol at this bar.
        """
        when = time_key(market.time_utc)
        found = self._signals.get((self._identifier(market.symbol_id, market.ticker), when))
        if found is None:
            raise RecordError(f"{self.source} has no signal of {market.ticker} ({market.symbol_id}) at {when}")
        return replace(found, symbol_id=market.symbol_id, ticker=market.ticker)

    def validate(self, request: DecisionRequest) -> Decision:
        """Return the recorded decision of a question.

        Raises:
            RecordError: The record does not know the question, or answered another signal there.
        """
        market = request.market
        when = time_key(market.time_utc)
        identifier = self._identifier(market.symbol_id, market.ticker)
        found = self._by_id.get(request.decision_id)
        if found is None:
            found = self._by_bar.get((identifier, when, request.kind.value, request.sequence))
        if found is None:
            raise RecordError(
                f"{self.source} has no {request.kind.value} decision of {market.ticker} ({market.symbol_id}) "
                f"at {when}, sequence {request.sequence}"
            )
        if request.kind is QuestionKind.ENTRY and found.signal_action is not request.signal.action:
            raise RecordError(
                f"{self.source} answered {found.signal_action.value} for {market.ticker} at {when}, "
                f"but the algorithm asks about {request.signal.action.value}"
            )
        return replace(found, decision_id=request.decision_id, symbol_id=market.symbol_id, lot_size=market.lot_size)

    def record_outcome(self, outcome: Outcome) -> None:
        """Do nothing: the record is never written to."""

    def close(self) -> None:
        """Do nothing: there is nothing open."""

    def _add(self, row: dict[str, Any]) -> None:
        if row["kind"] == "signal":
            signal = signal_of(row)
            self._signals[(signal.symbol_id, row["time_utc"])] = signal
            self._alias[signal.ticker] = signal.symbol_id
        elif row["kind"] == "decision":
            decision = decision_of(row)
            self.run_id = self.run_id or decision.run_id
            self._by_id[decision.decision_id] = decision
            key = (decision.symbol_id, row["bar_utc"], decision.kind.value, int(row["sequence"]))
            self._by_bar[key] = decision
            self._alias[row["ticker"]] = decision.symbol_id
        elif row["kind"] != "outcome":
            raise ValueError(f"kind {row['kind']!r} is none of signal, decision, outcome")

    def _identifier(self, symbol_id: str, ticker: str) -> str:
        if symbol_id in self._known:
            return symbol_id
        return self._alias.get(ticker, symbol_id)


def _row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise RecordError(f"{where}: not valid JSON ({error.msg}): the record is damaged") from error
    if not isinstance(row, dict) or "kind" not in row:
        raise RecordError(f"{where}: not a row of a decision record")
    return row
