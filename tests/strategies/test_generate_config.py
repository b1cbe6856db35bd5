"""The configuration of `lean-llm generate`: every wrong value is named, all at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llm_plugin.errors import ConfigError
from llm_plugin.strategies.generate.config import (
    Budget,
    GenerateConfig,
    ModelStep,
    load_config,
    make_config,
    with_models,
)

WHOLE = """
models:
  - standin
  - {model: "openai:large@http://127.0.0.1:9/v1", attempts: 2, usd_per_million_in: 3, usd_per_million_out: 15}
  - {model: "anthropic:small", api_key_env: MY_KEY, usd_per_million_in: 1, usd_per_million_out: 5}
attempts: 3
budget: {tokens: 50000, usd: 0.5, seconds: 600}
start: 2015-01-01
end: 2015-12-31
"""


def test_a_file_gives_the_chain_with_prices_and_budgets(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(WHOLE)
    config = load_config(tmp_path / "g.yaml")
    assert [step.model.split(":")[0] for step in config.models] == ["standin", "openai", "anthropic"]
    assert config.models[1].price is not None
    assert config.models[1].price.of(1_000_000, 0) == 3
    single: Any = SimpleNamespace(single_turn=True)
    several: Any = SimpleNamespace(single_turn=False)
    assert [config.models[0].chats(model) for model in (single, several)] == [False, True]
    assert (config.budget.usd, config.attempts) == (0.5, 3)


def test_the_command_line_chooses_models_and_keeps_their_settings(tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(WHOLE)
    large = "openai:large@http://127.0.0.1:9/v1"
    config = with_models(load_config(tmp_path / "g.yaml"), [large, "ollama:x"], attempts=7)
    assert [(step.model, step.attempts) for step in config.models] == [(large, 2), ("ollama:x", None)]
    assert config.attempts == 7


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("modls: [standin]", "modls is unknown .*did you mean 'models'"),
        ("models: []", "models = "),
        ("models: [{model: a, atempts: 3}]", "atempts is unknown .*did you mean 'attempts'"),
        ("attempts: 0", "attempts = 0"),
        ("budget: {usd: -1}", r"budget\.usd = -1"),
        ("models: [standin, standin]", "standin is listed twice"),
        ("{models: ['openai:x'], budget: {usd: 1}}", "cannot be kept without its price"),
        ("models: [{model: a, usd_per_million_in: 1}]", "set both usd_per_million_in"),
        ("{start: 2015-01-01, end: 2014-01-01}", "must be after start"),
        ("- a", "must be keys with values"),
        ("{a: ", "no YAML"),
    ],
)
def test_wrong_values_are_named(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "g.yaml").write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_config(tmp_path / "g.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nope\.yaml: cannot be read"):
        load_config(tmp_path / "nope.yaml")


def test_a_key_comes_from_the_named_variable_and_is_never_written(monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config({"models": [{"model": "a", "api_key_env": "MY_KEY"}, {"model": "b", "api_key": "hidden-1"}]})
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="api_key_env MY_KEY is not set"):
        config.models[0].options()
    monkeypatch.setenv("MY_KEY", "hidden-2")
    assert config.models[0].options().api_key == "hidden-2"
    assert config.models[1].options().api_key == "hidden-1"
    assert "hidden" not in config.model_dump_json() + repr(config) + repr(config.models[1].options())


def test_an_answer_never_waits_longer_than_the_budget() -> None:
    assert make_config({}).models[0].options(12.0).answer_seconds == 12.0


def test_the_documentation_names_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "generate-a-strategy.md").read_text()
    names = {*ModelStep.model_fields, *GenerateConfig.model_fields, *Budget.model_fields} - {"models", "budget"}
    assert len(names) >= 20
    assert [name for name in names if f"{name}`" not in page] == []
