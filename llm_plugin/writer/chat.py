"""How a question becomes tokens, the same in training and in service: the model's own chat template, or [INST].

Exactly one beginning-of-text token stands in front, whoever would write it: the template, the tokenizer, or a row that
carries one of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from llm_plugin.errors import ConfigError, DataError

__all__ = ["INST_TEMPLATE", "ChatFormat"]

Turn = Mapping[str, str]
_INST, _END_INST = "[INST]", "[/INST]"
# What `inst` means, for servers that render conversations themselves.
INST_TEMPLATE = (
    "{{ bos_token }}{% set words = namespace(system='') %}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{% set words.system = words.system + message['content'] + '\n\n' %}"
    "{% elif message['role'] == 'user' %}[INST] {{ words.system }}{{ message['content'] }} [/INST]\n"
    "{% set words.system = '' %}{% else %}{{ message['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)
_PROBE = "X-9-ANSWER-9-X"


class ChatFormat:
    """Turns messages into token ids for one tokenizer.

    Args:
        tokenizer: Of the base.
        choice: `chat` = its own template, `inst` = [INST] … [/INST], `auto` = its own where it has one.

    Raises:
        ConfigError: `chat` is asked for and the tokenizer has no template, or it has no end token.
    """

    def __init__(self, tokenizer: Any, choice: str = "auto") -> None:
        own = bool(getattr(tokenizer, "chat_template", None))
        if choice == "chat" and not own:
            raise ConfigError("prompt_format is chat, but the base's tokenizer has no chat template: say inst or auto")
        if tokenizer.eos_token_id is None:
            raise ConfigError("the base's tokenizer has no end-of-text token: completions could not be ended")
        self.tokenizer = tokenizer
        self.kind = "chat" if own and choice != "inst" else "inst"
        self._marks = {text for text in tokenizer.all_special_tokens if text.strip()}
        self._marks |= {_INST, _END_INST}
        self._end = self._end_ids()

    @property
    def version(self) -> str:
        """Name and hash of the template; an adapter answers in no other."""
        template = str(self.tokenizer.chat_template) if self.kind == "chat" else f"{_INST} … {_END_INST}\n"
        return f"writer-{self.kind}-{hashlib.sha256(template.encode()).hexdigest()[:12]}"

    @property
    def stop_ids(self) -> list[int]:
        """Tokens that end an answer."""
        return sorted({self._end[0], int(self.tokenizer.eos_token_id)})

    def prompt_ids(self, messages: Sequence[Turn]) -> list[int]:
        """Return the tokens up to where the answer begins.

        Args:
            messages: `role` (system, user, assistant) and `content`; the last one is the user's.
        """
        cleaned = [{"role": turn["role"], "content": self.cleaned(turn["content"])} for turn in messages]
        return self._with_one_begin(self.encoded(self._rendered(cleaned)))

    def answer_ids(self, text: str) -> list[int]:
        """Return the tokens of an answer with the one that ends it."""
        return [*self.encoded(text), self._end[0]]

    def example(self, instruction: str, completion: str, where: str = "a row") -> tuple[list[int], list[int]]:
        """Return prompt and answer of a training row.

        Raises:
            DataError: The row holds a control token of this model.
        """
        begin = self.tokenizer.bos_token
        if begin and instruction.startswith(begin):  # rows that were rendered for another trainer carry their own
            instruction = instruction.removeprefix(begin)
        for name, text in (("instruction", instruction), ("completion", completion)):
            found = sorted(mark for mark in self._marks if mark in text)
            if found:
                raise DataError(f"{where}: {name} holds {found[0]!r}, a control token of this model: remove it")
        prompt = self.prompt_ids([{"role": "user", "content": instruction}])
        answer = self.answer_ids(completion)
        if self.tokenizer.bos_token_id is not None and self.tokenizer.bos_token_id in [*prompt[1:], *answer]:
            raise DataError(f"{where}: the beginning-of-text token stands inside the row: remove it")
        return prompt, answer

    def cleaned(self, text: str) -> str:
        """Return a user's text without control tokens: it cannot end its own turn."""
        before = None
        while before != text:  # taking one away can make another one
            before = text
            for mark in self._marks:
                text = text.replace(mark, "")
        return text.strip()

    def _rendered(self, messages: list[dict[str, str]]) -> str:
        if self.kind == "inst":
            return self._inst(messages)
        from jinja2 import TemplateError

        try:
            return self._templated(messages)
        except TemplateError:  # several templates know no system role
            return self._templated(_without_system(messages))

    def _templated(self, messages: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _inst(self, messages: list[dict[str, str]]) -> str:
        parts = []
        for turn in _without_system(messages):
            if turn["role"] == "user":
                parts.append(f"{_INST} {turn['content']} {_END_INST}\n")
            else:
                parts.append(turn["content"] + str(self.tokenizer.eos_token))
        return "".join(parts)

    def encoded(self, text: str) -> list[int]:
        """Return the tokens of a text, nothing put in front or behind."""
        return [int(i) for i in self.tokenizer(text, add_special_tokens=False)["input_ids"]]

    def _with_one_begin(self, ids: list[int]) -> list[int]:
        begin = self.tokenizer.bos_token_id
        if begin is None:
            return ids
        known = 0
        while known < len(ids) and ids[known] == begin:
            known += 1
        wanted = known > 0 or self.kind == "inst" or list(self.tokenizer("a")["input_ids"])[:1] == [begin]
        return [begin, *ids[known:]] if wanted else ids

    def _end_ids(self) -> list[int]:
        """What the template writes behind an answer; its end-of-turn token ends generation too."""
        if self.kind == "inst":
            return [int(self.tokenizer.eos_token_id)]
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _PROBE}]
        text = str(self.tokenizer.apply_chat_template(turns, tokenize=False))
        behind = self.encoded(text.rpartition(_PROBE)[2].strip())
        special = set(self.tokenizer.all_special_ids)
        ends = [token for token in behind if token in special]
        return ends[:1] or [int(self.tokenizer.eos_token_id)]


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """Put the system's words in front of the first question."""
    system = "\n\n".join(turn["content"] for turn in messages if turn["role"] == "system")
    rest = [dict(turn) for turn in messages if turn["role"] != "system"]
    for turn in rest:
        if turn["role"] == "user" and system:
            turn["content"] = f"{system}\n\n{turn['content']}"
            break
    return rest
