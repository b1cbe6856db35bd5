"""From the configuration to the back end that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from llm_plugin.errors import ConfigError, ModelError
from llm_plugin.reasoning import create_model
from llm_plugin.serving import open_generations
from llm_plugin.serving.opening import make_swapper
from llm_plugin.settings import Settings

from .conftest import ENTRY, PROMPTS
from .standin import OllamaStandIn, VllmStandIn, running


def settings_for(provider: str, **server: Any) -> Settings:
    return Settings.model_validate({"llm_model": {"provider": provider, "name": "lean", "server": server}})


def test_vllm_serves_the_adapter_of_the_registry(vllm: VllmStandIn, adapters: list[Path]) -> None:
    served = open_generations(settings_for("vllm", url=vllm.url), adapter=adapters[0], label="v0001")
    assert served.current.label == "v0001"
    assert served.version.startswith("vllm:lean+v0001@")
    served.score(PROMPTS, [ENTRY] * 6)


def test_ollama_serves_the_base_with_its_key(adapters: list[Path]) -> None:
    with running(OllamaStandIn(api_key="secret")) as server:
        settings = settings_for("ollama", url=server.url, api_key="secret")
        served = open_generations(settings, adapter=None, label="base")
        assert served.version.startswith("ollama:lean@")
        assert not served.promises.no_pause


def test_validator_gets_a_server_model_by_its_provider(vllm: VllmStandIn, adapters: list[Path]) -> None:
    wanted = settings_for("vllm", url=vllm.url).llm_model
    model = create_model("vllm", name=wanted.name, adapter=str(adapters[0]), server=wanted.server, threads=1)
    assert model.score(PROMPTS[:1], [ENTRY])[0].model_version.startswith("vllm:lean+v0001@")
    fixed = create_model(
        "openai", name="other", server=settings_for("openai", url=vllm.url, model="lean").llm_model.server
    )
    assert fixed.version == "openai:lean"


@pytest.mark.parametrize("provider", ["ollama", "vllm", "openai"])
def test_server_without_an_address_is_named(provider: str) -> None:
    with pytest.raises(ConfigError, match=rf"llm_model.provider '{provider}' needs llm_model.server.url"):
        open_generations(settings_for(provider), adapter=None, label="base")


def test_provider_that_cannot_swap_is_named(vllm: VllmStandIn) -> None:
    with pytest.raises(ConfigError, match=r"'fake' cannot swap adapters; those that can: transformers, ollama"):
        open_generations(settings_for("fake"), adapter=None, label="base")
    with pytest.raises(ConfigError, match="'x' is no server"):
        make_swapper("x", name="lean", server=settings_for("vllm", url=vllm.url).llm_model.server)


def test_merging_is_asked_of_the_configuration(ollama: OllamaStandIn) -> None:
    with pytest.raises(ModelError, match="swap = merge needs the base's folder here"):
        open_generations(settings_for("ollama", url=ollama.url, swap="merge"), adapter=None, label="base")
