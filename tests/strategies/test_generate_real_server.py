"""`lean-llm generate` against a server that nobody here wrote: `transformers serve` with a model that knows one talk.

The model is made here: it learns by heart what a scripted talk (plan, a file that does not parse, the file) has asked
and answered. Everything from the first question over the gate's message to the project folder is then real.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from scripted_writers import GOOD, block
from test_generate_command import PERIOD, PLAN, PROMPT, chat_process, finish, start

from llm_plugin.bootstrap.network import build_network, save_network
from llm_plugin.writer.network import build_code_tokenizer

BROKEN = block(GOOD.replace("self.rsi(self.spy, 2)", "self.rsi(self.spy, 2"))
ANSWERS = [PLAN["text"], BROKEN, block(GOOD)]
LONGEST, STEPS, LEARNED = 4096, 600, 2e-3


def _learn(folder: Path, talks: Sequence[list[dict[str, Any]]]) -> None:
    """Save a small Llama that has learned the last answer of each talk by heart."""
    import torch

    texts = [message["content"] for talk in talks for message in talk]
    tokenizer = build_code_tokenizer(texts * 4, folder, 4096, LONGEST)
    rows, labels = [], []
    for talk in talks:
        question = tokenizer.apply_chat_template(talk[:-1], add_generation_prompt=True, return_dict=False)
        whole = tokenizer.apply_chat_template(talk, return_dict=False)
        assert whole[: len(question)] == question
        rows.append(torch.tensor([whole]))
        labels.append(torch.tensor([[-100] * len(question) + whole[len(question) :]]))
    torch.manual_seed(0)
    model = build_network(tokenizer, hidden=64, layers=2, max_tokens=LONGEST, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        losses = [model(input_ids=row, labels=wanted).loss for row, wanted in zip(rows, labels, strict=True)]
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
        worst = max(loss.item() for loss in losses)
        if worst < LEARNED:
            break
    assert worst < LEARNED
    save_network(model, folder)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve a model folder with `transformers serve`; yields the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [shutil.which("transformers", path=str(Path(sys.executable).parent)), "serve", str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with (folder.parent / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],  # type: ignore[list-item]
            stdout=log, stderr=subprocess.STDOUT, env=environment,
        )  # fmt: skip
    try:
        end = time.monotonic() + 180
        while not _answers(f"http://127.0.0.1:{port}/health"):
            assert process.poll() is None, (folder.parent / "serve.log").read_text()[-2000:]
            assert time.monotonic() < end, "transformers serve did not come up"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("openai") is None, reason="`transformers serve` needs the openai package")
def test_a_real_server_writes_a_file_that_fails_is_told_why_and_mends_it(tmp_path: Path, market_data: Path) -> None:
    steps = [PLAN, {"text": BROKEN}, {"text": block(GOOD)}]
    with chat_process(tmp_path, steps) as chat:
        script = start(market_data, PROMPT, "-o", str(tmp_path / "script"), "-m", f"openai:x@{chat.url}", *PERIOD)
        assert finish(script)[0] == 0
        questions = [asked["body"]["messages"] for asked in chat.asked()]
    assert len(questions) == len(ANSWERS)
    talks = [
        [*question, {"role": "assistant", "content": answer}]
        for question, answer in zip(questions, ANSWERS, strict=True)
    ]
    _learn(tmp_path / "model", talks)
    folder = tmp_path / "dip"
    with _served(tmp_path / "model") as url:
        command = (PROMPT, "-o", str(folder), "-m", f"openai:{tmp_path / 'model'}@{url}", *PERIOD, "--json")
        code, out, error = finish(start(market_data, *command))
    assert code == 0, error[-2000:]
    assert json.loads(out)["passed"]
    assert (folder / "main.py").read_text() == GOOD
    record = [json.loads(line) for line in (folder / "record.jsonl").read_text().splitlines()]
    verdicts = [entry for entry in record if entry["event"] == "verdict"]
    assert len(verdicts) == 2
    assert "never closed" in json.dumps(verdicts[0])
