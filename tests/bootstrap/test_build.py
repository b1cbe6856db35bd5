"""From decisions to a model folder: small, but through every part."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from llm_plugin.bootstrap.build import META_LABEL_FOLDER, bootstrap_model
from llm_plugin.bootstrap.config import BootstrapConfig
from llm_plugin.bootstrap.market_rows import memory_lookup
from llm_plugin.bootstrap.metalabel import MetaLabel
from llm_plugin.bootstrap.positions import open_position_request
from llm_plugin.domain import Action
from llm_plugin.errors import ModelError
from llm_plugin.prompts import PromptRenderer, parse_answer
from llm_plugin.reasoning.model_folder import ModelManifest, read_manifest
from llm_plugin.reasoning.transformers_model import TransformersModel
from llm_plugin.settings import PromptsSettings, Settings

from .synthetic import START, planted_rows

SMALL = BootstrapConfig(
    hidden=48, layers=2, batch=16, max_training_tokens=400_000, min_signals=100, threads=1, max_context_rows=600
)
CONTEXT = "SIG={signal_action} VP={volatility_percentile:*10i} POS={position_side} MEM={memory} SES={session_stats} ->"


def short_prompts() -> Settings:
    """A user's own template with few fields: a rule in it is learned in seconds."""
    return Settings(prompts=PromptsSettings(context_template=CONTEXT))


def build(folder: Path, config: BootstrapConfig = SMALL) -> ModelManifest:
    rows = planted_rows(700, context_rows=600, win_good=0.8, win_bad=0.1)
    end = max(row.closed_utc for row in rows) + timedelta(hours=1)
    return bootstrap_model(
        rows, folder, cutoff_utc=end, settings=short_prompts(), config=config, lookup=memory_lookup(rows, 3)
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boot") / "bootstrap"
    build(folder)
    return folder


@pytest.mark.slow
def test_model_selects_what_pays(built: Path) -> None:
    model = TransformersModel.load(built, device="cpu")
    renderer = PromptRenderer(short_prompts().prompts)
    rows = planted_rows(500, seed=77, start=START + timedelta(days=4000), win_good=0.8, win_bad=0.1)
    scores = model.score([renderer.render(row.request) for row in rows], [(r.action, Action.HOLD) for r in rows])
    taken = np.array([score.action is not Action.HOLD for score in scores])
    net = np.array([row.net_r for row in rows])
    gain = net * (taken - taken.mean())
    assert 0.2 < taken.mean() < 0.8
    assert gain.mean() > 3 * gain.std() / np.sqrt(len(gain)), "no better than a random veto at the same rate"
    assert min(score.action_mass for score in scores) > 0.8
    assert all(0 < score.profit_probability < 1 for score in scores)


@pytest.mark.slow
def test_manifest_says_what_it_is(built: Path) -> None:
    manifest = read_manifest(built)
    assert manifest is not None
    assert manifest.kind == "bootstrap-llm"
    assert manifest.prompt_version == PromptRenderer(short_prompts().prompts).version
    assert all(len(ids) == 1 for ids in manifest.action_token_ids.values())
    assert set(manifest.files) >= {"model.safetensors", "tokenizer.json", "README.md", f"{META_LABEL_FOLDER}/edge.onnx"}
    assert manifest.training["calibration"]["parse_fraction"] > 0.9
    assert manifest.training["teacher"]["log_loss"] < manifest.training["teacher"]["base_log_loss"]
    card = (built / "README.md").read_text()
    assert "trained from nothing" in card
    assert "{" not in card.split("---", 2)[2]
    assert json.loads((built / "config.json").read_text())["rope_theta"] == 10000.0
    assert MetaLabel.load(built / META_LABEL_FOLDER).version


@pytest.mark.slow
def test_open_positions_are_left_to_their_exit_plan(built: Path) -> None:
    model = TransformersModel.load(built, device="cpu")
    renderer = PromptRenderer(short_prompts().prompts)
    rows = planted_rows(60, seed=5)
    requests = [open_position_request(row.request, 0.4, 6) for row in rows]
    scores = model.score([renderer.render(request) for request in requests], [request.legal for request in requests])
    assert np.mean([score.action is Action.HOLD for score in scores]) > 0.95


@pytest.mark.slow
def test_answers_have_the_asked_form_under_either_action(built: Path) -> None:
    model = TransformersModel.load(built, device="cpu")
    renderer = PromptRenderer(short_prompts().prompts)
    rows = planted_rows(20, seed=6)
    prompts = [renderer.render(row.request) for row in rows]
    texts = model.complete([prompt.text for prompt in prompts], 50)
    parsed = [parse_answer(text, (row.action, Action.HOLD)) for text, row in zip(texts, rows, strict=True)]
    assert np.mean([answer.ok for answer in parsed]) > 0.9
    reasons = model.generate_reasons(prompts, [row.action for row in rows], 40)
    assert all(reason and "|" not in reason for reason in reasons)


@pytest.mark.slow
def test_other_templates_refuse_the_model(built: Path) -> None:
    with pytest.raises(ModelError, match=r"trained on prompt templates .* but 9-other is configured"):
        TransformersModel.load(built, device="cpu", prompt_version="9-other")


@pytest.mark.slow
def test_same_seed_same_weights_and_an_old_model_is_replaced_whole(tmp_path: Path) -> None:
    quick = BootstrapConfig(
        hidden=16, layers=1, max_training_tokens=50_000, min_signals=100, threads=1, max_context_rows=50
    )
    out = tmp_path / "model"
    first = build(out, quick)
    (out / "left-over.txt").write_text("from an older version")
    second = build(out, quick)
    assert first.base_tensors_sha256 == second.base_tensors_sha256
    assert first.version == second.version
    assert not (out / "left-over.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("model")) == ["model"]
