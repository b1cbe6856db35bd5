"""Models behind one protocol, asked over real HTTP."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from scripted_chat import chat_server

from llm_plugin.errors import BackendUnavailable, ConfigError, ModelError
from llm_plugin.strategies.models import (
    AnswerCut,
    Completion,
    Message,
    ModelOptions,
    Price,
    RateLimited,
    ReferenceModel,
    StrategyModel,
    open_model,
)

ASKED = [Message("system", "you write strategies"), Message("user", "buy SPY")]
QUICK = ModelOptions(first_word_seconds=2.0, answer_seconds=5.0, retries=0)


def ask(model: StrategyModel, **changes: Any) -> Completion:
    options: dict[str, Any] = {"max_new_tokens": 50, "temperature": 0.2, "seed": 7, **changes}
    return model.complete(ASKED, **options)


@pytest.mark.parametrize("kind", ["openai", "anthropic", "ollama"])
def test_each_protocol_streams_counts_and_prices(kind: str) -> None:
    with chat_server([{"text": "class Algo: pass"}]) as chat:
        model = open_model(
            f"{kind}:small@{chat.url}", options=ModelOptions(api_key="secret-key", price=Price(1.0, 2.0), retries=0)
        )
        pieces: list[str] = []
        answer = ask(model, on_text=pieces.append)
    assert answer.text == "".join(pieces) == "class Algo: pass"
    assert len(pieces) > 1
    assert (answer.tokens_in, answer.tokens_out, answer.tokens_counted) == (10, 20, True)
    assert answer.cost_usd == pytest.approx(50e-6)
    assert (answer.stop_reason, answer.model) == ("stop", "small")
    sent = chat.asked[0]["body"]
    assert sent["messages"][-1] == {"role": "user", "content": "buy SPY"}
    assert "secret-key" not in repr(model.__dict__["options"])


def test_anthropic_gets_the_system_text_apart_and_the_key_in_its_own_header() -> None:
    with chat_server([{"text": "x"}]) as chat:
        ask(open_model(f"anthropic:m@{chat.url}", options=ModelOptions(api_key="k1")))
    sent = chat.asked[0]
    assert sent["path"] == "/v1/messages"
    assert sent["body"]["system"] == "you write strategies"
    assert [message["role"] for message in sent["body"]["messages"]] == ["user"]
    assert sent["headers"]["x-api-key"] == "k1"


def test_an_answer_without_figures_is_estimated_and_says_so() -> None:
    with chat_server([{"text": "a" * 40, "usage": None}]) as chat:
        answer = ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert (answer.tokens_out, answer.tokens_counted, answer.cost_usd) == (10, False, None)


def test_a_server_that_does_not_stream_is_read_whole() -> None:
    with chat_server([{"text": "whole", "whole": True, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}]) as chat:
        answer = ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert (answer.text, answer.tokens_out) == ("whole", 2)


def test_a_stream_that_ends_with_its_reason_but_without_a_mark_is_whole() -> None:
    with chat_server([{"text": "abc", "no_done": True, "finish": "length"}]) as chat:
        answer = ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert (answer.text, answer.stop_reason, answer.tokens_out) == ("abc", "length", 20)


def test_a_dropped_connection_keeps_what_came_and_is_not_asked_again() -> None:
    with chat_server([{"text": "abcdefghij", "drop_after": 3}]) as chat:
        model = open_model(f"openai:m@{chat.url}", options=ModelOptions(retries=3))
        with pytest.raises(AnswerCut, match="cut after 6 characters") as cut:
            ask(model)
    assert cut.value.partial == "abcdef"
    assert len(chat.asked) == 1


def test_a_stream_that_ends_without_its_end_mark_is_cut() -> None:
    with chat_server([{"text": "abcdefghij", "no_end": True}]) as chat:
        with pytest.raises(AnswerCut, match="before the answer's end") as cut:
            ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert cut.value.partial == "abcdefghij"


def test_a_server_that_never_answers_is_left_in_time() -> None:
    options = ModelOptions(first_word_seconds=0.3, answer_seconds=5, retries=0)
    with chat_server([{"hang": "before"}]) as chat:
        start = time.monotonic()
        with pytest.raises(BackendUnavailable, match=r"nothing came for 0\.3 s"):
            ask(open_model(f"openai:m@{chat.url}", options=options))
    assert time.monotonic() - start < 4


def test_a_server_that_drips_is_cut_at_the_limit_of_the_whole_answer() -> None:
    options = ModelOptions(first_word_seconds=5, answer_seconds=0.6, retries=0)
    with chat_server([{"text": "a" * 400, "pieces": 400, "drip_seconds": 0.05}]) as chat:
        start = time.monotonic()
        with pytest.raises(AnswerCut, match=r"no whole answer within 0\.\d+ s"):
            ask(open_model(f"openai:m@{chat.url}", options=options))
    assert time.monotonic() - start < 4


def test_a_busy_server_is_asked_again_when_it_says_and_left_when_that_is_too_long() -> None:
    busy = {"status": 429, "headers": {"Retry-After": "0"}, "body": {"error": {"message": "slow down"}}}
    with chat_server([busy, {"text": "ok"}]) as chat:
        assert ask(open_model(f"openai:m@{chat.url}", options=ModelOptions(retries=1))).text == "ok"
    with chat_server([{**busy, "headers": {"Retry-After": "900"}}]) as chat:
        with pytest.raises(RateLimited, match="429 slow down") as limited:
            ask(open_model(f"openai:m@{chat.url}", options=ModelOptions(retries=5)))
    assert limited.value.retry_after_seconds == 900
    assert len(chat.asked) == 1


def test_nobody_listening_is_said() -> None:
    with chat_server([]) as chat:
        url = chat.url
    with pytest.raises(BackendUnavailable, match="nobody listens there"):
        ask(open_model(f"openai:m@{url}", options=QUICK))


def test_fields_that_a_server_refuses_are_left_out_and_named() -> None:
    refusal = {"status": 400, "body": {"error": {"message": "Unsupported parameter: 'seed'"}}}
    limit = {"status": 400, "body": {"error": {"message": "'max_tokens' is not supported, use max_completion_tokens"}}}
    with chat_server([refusal, limit, {"text": "ok"}]) as chat:
        answer = ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert "seed" not in chat.asked[-1]["body"]
    assert chat.asked[-1]["body"]["max_completion_tokens"] == 50
    assert any(note.startswith("seed: left out") for note in answer.notes)


def test_a_question_that_is_too_long_is_not_taken_for_a_refused_field() -> None:
    told = "max_tokens is too large: the context has 4096 tokens, proceed with less"
    with chat_server([{"status": 400, "body": {"error": {"message": told}}}]) as chat:
        with pytest.raises(ModelError, match="the context has 4096 tokens"):
            ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert len(chat.asked) == 1


@pytest.mark.parametrize(
    ("status", "told"), [(401, "set OPENAI_API_KEY"), (404, "list of models"), (400, "change the")]
)
def test_a_refusal_names_the_remedy(status: int, told: str) -> None:
    with chat_server([{"status": status, "body": {"error": {"message": "no"}}}]) as chat:
        with pytest.raises(ModelError, match=told):
            ask(open_model(f"openai:m@{chat.url}", options=QUICK))


def test_a_failing_server_is_told_in_its_own_words() -> None:
    with chat_server([{"status": 500, "body": {"error": "overloaded"}}]) as chat:
        with pytest.raises(BackendUnavailable, match="500 overloaded"):
            ask(open_model(f"ollama:m@{chat.url}", options=QUICK))
    with chat_server([{"status": 503, "body": {"error": "loading"}}, {"text": "ok"}]) as chat:
        assert ask(open_model(f"ollama:m@{chat.url}", options=ModelOptions(retries=1))).text == "ok"


def test_an_error_inside_of_the_stream_is_no_answer() -> None:
    with chat_server([{"text": "abcdef", "error_after": 2}]) as chat:
        with pytest.raises(AnswerCut, match="out of memory") as cut:
            ask(open_model(f"openai:m@{chat.url}", options=QUICK))
    assert cut.value.partial == "abcd"


def test_what_on_text_raises_ends_the_answer() -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with chat_server([{"text": "abcdefghij"}]) as chat, pytest.raises(KeyboardInterrupt):
        ask(open_model(f"openai:m@{chat.url}", options=QUICK), on_text=stop)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("opneai:x", "'opneai:x' is unknown .*did you mean 'openai'"),
        ("openai:", "names no model"),
        ("openai:@http://127.0.0.1:1", "names no model"),
        ("openai:m@http://", "set the environment variable OPENAI_API_KEY"),
        ("openai:m@http://me:secret@127.0.0.1:1", "holds a user or password"),
        ("path:", "names no folder"),
        ("path:+x", "one side of the"),
        ("standin:bsae", "did you mean 'base'"),
    ],
)
def test_a_wrong_model_is_named_with_the_forms(text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=told):
        open_model(text)


@pytest.mark.parametrize("field", ["first_word_seconds", "answer_seconds"])
def test_a_time_out_of_zero_is_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=f"{field} = 0"):
        ModelOptions(**{field: 0})
    with pytest.raises(ConfigError, match="retries = 11"):
        ModelOptions(retries=11)
    with pytest.raises(ConfigError, match="usd_per_million_in = -1"):
        Price(-1, 0)
    with pytest.raises(ConfigError, match="role 'robot'"):
        Message("robot", "x")


def test_references_replay_the_solution_of_the_prompt_and_no_other() -> None:
    tasks: list[Any] = [
        SimpleNamespace(prompt="buy SPY", reference="class A: pass"),
        SimpleNamespace(prompt="buy SPY on Monday", reference="class B: pass"),
    ]
    model = ReferenceModel(tasks)
    assert "class A" in ask(model).text
    longer = [Message("user", "Write the algorithm.\n\nbuy SPY on Monday\n\nAnswer in Python.")]
    assert "class B" in model.complete(longer, max_new_tokens=1, temperature=0, seed=0).text
    with pytest.raises(BackendUnavailable, match="no task has the prompt 'sell'"):
        model.complete([Message("user", "sell")], max_new_tokens=1, temperature=0, seed=0)
    with pytest.raises(ConfigError, match="nothing to replay"):
        ReferenceModel([])
