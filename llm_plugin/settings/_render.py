"""The shipped `llm_config.yaml` and its reference page, rendered from the models so that neither can drift."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from llm_plugin.settings._models import Settings
from llm_plugin.settings._resolve import ENV_PREFIX
from llm_plugin.settings._schema import allowed, section_model, sections

__all__ = ["default_yaml", "render_reference"]

_HEAD = """\
# llm_config.yaml: every key with its default. Keys that stay as they are may be deleted.
# Run:          lean-llm backtest . --set fusion.llm_weight=0.5
# Environment:  {prefix}FUSION__LLM_WEIGHT=0.5 (file < environment < --set)
"""

_PAGE = """\
# Configuration

`llm_config.yaml` holds the settings of one project. This page is generated from the models in `llm_plugin/settings`,
and a test compares the two.

Order: default < file < environment < `--set`. `{prefix}FUSION__LLM_WEIGHT=0.5` in the environment and
`--set fusion.llm_weight=0.5` on the command line both set `fusion.llm_weight`. Values are written as in YAML. An
unknown key, a value out of range, a contradiction between keys and a template field that does not exist are reported
together, before anything runs. `lean-llm config show` prints every value with its origin.

The LEAN side reads the resolved JSON instead (`Resolved.write_json`): the same values with their origins, secrets
masked, and the hash of the YAML file, so that a stale one is refused.
"""


def default_yaml() -> str:
    """Return the text of the shipped `llm_config.yaml`: every key, its default, its description as a comment."""
    return _HEAD.format(prefix=ENV_PREFIX) + "".join(_yaml_section(Settings, 0))


def _yaml_section(model: type[BaseModel], depth: int) -> Iterator[str]:
    pad = "  " * depth
    for name, field in model.model_fields.items():
        inner = section_model(field)
        if inner is None:
            yield f"{pad}{name}: {_flow(default_of(field))}  # {field.description} [{allowed(field)}]\n"
            continue
        note = _note(inner)
        yield f"{pad}{name}:  # {note}\n" if depth else f"\n# {note}\n{name}:\n"
        yield from _yaml_section(inner, depth + 1)


def _note(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def default_of(field: FieldInfo) -> Any:
    """Return a field's default as a plain value."""
    return field.get_default(call_default_factory=True)


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def render_reference() -> str:
    """Return the reference page `docs/reference/configuration.md`."""
    parts = [_PAGE.format(prefix=ENV_PREFIX)]
    parts += [_table(name, inner) for name, inner in sections(Settings)]
    return "\n".join(parts)


def _table(name: str, model: type[BaseModel]) -> str:
    lines = [f"## {name}", "", _note(model), "", "| key | default | allowed | meaning |", "|---|---|---|---|"]
    for key, field in model.model_fields.items():
        if section_model(field) is None:
            cells = [f"`{key}`", f"`{_flow(default_of(field))}`", allowed(field), field.description or ""]
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
