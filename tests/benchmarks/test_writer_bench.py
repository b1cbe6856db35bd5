"""The strategy writer: the stand-in on held-out prompts, base against tuned; the speed of a 7B-shaped fine-tuning."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import RecordFigure
from .writer_speed import estimated_gib, measure

pytestmark = pytest.mark.slow
PROMPTS, STEPS = 20, 6
GATES = {
    "compiles": ("compile", 0.8),
    "backtests": ("backtest", 0.5),
    "trades": ("trade", 0.0),
    "means_it": ("mean_it", 0.0),
}
DATA = Path(__file__).resolve().parents[2] / "datasets" / "market"


@pytest.fixture
def writer_home(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home with a trained stand-in; it takes minutes to train, so it is named by a setting."""
    folder = os.environ.get("LEAN_LLM_WRITER_HOME")
    if not folder:
        pytest.skip("left out: train it with `lean-llm sft --preset standin` and set LEAN_LLM_WRITER_HOME to that home")
    monkeypatch.setenv("LEAN_LLM_HOME", folder)
    return Path(folder)


def test_standin_base_against_tuned_on_held_out_prompts(writer_home: Path, record_figure: RecordFigure) -> None:
    from llm_plugin.strategies.grammar import grammar_tasks
    from llm_plugin.strategies.judge import Candidate, JudgePool
    from llm_plugin.strategies.models import Message
    from llm_plugin.writer import open_writer

    tasks = grammar_tasks(PROMPTS, seed=20)
    asked = [[Message("user", task.prompt)] for task in tasks]
    with JudgePool(DATA, jobs=2) as judge:
        for name, adapter in (("base", None), ("tuned", "tuned")):
            writer = open_writer("standin", adapter, device="cpu")
            answers = writer.complete_many(asked, max_new_tokens=700, temperature=0.0, seeds=[0] * PROMPTS)
            candidates = [
                Candidate(source=answer.text, task=task, gates=4, id=task.id)
                for answer, task in zip(answers, tasks, strict=True)
            ]
            reached = [verdict.reached for verdict in judge.judge_many(candidates)]
            for gate, (what, bar) in enumerate(GATES.values(), 1):
                share = sum(gate <= found for found in reached) / PROMPTS
                record_figure(f"standin_{name}_{what}_20", share, "share", bar if name == "tuned" else 0.0, "higher")


def test_standin_base_against_tuned_on_the_whole_benchmark(
    writer_home: Path, tmp_path: Path, record_figure: RecordFigure
) -> None:
    from llm_plugin.strategies.benchmark.evaluate import evaluate
    from llm_plugin.strategies.benchmark.runner import BenchmarkOptions

    options = BenchmarkOptions(samples=1, temperature=0.0, max_new_tokens=1000, seed=0, gates=4)
    for name, model in (("base", "standin:base"), ("tuned", "standin")):
        found = evaluate(model, DATA, options, output=tmp_path / name)
        assert found.missing == 0
        for gate, (what, bar) in GATES.items():
            score = found.summary["scores"][gate]["pass@1"]
            wanted = bar if name == "tuned" else 0.0
            record_figure(f"standin_{name}_{what}_all", score["value"], "share", wanted, "higher")
            record_figure(f"standin_{name}_{what}_all_low", score["low"], "share", 0.0, "higher")
            record_figure(f"standin_{name}_{what}_all_high", score["high"], "share", 0.0, "higher")


@pytest.mark.gpu
def test_7b_shaped_fine_tuning_against_trl_s_defaults(tmp_path: Path, record_figure: RecordFigure) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("left out: needs a CUDA device with 40 GiB")
    default = measure("7b", "cuda", tmp_path / "default", ours=False, steps=STEPS)
    torch.cuda.empty_cache()
    own = measure("7b", "cuda", tmp_path / "own", ours=True, steps=STEPS)
    guessed = estimated_gib("7b", tmp_path / "shape")
    record_figure("sft_7b_estimated_gib", guessed, "GiB", own.peak_gib, "lower")
    record_figure("sft_7b_tokens_per_second", own.tokens_per_second, "tokens/s", default.tokens_per_second, "higher")
    record_figure("sft_7b_peak_gib", own.peak_gib, "GiB", default.peak_gib, "lower")
