"""What can be set for `lean-llm generate`, and its checks. `--config FILE` is YAML with these keys."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from llm_plugin.errors import ConfigError, did_you_mean
from llm_plugin.strategies.models import ModelOptions, Price, StrategyModel

__all__ = ["Budget", "GenerateConfig", "ModelStep", "load_config", "with_models"]

PRICED = ("openai", "anthropic")


class _Part(BaseModel):
    """Frozen, unknown keys refused, NaN refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class ModelStep(_Part):
    """One model of the fallback chain."""

    model: str = Field(min_length=1, description="standin, path:…, openai:MODEL@URL, anthropic:MODEL, ollama:MODEL")
    attempts: int | None = Field(default=None, ge=1, le=32, description="turns of this model; null = the chain's")
    style: Literal["auto", "chat", "instruction"] = Field(
        default="auto", description="instruction = the prompt alone, as tuned models know it; auto = by the model"
    )
    max_new_tokens: int = Field(default=2048, ge=64, le=65_536, description="longest answer in tokens")
    temperature: float = Field(default=0.2, ge=0, le=2, description="of the first attempt; 0 is greedy")
    first_word_seconds: float = Field(default=60.0, gt=0, le=3600, description="longest silence of the server")
    answer_seconds: float = Field(default=300.0, gt=0, le=86_400, description="longest time of an answer")
    retries: int = Field(default=2, ge=0, le=10, description="how often a busy server is asked again")
    api_key: SecretStr | None = Field(default=None, description="key of the server; better api_key_env")
    api_key_env: str | None = Field(default=None, min_length=1, description="environment variable that holds the key")
    usd_per_million_in: float | None = Field(default=None, ge=0, lt=1e6, description="price of what is asked")
    usd_per_million_out: float | None = Field(default=None, ge=0, lt=1e6, description="price of what is answered")

    @property
    def price(self) -> Price | None:
        """The price, None where it is not set."""
        if self.usd_per_million_in is None or self.usd_per_million_out is None:
            return None
        return Price(self.usd_per_million_in, self.usd_per_million_out)

    def chats(self, model: StrategyModel) -> bool:
        """Whether a model is asked for a plan and told what failed; one of single turns gets the prompt alone."""
        return self.style == "chat" or (self.style == "auto" and not getattr(model, "single_turn", False))

    def options(self, most_seconds: float | None = None) -> ModelOptions:
        """Return how its server is asked.

        Raises:
            ConfigError: The environment variable that shall hold the key is not set.
        """
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        if key is None and self.api_key_env is not None:
            key = os.environ.get(self.api_key_env)
            if not key:
                raise ConfigError(f"{self.model}: api_key_env {self.api_key_env} is not set in the environment")
        seconds = self.answer_seconds if most_seconds is None else max(0.01, min(self.answer_seconds, most_seconds))
        return ModelOptions(self.first_word_seconds, seconds, key, self.price, self.retries)


class Budget(_Part):
    """What one strategy may cost; null is without a limit."""

    tokens: int | None = Field(default=400_000, ge=100, description="tokens asked and answered, all models together")
    usd: float | None = Field(default=None, gt=0, description="USD of all models; each one's price must be set")
    seconds: float | None = Field(default=3600.0, gt=0, description="time of models and gates")


class GenerateConfig(_Part):
    """Everything of `lean-llm generate` that can be set."""

    models: tuple[ModelStep, ...] = Field(
        default=(ModelStep(model="standin"),),
        min_length=1,
        description="asked in this order: best first, cheapest last",
    )
    attempts: int = Field(default=4, ge=1, le=32, description="turns of each model")
    plan: bool = Field(default=True, description="let the model write a plan before the code")
    seed: int = Field(default=0, ge=0, description="of the sampling; each turn has its own")
    start: date | None = Field(
        default=None, description="first day of the gates' run; null = the prompt's, or 2014-01-01"
    )
    end: date | None = Field(default=None, description="last day of the gates' run; null = the prompt's, or 2015-12-31")
    cash: float = Field(default=100_000.0, gt=0, description="starting cash of the gates' run")
    budget: Budget = Budget()

    def model_post_init(self, context: Any) -> None:
        """Refuse what contradicts itself."""
        problems = _contradictions(self)
        if problems:
            raise ConfigError(problems)


def _contradictions(config: GenerateConfig) -> list[str]:
    problems = []
    for place, step in enumerate(config.models):
        if (step.usd_per_million_in is None) != (step.usd_per_million_out is None):
            problems.append(f"models[{place}] ({step.model}): set both usd_per_million_in and usd_per_million_out")
        elif config.budget.usd is not None and step.price is None and step.model.split(":")[0] in PRICED:
            problems.append(
                f"models[{place}] ({step.model}): budget.usd = {config.budget.usd:g} cannot be kept without its price: "
                "set usd_per_million_in and usd_per_million_out (0 where it is your own server)"
            )
    names = [step.model for step in config.models]
    problems += [f"models: {name} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if config.start is not None and config.end is not None and config.end <= config.start:
        problems.append(f"end = {config.end}: must be after start = {config.start}")
    return problems


def load_config(path: Path | None) -> GenerateConfig:
    """Read a YAML file; None gives the defaults.

    Raises:
        ConfigError: The file is missing or no YAML, or has wrong keys or values; all are named at once.
    """
    if path is None:
        return GenerateConfig()
    import yaml

    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--config {path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"--config {path}: no YAML: {str(error).splitlines()[0]}") from error
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"--config {path}: must be keys with values, as `attempts: 4`, not {type(given).__name__}")
    return make_config(given or {}, where=str(path))


def make_config(values: Mapping[str, Any], where: str = "generate") -> GenerateConfig:
    """Check plain values; a model may be its text alone.

    Raises:
        ConfigError: Wrong keys or values; all are named at once.
    """
    given = dict(values)
    if isinstance(given.get("models"), list):
        given["models"] = [{"model": one} if isinstance(one, str) else one for one in given["models"]]
    try:
        return GenerateConfig.model_validate(given)
    except ValidationError as error:
        raise ConfigError([f"{where}: {_told(item)}" for item in error.errors()]) from error


def with_models(config: GenerateConfig, models: Iterable[str], **changes: Any) -> GenerateConfig:
    """Return the configuration with another chain; a model that it knows keeps its settings.

    Raises:
        ConfigError: The result contradicts itself.
    """
    known = {step.model: step for step in config.models}
    chosen = tuple(known.get(text) or ModelStep(model=text) for text in models)
    given = {name: getattr(config, name) for name in GenerateConfig.model_fields}
    given |= {name: value for name, value in changes.items() if value is not None}
    if chosen:
        given["models"] = chosen
    try:
        return GenerateConfig(**given)
    except ValidationError as error:
        raise ConfigError([_told(item) for item in error.errors()]) from error


def _told(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    place = ".".join(path)
    if item["type"] == "extra_forbidden":
        parts: dict[str, type[BaseModel]] = {"models": ModelStep, "budget": Budget}
        fields = (parts.get(path[0], GenerateConfig) if len(path) > 1 else GenerateConfig).model_fields
        return f"{place} is unknown{did_you_mean(path[-1], fields)}; known: {', '.join(fields)}"
    return f"{place} = {item.get('input')!r}: {item['msg']}"
