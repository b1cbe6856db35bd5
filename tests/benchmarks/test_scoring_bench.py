"""Decision scoring against generate-and-parse and against transformers' own DecisionPipeline, on a 110M shape.

Hidden 768 x 12 layers, vocabulary 32016, random weights, LoRA r 16 on all linear layers, 256-token shared prefix.
Amortised: the keys and values of the prefix, computed once per generation, are not in the timed part (their time is
printed); tokenising the question is. The two peers have no such cache and read the whole prompt each time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from llm_plugin.domain import Action
from llm_plugin.reasoning.transformers_model import TransformersModel

from .conftest import RecordFigure

pytestmark = pytest.mark.slow
LEGAL = (Action.BUY, Action.SELL, Action.HOLD)
PREFIX_TOKENS = 256
BATCHES = (1, 8)
ANSWER = re.compile(r"^ (BUY|SELL|HOLD)")


@dataclass(frozen=True)
class Question:
    prefix: str
    suffix: str

    @property
    def hash(self) -> str:
        return self.suffix


@dataclass(frozen=True)
class Setup:
    model: TransformersModel
    questions: list[Question]


def question_text(index: int) -> str:
    trend = ("UP", "DOWN", "FLAT")[index % 3]
    return f"ADX={12 + index * 5 % 47} RSI={20 + index * 11 % 61} VOL={index % 4} TREND={trend} HOUR={index % 24} ->"


def lift_action_rows(model: Any, rows: list[int], prompts: list[list[int]]) -> None:
    """Make a random model begin its answers with an action, as a trained one does; which one depends on the state."""
    with torch.no_grad():
        places = [model.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1] for ids in prompts]
        states = torch.stack(places)
        mean = states.mean(0)
        spread = torch.linalg.svd(states - mean, full_matrices=False).Vh[: len(rows)]
        for row, direction in zip(rows, spread, strict=True):
            model.lm_head.weight[row] = 60 * mean / mean.norm() ** 2 + 5 * direction / (states @ direction).std()


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from llm_plugin.bootstrap.network import build_tokenizer

    torch.set_num_threads(2)
    prefix = " ".join(f"rule {i} of the house says be careful" for i in range(100))
    texts = [f"{prefix}\n{question_text(i)} {a.value} | 0.5 | trend" for i in range(30) for a in Action]
    tokenizer = build_tokenizer(texts, tmp_path_factory.mktemp("bench"))
    ids = tokenizer(prefix)["input_ids"][: PREFIX_TOKENS - 1]
    prefix = tokenizer.decode(ids) + "\n"
    assert len(tokenizer(prefix)["input_ids"]) == PREFIX_TOKENS
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32016,
        hidden_size=768,
        intermediate_size=2048,
        num_hidden_layers=12,
        num_attention_heads=12,
        num_key_value_heads=12,
        max_position_embeddings=2048,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    base = LlamaForCausalLM(config).eval()
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", init_lora_weights=False)
    tuned = get_peft_model(base, lora).eval()
    questions = [Question(prefix, question_text(i)) for i in range(max(BATCHES))]
    rows = [tokenizer(f" {action.value}")["input_ids"][0] for action in LEGAL]
    prompts = [tokenizer(q.prefix + q.suffix)["input_ids"] for q in questions]
    lift_action_rows(base, rows, prompts)
    return Setup(TransformersModel(tuned, tokenizer, version="bench@1"), questions)


def scored(setup: Setup, questions: list[Question]) -> list[Action]:
    scores = setup.model.score(questions, [LEGAL] * len(questions))
    return [max(score.log_probabilities, key=score.log_probabilities.__getitem__) for score in scores]


def generated(setup: Setup, questions: list[Question]) -> list[Action]:
    answers = setup.model.complete([q.prefix + q.suffix for q in questions], 24)
    return [Action(found[1]) for answer in answers if (found := ANSWER.match(answer))]


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def compared(
    setup: Setup, peer: Callable[[list[Question]], list[Action]], batch: int, repeats: int
) -> tuple[float, float]:
    """Return peer's and our best seconds per batch; the same action on every state is asserted."""
    questions = setup.questions[:batch]
    ours = scored(setup, questions)
    assert peer(questions) == ours
    assert batch == 1 or len(set(ours)) > 1, "states that all get one action compare nothing"
    theirs, own = [], []
    for _ in range(repeats):  # side by side, so that whatever else the machine does falls on both
        theirs.append(seconds(lambda: peer(questions)))
        own += [seconds(lambda: scored(setup, questions)) for _ in range(3)]
    return min(theirs), min(own)


def test_scoring_beats_generate_and_parse(setup: Setup, record_figure: RecordFigure) -> None:
    ratios = {}
    for batch in BATCHES:
        theirs, ours = compared(setup, lambda questions: generated(setup, questions), batch, 3)
        ratios[batch] = theirs / ours
        print(f"batch {batch}: generate(24) {theirs * 1e3:.0f} ms, scoring {ours * 1e3:.0f} ms")
    unit = "x, worse of batch 1 and 8, prefix cache amortised"
    record_figure("scoring_vs_generate_speedup", min(ratios.values()), unit, 10, "higher")


def test_scoring_beats_the_decision_pipeline(setup: Setup, record_figure: RecordFigure, tmp_path: Path) -> None:
    decision = pytest.importorskip("transformers.decision", reason="left out: DecisionPipeline needs transformers 5.23")
    from transformers.pipelines import DecisionPipeline

    config = decision.DecisionConfig(
        labels={"choice": [f" {action.value}" for action in LEGAL]}, chat_template="{{ state }}<|mark|>"
    )
    base = setup.model.model.get_base_model()
    pipeline = DecisionPipeline(model=base, tokenizer=setup.model.tokenizer, decision_config=config)
    ask = {"action": {"type": "choice", "instructions": "", "criteria": {a.value: a.value for a in LEGAL}}}

    def peer(questions: list[Question]) -> list[Action]:
        answers = pipeline([{"state": q.prefix + q.suffix, "questions": ask} for q in questions])
        return [chosen(answer["action"]) for answer in answers]

    ratios = {}
    for batch in BATCHES:
        theirs, ours = compared(setup, peer, batch, 3)
        ratios[batch] = theirs / ours
        print(f"batch {batch}: DecisionPipeline {theirs * 1e3:.0f} ms, scoring {ours * 1e3:.0f} ms")
    unit = "x, worse of batch 1 and 8, prefix cache amortised"
    record_figure("scoring_vs_decision_pipeline_speedup", min(ratios.values()), unit, 3, "higher")


def chosen(answer: dict[str, Any]) -> Action:
    """Read the most probable option of a pipeline's answer."""
    shares = answer["probabilities"]
    return Action(max(shares, key=shares.__getitem__))
