"""The resolved configuration as the LEAN side reads it: JSON that `lean-llm` wrote, or a dict. No YAML, no pydantic.

Order of authority: the algorithm's parameter `llm-config` (a path), else what `config=` names: a dict, a file
(`x.yaml` stands for `x.resolved.json` beside it) relative to the algorithm's own file, or a key of the object store.
"""

from __future__ import annotations

import copy
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from llm_plugin.errors import ConfigError, StaleConfig, did_you_mean

__all__ = ["LEAN_DEFAULTS", "SCHEMA", "LeanConfig", "calling_folder", "load_config"]

LEAN_DEFAULTS: dict[str, Any] = {
    "validator": {
        "mode": "in_process",
        "on_failure": "veto_entries",
        "timeout_seconds": 10.0,
        "url": None,
        "api_key": None,
    },
    "fusion": {"use_selective_querying": True, "query_interval": 5},
    "reasoning": {"mode": "entry", "reasons": "after_run"},
    "features": {"resolution": "hour", "user": []},
    "outcomes": {
        "exit": {
            "atr_period": 14,
            "stop_atr": 2.0,
            "target_atr": 3.0,
            "timeout_bars": 48,
            "break_even_at_r": None,
            "trail_at_r": None,
            "trail_distance_r": 1.0,
        },
        "slippage_bps": 0.0,
        "match_bars": 2,
    },
}
"""The keys that the LEAN side itself reads; a test compares them with the settings' own defaults."""

LEARNING_SECTIONS = ("drift", "gate", "learning", "registry", "service", "watch")
SECTIONS = frozenset(
    (
        *LEAN_DEFAULTS,
        *("development", "llm_model", "logging", "memory", "prompts", "risk", "session", "signals", "sizing"),
        *LEARNING_SECTIONS,
    )
)
SCHEMA = "1"
WHERE = ("backend", "url", "grpc_port", "api_key", "timeout_seconds")
"""Keys of `memory` that say where it is, not what it answers: `weaviate` and `local` give the same hits."""
NEUTRAL_SECTIONS = ("logging", "development", *LEARNING_SECTIONS)
NEUTRAL_KEYS = {
    "memory": ("url", "grpc_port", "api_key", "timeout_seconds"),
    "outcomes": ("store_url",),
    "reasoning": ("reasons", "cache_size"),
    "validator": ("api_key", "timeout_seconds", "url"),
}
SAME_HITS = ("weaviate", "local")
"""What cannot change a decision: it stays out of the fingerprint, and so out of run ids and order tags."""


class LeanConfig:
    """Resolved values with dotted access.

    Attributes:
        values: The nested values, defaults of the LEAN side filled in.
        source: Where they came from, for messages.
    """

    __slots__ = ("source", "values")

    def __init__(self, values: Mapping[str, Any], source: str = "dict") -> None:
        unknown = sorted(set(values) - SECTIONS)
        if unknown:
            raise ConfigError([f"{source}: unknown section {key!r}{did_you_mean(key, SECTIONS)}" for key in unknown])
        self.values = _overlay(LEAN_DEFAULTS, values)
        self.source = source
        self._check()

    def get(self, dotted: str) -> Any:
        """Return the value of `section.key`.

        Raises:
            ConfigError: The key does not exist.
        """
        node: Any = self.values
        for part in dotted.split("."):
            if not isinstance(node, Mapping) or part not in node:
                known = list(node) if isinstance(node, Mapping) else []
                raise ConfigError(f"{self.source}: no setting {dotted!r}{did_you_mean(part, known)}")
            node = node[part]
        return node

    @property
    def fingerprint(self) -> str:
        """Hash of the values that can change a decision: where memory and store live, and what is logged, cannot."""
        values = {key: value for key, value in self.values.items() if key not in NEUTRAL_SECTIONS}
        for section, keys in NEUTRAL_KEYS.items():
            kept = values.get(section, {})
            values[section] = {key: value for key, value in kept.items() if key not in keys}
        if values["validator"]["mode"] == "service":  # the same validator, elsewhere: the same run asks the same
            values["validator"]["mode"] = "in_process"
        if values["memory"].get("backend") in SAME_HITS:
            values["memory"]["backend"] = "any"
        text = json.dumps(values, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _check(self) -> None:
        allowed = {
            "validator.mode": ("in_process", "service", "record", "none"),
            "validator.on_failure": ("veto_entries", "follow_signal"),
            "features.resolution": ("second", "minute", "hour", "daily"),
            "reasoning.mode": ("entry", "every_n", "always"),
        }
        problems = [
            f"{self.source}: {key} is {self.get(key)!r}: choose one of {', '.join(choices)}"
            for key, choices in allowed.items()
            if self.get(key) not in choices
        ]
        for key in ("fusion.query_interval", "outcomes.match_bars", "outcomes.exit.timeout_bars"):
            value = self.get(key)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                problems.append(f"{self.source}: {key} is {value!r}: give a whole number of bars, at least 1")
        if problems:
            raise ConfigError(problems)


def load_config(config: str | Path | Mapping[str, Any] | None, folder: Path, algorithm: Any = None) -> LeanConfig:
    """Read the configuration by the order of authority.

    Args:
        config: What the user passed: a dict, a path relative to `folder`, or an object-store key.
        folder: Folder of the algorithm's file.
        algorithm: The running algorithm, asked for the parameter `llm-config` and for its object store.

    Raises:
        ConfigError: Nothing can be read, or a value is impossible.
        StaleConfig: The YAML beside a resolved file has changed since.
    """
    parameter = algorithm.get_parameter("llm-config") if algorithm is not None else None
    if parameter:
        return _from_file(_resolved_path(folder / str(parameter)), check_source=False)
    if config is None:
        return LeanConfig({}, "defaults")
    if isinstance(config, Mapping):
        return LeanConfig(config.get("values", config) if "schema" in config else config)
    path = folder / config
    resolved = _resolved_path(path)
    if resolved.is_file():
        return _from_file(resolved, check_source=True)
    if algorithm is not None and algorithm.object_store.contains_key(str(config)):
        return _parse(str(algorithm.object_store.read(str(config))), f"object store key {config}")
    if path.is_file():
        raise StaleConfig(f"{path} is not resolved yet: run `lean-llm config resolve {path}`, which writes {resolved}")
    raise ConfigError(f"no configuration {config!r}: neither a file in {folder} nor a key of the object store")


def calling_folder() -> Path:
    """Return the folder of the file that called into this package: the algorithm's, whose `config=` is relative."""
    package = Path(__file__).resolve().parent
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith("<") and package not in Path(name).resolve().parents:
            return Path(name).resolve().parent
        frame = frame.f_back
    return Path.cwd()


def _resolved_path(path: Path) -> Path:
    return path.with_suffix(".resolved.json") if path.suffix in (".yaml", ".yml") else path


def _from_file(path: Path, *, check_source: bool) -> LeanConfig:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    if check_source:
        _check_fresh(path, text)
    return _parse(text, str(path))


def _check_fresh(path: Path, text: str) -> None:
    source = path.with_name(path.name.removesuffix(".resolved.json") + ".yaml")
    if path.name.endswith(".resolved.json") and source.is_file():
        recorded = str(_json(text, str(path)).get("source_sha256", ""))
        actual = hashlib.sha256(source.read_bytes()).hexdigest()
        if recorded != actual:
            raise StaleConfig(
                f"{path} was resolved from another {source.name} (sha256 {recorded[:12] or 'missing'}, the file has "
                f"{actual[:12]}): run `lean-llm config resolve {source}`"
            )


def _parse(text: str, source: str) -> LeanConfig:
    data = _json(text, source)
    if str(data.get("schema", "")).split(".")[0] != SCHEMA or not isinstance(data.get("values"), Mapping):
        raise ConfigError(
            f"{source}: schema {data.get('schema')!r} is not {SCHEMA!r} or 'values' is missing: "
            "write it again with `lean-llm config resolve`"
        )
    return LeanConfig(data["values"], source)


def _json(text: str, source: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: not valid JSON in line {error.lineno}: {error.msg}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{source}: a JSON object is needed, this is a {type(data).__name__}")
    return data


def _overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy.deepcopy(dict(base))
    for key, value in top.items():
        below = merged.get(key)
        nested = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[key] = _overlay(below, value) if nested and isinstance(below, Mapping) else copy.deepcopy(value)
    return merged
