"""`resolve`: default < file < environment < command line, with the origin of every value and all problems at once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from llm_plugin.errors import ConfigError, TemplateError, did_you_mean
from llm_plugin.settings._checks import cross_problems, template_problems
from llm_plugin.settings._models import Settings
from llm_plugin.settings._schema import allowed, leaves, section_model, sections

__all__ = ["CONFIG_SCHEMA", "ENV_PREFIX", "MASK", "Origin", "Resolved", "load_settings", "resolve"]

CONFIG_SCHEMA = "1"
ENV_PREFIX = "LEAN_LLM__"
MASK = "**********"
Origin = Literal["default", "file", "env", "cli"]


@dataclass(frozen=True)
class Resolved:
    """Validated settings with the origin of every value.

    Attributes:
        settings: The frozen models.
        origins: Dotted key -> default, file, env or cli.
        source: Name of the YAML file, empty where there was none.
        source_sha256: Hash of the YAML file's bytes, empty where there was none.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    source: str = ""
    source_sha256: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """All values as plain JSON types, secrets masked."""
        return _plain(self.settings.model_dump(mode="python"))  # type: ignore[no-any-return]

    def rows(self) -> list[tuple[str, Any, Origin]]:
        """Return (dotted key, value, origin) of every value, in the order of the file."""
        values = self.values
        return [(key, _dig(values, key), self.origins[key]) for key, _ in leaves(Settings)]

    def as_json(self) -> dict[str, Any]:
        """Return the resolved configuration that the LEAN side reads without YAML or pydantic."""
        return {
            "schema": CONFIG_SCHEMA,
            "source": self.source,
            "source_sha256": self.source_sha256,
            "values": self.values,
            "origins": dict(self.origins),
        }

    def write_json(self, path: Path | str) -> Path:
        """Write `as_json` so that a reader sees the old file or the new one, never half of it."""
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        partial.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")
        partial.replace(target)
        return target

    @classmethod
    def from_json(cls, source: Path | str | Mapping[str, Any], env: Mapping[str, str] | None = None) -> Resolved:
        """Read what `write_json` wrote; masked secrets come from the environment again.

        Raises:
            ConfigError: Not a resolved configuration, of another schema, or with wrong values.
        """
        data = source if isinstance(source, Mapping) else _read_json(Path(source))
        if data.get("schema") != CONFIG_SCHEMA or not isinstance(data.get("values"), Mapping):
            raise ConfigError(
                f"not a resolved configuration of schema {CONFIG_SCHEMA}: schema is {data.get('schema')!r}; "
                "run `lean-llm config resolve`"
            )
        fresh = resolve(_without_masks(data["values"]), env=env)
        known: dict[str, Origin] = {
            key: origin for key, origin in data.get("origins", {}).items() if origin in get_args(Origin)
        }
        origins = {**fresh.origins, **{k: v for k, v in known.items() if fresh.origins.get(k) != "env"}}
        return cls(fresh.settings, origins, str(data.get("source", "")), str(data.get("source_sha256", "")))


@dataclass
class _Layers:
    """Leaves collected layer by layer: dotted key -> value and origin."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, key: str, value: Any, origin: Origin) -> None:
        self.values[key] = value
        self.origins[key] = origin


def resolve(
    source: Path | str | Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Resolved:
    """Read and validate a configuration.

    Args:
        source: Path of a YAML file, a mapping, or None for the defaults.
        overrides: `section.key=value`, the value written as in YAML.
        env: Environment; `LEAN_LLM__SECTION__KEY` sets `section.key`. None = that of the process.

    Raises:
        ConfigError: With every problem found (`problems`); TemplateError where only templates are wrong.
    """
    layers, name, digest = _Layers(), "", ""
    if isinstance(source, Mapping):
        _flatten(source, Settings, "", "file", layers)
    elif source is not None:
        path = Path(source)
        data, digest = _read_yaml(path)
        name = path.name
        _flatten(data, Settings, "", "file", layers)
    _read_env(os.environ if env is None else env, layers)
    for text in overrides:
        _read_override(text, layers)
    settings, problems = _build(layers)
    problems = layers.problems + problems
    templates = template_problems(settings)
    problems += cross_problems(settings)
    if problems or templates:
        raise ConfigError(problems + templates) if problems else TemplateError(templates)
    origins: dict[str, Origin] = {key: layers.origins.get(key, "default") for key, _ in leaves(Settings)}
    return Resolved(settings, origins, name, digest)


def load_settings(source: Settings | Resolved | Path | str | Mapping[str, Any] | None) -> Settings:
    """Return settings from whatever form they have: models, a resolved configuration, YAML, JSON or a mapping.

    Raises:
        ConfigError: With every problem found.
    """
    if isinstance(source, Settings):
        return source
    if isinstance(source, Resolved):
        return source.settings
    if isinstance(source, Mapping):
        if "schema" in source:
            return Resolved.from_json(source).settings
        return resolve(_without_masks(source)).settings
    if source is not None and Path(source).suffix == ".json":
        return Resolved.from_json(Path(source)).settings
    return resolve(source).settings


def _flatten(data: Mapping[Any, Any], model: type[BaseModel], prefix: str, origin: Origin, layers: _Layers) -> None:
    for raw, value in data.items():
        key = str(raw)
        known = model.model_fields.get(key)
        if known is None:
            layers.problems.append(_unknown(f"{prefix}{key}", model, key, origin))
            continue
        inner = section_model(known)
        if inner is None:
            layers.put(f"{prefix}{key}", value, origin)
        elif isinstance(value, Mapping):
            _flatten(value, inner, f"{prefix}{key}.", origin, layers)
        elif value is not None:
            layers.problems.append(f"{prefix}{key} = {value!r} ({origin}): is a section, write its keys below it")


def _unknown(path: str, model: type[BaseModel], key: str, origin: str) -> str:
    hint = did_you_mean(key, model.model_fields)
    elsewhere = "" if hint else _elsewhere(key)
    return f"{path} ({origin}): unknown key{hint}{elsewhere}; known here: {', '.join(model.model_fields)}"


def _elsewhere(key: str) -> str:
    homes = [dotted for dotted, _ in leaves(Settings) if dotted.rpartition(".")[2] == key]
    return f" (did you mean '{homes[0]}'?)" if homes else ""


def _set_dotted(dotted: str, value: Any, origin: Origin, layers: _Layers) -> None:
    keys = [key for key, _ in leaves(Settings)]
    if dotted in keys:
        layers.put(dotted, value, origin)
        return
    model = dict(sections(Settings)).get(dotted)
    if model is not None and isinstance(value, Mapping):
        _flatten(value, model, f"{dotted}.", origin, layers)
    elif model is not None:
        layers.problems.append(f"{dotted} = {value!r} ({origin}): is a section; name a key of it, as {keys[0]}")
    else:
        hint = did_you_mean(dotted, keys) or _elsewhere(dotted.rpartition(".")[2])
        layers.problems.append(f"{dotted} ({origin}): unknown key{hint}")


def _read_env(env: Mapping[str, str], layers: _Layers) -> None:
    for name in sorted(env):
        if name.startswith(ENV_PREFIX):
            dotted = name.removeprefix(ENV_PREFIX).lower().replace("__", ".")
            secret = any(key == dotted and _is_secret(info.annotation) for key, info in leaves(Settings))
            _set_dotted(dotted, env[name] if secret else _scalar(env[name], name, layers), "env", layers)


def _read_override(text: str, layers: _Layers) -> None:
    dotted, equals, value = text.partition("=")
    if not equals:
        layers.problems.append(f"--set {text!r}: write section.key=value, as fusion.llm_weight=0.5")
        return
    _set_dotted(dotted.strip(), _scalar(value, dotted, layers), "cli", layers)


def _scalar(text: str, name: str, layers: _Layers) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        layers.problems.append(f"{name} = {text!r}: is not a YAML value; quote it")
        return None


def _build(layers: _Layers) -> tuple[Settings, list[str]]:
    fields = dict(leaves(Settings))
    values = {key: _number(value, fields[key].annotation) for key, value in layers.values.items()}
    problems: list[str] = []
    while True:
        try:
            return Settings.model_validate(_nest(values)), problems
        except ValidationError as error:
            bad = {_leaf_of(item["loc"], fields): item for item in error.errors()}
        for key, item in bad.items():
            shown = MASK if _is_secret(fields[key].annotation) else repr(layers.values[key])
            origin = layers.origins[key]
            part = _part(item["loc"], key)
            problems.append(f"{key} = {shown} ({origin}):{part} must be {allowed(fields[key])}")
            values.pop(key)


def _leaf_of(loc: tuple[int | str, ...], fields: Mapping[str, Any]) -> str:
    for end in range(len(loc), 0, -1):
        key = ".".join(str(item) for item in loc[:end])
        if key in fields:
            return key
    raise RuntimeError(f"no setting at {loc}")


def _part(loc: tuple[int | str, ...], key: str) -> str:
    inside = [item for item in loc[len(key.split(".")) :] if isinstance(item, int)]
    return f" entry {inside[0] + 1}:" if inside else ""


def _number(value: Any, annotation: Any) -> Any:
    """YAML 1.1 reads 1e-4 as text; a number field takes it as the number it is."""
    if annotation is float and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _nest(values: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        here = tree
        for name in path:
            here = here.setdefault(name, {})
        here[last] = value
    return tree


def _dig(values: Mapping[str, Any], dotted: str) -> Any:
    here: Any = values
    for name in dotted.split("."):
        here = here[name]
    return here


def _is_secret(annotation: Any) -> bool:
    return SecretStr in (annotation, *get_args(annotation))


def _plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _without_masks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_masks(item) for key, item in value.items() if item != MASK}
    return value


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON ({error}); run `lean-llm config resolve`") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds {type(data).__name__}, not an object; run `lean-llm config resolve`")
    return data


class _StrictLoader(yaml.SafeLoader):
    """YAML where a key that stands twice is an error instead of a silent overwrite."""


def _strict_map(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    result: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in result:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        result[key] = loader.construct_object(value_node, deep=True)
    return result


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _strict_map)


def _read_yaml(path: Path) -> tuple[Mapping[str, Any], str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(f"{path}: {reason}; write one with `lean-llm init` or give another --config") from error
    try:
        data = yaml.load(raw.decode("utf-8"), Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}{where}: is not YAML: {problem}") from error
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise ConfigError(f"{path}: holds {type(data).__name__}, not sections with keys")
    return data, hashlib.sha256(raw).hexdigest()
