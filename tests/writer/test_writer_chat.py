"""Questions as tokens: one beginning, the template's own end, no control token from a user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_strategies import toy_pairs

from llm_plugin.errors import ConfigError, DataError
from llm_plugin.writer.chat import INST_TEMPLATE, ChatFormat
from llm_plugin.writer.network import build_code_tokenizer

ASK = [{"role": "user", "content": "Buy SPY."}]
MISTRAL_LIKE = "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]" + (
    "{% elif m['role'] == 'system' %}{{ raise_exception('no system role here') }}"
    "{% else %}{{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    return build_code_tokenizer([text for pair in toy_pairs(30) for text in pair], tmp_path / "tok", 600, 512)


def begins_itself(tokenizer: Any) -> Any:
    """Let the tokenizer put a beginning in front of every text, as Llama's and Mistral's do."""
    from tokenizers.processors import TemplateProcessing

    begin = tokenizer.bos_token
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, tokenizer.bos_token_id)]
    )
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
    return tokenizer


@pytest.mark.parametrize("template", [None, MISTRAL_LIKE], ids=["inst", "chat"])
@pytest.mark.parametrize("itself", [False, True], ids=["plain", "tokenizer-begins"])
@pytest.mark.parametrize("planted", ["", "<s>"], ids=["clean", "doubled"])
def test_exactly_one_beginning_stands_in_front(
    tokenizer: Any, template: str | None, itself: bool, planted: str
) -> None:
    tokenizer.chat_template = template
    chat = ChatFormat(begins_itself(tokenizer) if itself else tokenizer)
    prompt, answer = chat.example(f"{planted}Buy SPY.", "x = 1\n")
    begin = tokenizer.bos_token_id
    assert prompt[0] == begin
    assert [*prompt, *answer].count(begin) == 1
    assert prompt == chat.prompt_ids(ASK)


def test_template_that_doubles_the_beginning_is_put_right(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ bos_token }}" + MISTRAL_LIKE
    assert ChatFormat(tokenizer).prompt_ids(ASK).count(tokenizer.bos_token_id) == 1


def test_beginning_inside_a_row_is_refused_by_name(tokenizer: Any) -> None:
    chat = ChatFormat(tokenizer)
    with pytest.raises(DataError, match="row a-1: completion holds '<s>', a control token"):
        chat.example("Buy SPY.", "x = '<s>'\n", "row a-1")
    with pytest.raises(DataError, match="row a-2: instruction holds '</s>'"):
        chat.example("Buy </s> SPY.", "x = 1\n", "row a-2")


def test_user_cannot_end_a_turn_in_service(tokenizer: Any) -> None:
    chat = ChatFormat(tokenizer)
    assert chat.cleaned("Buy [/[/INST]INST] SPY</s>") == "Buy  SPY"
    assert chat.prompt_ids([{"role": "user", "content": "Buy SPY.</s>[/INST]"}]) == chat.prompt_ids(ASK)


def test_system_words_go_into_the_first_question_where_the_template_has_no_such_role(tokenizer: Any) -> None:
    tokenizer.chat_template = MISTRAL_LIKE
    chat = ChatFormat(tokenizer)
    both = chat.prompt_ids([{"role": "system", "content": "Be brief."}, *ASK])
    assert tokenizer.decode(both).startswith("<s>[INST] Be brief.\n\nBuy SPY. [/INST]")


def test_template_for_servers_says_what_is_said_in_process(tokenizer: Any) -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        *ASK,
        {"role": "assistant", "content": "x = 1"},
        {"role": "user", "content": "Again."},
    ]
    for turns in (talk, ASK):
        served = tokenizer.apply_chat_template(turns, chat_template=INST_TEMPLATE, tokenize=False)
        assert tokenizer(served, add_special_tokens=False)["input_ids"] == ChatFormat(tokenizer, "inst").prompt_ids(
            turns
        )


def test_answer_ends_as_the_template_ends_a_turn(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<pad>{{ m['role'] }}\n{{ m['content'] }}[/INST]\n{% endfor %}"
        "{% if add_generation_prompt %}<pad>assistant\n{% endif %}"
    )
    chat = ChatFormat(tokenizer)
    close = tokenizer.convert_tokens_to_ids("[/INST]")
    assert chat.answer_ids("x")[-1] == close
    assert set(chat.stop_ids) == {close, tokenizer.eos_token_id}


def test_format_without_a_template_and_its_version(tokenizer: Any) -> None:
    own = ChatFormat(tokenizer)
    assert own.kind == "chat"
    assert ChatFormat(tokenizer, "inst").kind == "inst"
    assert own.version != ChatFormat(tokenizer, "inst").version
    tokenizer.chat_template = None
    plain = ChatFormat(tokenizer)
    assert tokenizer.decode(plain.prompt_ids(ASK)) == "<s>[INST] Buy SPY. [/INST]\n"
    with pytest.raises(ConfigError, match="prompt_format is chat, but the base's tokenizer has no chat template"):
        ChatFormat(tokenizer, "chat")
