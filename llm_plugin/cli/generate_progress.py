"""What `lean-llm generate` shows while it works: each answer as it is written, each gate, each step down the chain."""

from __future__ import annotations

import unicodedata
from types import TracebackType
from typing import Any

from llm_plugin.cli.console import err

__all__ = ["GenerateProgress"]


class GenerateProgress:
    """Takes events; the model's words stream to a terminal, elsewhere only their number is told."""

    def __init__(self) -> None:
        self._streaming = False
        self._characters = 0

    def __enter__(self) -> GenerateProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_line()

    def __call__(self, event: str, **values: Any) -> None:
        """Show one event; unknown ones are left out."""
        shown = getattr(self, f"_on_{event}", None)
        if event != "text":
            self.end_line()
        if shown is not None:
            shown(**values)

    def end_line(self) -> None:
        """End the line of a streamed answer."""
        if self._streaming:
            err.print("" if err.is_terminal else f"  {self._characters:,} characters")
        self._streaming, self._characters = False, 0

    def _say(self, text: str) -> None:
        err.print(_harmless(text), markup=False, soft_wrap=True)

    def _on_note(self, text: str) -> None:
        self._say(f"note: {text}")

    def _on_request(self, request: Any) -> None:
        how = "read whole: gate 4 watches the run" if request.task is not None else "not read whole: facts only"
        self._say(f"request {how}; tried on {request.start} to {request.end}")
        for words in request.unread:
            self._say(f"  not read: {words}")

    def _on_model(self, model: str, name: str) -> None:
        self._say(f"model {model}" + (f" ({name})" if name != model else ""))

    def _on_asks(self, what: str, model: str, turn: int, of: int) -> None:
        self._say("plan" if what == "plan" else f"attempt {turn} of {of}")

    def _on_text(self, piece: str) -> None:
        self._streaming = True
        self._characters += len(piece)
        if err.is_terminal:
            err.print(_harmless(piece), end="", markup=False, highlight=False, soft_wrap=True, style="dim")

    def _on_recalled(self, what: str, model: str, answer: Any) -> None:
        self._say(f"  {what} is known from before")

    def _on_judging(self, code: str) -> None:
        self._say(f"  gates: {len(code.splitlines())} lines of code")

    def _on_judged(self, attempt: Any, what: str, reason: str) -> None:
        if attempt.passed:
            self._say(f"  passed all gates, {attempt.verdict.orders} orders")
        else:
            self._say(f"  {what} {' '.join(reason.split())[:400]}")

    def _on_step_down(self, model: str, reason: str, next: str) -> None:
        self._say(f"leaves {model}: {' '.join(reason.split())[:400]}" + (f"; next: {next}" if next else ""))

    def _on_stopped(self, reason: str) -> None:
        self._say(f"stops: {reason}")

    def _on_backtest(self) -> None:
        self._say("backtest and report")


def _harmless(text: str) -> str:
    """A model's words without what a terminal would obey."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))
