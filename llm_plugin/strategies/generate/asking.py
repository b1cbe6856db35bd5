"""One question to one model, within the budget, from the record where it was asked before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from llm_plugin.errors import BackendUnavailable, StoreUnavailable
from llm_plugin.strategies.generate.answers import Looping, StreamWatch
from llm_plugin.strategies.generate.budget import Meter
from llm_plugin.strategies.generate.config import PRICED, ModelStep
from llm_plugin.strategies.generate.record import Record, digest
from llm_plugin.strategies.models import AnswerCut, Completion, Message, StrategyModel

__all__ = ["Asker", "Show", "storable"]

Show = Callable[..., None]


class Asker:
    """Asks models, counts what it costs, writes everything down.

    Args:
        record: Where it is written.
        meter: Where it is counted.
        show: Called with events: `text` (a piece), `recalled`.
    """

    def __init__(self, record: Record, meter: Meter, show: Show) -> None:
        self._record, self._meter, self._show = record, meter, show

    def ask(
        self,
        step: ModelStep,
        model: StrategyModel,
        messages: Sequence[Message],
        *,
        what: str,
        temperature: float,
        seed: int,
    ) -> Completion:
        """Return the answer; `stop_reason` is `loop` where the model repeated itself and `cut` where it was cut off.

        Raises:
            BackendUnavailable: No answer at all.
            ModelError: The model or the server cannot do what is asked.
            BudgetSpent: Not enough is left.
        """
        told = [message.to_json() for message in messages]
        key = digest([step.model, told, temperature, seed])
        known = self._record.recall("answer", key)
        if known is not None:
            answer = _completion(known["answer"])
            self._meter.take(answer, earlier=True)
            self._show("recalled", what=what, model=step.model, answer=answer)
            return answer
        characters = sum(len(message.content) for message in messages)
        most = self._meter.most_new_tokens(step.max_new_tokens, characters, step.price)
        asked: dict[str, Any] = {"model": step.model, "what": what, "temperature": temperature, "seed": seed}
        self._record.add("question", **asked, max_new_tokens=most, messages=told)
        answer = self._stream(step, model, messages, characters, most, temperature, seed)
        answer = replace(answer, text=storable(answer.text))
        self._meter.take(answer)
        self._record.add("answer", key=key, model=step.model, what=what, answer=answer.to_json())
        return answer

    def _stream(
        self,
        step: ModelStep,
        model: StrategyModel,
        messages: Sequence[Message],
        characters: int,
        most: int,
        temperature: float,
        seed: int,
    ) -> Completion:
        watch, pieces = StreamWatch(), list[str]()
        began = self._meter.seconds

        def on_text(piece: str) -> None:
            pieces.append(piece)
            self._show("text", piece=piece)
            self._meter.check_time()
            watch(piece)

        def so_far(text: str, reason: str, note: str) -> Completion:
            asked, got = characters // 4, len(text) // 4
            paid = step.model.split(":")[0] in PRICED
            cost = step.price.of(asked, got) if step.price is not None else None if paid else 0.0
            seconds = self._meter.seconds - began
            return Completion(text, asked, got, seconds, cost, reason, step.model, False, (note,))

        try:
            return model.complete(messages, max_new_tokens=most, temperature=temperature, seed=seed, on_text=on_text)
        except Looping as error:
            return so_far("".join(pieces), "loop", str(error))
        except AnswerCut as error:
            return so_far(error.partial or "".join(pieces), "cut", str(error))
        except BackendUnavailable:
            if pieces:
                return so_far("".join(pieces), "cut", "the answer was cut off")
            raise
        except BaseException as error:
            # Ctrl-C or an empty purse in the middle of an answer: what came is part of the record, and was paid for.
            if pieces:
                with suppress(StoreUnavailable):
                    self._record.add(
                        "broken_off", model=step.model, why=type(error).__name__, text=storable("".join(pieces))
                    )
            raise


def storable(text: str) -> str:
    """Return a text that UTF-8 can hold: half of a surrogate pair, as a cut stream leaves it, becomes a mark."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _completion(values: dict[str, Any]) -> Completion:
    return Completion(**{**values, "notes": tuple(values.get("notes") or ())})
