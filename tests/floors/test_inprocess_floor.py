"""The in-process model on the oldest supported libraries (the LEAN image): needs torch, transformers and peft.

Nothing else is imported: neither scikit-learn nor trl, neither onnxruntime nor pydantic.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="left out: the in-process floor needs torch, transformers and peft")
pytest.importorskip("transformers", reason="left out: the in-process floor needs torch, transformers and peft")
pytest.importorskip("peft", reason="left out: the in-process floor needs torch, transformers and peft")

from llm_plugin.bootstrap.network import build_network, build_tokenizer, save_network  # noqa: E402
from llm_plugin.bootstrap.trainer import Example, TrainingPlan, train_network  # noqa: E402
from llm_plugin.domain import Action  # noqa: E402
from llm_plugin.reasoning import Calibrator, ScoringCache  # noqa: E402
from llm_plugin.reasoning.model_folder import (  # noqa: E402
    ModelManifest,
    tensors_sha256,
    tokenizer_sha256,
    write_manifest,
)
from llm_plugin.reasoning.transformers_model import TransformersModel  # noqa: E402

PREFIX = "Judge the signal: take it or HOLD.\n"
ENTRY = (Action.BUY, Action.HOLD)


@dataclass(frozen=True)
class Text:
    prefix: str
    suffix: str

    @property
    def hash(self) -> str:
        return hashlib.sha256((self.prefix + self.suffix).encode()).hexdigest()


def question(index: int) -> str:
    return f"SIG=BUY VOL={index % 2} ADX={10 + index % 37} RSI={20 + index * 7 % 60} ->"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that learned to buy where VOL=1, saved by whichever libraries are installed."""
    out = tmp_path_factory.mktemp("floor") / "model"
    examples = [
        Example((question(i),), Action.BUY, float(i % 2), 1.0, (" | 0.80 | volume up", " | 0.80 | volume down"))
        for i in range(256)
    ]
    texts = [f"{PREFIX}{e.suffixes[0]} {a.value}{e.answers[0]}" for e in examples[:60] for a in Action]
    tokenizer = build_tokenizer(texts, out)
    model = build_network(tokenizer, hidden=32, layers=2, max_tokens=256, seed=0)
    torch.set_num_threads(1)
    report = train_network(model, tokenizer, PREFIX, examples, TrainingPlan(steps=120, batch=16, learning_rate=5e-3))
    assert report.last_loss < report.first_loss
    save_network(model, out)
    manifest = ModelManifest(
        kind="bootstrap-llm",
        name="floor",
        base_tensors_sha256=tensors_sha256(out),
        tokenizer_sha256=tokenizer_sha256(out),
        action_token_ids={},
        prompt_version="1",
        feature_schema_version="1",
        data_cutoff_utc="2012-12-31T00:00:00+00:00",
        dataset_sha256="0" * 64,
        calibrator=Calibrator("platt", slope=0.3, offset=-0.1).to_json(),
    )
    write_manifest(out, manifest)
    return out


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Path:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    lora = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False)
    out = tmp_path_factory.mktemp("floor-adapter") / "lora"
    get_peft_model(base, lora).save_pretrained(str(out))
    return out


def test_trained_rule_is_answered_and_calibrated(folder: Path) -> None:
    cache = ScoringCache(TransformersModel.load(folder, device="cpu", threads=1))
    prompts = [Text(PREFIX, question(i)) for i in range(300, 320)]
    scores = cache.score(prompts, [ENTRY] * 20)
    assert [s.action is Action.BUY for s in scores] == [bool(i % 2) for i in range(300, 320)]
    assert all(0 < s.profit_probability < 1 for s in scores)
    assert all(s.cached for s in cache.score(prompts, [ENTRY] * 20))


def test_prefix_cache_is_exact(folder: Path, adapter: Path) -> None:
    for path in (None, adapter):
        model = TransformersModel.load(folder, device="cpu", adapter=path)
        prompts = [Text(PREFIX, question(i) + " x" * (i % 3)) for i in range(9)]
        scores = model.score(prompts, [ENTRY] * 9)
        for prompt, score in zip(prompts, scores, strict=True):
            ids = torch.tensor([model.tokenizer(prompt.prefix + prompt.suffix)["input_ids"]])
            with torch.inference_mode():
                plain = model.model(input_ids=ids, use_cache=False).logits[0, -1].log_softmax(-1)
            wanted = float(plain[model.candidates[Action.BUY][0]])
            assert score.log_probabilities[Action.BUY] == pytest.approx(wanted, abs=2e-5)


def test_reasons_are_written(folder: Path) -> None:
    model = TransformersModel.load(folder, device="cpu")
    reasons = model.generate_reasons([Text(PREFIX, question(i)) for i in range(3)], [Action.BUY] * 3, 12)
    assert [reason.split()[0] for reason in reasons] == ["volume"] * 3


def test_files_name_what_both_library_versions_read(folder: Path) -> None:
    assert json.loads((folder / "config.json").read_text())["rope_theta"] == 10000.0
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert tokenizer["add_bos_token"] is False
